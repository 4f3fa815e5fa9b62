//! `yett audit prune`: tells what is old enough to go, and removes it; through the admin API of the running gateway, or with `--offline`
//! on a stopped one.

use anyhow::Context as _;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::offline::Offline;
use super::privacy::Place;
use super::terminal::Terminal;
use super::{Exit, load};
use crate::admin::{AdminClient, PruneOrder, shown_pruned};
use crate::config::Config;

/// Arguments of `audit prune`.
#[derive(Debug, clap::Args)]
pub(super) struct Prune {
    /// Only what is older than this; never what `audit.retention` keeps
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// Remove it; without this it is only told what would be removed
    #[arg(long)]
    apply: bool,
    /// The host's clock is right, though it has moved by more than time can have passed
    #[arg(long)]
    trust_clock: bool,
    #[command(flatten)]
    place: Place,
}

/// What was told of all orders together.
#[derive(Debug, Default)]
struct Sum {
    from: Option<u64>,
    to: Option<u64>,
    segments: u64,
    bytes: u64,
    oldest: String,
    newest: String,
    records: Vec<u64>,
}

pub(super) async fn run(prune: Prune, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let Some(config) = load(prune.place.path(), terminal) else { return Ok(Exit::Bad) };
    let offline = if prune.place.is_offline() { Some(Offline::open(&config).await?) } else { None };
    let told = tell(&prune, &config, offline.as_ref(), terminal).await;
    if let Some(offline) = offline {
        // An operation that was refused is no crash.
        offline.close().await;
    }
    told
}

async fn tell(prune: &Prune, config: &Config, offline: Option<&Offline>, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let (mut sum, mut from) = (Sum::default(), None);
    // Some segments at a time: each is read before.
    let stopped = loop {
        let answer = match offline {
            Some(offline) => apply(prune, from, offline).await,
            None => ask(prune, from, config).await,
        }?;
        from = sum.add(&answer);
        let more = answer.get("more").and_then(Value::as_bool).unwrap_or(false);
        if !more || from.is_none() {
            break text(&answer, "stopped");
        }
    };
    match (sum.from, sum.to) {
        (Some(from), Some(to)) => {
            let done = if prune.apply { "removed" } else { "would be removed (--apply removes them)" };
            terminal.line(format_args!(
                "records {from} to {} {done}: {} segments, {} bytes, from {} to {}",
                to - 1,
                sum.segments,
                sum.bytes,
                sum.oldest.escape_debug(),
                sum.newest.escape_debug()
            ));
            if !sum.records.is_empty() {
                let records: Vec<_> = sum.records.iter().map(u64::to_string).collect();
                terminal.line(format_args!("as record {} says", records.join(", ")));
            }
        }
        _ => terminal.line("nothing is removed"),
    }
    terminal.line(format_args!("then: {}", stopped.escape_debug()));
    Ok(Exit::Done)
}

async fn ask(prune: &Prune, from: Option<u64>, config: &Config) -> anyhow::Result<Value> {
    let body = json!({
        "before": prune.before, "from": from, "apply": prune.apply, "trust_clock": prune.trust_clock,
        "requester": prune.place.requester(),
    });
    let client = AdminClient::new(config.admin, &config.data_dir)?;
    Ok(client.call(Method::POST, "/v1/audit/prune", Some(body)).await?)
}

async fn apply(prune: &Prune, from: Option<u64>, offline: &Offline) -> anyhow::Result<Value> {
    let order = PruneOrder {
        before: prune.before,
        from,
        apply: prune.apply,
        trust_clock: prune.trust_clock,
        requester: prune.place.requester().to_owned(),
    };
    let privacy = offline.operations.privacy();
    privacy.resume_pruning().await.context("what an earlier run began cannot be finished")?;
    Ok(shown_pruned(&privacy.prune(&order).await?))
}

impl Sum {
    /// Gives where to go on.
    fn add(&mut self, answer: &Value) -> Option<u64> {
        let removal = answer.get("removal").filter(|removal| removal.is_object())?;
        let number = |key: &str| removal.get(key).and_then(Value::as_u64);
        if self.from.is_none() {
            (self.from, self.oldest) = (number("from"), text(removal, "oldest"));
        }
        (self.to, self.newest) = (number("to"), text(removal, "newest"));
        self.segments += number("segments").unwrap_or(0);
        self.bytes += number("bytes").unwrap_or(0);
        self.records.extend(answer.get("record").and_then(Value::as_u64));
        self.to
    }
}

fn text(answer: &Value, key: &str) -> String {
    answer.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}
