//! From the trail of a call to its spans, named after OpenTelemetry's semantic conventions for MCP.
//!
//! Attributes are configured names, words of enums, numbers and ids of our own. A caller's text is one only where a policy has let it
//! pass and the naming rules keep it short: the name of a tool or prompt. Never arguments, results, URIs, headers or who called.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::chain::{Decision, Hop, RequestContext};
use crate::protocol::Method;
use crate::trace::{SpanId, Trace, TraceId};

/// One span, ready to be encoded.
#[derive(Debug)]
pub(super) struct Span {
    pub(super) trace: TraceId,
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    /// Whether the parent is a span of another process.
    pub(super) remote: bool,
    pub(super) link: Option<(TraceId, SpanId)>,
    pub(super) flags: u8,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Nanoseconds since the epoch.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    pub(super) events: Vec<(u64, &'static str)>,
    pub(super) failed: bool,
}

/// OTLP's numbers of the kinds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// What one call costs inside the gateway.
    Internal = 1,
    /// The client's request.
    Server = 2,
    /// The gateway's own request to a server.
    Client = 3,
}

#[derive(Debug)]
pub(super) enum Value {
    Integer(i64),
    Text(String),
    Word(&'static str),
}

/// The client's request, the judgement of the layers, and the way to the server if there was one.
pub(super) fn of_call(context: &RequestContext, decision: &Decision, outcome: &'static str) -> Vec<Span> {
    let times = Times { received: context.received, started: context.started };
    let trace = &decision.trace;
    let ended = Instant::now();
    let mut spans = vec![server(context, decision, outcome, &times, ended)];
    let judged = decision.hop.as_ref().map_or(ended, |hop| hop.started);
    let mut chain = Span::new(trace, SpanId::fresh(), Some(trace.span()), "chain".to_owned(), Kind::Internal);
    (chain.start, chain.end) = (times.at(context.started), times.at(judged));
    // A call that is sampled by the word of its message alone has no times of the layers before that was read.
    let untimed = decision.marks.len().saturating_sub(decision.times.len());
    let marks = decision.marks.iter().skip(untimed).zip(&decision.times);
    chain.events = marks.map(|((layer, _), time)| (times.at(*time), *layer)).collect();
    chain.attributes.push(("yett.effect", Value::Word(if decision.recorded { "allow" } else { "deny" })));
    if let Some(rule) = &decision.rule {
        chain.attributes.push(("yett.rule", Value::Text(rule.to_string())));
    }
    if !decision.recorded {
        chain.attributes.push(("error.type", Value::Word(outcome)));
        chain.failed = true;
    }
    spans.push(chain);
    spans.extend(decision.hop.as_ref().map(|hop| client(context, decision, hop, outcome, &times, ended)));
    spans
}

fn server(context: &RequestContext, decision: &Decision, outcome: &'static str, times: &Times, ended: Instant) -> Span {
    let trace = &decision.trace;
    let mut span = Span::new(trace, trace.span(), trace.parent(), name(decision), Kind::Server);
    (span.start, span.end) = (times.at(context.started), times.at(ended));
    (span.remote, span.link) = (trace.parent().is_some(), trace.link());
    describe(decision, &mut span);
    if let Some(id) = decision.what.as_ref().and_then(|what| what.number) {
        // One that is text is a caller's own, and may hold anything.
        span.attributes.push(("jsonrpc.request.id", Value::Text(id.to_string())));
    }
    span.attributes.push(("network.peer.address", Value::Text(context.peer.address.to_string())));
    if let Some(server) = &context.route.server {
        span.attributes.push(("yett.server", Value::Text(server.name.clone())));
    }
    span.attributes.push(("yett.call", Value::Text(context.call.to_string())));
    let findings: i64 = decision.findings.iter().map(|finding| i64::from(finding.count)).sum();
    if findings > 0 {
        span.attributes.push(("yett.findings", Value::Integer(findings)));
    }
    span.fail(error(outcome));
    span
}

fn client(
    context: &RequestContext,
    decision: &Decision,
    hop: &Hop,
    outcome: &'static str,
    times: &Times,
    ended: Instant,
) -> Span {
    let trace = &decision.trace;
    let mut span = Span::new(trace, hop.span, Some(trace.span()), name(decision), Kind::Client);
    (span.start, span.end) = (times.at(hop.started), times.at(hop.ended.unwrap_or(ended)));
    describe(decision, &mut span);
    if let Some(server) = &context.route.server {
        if let Some(host) = server.url().and_then(http::Uri::host) {
            span.attributes.push(("server.address", Value::Text(host.to_owned())));
        }
        if let Some(port) = server.url().and_then(http::Uri::port_u16) {
            span.attributes.push(("server.port", Value::Integer(port.into())));
        }
        span.attributes.push(("yett.server", Value::Text(server.name.clone())));
    }
    // What the layers made of a reply is no failure of the server's.
    let failed = matches!(outcome, "upstream_failed" | "upstream_invalid" | "upstream_timeout" | "upstream_truncated");
    let own = failed || matches!(outcome, "error" | "tool_error" | "incomplete" | "client_gone" | "stream_limit");
    let answered = own.then_some(outcome);
    span.fail(hop.failed.or(answered));
    span
}

/// What both sides of the gateway say of a message.
fn describe(decision: &Decision, span: &mut Span) {
    let Some(what) = &decision.what else { return };
    span.attributes.push(("mcp.method.name", Value::Word(what.method.name())));
    span.attributes.push(("mcp.protocol.version", Value::Word(what.version.as_str())));
    span.attributes.push(("network.protocol.name", Value::Word("http")));
    span.attributes.push(("network.transport", Value::Word("tcp")));
    if what.method == Method::ToolsCall {
        span.attributes.push(("gen_ai.operation.name", Value::Word("execute_tool")));
    }
    if let Some(name) = target(decision) {
        let key = if what.method == Method::ToolsCall { "gen_ai.tool.name" } else { "gen_ai.prompt.name" };
        span.attributes.push((key, Value::Text(name.to_owned())));
    }
}

/// `tools/call search`; of a message that was not let pass the method alone, since its target is whatever a caller has written.
fn name(decision: &Decision) -> String {
    let method = decision.what.as_ref().map_or("unread", |what| what.method.name());
    target(decision).map_or_else(|| method.to_owned(), |target| format!("{method} {target}"))
}

fn target(decision: &Decision) -> Option<&str> {
    let what = decision.what.as_ref().filter(|what| matches!(what.method, Method::ToolsCall | Method::PromptsGet))?;
    what.name.as_deref().filter(|_| decision.recorded)
}

fn error(outcome: &'static str) -> Option<&'static str> {
    (!matches!(outcome, "ok" | "accepted")).then_some(outcome)
}

/// Turns moments into the time of day: that of the arrival, and what has passed since.
struct Times {
    received: Timestamp,
    started: Instant,
}

impl Times {
    fn at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.started).as_nanos();
        let nanos = self.received.as_nanosecond().saturating_add(i128::try_from(since).unwrap_or(i128::MAX));
        u64::try_from(nanos).unwrap_or_default()
    }
}

impl Span {
    fn new(trace: &Trace, id: SpanId, parent: Option<SpanId>, name: String, kind: Kind) -> Self {
        Self {
            trace: trace.id(),
            id,
            parent,
            remote: false,
            link: None,
            flags: trace.flags(),
            name,
            kind,
            start: 0,
            end: 0,
            attributes: Vec::with_capacity(12),
            events: Vec::new(),
            failed: false,
        }
    }

    fn fail(&mut self, error: Option<&'static str>) {
        if let Some(error) = error {
            self.attributes.push(("error.type", Value::Word(error)));
            self.failed = true;
        }
    }
}
