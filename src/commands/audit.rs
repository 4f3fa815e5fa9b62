//! `yett audit`: `verify` and `show` read files alone; what reads or changes the vault is in `privacy.rs`, what removes old records in `prune.rs`, the index in `search.rs`, proofs in `proofs.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::proofs::{self, Proofs};
use super::search::{self, Search};
use super::terminal::Terminal;
use super::verify::{self, Verify};
use super::{Exit, export, privacy, prune};
use crate::audit::{self, Filter};

/// Most pseudonyms that `show --reveal` asks about.
const REVEALED: usize = 10_000;

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(super) struct AuditCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Check that nothing was changed, cut, inserted or put in another order.
    ///
    /// Exit codes: 0 verified and anchored, 1 tampered, 2 intact with declared gaps, 3 intact but unanchored, 4 usage or I/O,
    /// 5 incomplete.
    Verify(Verify),
    /// Show records
    Show(Show),
    /// Destroy what tells who a caller is: keys, mapping, captured content, API keys
    Erase(privacy::About),
    /// Keep a caller from erasure and expiry, or no longer
    Hold(privacy::Hold),
    /// Destroy the keys of months that are older than `audit.vault.keep`
    Expire(privacy::Expire),
    /// Remove segments from the front of the log that are older than `audit.retention`, or tell which
    Prune(prune::Prune),
    /// Write all records about a caller into a directory, each with its proof
    ///
    /// Recorded before any is written. Who was erased has none.
    Export(export::Export),
    /// Find records by an index beside the log, or tell the story of a call, a session or a trace
    ///
    /// The newest come first, a page at a time. The index is made and kept up to date as needed; it proves nothing, see `verify`.
    Search(Box<Search>),
    #[command(flatten)]
    Proofs(Proofs),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// A log, the audit directory, or the data directory
    path: PathBuf,
    /// Print records as they are stored, one JSON object a line
    #[arg(long)]
    json: bool,
    /// Not before this time
    #[arg(long, value_name = "TIME")]
    from: Option<Timestamp>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    to: Option<Timestamp>,
    /// Of this kind, e.g. `call.decision`; `call` selects decisions and outcomes. May be given more than once
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Of this call: the `Yett-Call` header of its answer
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// About this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Decided so: `allow` or `deny`
    #[arg(long)]
    effect: Option<String>,
    /// At most so many, from the first on
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The last so many
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    tail: Option<usize>,
    /// About this caller: the issuer's name and the subject. Asks the vault, which is a record of its own
    #[arg(long, num_args = 2, value_names = ["ISSUER", "SUBJECT"])]
    subject: Option<Vec<String>>,
    /// Say who is behind the pseudonyms, as long as the vault knows. Asks the vault, which is a record of its own
    #[arg(long)]
    reveal: bool,
    /// The captured arguments of this call alone, checked against its record. Asks the vault, which is a record of its own
    #[arg(long, value_name = "CALL", conflicts_with_all = ["from", "to", "kinds", "call", "server", "effect", "limit", "tail", "subject", "reveal"])]
    content: Option<Uuid>,
    #[command(flatten)]
    place: privacy::Place,
}

pub(super) async fn run(command: AuditCommand, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match command.action {
        Action::Erase(about) => privacy::erase(about, terminal).await,
        Action::Hold(hold) => privacy::hold(hold, terminal).await,
        Action::Expire(expire) => privacy::expire(expire, terminal).await,
        Action::Prune(prune) => prune::run(prune, terminal).await,
        Action::Export(arguments) => export::run(arguments, terminal).await,
        Action::Verify(verify) => Ok(verify::run(&verify, terminal)),
        Action::Show(show) => self::show(show, terminal).await,
        Action::Search(search) => search::run(*search, terminal).await,
        Action::Proofs(command) => proofs::run(command, terminal),
    }
}

async fn show(show: Show, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    if let Some(call) = show.content {
        return content(&show, call, terminal).await;
    }
    let subjects = match show.subject {
        None => None,
        Some(who) => match privacy::find(&show.place, privacy::identity(who)?, terminal).await? {
            None => return Ok(Exit::Bad),
            names => names,
        },
    };
    let filter = Filter {
        from: show.from,
        to: show.to,
        kinds: show.kinds,
        subjects,
        call: show.call,
        server: show.server,
        effect: show.effect,
        limit: show.limit,
        tail: show.tail,
    };
    let unreadable = || format!("cannot read `{}`", show.path.display());
    let mut known = BTreeMap::new();
    if show.reveal {
        let mut names = BTreeSet::new();
        let mut each = |record: &audit::Shown| {
            names.extend(record.pseudonyms().map(str::to_owned));
            if names.len() > REVEALED { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        audit::show(&show.path, &filter, &mut each).with_context(unreadable)?;
        if names.len() > REVEALED {
            anyhow::bail!("these records have more than {REVEALED} pseudonyms; narrow them by time, server or call");
        }
        match privacy::reveal(&show.place, names.into_iter().collect(), terminal).await? {
            Some(revealed) => known = revealed,
            None => return Ok(Exit::Bad),
        }
    }
    let mut each = |record: &audit::Shown| {
        let known: BTreeMap<_, _> = record.pseudonyms().filter_map(|name| Some((name, known.get(name)?))).collect();
        match (show.json, show.reveal) {
            (true, true) => terminal.line(format_args!("{{\"record\":{},\"revealed\":{}}}", record.raw(), json!(known))),
            (true, false) => terminal.line(record.raw()),
            (false, _) => {
                let named = known.iter().map(|(name, who)| format!(" {name}={}", in_words(who)));
                terminal.line(format_args!("{}{}", record.summary(), named.collect::<String>()));
            }
        }
        ControlFlow::Continue(())
    };
    audit::show(&show.path, &filter, &mut each).with_context(unreadable)?;
    Ok(Exit::Done)
}

/// Shows what was captured of a call. Text that is not what its record names is not shown.
async fn content(show: &Show, call: Uuid, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let mut named = BTreeSet::new();
    let filter = Filter { call: Some(call.to_string()), ..Filter::default() };
    let mut each = |record: &audit::Shown| {
        named.extend(record.value().pointer("/what/content").and_then(Value::as_str).map(str::to_owned));
        ControlFlow::Continue(())
    };
    audit::show(&show.path, &filter, &mut each).with_context(|| format!("cannot read `{}`", show.path.display()))?;
    let Some(contents) = privacy::content(&show.place, call, terminal).await? else { return Ok(Exit::Bad) };
    let text = |content: &Value, key: &str| content.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (good, bad): (Vec<_>, Vec<_>) = contents.into_iter().partition(|content| named.contains(&text(content, "sha256")));
    for content in &good {
        if show.json { terminal.line(content) } else { terminal.line(text(content, "text")) }
    }
    if !bad.is_empty() {
        terminal.note("what the vault holds of this call is not what its record names");
    } else if good.is_empty() {
        terminal.note("the vault holds nothing of this call");
    }
    Ok(if bad.is_empty() && !good.is_empty() { Exit::Done } else { Exit::Bad })
}

/// `issuer/subject`, without anything that a terminal would act on.
fn in_words(who: &Value) -> String {
    let text = |key| who.get(key).and_then(Value::as_str).unwrap_or_default();
    format!("{}/{}", text("issuer").escape_debug(), text("subject").escape_debug())
}
