//! `identity:`, who may be a caller.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::issuer::{check_introspection, issuer};
use super::listeners::without_port;
use super::locations::authority;
use super::tls::mtls;
use crate::config::units::{duration, within};
use crate::config::{Identity, KeyRules, Listener};
use crate::policy::ANONYMOUS;
use crate::reach::is_loopback;
use crate::yaml::{Fields, Node, Report, boolean, closest, entries, name, quoted, text};

/// Reads the section; `listeners` are where its callers come from.
pub(super) fn identity(node: &Node, listeners: &[Listener], context: &Context<'_>, report: &mut Report) -> Option<Identity> {
    let mut fields = Fields::of(node, "identity", report)?;
    let mut seen = Vec::new();
    let issuers = fields.list_or_empty("issuers", |node, report| issuer(node, context, &mut seen, report));
    check_introspection(&seen, fields.report());
    let api_keys = fields.optional("api_keys", api_keys).unwrap_or_default();
    let mtls = fields.optional("mtls", mtls);
    if mtls.is_some() && !context.asks_for_certificates {
        let place = fields.place("mtls");
        fields
            .report()
            .error(place, "no listener asks its clients for certificates")
            .hint("write `tls.client_auth` at one, or leave `mtls` out");
    }
    let anonymous = fields.optional("anonymous", |node, report| anonymous(node, listeners, report)).is_some();
    if seen.is_empty() && !api_keys.enabled && mtls.is_none() && !anonymous {
        fields
            .report()
            .error(node.place, "nobody could ever call: there is no issuer, and API keys are off")
            .hint("add an issuer, enable API keys, or write `mtls`");
    }
    let regions = fields.optional("regions", |node, report| regions(node, context, report)).unwrap_or_default();
    fields.finish(&[]);
    Some(Identity { issuers, api_keys, mtls, anonymous, regions: Arc::new(regions) })
}

/// `regions: { corp: eu, api-key: us }`: where callers are whose credential does not say.
fn regions(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<BTreeMap<String, Arc<str>>> {
    let known = &context.known;
    let others = [("api-key", known.api_keys), ("mtls", known.mtls), (ANONYMOUS, !known.anonymous.is_empty())];
    let others = others.into_iter().filter(|(_, there)| *there).map(|(name, _)| name);
    let issuers: Vec<&str> = known.issuers.iter().map(String::as_str).chain(others).collect();
    let mut regions = BTreeMap::new();
    for entry in entries(node, report)? {
        let issuer = entry.key.text.as_str();
        if !issuers.contains(&issuer) {
            let hint = match closest(issuer, issuers.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("name one of {}", issuers.join(", ")),
            };
            report.error(entry.key.place, format!("no issuer is called {}", quoted(issuer))).hint(hint);
        } else if let Some(region) = name(&entry.value, report) {
            regions.insert(issuer.to_owned(), region.into());
        }
    }
    Some(regions)
}

/// Callers without a credential. What roles they have is for the policy to check; where they may come from is checked here.
fn anonymous(node: &Node, listeners: &[Listener], report: &mut Report) -> Option<()> {
    let mut fields = Fields::of(node, "identity.anonymous", report)?;
    let roles = fields.required_list("roles", text);
    fields.finish(&[]);
    let errors = report.errors();
    for listener in listeners {
        let Listener { name, address, public_url, trusted_proxies, .. } = listener;
        let foreign = listener.allowed_hosts.iter().find(|host| !is_loopback(without_port(host)));
        if !address.ip().is_loopback() {
            report
                .error(node.place, format!("the listener `{name}` at {address} is off loopback: anybody could call"))
                .hint("bind every listener to 127.0.0.1 or ::1, or leave `anonymous` out");
        } else if !trusted_proxies.is_empty() {
            report
                .error(
                    node.place,
                    format!("the listener `{name}` has `trusted_proxies`: anybody whom they let through could call"),
                )
                .hint("leave out `trusted_proxies` or `anonymous`");
        } else if !is_loopback(without_port(authority(public_url))) {
            report
                .error(
                    node.place,
                    format!("clients reach the listener `{name}` as `{public_url}`, from elsewhere: anybody could call"),
                )
                .hint("leave out `public_url` or `anonymous`");
        } else if let Some(host) = foreign {
            report
                .error(
                    node.place,
                    format!("the listener `{name}` answers to the host `{host}`: pages that take that name could call"),
                )
                .hint("leave it out of `allowed_hosts`, or leave `anonymous` out");
        }
        for origin in listener.allowed_origins.iter().filter(|origin| !is_loopback(without_port(authority(origin)))) {
            report
                .warning(
                    node.place,
                    format!("pages of `{origin}` may call without a credential, in every browser on this machine"),
                )
                .hint("leave it out of `allowed_origins`, or leave `anonymous` out");
        }
    }
    if report.errors() == errors {
        report
            .warning(node.place, "every user and every program of this machine may call without a credential, as one caller")
            .hint("leave `anonymous` out, and give each a key: `yett keys create`");
    }
    (!roles.is_empty()).then_some(())
}

fn api_keys(node: &Node, report: &mut Report) -> Option<KeyRules> {
    const LONGEST: Duration = Duration::from_hours(36_525 * 24);
    let mut fields = Fields::of(node, "identity.api_keys", report)?;
    let default = KeyRules::default();
    let enabled = fields.optional("enabled", boolean).unwrap_or(default.enabled);
    let max_age = within(duration, Duration::from_hours(1)..=LONGEST, "from 1h to 36525d");
    let max_age = fields.optional("max_age", max_age).unwrap_or(default.max_age);
    let warn_before = fields.optional("warn_before", within(duration, Duration::ZERO..=LONGEST, "from 0s to 36525d"));
    if warn_before.is_some_and(|warn_before| warn_before >= max_age) {
        let place = fields.place("warn_before");
        fields
            .report()
            .error(place, "a key would be warned of from its first day on")
            .hint("make `warn_before` shorter than `max_age`, which is 90d by default");
    }
    if max_age > Duration::from_hours(366 * 24) {
        let place = fields.place("max_age");
        fields
            .report()
            .warning(place, "an API key that leaks works for longer than a year")
            .hint("rotate keys more often; `90d` is the default");
    }
    fields.finish(&[]);
    // Who wants keys to live for a week does not want to hear of each of them all the time.
    let warn_before = warn_before.unwrap_or_else(|| default.warn_before.min(max_age / 2));
    Some(KeyRules { enabled, max_age, warn_before })
}
