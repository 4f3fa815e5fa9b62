//! `servers:`, the MCP servers behind the gateway.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::Context;
use super::auth::auth;
use super::locations::endpoint;
use super::stdio::stdio;
use super::upstream_tls::upstream_tls;
use crate::config::units::{duration, size, within};
use crate::config::{Auth, Breaker, Capture, IdentityJwt, Listener, Server, ServerLimits, ServerSelection, Transport};
use crate::policy::{Classification, Operation, tenants};
use crate::reach::is_loopback;
use crate::yaml::{
    Entry, Fields, Later, Node, Report, boolean, choice, entries, key_name, later, name, number, parsed, scalar, text,
};

const LATER: &[Later] = &[later("labels"), later("on_scan_failure")];

/// Whether it is the transport of 2024-11-05.
const TRANSPORTS: &[(&str, bool)] = &[("http", false), ("sse", true)];

/// `input_schemas:` and `output_schemas:`; whether calls, and results, are held to them.
const SCHEMAS: &[(&str, bool)] = &[("off", false), ("enforce", true)];

const CAPTURES: &[(&str, Capture)] =
    &[("none", Capture::None), ("keys", Capture::Keys), ("masked", Capture::Masked), ("full", Capture::Full)];

/// Reads all servers, sorted by name; at least one.
pub(super) fn servers(
    node: &Node,
    context: &Context<'_>,
    listeners: &[Listener],
    report: &mut Report,
) -> Option<Vec<Arc<Server>>> {
    let entries = entries(node, report)?;
    if entries.is_empty() {
        report.error(node.place, "`servers` is empty").hint("name at least one MCP server");
    }
    let mut servers: Vec<Arc<Server>> =
        entries.iter().filter_map(|entry| server(entry, context, listeners, report)).map(Arc::new).collect();
    servers.sort_by(|one, other| one.name.cmp(&other.name));
    Some(servers)
}

fn server(entry: &Entry, context: &Context<'_>, listeners: &[Listener], report: &mut Report) -> Option<Server> {
    let called = key_name(&entry.key, report);
    let mut fields = Fields::of(&entry.value, "servers.*", report)?;
    let transport = transport(&mut fields, context);
    let audiences = fields.list_or_empty("audiences", text);
    let auth = fields.optional("auth", |node, report| auth(node, context, report));
    let tls = fields.optional("tls", |node, report| upstream_tls(node, "servers.*.tls", context.base, report));
    let identity_jwt = fields.optional("identity_jwt", identity_jwt);
    let owner = fields.optional("owner", text);
    let purpose = fields.optional("purpose", text);
    let region = fields.optional("region", name);
    let tenants = tenants(&mut fields, &context.known);
    let classification = fields.optional("classification", choice(Classification::WORDS, &[])).unwrap_or_default();
    let capture = fields.optional("capture", choice(CAPTURES, &[])).unwrap_or_default();
    let Tools { captures, operations } = fields.optional("tools", tools).unwrap_or_default();
    let timeout =
        fields.optional("timeout", within(duration, Duration::from_millis(10)..=Duration::from_hours(1), "from 10ms to 1h"));
    let limits = fields.optional("limits", limits).unwrap_or_default();
    let breaker = fields.optional("breaker", breaker).unwrap_or_default();
    let receipts = fields.optional("receipts", boolean).unwrap_or(false);
    let input_schemas = fields.optional("input_schemas", choice(SCHEMAS, &[])).unwrap_or(false);
    let output_schemas = fields.optional("output_schemas", choice(SCHEMAS, &[])).unwrap_or(false);
    match &transport {
        Some(Transport::Http(url) | Transport::HttpSse(url)) => check_connection(url, &mut fields),
        Some(Transport::Stdio(_)) => refuse_settings_of_connections(&mut fields),
        None => {}
    }
    check_names_of_callers(auth.as_ref(), transport.as_ref(), &mut fields);
    fields.finish(LATER);

    let called = called?;
    if !listeners.is_empty() && !listeners.iter().any(|listener| offers(listener, &called)) {
        report
            .warning(entry.key.place, format!("no listener offers the server `{called}`"))
            .hint("add it to `servers` of a listener");
    }
    Some(Server {
        name: called,
        transport: transport?,
        audiences,
        auth,
        tls: tls.unwrap_or_default(),
        identity_jwt,
        owner,
        purpose,
        region,
        tenants: tenants?,
        classification,
        capture,
        captures,
        operations,
        timeout: timeout.unwrap_or(Duration::from_mins(1)),
        limits,
        breaker,
        receipts,
        input_schemas,
        output_schemas,
    })
}

