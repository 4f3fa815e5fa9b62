//! `identity:`, who may be a caller.

use std::time::Duration;

use super::Context;
use super::issuer::{check_introspection, issuer};
use super::tls::mtls;
use crate::config::units::{duration, within};
use crate::config::{Identity, KeyRules};
use crate::yaml::{Fields, Later, Node, Report, boolean, later};

const LATER: &[Later] = &[later("anonymous")];

/// Reads the section.
pub(super) fn identity(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Identity> {
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
    if seen.is_empty() && !api_keys.enabled && mtls.is_none() {
        fields
            .report()
            .error(node.place, "nobody could ever call: there is no issuer, and API keys are off")
            .hint("add an issuer, enable API keys, or write `mtls`");
    }
    fields.finish(LATER);
    Some(Identity { issuers, api_keys, mtls })
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
