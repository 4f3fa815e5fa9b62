//! Spans of sampled calls, sent to a collector by OTLP over HTTP.
//!
//! A call that is not sampled costs nothing here: spans are made when it has ended, out of what its trail holds anyway. They wait
//! in a bounded queue; what finds no room is counted and dropped, so a collector that is slow or away never touches a call.
//!
//! The exporter is our own: the OpenTelemetry SDK would bring its own runtime thread, HTTP client and protobuf generator for four
//! messages, and does not tell how many spans it has dropped.

mod export;
mod otlp;
mod span;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc;

pub use export::Exporter;

use crate::chain::RequestContext;
use crate::config;
use crate::upstream::ConnectError;
use span::Span;

/// Calls whose spans wait for the exporter: some 2 MiB, one second at 2,000 sampled calls a second.
const QUEUE: usize = 2048;

/// Where spans are handed over.
#[derive(Debug)]
pub(super) struct Tracer {
    queue: mpsc::Sender<Vec<Span>>,
    counts: Counts,
}

/// What became of spans.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    pub(super) exported: Counter,
    pub(super) dropped: Family<DropLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct DropLabels {
    reason: &'static str,
}

impl Counts {
    /// With every reason there, so that nobody has to tell zero from absent.
    pub(super) fn new() -> Self {
        let counts = Self::default();
        for reason in ["queue_full", "refused", "unreachable"] {
            counts.drop(reason, 0);
        }
        counts
    }

    fn drop(&self, reason: &'static str, spans: usize) {
        self.dropped.get_or_create(&DropLabels { reason }).inc_by(u64::try_from(spans).unwrap_or(u64::MAX));
    }
}

/// A queue and who empties it.
pub(super) fn channel(traces: config::Traces, counts: &Counts) -> Result<(Tracer, Exporter), ConnectError> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let exporter = Exporter::new(traces, waiting, counts.clone())?;
    Ok((Tracer { queue, counts: counts.clone() }, exporter))
}

impl Tracer {
    /// The spans of a call that has ended, if it is sampled.
    pub(super) fn call(&self, context: &RequestContext, outcome: &'static str) {
        let spans = context
            .trail
            .with(|decision| if decision.trace.is_sampled() { span::of_call(context, decision, outcome) } else { Vec::new() });
        if spans.is_empty() {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(spans) | mpsc::error::TrySendError::Closed(spans)) = self.queue.try_send(spans)
        {
            self.counts.drop("queue_full", spans.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::chain::{CallId, Peer, Route, Trail};
    use crate::trace::{Sampling, Trace};

    fn call(ratio: f64) -> RequestContext {
        let resource = "http://127.0.0.1/mcp/crm".to_owned();
        let route = Route { metadata_url: resource.clone(), resource, server: None, audiences: Vec::new(), legacy_sse: false };
        RequestContext {
            call: CallId::new(),
            received: jiff::Timestamp::UNIX_EPOCH,
            started: Instant::now(),
            peer: Peer::at(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            route: Arc::new(route),
            trail: Trail::new(Trace::begin(Sampling::On { parent_based: true, ratio }, None)),
        }
    }

    #[test]
    fn what_finds_no_room_is_counted_and_dropped() {
        let counts = Counts::new();
        let (queue, mut waiting) = mpsc::channel(1);
        let tracer = Tracer { queue, counts: counts.clone() };
        let dropped = || counts.dropped.get_or_create(&DropLabels { reason: "queue_full" }).get();
        tracer.call(&call(0.0), "ok");
        assert!(waiting.try_recv().is_err(), "a call that is not sampled");
        tracer.call(&call(1.0), "ok");
        assert_eq!(dropped(), 0);
        // A refusal before anything was read: the request and its judgement.
        tracer.call(&call(1.0), "unauthenticated");
        assert_eq!(dropped(), 2);
        let kept = waiting.try_recv().unwrap();
        assert_eq!(kept.iter().map(|span| span.name.as_str()).collect::<Vec<_>>(), ["unread", "chain"]);
    }
}