fn identity_jwt(node: &Node, report: &mut Report) -> Option<IdentityJwt> {
    let mut fields = Fields::of(node, "servers.*.identity_jwt", report)?;
    let audience = fields.optional("audience", text);
    let groups = fields.optional("groups", boolean).unwrap_or(false);
    fields.finish(&[]);
    Some(IdentityJwt { audience, groups })
}

/// SECURITY: over HTTP+SSE what the gateway says by itself, to end a call or to answer a question, is said in nobody's name.
fn check_names_of_callers(auth: Option<&Auth>, transport: Option<&Transport>, fields: &mut Fields<'_, '_>) {
    if fields.has("identity_jwt") && !matches!(transport, Some(Transport::Http(_)) | None) {
        let place = fields.place("identity_jwt");
        let found = fields.report().error(place, "`identity_jwt` is for Streamable HTTP, where each message is somebody's");
        found.hint("leave it out");
    }
    let kind = match auth {
        Some(Auth::TokenExchange(_)) => "token_exchange",
        Some(Auth::UserOauth(_)) => "user_oauth",
        Some(Auth::Basic(..) | Auth::Bearer(_) | Auth::ClientCredentials(_) | Auth::Header(..)) | None => return,
    };
    if matches!(transport, Some(Transport::HttpSse(_))) {
        let place = fields.place("auth");
        let found =
            fields.report().error(place, format!("`{kind}` is for Streamable HTTP, and this server is spoken to by `sse`"));
        found.hint("use `client_credentials`, or the other transport");
    }
}

/// What goes with the URL it has.
fn check_connection(url: &Uri, fields: &mut Fields<'_, '_>) {
    if url.scheme_str() == Some("http") && fields.has("tls") {
        let place = fields.place("tls");
        let found = fields.report().error(place, "`tls` is for an `https` URL, and this server is spoken to in the clear");
        found.hint("write `https://`, or leave `tls` out");
    } else if fields.has("auth") && is_clear_text(url) {
        let place = fields.place("url");
        fields.report().warning(place, "the credential for this server travels unencrypted").hint("use https");
    }
}

/// A process has none: a setting that is silently ignored is a hole.
fn refuse_settings_of_connections(fields: &mut Fields<'_, '_>) {
    if fields.has("auth") {
        let place = fields.place("auth");
        let found = fields.report().error(place, "`auth` is for servers with a `url`");
        found.hint("give a process its credential under `stdio.env`");
    }
    if fields.has("tls") {
        let place = fields.place("tls");
        fields.report().error(place, "`tls` is for servers with a `url`").hint("a process has no connections: leave it out");
    }
    for key in ["connect_timeout", "first_byte_timeout", "head", "headers"] {
        if let Some(setting) = fields.value("limits").and_then(|limits| limits.get(key)) {
            let found = fields.report().error(setting.place, format!("`{key}` is for servers with a `url`"));
            found.hint("a process has no connections: leave it out");
        }
    }
}

/// How it is reached: one way, and no other.
fn transport(fields: &mut Fields<'_, '_>, context: &Context<'_>) -> Option<Transport> {
    let both = fields.has("url") && fields.has("stdio");
    let stdio = fields.optional("stdio", |node, report| stdio(node, context, report));
    let url = if fields.has("stdio") { fields.optional("url", url) } else { fields.required("url", url) };
    let over_sse = fields.optional("transport", choice(TRANSPORTS, &[])).unwrap_or(false);
    if both {
        let place = fields.place("stdio");
        fields
            .report()
            .error(place, "a server has a `url` or is a process (`stdio`), and this one is both")
            .hint("leave one of them out");
        return None;
    }
    if stdio.is_some() && fields.has("transport") {
        let place = fields.place("transport");
        fields.report().error(place, "`transport` is for servers with a `url`").hint("leave it out");
    }
    let over_http = if over_sse { Transport::HttpSse } else { Transport::Http };
    url.map(over_http).or_else(|| stdio.map(Arc::new).map(Transport::Stdio))
}

/// `tools:`, what the operator says about single tools.
#[derive(Default)]
struct Tools {
    captures: BTreeMap<String, Capture>,
    operations: BTreeMap<String, Operation>,
}

fn tools(node: &Node, report: &mut Report) -> Option<Tools> {
    let mut tools = Tools::default();
    for entry in entries(node, report)? {
        let mut fields = Fields::of(&entry.value, "servers.*.tools.*", report)?;
        if let Some(capture) = fields.optional("capture", choice(CAPTURES, &[])) {
            tools.captures.insert(entry.key.text.clone(), capture);
        }
        if let Some(operation) = fields.optional("operation", choice(Operation::WORDS, &[])) {
            tools.operations.insert(entry.key.text.clone(), operation);
        }
        fields.finish(&[later("labels")]);
    }
    Some(tools)
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            // Enough for 2,500 calls/s of 100 ms each, and what a small server survives.
            concurrency: 256,
            queue: 256,
            // Longer than a burst lasts; whoever waits longer is better served by an answer.
            queue_timeout: Duration::from_secs(1),
            streams: 1_024,
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: None,
            // Comments count, and servers that keep streams open send them; a stream whose other side is gone does not stay for ever.
            idle_timeout: Duration::from_mins(30),
            // SECURITY.md 4.3: what a client may send, a server may answer.
            head: 16 << 10,
            headers: 64,
            message: None,
            // Whoever listens asks again, and is judged again.
            stream_life: Duration::from_hours(1),
            // Two hundred and fifty-six of the largest messages: no honest stream, and seconds of one without end.
            stream_bytes: 1 << 30,
        }
    }
}

