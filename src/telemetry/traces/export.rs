//! Posts batches of spans. A task of its own; nothing waits for it but the end of the process, and that not for long.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Counts;
use super::otlp::{self, Resource};
use super::span::Span;
use crate::config;
use crate::outbound::{Ask, Bounds, Client, Silence};
use crate::secrets::Live;
use crate::upstream::ConnectError;

/// Most spans of a batch, about.
const BATCH: usize = 512;

/// How long a span may wait for others to go with.
const GATHER: Duration = Duration::from_secs(1);

/// Pauses before a batch is tried again; then it is dropped.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Most of a collector's answer that is read.
const ANSWER: usize = 64 * 1024;

/// Empties the queue of spans into a collector.
#[derive(Debug)]
pub struct Exporter {
    waiting: mpsc::Receiver<Vec<Span>>,
    client: Client,
    /// What every batch is sent with.
    headers: Vec<(http::HeaderName, Live)>,
    resource: Resource,
    counts: Counts,
    /// Whether the last batch was taken, so that trouble is told once.
    well: bool,
}

/// Why a batch was not taken.
enum Refused {
    /// Worth another try.
    Later(&'static str),
    /// The same would happen again.
    Never(u16),
}

impl Exporter {
    pub(super) fn new(traces: config::Traces, waiting: mpsc::Receiver<Vec<Span>>, counts: Counts) -> Result<Self, ConnectError> {
        let config::Traces { endpoint, headers, timeout, service, attributes, sampling: _ } = traces;
        let bounds = Bounds { connect: timeout, total: timeout, answer: ANSWER, at_once: 1 };
        let client = Client::new(&endpoint, bounds, None)?;
        let resource = Resource::new(&service, &attributes);
        Ok(Self { waiting, client, headers, resource, counts, well: true })
    }

    /// Exports until `stop`, and then what is still waiting, each batch tried once.
    pub async fn run(mut self, stop: CancellationToken) {
        while let Some(batch) = self.batch(&stop).await {
            self.deliver(&batch, &stop).await;
        }
    }

    /// The next spans; `None` once it is stopped and nothing is left.
    async fn batch(&mut self, stop: &CancellationToken) -> Option<Vec<Span>> {
        let mut batch = tokio::select! {
            biased;
            first = self.waiting.recv() => first?,
            () = stop.cancelled(), if !self.waiting.is_closed() => {
                self.waiting.close();
                self.waiting.recv().await?
            }
        };
        let deadline = Instant::now() + GATHER;
        while batch.len() < BATCH {
            tokio::select! {
                biased;
                more = self.waiting.recv() => match more {
                    Some(more) => batch.extend(more),
                    None => break,
                },
                () = tokio::time::sleep_until(deadline) => break,
                () = stop.cancelled() => break,
            }
        }
        Some(batch)
    }

    async fn deliver(&mut self, batch: &[Span], stop: &CancellationToken) {
        let body = Bytes::from(otlp::request(&self.resource, batch));
        let mut pauses = PAUSES.into_iter();
        let reason = loop {
            match self.post(body.clone()).await {
                Ok(()) => {
                    self.counts.exported.inc_by(u64::try_from(batch.len()).unwrap_or(u64::MAX));
                    if !std::mem::replace(&mut self.well, true) {
                        tracing::info!("the collector takes spans again");
                    }
                    return;
                }
                Err(Refused::Never(status)) => {
                    self.complain(|| tracing::warn!(status, "the collector refuses spans; they are dropped"));
                    break "refused";
                }
                Err(Refused::Later(because)) => {
                    self.complain(|| {
                        tracing::warn!(because, "the collector does not take spans; what does not fit the queue is dropped");
                    });
                    match pauses.next().filter(|_| !stop.is_cancelled()) {
                        Some(pause) => {
                            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
                        }
                        None => break "unreachable",
                    }
                }
            }
        };
        self.counts.drop(reason, batch.len());
    }

    /// Tells of trouble once, until it is over.
    fn complain(&mut self, tell: impl FnOnce()) {
        if std::mem::replace(&mut self.well, false) {
            tell();
        }
    }

    async fn post(&self, body: Bytes) -> Result<(), Refused> {
        let mut ask = Ask::post("application/x-protobuf", body);
        for (name, value) in &self.headers {
            let value = value.current().map_err(|_withdrawn| Refused::Later("a header's secret is missing"))?;
            ask =
                ask.secret(name.clone(), &value.secret).map_err(|_invalid| Refused::Later("a header's secret cannot be sent"))?;
        }
        let status = match self.client.send(ask).await {
            Ok(answer) => answer.status.as_u16(),
            // What it says beside its status is nothing to us.
            Err(Silence::TooLarge { status, .. } | Silence::Encoded { status } | Silence::Status(status)) => status,
            Err(Silence::Timeout(_)) => return Err(Refused::Later("time-out")),
            Err(Silence::Connect(_)) => return Err(Refused::Later("no connection")),
            Err(Silence::Http(_) | Silence::Header(_) | Silence::Target(_)) => return Err(Refused::Later("no answer")),
        };
        match status {
            200..=299 => Ok(()),
            // OTLP, "Failures": these are to be tried again.
            429 | 502 | 503 | 504 => Err(Refused::Later("not now")),
            status => Err(Refused::Never(status)),
        }
    }
}
