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
    /// A head of the log that was kept elsewhere: a signed note, or its three lines; or a folder of such (of `audit.copies`). May be
    /// given more than once
    #[arg(long = "pin", value_name = "FILE|FOLDER")]
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
    let trust = Known { now: verify.now, ..known(verify.policy.as_deref(), &verify.pins)? };
    let mut watch = |progress: Progress| terminal.progress(progress.done, progress.total);
    Ok(audit::verify_with(&verify.path, &trust, &mut watch)?)
}

/// What these files know of a log from elsewhere.
pub(super) fn known(policy: Option<&Path>, pins: &[PathBuf]) -> anyhow::Result<Known> {
    let mut trust = Known::default();
    if let Some(path) = policy {
        let policy = Policy::parse(&read(path)?);
        trust.policy = Some(policy.with_context(|| format!("`{}` is no policy", path.display()))?);
    }
    for path in pins {
        if path.is_dir() {
            trust.pins.extend(kept(path)?);
        } else {
            trust.pins.push(pin(&read(path)?).with_context(|| format!("`{}` is no head of a log", path.display()))?);
        }
    }
    if trust.pins.is_empty() && !pins.is_empty() {
        anyhow::bail!("there is no head in what `--pin` names");
    }
    Ok(trust)
}

/// The newest head of each folder below `root`; of the day, where `audit.copies` has made them. A file in the place of a head that is
/// none is an error: whoever keeps heads knows what they keep.
fn kept(root: &Path) -> anyhow::Result<Vec<Checkpoint>> {
    let (mut folders, mut pins) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let mut newest: Option<Checkpoint> = None;
        let mut notes = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
            let entry = entry.with_context(|| format!("cannot read `{}`", folder.display()))?;
            match entry.file_type().with_context(|| format!("cannot read `{}`", entry.path().display()))? {
                kind if kind.is_dir() => folders.push(entry.path()),
                _ if entry.path().extension().is_some_and(|extension| extension == "note") => notes.push(entry.path()),
                _ => {}
            }
        }
        notes.sort_unstable();
        // The last is torn if its maker was killed.
        for path in notes.iter().rev() {
            match pin(&read(path)?) {
                Ok(head) => newest = Some(head),
                Err(_) if path == notes.last().unwrap_or(path) && notes.len() > 1 => continue,
                Err(error) => return Err(error.context(format!("`{}` is no head of a log", path.display()))),
            }
            break;
        }
        pins.extend(newest);
    }
    Ok(pins)
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