fn limits(node: &Node, report: &mut Report) -> Option<ServerLimits> {
    const SHORT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(10);
    let default = ServerLimits::default();
    let mut fields = Fields::of(node, "servers.*.limits", report)?;
    let hours = within(duration, Duration::from_millis(10)..=Duration::from_hours(1), "from 10ms to 1h");
    let days = within(duration, Duration::from_millis(10)..=Duration::from_hours(24 * 7), "from 10ms to 7d");
    let life = within(duration, Duration::from_millis(10)..=Duration::from_hours(24), "from 10ms to 24h");
    let read = ServerLimits {
        concurrency: fields.optional("concurrency", number(1..=100_000)).unwrap_or(default.concurrency),
        queue: fields.optional("queue", number(0..=100_000)).unwrap_or(default.queue),
        queue_timeout: fields
            .optional("queue_timeout", within(duration, SHORT, "from 10ms to 10s"))
            .unwrap_or(default.queue_timeout),
        streams: fields.optional("streams", number(0..=100_000)).unwrap_or(default.streams),
        connect_timeout: fields
            .optional("connect_timeout", within(duration, SHORT, "from 10ms to 10s"))
            .unwrap_or(default.connect_timeout),
        first_byte_timeout: fields.optional("first_byte_timeout", hours),
        idle_timeout: fields.optional("idle_timeout", days).unwrap_or(default.idle_timeout),
        head: fields.optional("head", within(size, 1 << 10..=256 << 10, "from 1KiB to 256KiB")).unwrap_or(default.head),
        headers: fields.optional("headers", number(8..=512)).unwrap_or(default.headers),
        message: fields.optional("message", within(size, 1 << 10..=64 << 20, "from 1KiB to 64MiB")),
        stream_life: fields.optional("stream_life", life).unwrap_or(default.stream_life),
        stream_bytes: fields
            .optional("stream_bytes", within(size, 64 << 10..=1 << 40, "from 64KiB to 1024GiB"))
            .unwrap_or(default.stream_bytes),
    };
    fields.finish(&[]);
    Some(read)
}

impl Default for Breaker {
    fn default() -> Self {
        // A run of twenty is seconds of a busy server that is down, and beyond what one caller's broken tool does by chance.
        Self { failures: 20, cooldown: Duration::from_secs(1), max_cooldown: Duration::from_secs(30) }
    }
}

fn breaker(node: &Node, report: &mut Report) -> Option<Breaker> {
    let default = Breaker::default();
    let mut fields = Fields::of(node, "servers.*.breaker", report)?;
    let wait = within(duration, Duration::from_millis(10)..=Duration::from_hours(1), "from 10ms to 1h");
    let failures = fields.optional("failures", number(1..=1_000_000)).unwrap_or(default.failures);
    let cooldown = fields.optional("cooldown", &wait).unwrap_or(default.cooldown);
    let longest = fields.optional("max_cooldown", &wait);
    if longest.is_some_and(|longest| longest < cooldown) {
        let place = fields.place("max_cooldown");
        fields
            .report()
            .error(place, "`max_cooldown` is shorter than `cooldown`")
            .hint("it is the bound of the time that doubles");
    }
    fields.finish(&[]);
    Some(Breaker { failures, cooldown, max_cooldown: longest.unwrap_or(default.max_cooldown).max(cooldown) })
}

fn url(node: &Node, report: &mut Report) -> Option<Uri> {
    // `https://user:password@host` is refused below, and its line must not be shown.
    if scalar(node, report)?.text.contains('@') {
        node.conceal(report);
        report.error(node.place, "this URL holds a user or password").hint("credentials belong under `auth`, as references");
        return None;
    }
    parsed(endpoint)(node, report)
}

fn is_clear_text(url: &Uri) -> bool {
    url.scheme_str() == Some("http") && !is_loopback(url.host().unwrap_or_default())
}

fn offers(listener: &Listener, name: &str) -> bool {
    match &listener.servers {
        ServerSelection::All => true,
        ServerSelection::Only(names) => names.iter().any(|offered| offered == name),
    }
}
