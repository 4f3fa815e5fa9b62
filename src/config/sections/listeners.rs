//! `listeners:`, where MCP clients connect.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::locations::{authority, host, origin, public_url};
use super::tls::tls;
use super::{Bound, Context};
use crate::config::units::{duration, size, within};
use crate::config::{Limits, Listener, Network, Risk, ServerSelection};
use crate::reach::is_loopback;
use crate::yaml::{Fields, Invalid, Node, Place, Report, boolean, closest, items, name, number, parsed, scalar, text};

/// Reads one listener; adds what it binds to `bound`, and its name to `names`.
pub(super) fn listener(
    node: &Node,
    context: &Context<'_>,
    bound: &mut Vec<Bound>,
    names: &mut Vec<(String, Place)>,
    report: &mut Report,
) -> Option<Listener> {
    let mut fields = Fields::of(node, "listeners[]", report)?;
    let name = fields.required("name", unique_name(names));
    let address = fields.required("address", parsed(socket_address));
    let url = fields.optional("public_url", parsed(public_url));
    let origins = fields.list_or_empty("allowed_origins", parsed(origin));
    let hosts = fields.list_or_empty("allowed_hosts", parsed(host));
    let servers = fields.optional("servers", |node, report| selection(node, context, report));
    let limits = fields.optional("limits", limits).unwrap_or_default();
    let legacy_sse = fields.optional("legacy_sse", boolean).unwrap_or(false);
    let trusted_proxies = fields.list_or_empty("trusted_proxies", parsed(Network::parse));
    let reached_as = url.as_deref().map(|url| without_port(authority(url)));
    let secure = fields.has("tls");
    let tls = fields.optional("tls", |node, report| tls(node, reached_as, context, report));
    if let Some(address) = address {
        bound.push(Bound { what: "a listener", address, place: fields.place("address"), tls: secure });
        if !address.ip().is_loopback() {
            check_exposed(&mut fields, address, url.is_some(), context);
        }
    }
    let plain = url.as_deref().filter(|url| url.starts_with("http:"));
    if let Some(url) = plain.filter(|_| secure) {
        let place = fields.place("public_url");
        fields
            .report()
            .error(place, format!("the listener speaks TLS, and `{url}` does not"))
            .hint("write `https://`: tokens are made for this URL, and it is told to clients");
    } else if let Some(url) = plain.filter(|url| !is_loopback(without_port(authority(url)))) {
        let place = fields.place("public_url");
        fields
            .report()
            .warning(place, format!("clients send their tokens to `{url}` unencrypted"))
            .hint("put TLS in front, and write `https://`");
    }
    fields.finish(&[]);

    let address = address?;
    let public_url = url.unwrap_or_else(|| format!("{}://{address}", if secure { "https" } else { "http" }));
    let allowed_hosts = if hosts.is_empty() { default_hosts(&public_url, address) } else { hosts };
    Some(Listener {
        name: name?,
        address,
        public_url,
        allowed_origins: origins,
        allowed_hosts,
        servers: servers.unwrap_or(ServerSelection::All),
        legacy_sse,
        tls,
        trusted_proxies,
        limits,
    })
}

impl Default for Limits {
    /// SECURITY.md 4.3.
    fn default() -> Self {
        Self {
            head: 16 << 10,
            headers: 64,
            uri: 8 << 10,
            body: 4 << 20,
            depth: 64,
            nodes: 100_000,
            string: 1 << 20,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(30),
            body_rate: 500,
            body_window: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            stall_timeout: Duration::from_secs(30),
            stream_buffer: 256 << 10,
            connections: 10_000,
            connections_per_peer: 200,
            requests_per_connection: 10_000,
            streams: 100,
        }
    }
}

