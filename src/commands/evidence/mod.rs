//! `yett evidence`: what happened in a period, as a signed folder that is checked offline.
//!
//! What passes through: the records of one log up to the end of the period, once, in order; policies; and out come figures. What it
//! guarantees: no pack is made of a log that does not verify; each file is named by its hash in a manifest that is signed; the head in the pack is the log's own,
//! so whoever has the log can make the figures again. The same log, policies, key and period give the same bytes: nothing in a pack is of the
//! clock of the machine that made it. Memory is bounded by the tables, not by the log. What it does not: say what figures mean.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `gather` | one pass over the records |
//! | `calls`, `uptime`, `acts`, `keys` | the figures |
//! | `tally` | counting in bounded memory |
//! | `mapping` | which figures support which requirement |
//! | `page` | the page that prints |
//! | `pack`, `check` | the folder: written, and checked |
//! | `signing` | the key of the pack |

mod acts;
mod calls;
mod check;
mod gather;
mod keys;
mod mapping;
mod pack;
mod page;
mod signing;
mod tally;
mod uptime;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::terminal::Terminal;
use super::{ConfigPath, Exit, load, policy, verify};
use crate::audit::{self, Progress, Prover, Report, Verdict};
use crate::config::{self, Judged};
use crate::tlog::{Checkpoint, Note, VerifierKey};
use gather::{Gathered, Period};
use pack::{AtHead, EPOCHS, FORM, HEAD, Manifest, Span};

const ACTIONS: &str = "admin-actions.json";
const ALERTS: &str = "alerts.json";
const CALLS: &str = "calls.json";
const HISTORY: &str = "policy-history.json";
const KEYS: &str = "keys.json";
const MAPPING: &str = "mapping.json";
const MATRIX: &str = "access-matrix.json";
const REPORT: &str = "report.html";
const VERIFICATION: &str = "verification.json";

/// Arguments of `evidence`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(super) struct Evidence {
    #[command(flatten)]
    path: ConfigPath,
    #[command(flatten)]
    make: Make,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, clap::Args)]
struct Make {
    /// The period begins here: a time, or a day at 00:00 UTC
    #[arg(long, value_name = "DATE", required = true, value_parser = when)]
    from: Option<Timestamp>,
    /// And ends before this: a time, or a day at 00:00 UTC
    #[arg(long, value_name = "DATE", required = true, value_parser = when)]
    to: Option<Timestamp>,
    /// The folder to make
    #[arg(long, value_name = "FOLDER", required = true)]
    out: Option<PathBuf>,
    /// The log: its directory, an audit or a data directory with one log in it (that of the configuration)
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    /// The policies that the access matrix is of (those of the configuration)
    #[arg(long, value_name = "DIR")]
    policies: Option<PathBuf>,
    /// Sign with the Ed25519 key in this file (PKCS #8 in PEM, or 32 bytes), in place of the one that follows from the master key
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// What is known of the log from elsewhere, as for `audit verify --policy`
    #[arg(long, value_name = "FILE")]
    log_policy: Option<PathBuf>,
    /// A head of the log that was kept elsewhere, as for `audit verify --pin`. May be given more than once
    #[arg(long = "pin", value_name = "FILE|FOLDER")]
    pins: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check a pack, without the log and without a network
    ///
    /// Exit codes: 0 it is what was signed, 1 it is not, 2 usage or I/O.
    Check {
        /// The pack
        folder: PathBuf,
        /// Verifier key of who made it, as `yett evidence` has told it
        #[arg(long, value_name = "VKEY")]
        key: VerifierKey,
        /// Verifier key of epoch 0 of the log: then the head in the pack must be the log's
        #[arg(long, value_name = "VKEY")]
        log_key: Option<VerifierKey>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Evidence, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match &command.action {
        None => make(&command.path, &command.make, terminal),
        Some(Action::Check { folder, key, log_key, json }) => {
            let checked = check::check(folder, key, log_key.as_ref())?;
            Ok(tell(&checked, log_key.is_some(), *json, terminal))
        }
    }
}

fn make(path: &ConfigPath, make: &Make, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (Some(from), Some(to), Some(out)) = (make.from, make.to, &make.out) else {
        bail!("`--from`, `--to` and `--out` say which pack is made");
    };
    ensure!(from < to, "the period ends before it begins");
    ensure!(!out.exists(), "`{}` exists already", out.display());
    let period = Period { from, to };
    // Who names log and key needs none of the secrets that a configuration refers to.
    let config = match (&make.audit, &make.key) {
        (Some(_), Some(_)) => None,
        _ => match load(path, terminal) {
            Some(config) => Some(config),
            None => return Ok(Exit::Failed),
        },
    };
    let judged = match config::load_policy(&path.config, make.policies.as_deref()) {
        Ok(judged) => judged,
        Err(report) => {
            terminal.note(report);
            return Ok(Exit::Failed);
        }
    };
    let place = make.audit.clone().or_else(|| config.as_ref().map(|config| config.data_dir.join("audit")));
    let log = audit::only_log(&place.context("`--audit` says which log")?)?;
    let trust = verify::known(make.log_policy.as_deref(), &make.pins)?;
    let report = audit::verify_with(&log, &trust, &mut |progress: Progress| terminal.progress(progress.done, progress.total))?;
    if matches!(report.verdict(), Verdict::Tampered | Verdict::Unreadable) {
        terminal.note(&report);
        terminal.note("no pack is made of a log that does not verify");
        return Ok(Exit::Bad);
    }
    let gathered = gather::gather(&log, period, Prover::newest(&log)?.head().size, terminal)?;
    let (end, at) = gathered.end.with_context(|| format!("the log has no record under a head from before {to}"))?;
    let (head, note) = audit::head_after(&log, end)?;
    let signer = signing::signer(&head.origin, make.key.as_deref(), config.as_ref())?;
    let values = values(&report, &gathered, &judged, at)?;
    let manifest = manifest(period, &head, &gathered, signer.key(), &judged.policy.hash);
    let (files, manifest) = files(values, manifest, &note, &audit::epochs(&log, head.size)?);
    audit::at_once(out, |part| pack::write(part, &files, &manifest, &signer))?;
    made(out, &manifest, &report, make.json, terminal);
    Ok(Exit::Done)
}

/// Every file that is JSON, but the manifest.
fn values(report: &Report, gathered: &Gathered, judged: &Judged, at: Timestamp) -> anyhow::Result<BTreeMap<&'static str, Value>> {
    let in_force = gathered.acts.in_force().policy.as_deref();
    let mut matrix = policy::rights(judged, at, gathered.calls.tools())?;
    if let Some(members) = matrix.as_object_mut() {
        let same = in_force == Some(judged.policy.hash.as_str());
        let tools = members.get("tools").and_then(Value::as_array).map_or(0, Vec::len);
        members.insert("in_force".to_owned(), json!({ "at_end": in_force, "same": same }));
        members.insert("tools_listed".to_owned(), json!(tools));
    }
    let mut values = BTreeMap::from([
        (ACTIONS, gathered.acts.actions()),
        (ALERTS, gathered.acts.alerts()),
        (CALLS, gathered.calls()),
        (HISTORY, gathered.acts.history()),
        (KEYS, gathered.keys.value(gathered.begin, at)),
        (MATRIX, matrix),
        (VERIFICATION, verification(report)?),
    ]);
    let mapping = mapping::mapping(&values);
    values.insert(MAPPING, mapping);
    Ok(values)
}

