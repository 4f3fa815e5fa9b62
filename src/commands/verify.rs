//! `yett audit verify`: reads files alone, needs no gateway and no network.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::Exit;
use super::terminal::Terminal;
use crate::audit::{self, Known, Progress, Verdict};
use crate::tlog::{Checkpoint, Note, Policy};

/// Exit code for usage and I/O (SECURITY.md 2.11).
const FAILED: u8 = 4;

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A log, the audit directory, or the data directory
    path: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Exit 0 on an intact log that nothing outside confirms
    #[arg(long)]
    accept_unanchored: bool,
    /// What is known from elsewhere: keys of logs, witnesses and their quorum (a C2SP tlog-policy file)
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A head of the log that was kept elsewhere: a signed note, or its three lines. May be given more than once
    #[arg(long = "pin", value_name = "FILE")]
    pins: Vec<PathBuf>,
    /// Judge the age of what confirms the log by this time, not by the last record's
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
}

pub(super) fn run(verify: &Verify, terminal: &mut Terminal) -> Exit {
    match judged(verify, terminal) {
        Ok(report) => {
            if verify.json {
                terminal.line(report.to_json());
            } else {
                terminal.line(&report);
            }
            let excused = verify.accept_unanchored && report.verdict() == Verdict::Unanchored;
            if excused { Exit::Done } else { Exit::Code(report.exit_code()) }
        }
        Err(error) => {
            terminal.error(&error);
            Exit::Code(FAILED)
        }
    }
}

fn judged(verify: &Verify, terminal: &mut Terminal) -> anyhow::Result<audit::Report> {
    let mut trust = Known { now: verify.now, ..Known::default() };
    if let Some(path) = &verify.policy {
        let policy = Policy::parse(&read(path)?);
        trust.policy = Some(policy.with_context(|| format!("`{}` is no policy", path.display()))?);
    }
    for path in &verify.pins {
        trust.pins.push(pin(&read(path)?).with_context(|| format!("`{}` is no head of a log", path.display()))?);
    }
    let mut watch = |progress: Progress| terminal.progress(progress.done, progress.total);
    let report = audit::verify_with(&verify.path, &trust, &mut watch)?;
    let names: Vec<_> = report.logs.iter().map(|log| log.log.as_str()).collect();
    if let Some(pin) = trust.pins.iter().find(|pin| !names.contains(&pin.origin.as_str())) {
        anyhow::bail!("there is no log `{}` here, which a pin is of", pin.origin.escape_debug());
    }
    Ok(report)
}

/// A note, whoever signed it, or its text alone: what it says is believed because somebody gives it here.
fn pin(bytes: &[u8]) -> anyhow::Result<Checkpoint> {
    if let Ok(note) = Note::parse(bytes) {
        return Ok(Checkpoint::parse(note.unverified_text())?);
    }
    Ok(Checkpoint::parse(str::from_utf8(bytes)?)?)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}
