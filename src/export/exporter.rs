//! One sink's way through the log: read, write in its format, deliver, remember.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::event::Event;
use super::formats;
use super::people::People;
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
    failures: u32,
}

#[derive(Debug)]
struct Pending {
    events: Vec<Event>,
    records: u64,
    /// When the oldest of them was written.
    since: Timestamp,
    cursor: Cursor,
    more: bool,
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
            failures: 0,
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
        let Some(store) = self.begin(&mut heads).await else { return };
        let mut reader = Reader::new(self.parts.log.directory(), self.confirmed);
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

    /// Opens the store and finds where the sink stands; nothing if the log is closed before.
    async fn begin(&mut self, heads: &mut watch::Receiver<Option<SignedHead>>) -> Option<ExportStore> {
        loop {
            match self.known().await {
                Ok((store, cursor)) => {
                    (self.delivered, self.confirmed, self.stored.0) = (cursor, cursor, cursor);
                    self.went_well();
                    return Some(store);
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

    async fn known(&self) -> Result<(ExportStore, Cursor), StoreError> {
        let store = ExportStore::open(&self.parts.place).await?;
        let known = store.known(self.parts.log.name(), &self.settings.name).await?;
        let cursor = known.map_or(Cursor::BEGIN, |Exported { records, segment, begins, ends, leaf }| Cursor {
            position: records,
            segment,
            start: begins,
            end: ends,
            leaf,
        });
        Ok((store, cursor))
    }

    /// Delivers a batch, if there is one; whether there is more at once.
    async fn round(&mut self, reader: &mut Reader, store: &ExportStore) -> Result<bool, Failure> {
        if self.pending.is_none() {
            self.pending = self.read(reader).await?;
        }
        let mut more = false;
        if let Some(pending) = &self.pending {
            self.lag(Some(pending.since));
            if !pending.events.is_empty() {
                self.sink.deliver(&pending.events, pending.cursor).await?;
            }
            self.parts.metrics.exported(&self.settings.name, pending.records);
            (self.delivered, more) = (pending.cursor, pending.more);
            self.pending = None;
        }
        if !more && !self.settings.alerts_only {
            self.bring_head().await?;
        }
        self.lag(None);
        if let Some(confirmed) = self.sink.confirmed(self.delivered).await? {
            self.confirmed = confirmed;
        }
        self.went_well();
        self.remember(store, false).await?;
        Ok(more)
    }

    async fn read(&mut self, reader: &mut Reader) -> Result<Option<Pending>, Failure> {
        let Batch { records, more, lost, restarted, broken } = reader.next(self.durable())?;
        if restarted {
            self.parts.metrics.export_lost(&self.settings.name, lost);
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
        let Some(since) = records.first().map(Record::time) else { return Ok(None) };
        let mut pending = Pending { events: Vec::with_capacity(records.len()), records: 0, since, cursor: reader.cursor(), more };
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
                record.person = self.people.behind(pseudonym).await.inspect_err(|_| reader.seek(self.delivered))?;
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

    /// Sends the newest head, once all that it counts was sent: whoever has both can hold the log to them.
    async fn bring_head(&mut self) -> Result<(), SinkError> {
        let is_early = self.head.1.is_some_and(|at| at.elapsed() < HEADS);
        let Some(signed) = self.newest_head().filter(|signed| {
            let size = signed.head.size;
            !is_early && size > self.head.0 && size <= self.delivered.position
        }) else {
            return Ok(());
        };
        let event = formats::head(&signed, self.parts.log.name(), self.settings.format);
        self.sink.deliver(&[event], self.delivered).await?;
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

    /// How far behind it is; `since` is when the oldest record that it has not was written.
    fn lag(&self, since: Option<Timestamp>) {
        let records = self.durable().saturating_sub(self.delivered.position);
        let seconds = since.map_or(0, |since| Timestamp::now().as_second().saturating_sub(since.as_second()).max(0));
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
            (self.pending, self.delivered) = (None, self.confirmed);
            reader.seek(self.confirmed);
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
        self.lag(self.pending.as_ref().map(|pending| pending.since));
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