/// What `audit verify` says of the log, but where it lies: that is of this machine.
fn verification(report: &Report) -> anyhow::Result<Value> {
    let told: Value = serde_json::from_str(&report.to_json())?;
    let mut log = told.pointer("/logs/0").cloned().unwrap_or_default();
    if let Some(members) = log.as_object_mut() {
        members.remove("directory");
    }
    Ok(json!({ "verdict": told.get("verdict"), "exit": told.get("exit"), "log": log }))
}

fn manifest(period: Period, head: &Checkpoint, gathered: &Gathered, key: &VerifierKey, policy: &str) -> Manifest {
    Manifest {
        form: FORM.to_owned(),
        yett: env!("CARGO_PKG_VERSION").to_owned(),
        period: Span { from: period.from.to_string(), to: period.to.to_string() },
        log: AtHead {
            name: head.origin.clone(),
            size: head.size,
            root: head.root.base64(),
            first: gathered.first,
            last: gathered.last,
            records: gathered.records,
        },
        key: key.to_string(),
        policy: policy.to_owned(),
        files: Vec::new(),
    }
}

/// All files with what is in them, and the manifest that names them.
fn files(
    values: BTreeMap<&'static str, Value>,
    mut manifest: Manifest,
    head: &Note,
    epochs: &str,
) -> (BTreeMap<&'static str, String>, Manifest) {
    let page = page::page(&manifest, &values);
    let mut files: BTreeMap<&'static str, String> =
        values.into_iter().map(|(name, value)| (name, format!("{value:#}\n"))).collect();
    files.extend([(REPORT, page), (HEAD, head.to_string()), (EPOCHS, epochs.to_owned())]);
    manifest.files = pack::entries(&files);
    (files, manifest)
}

fn made(out: &Path, manifest: &Manifest, report: &Report, as_json: bool, terminal: &mut Terminal) {
    let (log, verdict) = (&manifest.log, report.verdict().as_str());
    if as_json {
        return terminal.line(json!({
            "folder": out.to_string_lossy(), "files": manifest.files.len(), "key": manifest.key, "verdict": verdict,
            "log": log.name, "records": log.records, "size": log.size, "root": log.root,
        }));
    }
    terminal.line(format_args!(
        "{} records of the log {} in `{}`, under its head over {} records; the log is {verdict}",
        log.records,
        log.name.escape_debug(),
        out.display(),
        log.size
    ));
    terminal.line(format_args!("signed with {}", manifest.key));
}

fn tell(checked: &check::Checked, knows_log: bool, as_json: bool, terminal: &mut Terminal) -> Exit {
    let is_good = checked.problems.is_empty();
    if as_json {
        let manifest = checked.manifest.as_ref().filter(|_| is_good);
        terminal.line(json!({ "good": is_good, "problems": checked.problems, "manifest": manifest }));
    } else if let Some(Manifest { log, period, files, .. }) = checked.manifest.as_ref().filter(|_| is_good) {
        terminal.line(format_args!(
            "good: {} files about {} records of the log {}, from {} to before {}",
            files.len(),
            log.records,
            log.name.escape_debug(),
            period.from.escape_debug(),
            period.to.escape_debug()
        ));
        if !knows_log {
            terminal.note("whether its head is the log's was not checked: no `--log-key`");
        }
    } else {
        for problem in &checked.problems {
            terminal.line(format_args!("bad: {problem}"));
        }
    }
    if is_good { Exit::Done } else { Exit::Bad }
}

/// `2026-10-01T00:00:00Z`, or `2026-10-01` for the same.
fn when(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-10-01".len());
    let time = date.and_then(|date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok());
    time.ok_or_else(|| "write a day such as 2026-10-01, or a time such as 2026-10-01T00:00:00Z".to_owned())
}
