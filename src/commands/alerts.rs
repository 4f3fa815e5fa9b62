//! `yett alerts`: the rules of `alerts:`, asked without a gateway. What finds alerts is what finds them in a running one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::terminal::Terminal;
use super::{ConfigPath, Exit};
use crate::alerts::{Alert, Engine};
use crate::audit::{Cursor, Follower, logs};
use crate::config;

/// `yett alerts`.
#[derive(Debug, clap::Args)]
pub(super) struct AlertsCommand {
    #[command(flatten)]
    path: ConfigPath,
    /// Look by this folder of policies in place of the configured one
    #[arg(long, global = true, value_name = "DIR")]
    policies: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the rules would have told about a log
    ///
    /// Reads the log as it lies there; nothing is recorded and nobody is stopped. Exit codes: 0 no rule alerts, 1 some do, 2 usage or I/O.
    Test(Test),
}

#[derive(Debug, clap::Args)]
struct Test {
    /// The audit directory, or the directory of one log
    #[arg(long, value_name = "DIR")]
    audit: PathBuf,
    /// Tell nothing that was before: `2026-11-01T00:00:00Z`. Rules learn from it all the same
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Read no further than this
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Print JSON, one alert a line, and last how many there are of each rule
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &AlertsCommand, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Command::Test(test) = &command.command;
    let loaded = config::load_policy(&command.path.config, command.policies.as_deref());
    let Ok(judged) = loaded.inspect_err(|report| terminal.note(report)) else { return Ok(Exit::Failed) };
    let rules = &judged.policy.alerts;
    if rules.is_empty() {
        terminal.note("the policy has no `alerts:`");
    }
    let mut counts: BTreeMap<&str, u64> = rules.iter().map(|rule| (rule.name.as_str(), 0)).collect();
    let (from, to) = (test.from.map_or(i64::MIN, Timestamp::as_millisecond), test.to.map_or(i64::MAX, Timestamp::as_millisecond));
    let found = logs(&test.audit)?;
    anyhow::ensure!(!found.is_empty(), "there is no log in {}", test.audit.display());
    let mut records = 0_u64;
    for log in found {
        // Each log by itself, as each replica reads its own.
        let mut engine = Engine::new(rules, from);
        let mut follower = Follower::resume(&log, Cursor::BEGIN)?;
        while let Some(next) = follower.next_line()? {
            let came = engine.record(next.line, next.position);
            if engine.now() > to {
                break;
            }
            records += 1;
            for alert in came.alerts {
                if let Some(count) = counts.get_mut(alert.rule.name.as_str()) {
                    *count += 1;
                }
                terminal.line(if test.json { shown(&alert).to_string() } else { told(&alert) });
            }
        }
    }
    let alerts: u64 = counts.values().sum();
    if test.json {
        terminal.line(json!({ "records": records, "alerts": alerts, "rules": counts }).to_string());
    } else {
        for (rule, count) in &counts {
            terminal.line(format!("{count:>6}  {rule}"));
        }
        terminal.line(format!("{records} records, {alerts} alerts"));
    }
    Ok(if alerts == 0 { Exit::Done } else { Exit::Bad })
}

fn shown(alert: &Alert) -> Value {
    let (most, seconds) = alert.bounds();
    json!({
        "time": alert.time().to_string(),
        "rule": alert.rule.name,
        "severity": alert.rule.severity.as_str(),
        "about": alert.about,
        "measure": alert.rule.measure.as_str(),
        "n": alert.value,
        "most": most,
        "seconds": seconds,
        "record": alert.record,
        "sub": alert.subject(),
        "session": alert.session(),
        "quarantine": alert.quarantine(),
    })
}

fn told(alert: &Alert) -> String {
    let (most, seconds) = alert.bounds();
    let bound = most.map(|most| format!(", more than {most}")).unwrap_or_default();
    let span = if seconds > 0 { format!(" in {seconds} s") } else { String::new() };
    format!(
        "{}  {}  {}  {}: {} {}{bound}{span} (record {})",
        alert.time(),
        alert.rule.severity.as_str(),
        alert.rule.name,
        alert.about,
        alert.rule.measure.as_str(),
        alert.value,
        alert.record,
    )
}
