//! `yett audit export`: everything the logs hold about somebody, for themselves or for whoever decides for them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::privacy::{self, Place, Task};
use super::terminal::Terminal;
use super::{Exit, load};
use crate::audit::{at_once, export, logs_below};

#[derive(Debug, clap::Args)]
pub(super) struct Export {
    /// Whose: the issuer's name (`api-key` for API keys) and the subject
    #[arg(long, num_args = 2, value_names = ["ISSUER", "SUBJECT"], required = true)]
    subject: Vec<String>,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Export, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Export { subject, out, place } = arguments;
    let who = privacy::identity(subject)?;
    anyhow::ensure!(!out.exists(), "`{}` exists already", out.display());
    let Some(config) = load(&place.path, terminal) else { return Ok(Exit::Bad) };
    // Recorded, durably, before any of it is written.
    let told = privacy::answer_to(&config, &place, &Task::Export(who.clone())).await?;
    let subject = json!({
        "issuer": who.issuer, "subject": who.subject, "pseudonyms": told.get("pseudonyms"), "logs": told.get("logs"),
    });
    let logs = config.data_dir.join("audit");
    let count = at_once(&out, |part| {
        fs::write(part.join("subject.json"), format!("{subject:#}\n"))?;
        write(&logs, &told, part)
    })?;
    terminal.line(format_args!("{count} records in `{}`, each with its proof", out.display()));
    Ok(Exit::Done)
}

/// What was recorded to be given away, and nothing else.
fn write(logs: &Path, told: &Value, part: &Path) -> anyhow::Result<u64> {
    let names = privacy::texts(told, "pseudonyms");
    let directories = logs_below(logs)?;
    let mut all = 0;
    for log in told.get("logs").and_then(Value::as_array).into_iter().flatten() {
        let name = log.get("log").and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| log.get(key).and_then(Value::as_u64).unwrap_or_default();
        let Some((_, directory)) = directories.iter().find(|(known, _)| known == name) else {
            anyhow::bail!("the log `{}` is not in `{}`", name.escape_debug(), logs.display());
        };
        let place = directory.strip_prefix(logs).context("a log is not where it was looked for")?;
        let count = export(directory, number("size"), &names, &part.join(place))?;
        anyhow::ensure!(count == number("records"), "the log `{}` has changed meanwhile", name.escape_debug());
        all += count;
    }
    Ok(all)
}
