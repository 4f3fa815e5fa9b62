//! `yett detectors`: the detectors of this build, and whether detectors do what their rows say.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::json;

use super::Exit;
use super::terminal::Terminal;
use crate::scan::{Catalogue, Class, Detector, Scanner, detectors};
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
        /// Print JSON, with where each format is documented and what is known to be missed
        #[arg(long)]
        json: bool,
    },
    /// Hold detectors against the samples in their own rows: those of this build, or those of a file
    Test {
        /// Files of detectors, as those under policies/detectors
        files: Vec<PathBuf>,
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
        Command::List { class, json } => list(class.map(Of::class), json, terminal),
        Command::Test { files } if files.is_empty() => {
            let mut exit = Exit::Done;
            for class in Class::ALL {
                if tested(class.name(), &Catalogue::built_in()?.scanner([class.name()], [])?, terminal) {
                    exit = Exit::Bad;
                }
            }
            Ok(exit)
        }
        Command::Test { files } => test(&files, terminal),
    }
}

fn list(of: Option<Class>, json: bool, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let catalogue = Catalogue::built_in()?;
    let mut all = Vec::new();
    for class in Class::ALL.into_iter().filter(|class| of.is_none_or(|of| of == *class)) {
        let rows = catalogue.named(class.name()).into_iter().flatten();
        all.extend(rows.map(|row| (class, row.detector())));
    }
    if json {
        let shown = |(class, detector): &(Class, &Detector)| {
            json!({ "class": class.name(), "id": detector.id, "kind": detector.kind, "title": detector.title,
                    "source": detector.source, "misses": detector.misses })
        };
        terminal.line(json!(all.iter().map(shown).collect::<Vec<_>>()));
        return Ok(Exit::Done);
    }
    let width = all.iter().map(|(_, detector)| detector.id.len()).max().unwrap_or_default();
    for (class, detector) in all {
        terminal.line(format_args!("{:8} {:width$}  {}", class.name(), detector.id, detector.title));
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
