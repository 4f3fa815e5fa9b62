//! `yett detectors`: the detectors of this build or of a policy, and whether detectors do what their rows say.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::Exit;
use super::terminal::Terminal;
use crate::policy::read_detectors;
use crate::scan::{Catalogue, Class, Row, Scanner, detectors};
use crate::yaml::Report;

/// `yett detectors`.
#[derive(Debug, clap::Args)]
pub(super) struct Detectors {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what is known: one line a kind of sensitive text
    List {
        /// Of this class only
        #[arg(long)]
        class: Option<Of>,
        /// Those that a policy in this folder chooses from: with the files in its `detectors`, without words and patterns of its rules
        #[arg(long, value_name = "FOLDER")]
        policies: Option<PathBuf>,
        /// Print JSON, with where each format is documented and what is known to be missed
        #[arg(long)]
        json: bool,
    },
    /// Hold detectors against the samples in their own rows: those of this build, those of a policy, or those of a file
    Test {
        /// Files of detectors, as those under policies/detectors
        files: Vec<PathBuf>,
        /// Those that a policy in this folder chooses from
        #[arg(long, value_name = "FOLDER", conflicts_with = "files")]
        policies: Option<PathBuf>,
    },
}

/// A class, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Of {
    /// Data about people, and payment
    Pii,
    /// Credentials
    Secrets,
}

impl Of {
    fn class(self) -> Class {
        match self {
            Self::Pii => Class::Pii,
            Self::Secrets => Class::Secrets,
        }
    }
}

pub(super) fn run(command: Detectors, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match command.command {
        Command::List { class, policies, json } => {
            let Some(catalogue) = in_force(policies.as_deref(), terminal)? else { return Ok(Exit::Bad) };
            list(&catalogue, class.map(Of::class), json, terminal)
        }
        Command::Test { files, policies } if files.is_empty() => {
            let Some(catalogue) = in_force(policies.as_deref(), terminal)? else { return Ok(Exit::Bad) };
            let mut exit = Exit::Done;
            for class in Class::ALL {
                if tested(class.name(), &catalogue.scanner([class.name()], [])?, terminal) {
                    exit = Exit::Bad;
                }
            }
            Ok(exit)
        }
        Command::Test { files, .. } => test(&files, terminal),
    }
}

/// The detectors that a policy in this folder chooses from, or those of this build; `None` where something is wrong with them, which is told.
pub(super) fn in_force(policies: Option<&Path>, terminal: &mut Terminal) -> anyhow::Result<Option<Arc<Catalogue>>> {
    if let Some(folder) = policies {
        fs::read_dir(folder).with_context(|| format!("cannot read the folder `{}`", folder.display()))?;
    }
    let mut report = Report::new();
    let own = policies.and_then(|folder| read_detectors(folder, &mut report).detectors);
    if report.has_errors() {
        terminal.note(report.to_string().trim_end());
        return Ok(None);
    }
    Ok(Some(match own {
        Some(own) => own,
        None => Arc::clone(Catalogue::built_in()?),
    }))
}

fn list(catalogue: &Catalogue, of: Option<Class>, json: bool, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let built_in = Catalogue::built_in()?;
    let mut all: Vec<&Row> = catalogue.rows().map(|row| &**row).filter(|row| of.is_none_or(|of| of == row.class())).collect();
    all.sort_by_key(|row| row.class().name());
    if json {
        let shown = |row: &&Row| {
            let (class, detector) = (row.class(), row.detector());
            let is_own = !built_in.rows().any(|known| **known == **row);
            json!({ "class": class.name(), "id": detector.id, "kind": detector.kind, "title": detector.title,
                    "source": detector.source, "misses": detector.misses, "own": is_own })
        };
        terminal.line(json!(all.iter().map(shown).collect::<Vec<_>>()));
        return Ok(Exit::Done);
    }
    let width = all.iter().map(|row| row.detector().id.len()).max().unwrap_or_default();
    for row in all {
        terminal.line(format_args!("{:8} {:width$}  {}", row.class().name(), row.detector().id, row.detector().title));
    }
    Ok(Exit::Done)
}

fn test(files: &[PathBuf], terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let mut exit = Exit::Done;
    for path in files {
        let name = path.display().to_string();
        let bytes = fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
        let mut report = Report::new();
        let read = detectors(&name, &bytes, &mut report);
        if report.has_errors() {
            terminal.note(report.to_string().trim_end());
            exit = Exit::Bad;
            continue;
        }
        let scanner = Scanner::new(Class::Own, read.unwrap_or_default())?;
        if tested(&name, &scanner, terminal) {
            exit = Exit::Bad;
        }
    }
    Ok(exit)
}

/// Tells of each mistake. Whether there is one.
fn tested(name: &str, scanner: &Scanner, terminal: &mut Terminal) -> bool {
    if let Err(error) = scanner.compile() {
        terminal.note(format_args!("{name}: {error}"));
        return true;
    }
    let mistakes = scanner.mistakes();
    for mistake in &mistakes {
        terminal.line(format_args!("{name}: {mistake}"));
    }
    terminal.line(format_args!("{name}: {} detectors, {} mistakes", scanner.all().count(), mistakes.len()));
    !mistakes.is_empty()
}
