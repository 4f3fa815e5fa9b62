//! `yett detectors`: the detectors of this build or of a policy, rules of the injection scan among them, and whether they do what their rows say.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};

use super::Exit;
use super::terminal::Terminal;
use crate::policy::{LooksBy, read_detectors};
use crate::scan::injection::{self, Rule, RuleSet, holds_rules, read_rules};
use crate::scan::{Catalogue, Class, Mistake, Row, Scanner, detectors};
use crate::yaml::Report;

/// `yett detectors`.
#[derive(Debug, clap::Args)]
pub(super) struct Detectors {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is known: one line a kind of sensitive text, or a rule of the injection scan
    List {
        /// Of this class only
        #[arg(long)]
        class: Option<Of>,
        /// Those that a policy in this folder chooses from: with the files in its `detectors`, without words and patterns of its rules
        #[arg(long, value_name = "FOLDER")]
        policies: Option<PathBuf>,
        /// Print JSON, with where each format or attack is documented and what is known to be missed
        #[arg(long)]
        json: bool,
    },
    /// Hold detectors against the samples in their own rows: those of this build, those of a policy, or those of a file
    Test {
        /// Files of detectors or of rules, as those under policies/detectors
        files: Vec<PathBuf>,
        /// Those that a policy in this folder chooses from
        #[arg(long, value_name = "FOLDER", conflicts_with = "files")]
        policies: Option<PathBuf>,
    },
}

/// A class, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// Orders to a model
    Injection,
    /// Data about people, and payment
    Pii,
    /// Credentials
    Secrets,
}

impl Of {
    /// What its rows are called.
    fn name(self) -> &'static str {
        match self {
            Self::Injection => INJECTION,
            Self::Pii => Class::Pii.name(),
            Self::Secrets => Class::Secrets.name(),
        }
    }
}

/// The class of the rules of the injection scan.
const INJECTION: &str = "injection";

/// What is looked by.
pub(super) struct InForce {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) rules: Arc<RuleSet>,
}

pub(super) fn run(command: Detectors, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match command.command {
        Command::List { class, policies, json } => {
            let Some(in_force) = in_force(policies.as_deref(), terminal)? else { return Ok(Exit::Bad) };
            list(&in_force, class.map(Of::name), json, terminal)
        }
        Command::Test { files, policies } if files.is_empty() => {
            let Some(InForce { catalogue, rules }) = in_force(policies.as_deref(), terminal)? else { return Ok(Exit::Bad) };
            let mut broken = rules_tested(INJECTION, &rules, terminal);
            for class in Class::ALL {
                broken |= tested(class.name(), &catalogue.scanner([class.name()], [])?, terminal);
            }
            Ok(if broken { Exit::Bad } else { Exit::Done })
        }
        Command::Test { files, .. } => test(&files, terminal),
    }
}

/// What a policy in this folder looks by, or what this build does; `None` where something is wrong with it, which is told.
pub(super) fn in_force(policies: Option<&Path>, terminal: &mut Terminal) -> anyhow::Result<Option<InForce>> {
    if let Some(folder) = policies {
        fs::read_dir(folder).with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
    }
    let mut report = Report::new();
    let own = policies.map_or_else(LooksBy::default, |folder| read_detectors(folder, &mut report));
    if report.has_errors() {
        terminal.note(report.to_string().trim_end());
        return Ok(None);
    }
    let catalogue = match own.detectors {
        Some(own) => own,
        None => Arc::clone(Catalogue::built_in()?),
    };
    let rules = match own.rules {
        Some(own) => own,
        None => Arc::clone(RuleSet::built_in()?),
    };
    Ok(Some(InForce { catalogue, rules }))
}

/// A detector or a rule, as a list has it.
struct Listed<'l> {
    class: &'static str,
    id: &'l str,
    told: String,
    json: Value,
}

impl<'l> Listed<'l> {
    fn row(row: &'l Row, is_own: bool) -> Self {
        let (class, detector) = (row.class().name(), row.detector());
        let json = json!({ "class": class, "id": detector.id, "kind": detector.kind, "title": detector.title,
                           "source": detector.source, "misses": detector.misses, "own": is_own });
        Self { class, id: &detector.id, told: detector.title.clone(), json }
    }

