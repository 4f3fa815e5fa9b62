//! One sink's way through the log: read, write in its format, deliver, remember.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::event::Event;
use super::formats;
use super::people::{People, REMEMBERED};
use super::reader::{Batch, Reader};
use super::record::{Open, Record};
use super::sinks::{Sink, SinkError};
use crate::audit::{Cursor, FollowError, Log, SignedHead};
use crate::config::{self, SinkFormat};
use crate::state::{ExportStore, Exported, Place, StoreError};
use crate::telemetry::Metrics;
use crate::upstream::ConnectError;
use crate::vault::{Vault, VaultError};

/// Between two looks at the log, so that records come in batches.
const PAUSE: Duration = Duration::from_millis(250);

/// How often at most a head goes along.
const HEADS: Duration = Duration::from_mins(1);

/// How often it is stored how far a sink has come. After a crash so much comes twice.
const STORE: Duration = Duration::from_secs(1);

/// After a failure: so long, twice as long after another, up to the last.
const AGAIN: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// For what is left when the log is closed.
const FAREWELL: Duration = Duration::from_millis(1_500);

/// What an exporter works with.
#[derive(Debug)]
pub(super) struct Parts {
    pub log: Arc<Log>,
    pub place: Place,
    pub vault: Arc<Vault>,
    pub metrics: Arc<Metrics>,
    /// Whether the sink fails, for readiness.
    pub failing: watch::Sender<bool>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Exporter {
    settings: config::Sink,
    sink: Sink,
    parts: Parts,
    people: People,
    open: Open,
    /// What was read and not delivered yet.
    pending: Option<Pending>,
    delivered: Cursor,
    /// What the sink has for sure, and when that was stored.
    confirmed: Cursor,
    stored: (Cursor, Option<Instant>),
    /// The head that went along last.
    head: (u64, Option<Instant>),
    /// The one that goes along next, once all that it counts was delivered.
    due: Option<SignedHead>,
    /// When the oldest record that the sink does not have was written, as far as is known.
    behind: Option<Timestamp>,
    /// Records that were given to a sink that holds them back, and are not safe there.
    held: u64,
    failures: u32,
    closing: bool,
}

#[derive(Debug)]
struct Pending {
    events: Vec<Event>,
    records: u64,
    cursor: Cursor,
    more: bool,
    /// When names were looked up for it.
    read: Instant,
}

/// Why a round came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the log cannot be read")]
    Log(#[from] FollowError),
    #[error("the vault cannot be asked who is behind a pseudonym")]
    Vault(#[from] VaultError),
    #[error("the sink does not take records")]
    Sink(#[from] SinkError),
    #[error("it cannot be remembered how far the sink has come")]
    Store(#[from] StoreError),
}

impl Exporter {
    pub(super) fn new(settings: &config::Sink, parts: Parts) -> Result<Self, ConnectError> {
        parts.metrics.export_begins(&settings.name);
        Ok(Self {
            sink: Sink::new(settings)?,
            people: People::new(Arc::clone(&parts.vault)),
            settings: settings.clone(),
            parts,
            open: Open::default(),
            pending: None,
            delivered: Cursor::BEGIN,
            confirmed: Cursor::BEGIN,
            stored: (Cursor::BEGIN, None),
            head: (0, None),
            due: None,
            behind: None,
            held: 0,
            failures: 0,
            closing: false,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) fn kind(&self) -> &'static str {
        self.settings.to.kind()
    }

    pub(super) fn format(&self) -> SinkFormat {
        self.settings.format
    }

    pub(super) fn tells_identities(&self) -> bool {
        self.settings.identities
    }

    /// Until the log is closed, and a moment longer.
    pub(super) async fn run(mut self) {
        let mut heads = self.parts.log.heads();
        let Some((store, known)) = self.begin(&mut heads).await else { return };
        let mut reader = Reader::new(self.parts.log.directory(), self.confirmed, known);
        loop {
            let pause = match self.round(&mut reader, &store).await {
                Ok(true) => continue,
                Ok(false) => PAUSE,
                Err(failure) => self.failed(&failure, &mut reader),
            };
            if is_closed_within(pause, &mut heads).await {
                break;
            }
        }
        self.closing = true;
        let rest = async {
            while let Ok(true) = self.round(&mut reader, &store).await {}
            if self.sink.finish().await.is_ok()
                && let Ok(Some(confirmed)) = self.sink.confirmed(self.delivered).await
            {
                self.confirmed = confirmed;
            }
        };
        let _ = timeout(FAREWELL, rest).await;
        // What it has for sure is remembered, or comes twice.
        let _ = self.remember(&store, true).await;
        store.close().await;
    }

    /// Opens the store and finds where the sink stands, and whether it has begun before; nothing if the log is closed before.
    async fn begin(&mut self, heads: &mut watch::Receiver<Option<SignedHead>>) -> Option<(ExportStore, bool)> {
        loop {
            match self.known().await {
                Ok((store, known)) => {
                    let cursor = known.unwrap_or(Cursor::BEGIN);
                    (self.delivered, self.confirmed, self.stored.0) = (cursor, cursor, cursor);
                    self.went_well();
                    return Some((store, known.is_some()));
                }
                Err(error) => {
                    let pause = self.tell(&Failure::Store(error));
                    if is_closed_within(pause, heads).await {
                        return None;
                    }
                }
            }
        }
    }

    async fn known(&self) -> Result<(ExportStore, Option<Cursor>), StoreError> {
        let store = ExportStore::open(&self.parts.place).await?;
        let (log, sink) = (self.parts.log.name(), self.settings.name.as_str());
        let known = store.known(log, sink).await?;
        if known.is_none() {
            // That it has begun: what retention removes from now on is lost to it.
            let Cursor { position, segment, start, end, leaf } = Cursor::BEGIN;
            store.remember(log, sink, Exported { records: position, segment, begins: start, ends: end, leaf }).await?;
        }
        let cursor = |Exported { records, segment, begins, ends, leaf }| Cursor {
            position: records,
            segment,
            start: begins,
            end: ends,
            leaf,
        };
        Ok((store, known.map(cursor)))
    }

    /// Delivers a batch, if there is one; whether there is more at once.
    async fn round(&mut self, reader: &mut Reader, store: &ExportStore) -> Result<bool, Failure> {
        if self.pending.as_ref().is_some_and(|pending| pending.read.elapsed() > REMEMBERED) {
            // Whoever was erased meanwhile is told to nobody: names are looked up again.
            self.go_back(reader, self.delivered);
        }
        if self.pending.is_none() {
            self.pending = self.read(reader).await?;
        }
        let mut more = false;
        if let Some(pending) = &mut self.pending {
            if !pending.events.is_empty() {
                let mut taken = 0;
                let delivered = self.sink.deliver(&pending.events, pending.cursor, &mut taken).await;
                // What it has taken of them need not come again.
                delivered.inspect_err(|_| drop(pending.events.drain(..taken.min(pending.events.len()))))?;
            }
            self.held += pending.records;
            (self.delivered, more) = (pending.cursor, pending.more);
            self.pending = None;
        }
        if !self.settings.alerts_only {
            self.bring_head().await?;
        }
        let confirmed = self.sink.confirmed(self.delivered).await?;
        let is_safe = confirmed.is_some() || !self.sink.is_waiting();
        self.confirmed = confirmed.unwrap_or(if is_safe { self.delivered } else { self.confirmed });
        if is_safe || !self.sink.holds_back() {
            self.parts.metrics.exported(&self.settings.name, std::mem::take(&mut self.held));
        }
        if self.confirmed == self.delivered {
            self.open.settle();
        }
        self.lag();
        self.remember(store, false).await?;
        if is_safe {
            self.went_well();
        }
        Ok(more)
    }

    /// Reads on from an earlier place.
    fn go_back(&mut self, reader: &mut Reader, to: Cursor) {
        (self.pending, self.delivered, self.held) = (None, to, 0);
        self.open.rewind();
        reader.seek(to);
    }

    async fn read(&mut self, reader: &mut Reader) -> Result<Option<Pending>, Failure> {
        let Batch { records, more, lost, restarted, broken } = reader.next(self.durable())?;
        if restarted {
            self.parts.metrics.export_lost(&self.settings.name, lost);
            (self.delivered, self.confirmed) = (Cursor::BEGIN, Cursor::BEGIN);
            tracing::error!(
                sink = self.settings.name,
                lost,
                "the log does not go on where the sink stands; it is sent from its first record on"
            );
        }
        if broken > 0 {
            tracing::error!(
                sink = self.settings.name,
                broken,
                "records do not follow those before them; `yett audit verify` says more"
            );
        }
        if self.due.is_none() {
            self.due = self.newest_head().filter(|signed| signed.head.size > self.head.0);
        }
        let Some(since) = records.first().map(Record::time) else { return Ok(None) };
        if !self.sink.holds_back() || self.behind.is_none() {
            self.behind = Some(since);
        }
        let mut pending = Pending {
            events: Vec::with_capacity(records.len()),
            records: 0,
            cursor: reader.cursor(),
            more,
            read: Instant::now(),
        };
        for mut record in records {
            if self.settings.format != SinkFormat::Native && !self.settings.alerts_only {
                self.open.follow(&mut record);
            }
            if self.settings.alerts_only && record.kind() != "alert" {
                continue;
            }
            pending.records += 1;
            if self.settings.identities
                && let Some(pseudonym) = record.pseudonym()
            {
                match self.people.behind(pseudonym).await {
                    Ok(person) => record.person = person,
                    Err(error) => {
                        self.go_back(reader, self.delivered);
                        return Err(error.into());
                    }
                }
            }
            pending.events.extend(formats::events(&record, self.parts.log.name(), self.settings.format));
        }
        Ok(Some(pending))
    }

    /// How many records survive a power cut: no sink is to know of one that the log can lose.
    fn durable(&self) -> u64 {
        self.parts.log.settled()
    }

    fn newest_head(&self) -> Option<SignedHead> {
        self.parts.log.heads().borrow().clone()
    }

    /// Sends a head, once all that it counts was delivered: whoever has both can hold the log to them. One that was newest when it was chosen, not the
    /// newest of all: where a sink is slow or the log fast, that is always ahead.
    async fn bring_head(&mut self) -> Result<(), SinkError> {
        let is_early = !self.closing && self.head.1.is_some_and(|at| at.elapsed() < HEADS);
        let Some(signed) = self.due.take_if(|signed| !is_early && signed.head.size <= self.delivered.position) else {
            return Ok(());
        };
        let event = formats::head(&signed, self.parts.log.name(), self.settings.format);
        self.sink.deliver(&[event], self.delivered, &mut 0).await?;
        self.head = (signed.head.size, Some(Instant::now()));
        Ok(())
    }

    async fn remember(&mut self, store: &ExportStore, now: bool) -> Result<(), StoreError> {
        let (stored, at) = self.stored;
        if stored == self.confirmed || !now && at.is_some_and(|at| at.elapsed() < STORE) {
            return Ok(());
        }
        let Cursor { position, segment, start, end, leaf } = self.confirmed;
        let exported = Exported { records: position, segment, begins: start, ends: end, leaf };
        store.remember(self.parts.log.name(), &self.settings.name, exported).await?;
        self.stored = (self.confirmed, Some(Instant::now()));
        Ok(())
    }

    /// How far behind it is.
    fn lag(&mut self) {
        let has = if self.sink.holds_back() { self.confirmed } else { self.delivered };
        let records = self.durable().saturating_sub(has.position);
        if records == 0 {
            self.behind = None;
        }
        let seconds = self.behind.map_or(0, |since| Timestamp::now().as_second().saturating_sub(since.as_second()).max(0));
        self.parts.metrics.export_lags(&self.settings.name, records, seconds);
    }

    fn went_well(&mut self) {
        self.failures = 0;
        if self.parts.failing.send_replace(false) {
            tracing::info!(sink = self.settings.name, "records reach the sink again");
        }
    }

    /// What has to be done again, and when.
    fn failed(&mut self, failure: &Failure, reader: &mut Reader) -> Duration {
        if matches!(failure, Failure::Sink(_)) && self.sink.forgets() {
            self.go_back(reader, self.confirmed);
        }
        self.tell(failure)
    }

    /// Tells it once, counts it, and says how long to wait.
    fn tell(&mut self, failure: &Failure) -> Duration {
        let (word, after) = match failure {
            Failure::Log(_) => ("log", None),
            Failure::Vault(_) => ("vault", None),
            Failure::Sink(error) => (error.word(), error.after()),
            Failure::Store(_) => ("store", None),
        };
        self.parts.metrics.export_failed(&self.settings.name, word);
        self.behind.get_or_insert_with(Timestamp::now);
        self.lag();
        if !self.parts.failing.send_replace(true) {
            let error = failure as &dyn Error;
            tracing::error!(sink = self.settings.name, error, "records do not reach the sink; they wait in the log");
        }
        let pause = AGAIN.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        after.map_or(pause, |after| after.max(pause))
    }
}

/// Waits; true once the log is closed.
async fn is_closed_within(pause: Duration, heads: &mut watch::Receiver<Option<SignedHead>>) -> bool {
    let closed = async { while heads.changed().await.is_ok() {} };
    timeout(pause, closed).await.is_ok()
}
