//! `yett audit search`: by the index beside the log, made or brought up to date first. Works on a live log and on a copy.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Exit;
use super::terminal::Terminal;
use crate::audit;
use crate::audit_index::{Index, IndexError, Order, Page, Query, summary, timeline};

/// Between two lines that tell how far indexing is.
const TELL: u64 = 250_000;

/// Arguments of `audit search`.
#[derive(Debug, clap::Args)]
pub(super) struct Search {
    /// A log, or an audit or data directory with one log in it
    path: PathBuf,
    /// Not before this time, or so long ago: `2026-11-21T03:00:00Z`, `2h`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Before this time, or so long ago
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Of this kind; `call` selects decisions and outcomes. May be given more than once
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// By this pseudonym (`who.sub`)
    #[arg(long, value_name = "PSEUDONYM")]
    principal: Option<String>,
    /// About this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// About this tool or prompt
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Decided so: `allow` or `deny`
    #[arg(long)]
    effect: Option<String>,
    /// By this rule of the policy, e.g. `role:analyst`
    #[arg(long)]
    rule: Option<String>,
    /// With a finding of this layer, kind or rule, e.g. `dlp` or `us-ssn`
    #[arg(long)]
    finding: Option<String>,
    /// The story of this call: the `Yett-Call` header of its answer
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// The story of this session: `sess` of its records
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// The story of this trace: its W3C trace id
    #[arg(long, value_name = "TRACE")]
    trace: Option<String>,
    /// The oldest first; stories always are
    #[arg(long)]
    oldest: bool,
    /// At most so many, up to 1000
    #[arg(long, value_name = "N")]
    limit: Option<String>,
    /// Go on behind this record: what the page before ended with
    #[arg(long, value_name = "INDEX")]
    after: Option<String>,
    /// Only say how many there are, and how many messages they stand for
    #[arg(long)]
    count: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Keep the index in this file, e.g. where the log is read-only
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
}

pub(super) async fn run(search: Search, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let query = query(&search)?;
    let log = the_log(&search.path)?;
    let mut answer = answer(&log, &search, &query, terminal).await;
    // A file that was broken is gone by now, and the next one is made from the log.
    if matches!(&answer, Err(error) if error.is_broken()) {
        terminal.note("the index was broken; it is made again");
        answer = self::answer(&log, &search, &query, terminal).await;
    }
    let hint = "with `--index FILE` the index is kept elsewhere";
    let value = match answer {
        Err(error @ IndexError::Open { .. }) => return Err(anyhow::Error::new(error).context(hint)),
        answer => answer?,
    };
    show(&search, &query, &value, terminal);
    Ok(Exit::Done)
}

/// What was found, as the admin API tells it.
enum Found {
    Page(Page),
    Count(Value),
}

fn query(search: &Search) -> anyhow::Result<Query> {
    let now = Timestamp::now();
    let mut query = Query::default();
    let filters = [
        ("since", &search.since),
        ("until", &search.until),
        ("principal", &search.principal),
        ("server", &search.server),
        ("tool", &search.tool),
        ("effect", &search.effect),
        ("rule", &search.rule),
        ("finding", &search.finding),
        ("call", &search.call),
        ("session", &search.session),
        ("trace", &search.trace),
        ("limit", &search.limit),
        ("after", &search.after),
    ];
    for (name, value) in filters.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?))) {
        query.set(name, value, now).with_context(|| format!("`--{name} {}`", value.escape_debug()))?;
    }
    for kind in &search.kinds {
        query.set("kind", kind, now).context("`--kind`")?;
    }
    if search.oldest || query.is_story() {
        query.order = Order::Oldest;
    }
    Ok(query)
}

/// Pages go by the indices of one log.
fn the_log(path: &Path) -> anyhow::Result<PathBuf> {
    let logs = audit::logs(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    match logs.as_slice() {
        [log] => Ok(log.clone()),
        [] => bail!("no audit log in `{}`", path.display()),
        logs => {
            let names: Vec<_> = logs.iter().map(|log| format!("`{}`", log.display())).collect();
            bail!("there are several logs; name one of {}", names.join(", "))
        }
    }
}

async fn answer(log: &Path, search: &Search, query: &Query, terminal: &mut Terminal) -> Result<Found, IndexError> {
    let mut index = Index::open(log, search.index.as_deref()).await?;
    let found = bring_up_to_date(&mut index, terminal).await;
    let found = match found {
        Ok(()) if search.count => index.count(query).await.map(|count| Found::Count(json!(count))),
        Ok(()) => index.search(query).await.map(Found::Page),
        Err(error) => Err(error),
    };
    match &found {
        Err(error) if error.is_broken() => index.discard().await?,
        _ => index.close().await,
    }
    found
}

async fn bring_up_to_date(index: &mut Index, terminal: &mut Terminal) -> Result<(), IndexError> {
    let mut told = 0;
    loop {
        let taken = index.take_in().await?;
        if !taken.more {
            return Ok(());
        }
        if terminal.is_watched() && taken.position >= told + TELL {
            told = taken.position;
            terminal.note(format_args!("indexing: {told} records"));
        }
    }
}

fn show(search: &Search, query: &Query, found: &Found, terminal: &mut Terminal) {
    let page = match found {
        Found::Count(count) if search.json => return terminal.line(plain(count)),
        Found::Count(count) => {
            let number = |name: &str| count.get(name).and_then(Value::as_u64).unwrap_or_default();
            return terminal.line(format_args!("{} records, {} messages", number("records"), number("stand_for")));
        }
        Found::Page(page) => page,
    };
    if search.json {
        return terminal.line(plain(&json!(page)));
    }
    if query.is_story() {
        for line in timeline(&page.records) {
            terminal.line(line);
        }
    } else {
        for record in &page.records {
            terminal.line(summary(record));
        }
    }
    if let Some(next) = page.next {
        terminal.note(format_args!("there are more: --after {next}"));
    }
    if let Some(damaged) = page.damaged {
        terminal.note(format_args!("the log is damaged at record {damaged}; see `yett audit verify`"));
    }
}

/// JSON in ASCII alone: JSON leaves control characters behind ASCII as they are, and a terminal acts on some.
fn plain(value: &Value) -> String {
    let mut text = String::new();
    for character in value.to_string().chars() {
        if matches!(character, ' '..='~') {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}