    fn rule(rule: &'l Rule, is_own: bool) -> Self {
        let (severity, surfaces) = (rule.severity.as_str(), rule.surface_names().collect::<Vec<_>>());
        let told = format!("{} ({severity} in {})", rule.title, surfaces.join(", "));
        let json = json!({ "class": INJECTION, "id": rule.id, "kind": INJECTION, "title": rule.title, "severity": severity,
                           "surfaces": surfaces, "source": rule.source, "misses": rule.misses, "own": is_own });
        Self { class: INJECTION, id: rule.id, told, json }
    }
}

fn list(in_force: &InForce, of: Option<&str>, json: bool, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (known_rows, known_rules) = (Catalogue::built_in()?, RuleSet::built_in()?);
    let is_own = |row: &Row| !known_rows.rows().any(|known| **known == *row);
    let rules = in_force.rules.rules().map(|rule| Listed::rule(rule, known_rules.rule(rule.id) != Some(rule)));
    let rows = in_force.catalogue.rows().map(|row| Listed::row(row, is_own(row)));
    let mut all: Vec<Listed<'_>> = rules.chain(rows).filter(|listed| of.is_none_or(|of| of == listed.class)).collect();
    all.sort_by_key(|listed| listed.class);
    if json {
        terminal.line(all.into_iter().map(|listed| listed.json).collect::<Value>());
        return Ok(Exit::Done);
    }
    let width = all.iter().map(|listed| listed.id.len()).max().unwrap_or_default();
    for Listed { class, id, told, .. } in all {
        terminal.line(format_args!("{class:9} {id:width$}  {told}"));
    }
    Ok(Exit::Done)
}

fn test(files: &[PathBuf], terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let mut broken = false;
    let mut of_rules = Vec::new();
    for path in files {
        let name = path.display().to_string();
        let bytes = fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
        if holds_rules(&bytes) {
            of_rules.push((name, bytes));
            continue;
        }
        let mut report = Report::new();
        let read = detectors(&name, &bytes, &mut report);
        if report.has_errors() {
            terminal.note(report.to_string().trim_end());
            broken = true;
            continue;
        }
        let scanner = Scanner::new(Class::Own, read.unwrap_or_default())?;
        broken |= tested(&name, &scanner, terminal);
    }
    // Together: rules of one may name lists of another.
    if !of_rules.is_empty() {
        let mut report = Report::new();
        let rules = read_rules(&of_rules, &mut report);
        if report.has_errors() {
            terminal.note(report.to_string().trim_end());
            broken = true;
        } else {
            let names: Vec<&str> = of_rules.iter().map(|(name, _)| name.as_str()).collect();
            broken |= rules_tested(&names.join(", "), &rules, terminal);
        }
    }
    Ok(if broken { Exit::Bad } else { Exit::Done })
}

/// Tells of each mistake. Whether there is one.
fn rules_tested(name: &str, rules: &RuleSet, terminal: &mut Terminal) -> bool {
    match injection::Scanner::alone(rules) {
        Ok(scanner) => told(name, &scanner.mistakes(), format_args!("{} rules", rules.rules().count()), terminal),
        Err(error) => {
            terminal.note(format_args!("{name}: {:#}", anyhow::Error::from(error)));
            true
        }
    }
}

/// Tells of each mistake. Whether there is one.
fn tested(name: &str, scanner: &Scanner, terminal: &mut Terminal) -> bool {
    if let Err(error) = scanner.compile() {
        terminal.note(format_args!("{name}: {error}"));
        return true;
    }
    told(name, &scanner.mistakes(), format_args!("{} detectors", scanner.all().count()), terminal)
}

fn told(name: &str, mistakes: &[Mistake], what: std::fmt::Arguments<'_>, terminal: &mut Terminal) -> bool {
    for mistake in mistakes {
        terminal.line(format_args!("{name}: {mistake}"));
    }
    terminal.line(format_args!("{name}: {what}, {} mistakes", mistakes.len()));
    !mistakes.is_empty()
}