fn limits(node: &Node, report: &mut Report) -> Option<Limits> {
    /// Long enough for a test, short enough that nobody is held for nothing.
    const WAIT: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_mins(10);
    const WAIT_WORDS: &str = "from 10ms to 10m";

    let default = Limits::default();
    let mut fields = Fields::of(node, "listeners[].limits", report)?;
    // The HTTP library buffers no less than 8 KiB of head.
    let head = fields.optional("head", within(size, 8 << 10..=1 << 20, "from 8KiB to 1MiB")).unwrap_or(default.head);
    let headers = fields.optional("headers", number(8..=512)).unwrap_or(default.headers);
    let uri = fields.optional("uri", within(size, 256..=64 << 10, "from 256B to 64KiB")).unwrap_or(default.uri);
    let body = fields.optional("body", within(size, 1 << 10..=64 << 20, "from 1KiB to 64MiB")).unwrap_or(default.body);
    // The contract's bound on every parser behind the gateway is 64; it can only be narrowed.
    let depth = fields.optional("depth", number(8..=64)).unwrap_or(default.depth);
    let nodes = fields.optional("nodes", number(100..=1_000_000)).unwrap_or(default.nodes);
    let string = fields.optional("string", within(size, 1 << 10..=64 << 20, "from 1KiB to 64MiB"));
    if let Some(string) = string.filter(|string| *string > body) {
        let place = fields.place("string");
        fields
            .report()
            .warning(place, format!("strings of {string} bytes do not fit into a body of {body}"))
            .hint("raise `body` or lower `string`");
    }
    let read = Limits {
        head,
        headers,
        uri,
        body,
        depth,
        nodes,
        string: string.unwrap_or(default.string),
        header_timeout: fields.optional("header_timeout", within(duration, WAIT, WAIT_WORDS)).unwrap_or(default.header_timeout),
        body_timeout: fields.optional("body_timeout", within(duration, WAIT, WAIT_WORDS)).unwrap_or(default.body_timeout),
        body_rate: fields.optional("body_rate", number(1..=1_000_000)).unwrap_or(default.body_rate),
        body_window: fields.optional("body_window", within(duration, WAIT, WAIT_WORDS)).unwrap_or(default.body_window),
        idle_timeout: fields.optional("idle_timeout", within(duration, WAIT, WAIT_WORDS)).unwrap_or(default.idle_timeout),
        stall_timeout: fields.optional("stall_timeout", within(duration, WAIT, WAIT_WORDS)).unwrap_or(default.stall_timeout),
        stream_buffer: fields
            .optional("stream_buffer", within(size, 32 << 10..=16 << 20, "from 32KiB to 16MiB"))
            .unwrap_or(default.stream_buffer),
        connections: fields.optional("connections", number(1..=1_000_000)).unwrap_or(default.connections),
        connections_per_peer: fields
            .optional("connections_per_peer", number(1..=1_000_000))
            .unwrap_or(default.connections_per_peer),
        requests_per_connection: fields
            .optional("requests_per_connection", number(1..=1_000_000_000))
            .unwrap_or(default.requests_per_connection),
        streams: fields.optional("streams", number(1..=1000)).unwrap_or(default.streams),
    };
    fields.finish(&[]);
    Some(read)
}

/// Whoever can reach the address can read what passes, and its URL cannot be guessed.
fn check_exposed(fields: &mut Fields<'_, '_>, address: SocketAddr, has_url: bool, context: &Context<'_>) {
    let place = fields.place("address");
    if !context.accepts(Risk::PlaintextListener) && !fields.has("tls") {
        fields
            .report()
            .error(place, format!("the listener at {address} is off loopback and has no TLS"))
            .hint("write `tls`, or terminate TLS in front of it and name `accept_risks: [plaintext_listener]`");
    }
    if !has_url && !fields.has("public_url") {
        fields
            .report()
            .error(place, format!("the listener at {address} is off loopback and needs a `public_url`"))
            .hint("write the URL by which clients reach it; it is never guessed from a request");
    }
}

fn selection(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<ServerSelection> {
    let names = items(node, report, |node, report| {
        let written = text(node, report)?;
        if written != "*" && !context.known.servers.contains(&written) {
            let meant = closest(&written, context.known.servers.iter().map(String::as_str));
            let shown = scalar(node, report)?.shown();
            let hint =
                meant.map_or_else(|| "name one of `servers`, or `*`".to_owned(), |meant| format!("did you mean `{meant}`?"));
            report.error(node.place, format!("no server is called {shown}")).hint(hint);
            return None;
        }
        Some(written)
    })?;
    let all = names.iter().any(|name| name == "*");
    if all && names.len() > 1 {
        report.error(node.place, "`*` offers every server, the others are named in vain").hint("leave out one or the other");
    }
    if let crate::yaml::Value::Sequence(nodes) = &node.value
        && nodes.is_empty()
    {
        report.error(node.place, "`servers` is empty").hint("write `[\"*\"]` for every server, or name some");
    }
    Some(if all { ServerSelection::All } else { ServerSelection::Only(names) })
}

/// A name that no earlier listener has.
fn unique_name(names: &mut Vec<(String, Place)>) -> impl FnOnce(&Node, &mut Report) -> Option<String> + '_ {
    move |node, report| {
        let name = name(node, report)?;
        if let Some((_, earlier)) = names.iter().find(|(taken, _)| *taken == name) {
            let earlier = report.locate(*earlier);
            report.error(node.place, format!("the name `{name}` is given twice")).hint(format!("first at {earlier}"));
            return None;
        }
        names.push((name.clone(), node.place));
        Some(name)
    }
}

/// An address to listen on.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, Invalid> {
    text.parse()
        .map_err(|_unspecific| Invalid::new("is not an address", "write `IP:port`, such as `127.0.0.1:8080` or `[::]:8443`"))
}

fn default_hosts(public_url: &str, address: SocketAddr) -> Vec<String> {
    let mut hosts = vec![authority(public_url).to_owned()];
    if address.ip().is_loopback() {
        let port = address.port();
        for name in ["localhost", "127.0.0.1", "[::1]"] {
            // Clients leave out the default port.
            let host = if port == if public_url.starts_with("https:") { 443 } else { 80 } {
                name.to_owned()
            } else {
                format!("{name}:{port}")
            };
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    hosts
}

pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        Some(_) | None => authority,
    }
}
