//! Posts batches of spans. A task of its own; nothing waits for it but the end of the process, and that not for long.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Counts;
use super::otlp::{self, Resource};
use super::span::Span;
use crate::config;
use crate::upstream::{ConnectError, Connector, Sockets};

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
    connector: Connector,
    target: Uri,
    headers: HeaderMap,
    resource: Resource,
    timeout: Duration,
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
        // One batch after the other; the second is for a connection whose end the system has not seen yet.
        let connector = Connector::new(&endpoint, config::ServerLimits::default(), Sockets::new(2))?;
        let bad = || ConnectError::Host(endpoint.to_string());
        let host = endpoint.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()).ok_or_else(bad)?;
        let mut sent = HeaderMap::new();
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_unused| bad())?;
            value.set_sensitive(true);
            sent.append(name, value);
        }
        sent.insert(HOST, host);
        sent.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let path = endpoint.path_and_query().map_or("/", |path| path.as_str());
        let target = path.parse().map_err(|_unused| bad())?;
        let resource = Resource::new(&service, &attributes);
        Ok(Self { waiting, connector, target, headers: sent, resource, timeout, counts, well: true })
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
            let tried = tokio::time::timeout(self.timeout, self.post(body.clone())).await;
            match tried.unwrap_or(Err(Refused::Later("time-out"))) {
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
        let link = self.connector.link().await.map_err(|_unused| Refused::Later("no connection"))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(link)).await.map_err(|_unused| Refused::Later("no connection"))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        let exchange = async {
            let response = sender.send_request(request).await.map_err(|_unused| Refused::Later("no answer"))?;
            let status = response.status().as_u16();
            let _ = Limited::new(response.into_body(), ANSWER).collect().await;
            match status {
                200..=299 => Ok(()),
                // OTLP, "Failures": these are to be tried again.
                429 | 502 | 503 | 504 => Err(Refused::Later("not now")),
                status => Err(Refused::Never(status)),
            }
        };
        // The connection lives in this future, so that nothing of it outlives the try.
        let mut exchange = std::pin::pin!(exchange);
        tokio::select! {
            result = &mut exchange => result,
            _ = connection => exchange.await,
        }
    }
}
