//! What concerns the process as a whole: its own addresses, its log, its end.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::listeners::socket_address;
use super::locations::authority;
use super::{Bound, Context, auditors, copies, sinks, witness};
use crate::config::units::{duration, size, within};
use crate::config::{Audit, Auditor, Durability, Health, Listener, Refusals, Risk, Shutdown, Signing};
use crate::secrets::Form;
use crate::yaml::{Fields, Invalid, Node, Place, Report, boolean, choice, number, parsed};

const ADMIN: SocketAddr = loopback(9901);
const HEALTH: SocketAddr = loopback(9902);

const RISKS: &[(&str, Risk)] =
    &[("plaintext_listener", Risk::PlaintextListener), ("async_audit", Risk::AsyncAudit), ("open_metrics", Risk::OpenMetrics)];

const DURABILITIES: &[(&str, Durability)] =
    &[("strict", Durability::Strict), ("response", Durability::Response), ("async", Durability::Async)];

/// `admin:`
pub(super) fn admin(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<(Bound, Vec<Auditor>)> {
    let mut fields = Fields::of(node, "admin", report)?;
    let address = fields.optional("address", parsed(socket_address)).unwrap_or(ADMIN);
    let place = fields.place("address");
    if !address.ip().is_loopback() && !context.accepts(Risk::PlaintextListener) {
        fields
            .report()
            .error(place, format!("the admin API at {address} is off loopback and has no TLS"))
            .hint("bind it to 127.0.0.1, or terminate TLS in front of it and name `accept_risks: [plaintext_listener]`");
    }
    let mut earlier = Vec::new();
    let auditors = fields.list_or_empty("auditors", |node, report| auditors::auditor(node, context, &mut earlier, report));
    fields.finish(&[]);
    Some((Bound { what: "the admin API", address, place, tls: false }, auditors))
}

/// What `admin:` means when it is not there.
pub(super) fn default_admin(place: Place) -> Bound {
    Bound { what: "the admin API", address: ADMIN, place, tls: false }
}

/// `health:`
pub(super) fn health(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<(Health, Bound)> {
    let mut fields = Fields::of(node, "health", report)?;
    let address = fields.optional("address", parsed(socket_address)).unwrap_or(HEALTH);
    let metrics_token =
        fields.optional("metrics_token", context.secret(Form::Token { least: 16 }, "this token has fewer than 16 characters"));
    let place = fields.place("address");
    fields.finish(&[]);
    Some((Health { address, metrics_token }, Bound { what: "health and metrics", address, place, tls: false }))
}

/// What `health:` means when it is not there.
pub(super) fn default_health(place: Place) -> (Health, Bound) {
    (Health { address: HEALTH, metrics_token: None }, Bound { what: "health and metrics", address: HEALTH, place, tls: false })
}

/// `audit:`, there or not: its origin follows from the first listener.
pub(super) fn audit(root: &mut Fields<'_, '_>, listeners: &[Listener], context: &Context<'_>) -> Option<Audit> {
    let first = listeners.first().map_or("", |listener| authority(&listener.public_url));
    let host = match first.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        Some(_) | None => first,
    };
    let default = Audit {
        origin: host.to_owned(),
        replica: "r1".to_owned(),
        durability: Durability::Strict,
        loss_window: Duration::from_millis(100),
        reserve: 64 << 20,
        vault_keep: VAULT_KEEP,
        retention: VAULT_KEEP,
        compress: true,
        refusals: REFUSALS,
        index: false,
        signing: SIGNING,
        witness: None,
        copies: Vec::new(),
        sinks: Vec::new(),
    };
    if !root.has("audit") {
        return Some(default);
    }
    root.optional("audit", |node, report| {
        let mut fields = Fields::of(node, "audit", report)?;
        let origin = fields.optional("origin", parsed(log_name));
        let replica = fields.optional("replica", parsed(log_name));
        let durability = fields.optional("durability", choice(DURABILITIES, &[]));
        let window = within(duration, Duration::from_millis(1)..=Duration::from_secs(10), "from 1ms to 10s");
        let loss_window = fields.optional("loss_window", window);
        let reserve = fields.optional("reserve", within(size, 1 << 20..=1 << 40, "from 1MiB to 1024GiB"));
        if durability == Some(Durability::Async) && !context.accepts(Risk::AsyncAudit) {
            let place = fields.place("durability");
            fields
                .report()
                .error(place, "`async` may lose the records of calls that were answered")
                .hint("write `strict` or `response`, or name `accept_risks: [async_audit]`");
        }
        if loss_window.is_some() && durability != Some(Durability::Async) {
            let place = fields.place("loss_window");
            fields.report().warning(place, "`loss_window` does nothing unless `durability` is `async`").hint("remove it");
        }
        let vault_keep = fields.optional("vault", vault);
        let retention = fields.optional("retention", within(duration, KEEP, "from 1d to 36525d"));
        let compress = fields.optional("compress", boolean);
        let refusals = fields.optional("refusals", refusals);
        let index = fields.optional("index", boolean);
        let signing = fields.optional("signing", signing);
        let witness = fields.optional("witness", |node, report| witness::witness(node, context, report));
        let mut names = Vec::new();
        let copies = fields.list_or_empty("copies", |node, report| copies::copy(node, context, &mut names, report));
        let mut names = Vec::new();
        let sinks = fields.list_or_empty("sinks", |node, report| sinks::sink(node, context, &mut names, report));
        fields.finish(&[]);
        Some(Audit {
            origin: origin.unwrap_or(default.origin),
            replica: replica.unwrap_or(default.replica),
            durability: durability.unwrap_or(default.durability),
            loss_window: loss_window.unwrap_or(default.loss_window),
            reserve: reserve.map_or(default.reserve, |bytes| bytes as u64),
            vault_keep: vault_keep.unwrap_or(default.vault_keep),
            retention: retention.unwrap_or(default.retention),
            compress: compress.unwrap_or(default.compress),
            refusals: refusals.unwrap_or(default.refusals),
            index: index.unwrap_or(default.index),
            signing: signing.unwrap_or(default.signing),
            witness,
            copies,
            sinks,
        })
    })
}

/// Seven years: covers what customers derive from HIPAA, SEC 17a-4, PCI DSS and the AI Act (SECURITY.md 2.8).
const VAULT_KEEP: Duration = Duration::from_hours(24 * 2_557);
const KEEP: RangeInclusive<Duration> = Duration::from_hours(24)..=Duration::from_hours(24 * 36_525);

fn vault(node: &Node, report: &mut Report) -> Option<Duration> {
    let mut fields = Fields::of(node, "audit.vault", report)?;
    let keep = fields.optional("keep", within(duration, KEEP, "from 1d to 36525d"));
    fields.finish(&[]);
    Some(keep.unwrap_or(VAULT_KEEP))
}

/// New keys every day (SECURITY.md 2.6).
const SIGNING: Signing = Signing { rotate: Duration::from_hours(24), ml_dsa: false };

fn signing(node: &Node, report: &mut Report) -> Option<Signing> {
    const RANGE: RangeInclusive<Duration> = Duration::from_mins(1)..=Duration::from_hours(24 * 30);
    let mut fields = Fields::of(node, "audit.signing", report)?;
    let rotate = fields.optional("rotate", within(duration, RANGE, "from 1m to 30d")).unwrap_or(SIGNING.rotate);
    let ml_dsa = fields.optional("ml_dsa", boolean).unwrap_or(SIGNING.ml_dsa);
    fields.finish(&[]);
    Some(Signing { rotate, ml_dsa })
}

/// A person who mistypes, a client that retries, a scanner at work are each seen one by one; a flood is not.
const REFUSALS: Refusals = Refusals { per_peer: 20, total: 200 };

fn refusals(node: &Node, report: &mut Report) -> Option<Refusals> {
    let mut fields = Fields::of(node, "audit.refusals", report)?;
    let per_peer = fields.optional("per_peer", number(1..=100_000)).unwrap_or(REFUSALS.per_peer);
    let total = fields.optional("total", number(1..=100_000)).unwrap_or(REFUSALS.total);
    fields.finish(&[]);
    Some(Refusals { per_peer, total })
}

/// One item of `accept_risks:`; each is warned about, so that no weak choice is forgotten.
pub(super) fn risk(node: &Node, off_loopback: bool, report: &mut Report) -> Option<Risk> {
    let risk = choice(RISKS, &[])(node, report)?;
    let (message, hint) = match risk {
        Risk::PlaintextListener if !off_loopback => {
            ("nothing needs this risk: every listener is on loopback or speaks TLS", "remove it")
        }
        Risk::PlaintextListener => {
            ("tokens and messages cross the network unencrypted", "keep the way from the TLS ingress to Yett private")
        }
        Risk::AsyncAudit => ("a crash loses the records of calls that were answered just before it", "use `response` instead"),
        Risk::OpenMetrics => ("whoever reaches the health address reads the metrics", "set `health.metrics_token` instead"),
    };
    report.warning(node.place, message).hint(hint);
    Some(risk)
}

/// The risk of this name.
pub(super) fn risk_named(name: &str) -> Option<Risk> {
    RISKS.iter().find(|(word, _)| *word == name).map(|(_, risk)| *risk)
}

/// `shutdown:`
pub(super) fn shutdown(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Shutdown> {
    let default = default_shutdown(context);
    let mut fields = Fields::of(node, "shutdown", report)?;
    let delay = fields.optional("delay", within(duration, Duration::ZERO..=Duration::from_mins(5), "from 0s to 5m"));
    let drain = fields.optional("drain", within(duration, Duration::ZERO..=Duration::from_hours(1), "from 0s to 1h"));
    fields.finish(&[]);
    Some(Shutdown { delay: delay.unwrap_or(default.delay), drain: drain.unwrap_or(default.drain) })
}

/// What `shutdown:` means when it is not there.
pub(super) fn default_shutdown(context: &Context<'_>) -> Shutdown {
    // Load balancers need seconds to see that a replica is leaving; a person at a terminal has none in front.
    let delay = if context.environment.is_terminal() { 0 } else { 5 };
    Shutdown { delay: Duration::from_secs(delay), drain: Duration::from_secs(30) }
}

/// SECURITY: origin and replica become folder names below `audit/`.
fn log_name(text: &str) -> Result<String, Invalid> {
    let inside = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    if inside && (1..=100).contains(&text.len()) && !text.starts_with('.') {
        Ok(text.to_owned())
    } else {
        Err(Invalid::new(
            "is not a name for a log",
            "use 1 to 100 of letters, digits, `.`, `-` and `_`, such as `mcp.example.com`",
        ))
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
