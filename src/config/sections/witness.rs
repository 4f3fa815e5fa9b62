//! `audit.witness:`, who confirms the audit log from outside.

use std::fs::File;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use super::Context;
use super::locations::key_set_url;
use crate::config::units::{duration, within};
use crate::config::{WitnessMode, Witnesses};
use crate::tlog::{POLICY_MAX, Policy};
use crate::yaml::{Fields, Node, Report, choice, scalar};

const MODES: &[(&str, WitnessMode)] = &[("async", WitnessMode::Async), ("strict", WitnessMode::Strict)];

/// Six rounds of requests.
const MAX_LAG: Duration = Duration::from_secs(30);

pub(super) fn witness(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Witnesses> {
    let mut fields = Fields::of(node, "audit.witness", report)?;
    let policy = fields.required("policy", |node, report| policy(node, context, report));
    let mode = fields.optional("mode", choice(MODES, &[])).unwrap_or(WitnessMode::Async);
    let limits = within(duration, Duration::from_secs(15)..=Duration::from_hours(24), "from 15s to 24h");
    let max_lag = fields.optional("max_lag", limits);
    if max_lag.is_some() && mode == WitnessMode::Async {
        let place = fields.place("max_lag");
        fields.report().warning(place, "`max_lag` does nothing unless `mode` is `strict`").hint("remove it");
    }
    fields.finish(&[]);
    let (policy, urls) = policy?;
    Some(Witnesses { policy: Arc::new(policy), urls, mode, max_lag: max_lag.unwrap_or(MAX_LAG) })
}

/// A file of C2SP tlog-policy, and where each of its witnesses is.
fn policy(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<(Policy, Vec<Uri>)> {
    let written = scalar(node, report)?;
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a larger one is seen to be larger.
    let read = File::open(context.base.join(written.text.as_str()))
        .and_then(|file| file.take(POLICY_MAX as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        report
            .error(node.place, format!("the tlog-policy {} cannot be read: {error}", written.shown()))
            .hint("relative paths start at the file that names them");
        return None;
    }
    let mut refuse = |problem: String, hint: &str| {
        report.error(node.place, format!("{} {problem}", written.shown())).hint(hint);
    };
    let policy = match Policy::parse(&bytes) {
        Ok(policy) => policy,
        Err(error) => {
            // Of the file as a whole there is no line to name.
            let problem = if error.line == 0 { error.reason.to_string() } else { error.to_string() };
            refuse(format!("is not a tlog-policy: {problem}"), "see docs/witness.md");
            return None;
        }
    };
    if !policy.needs_witnesses() {
        refuse("asks for no witness: its quorum is `none`".to_owned(), "name a witness or a group in its `quorum` line");
        return None;
    }
    let mut urls = Vec::new();
    for witness in policy.witnesses() {
        // Whoever can change answers on their way can say that the log forked.
        match witness.url.as_deref().map(key_set_url) {
            Some(Ok(url)) if url.query().is_none() => urls.push(url),
            Some(_) => refuse(format!("gives witness `{}` a URL that is not https", witness.name), "write `https://host/path`"),
            None => refuse(format!("gives witness `{}` no URL", witness.name), "write it behind its key"),
        }
    }
    (urls.len() == policy.witnesses().count()).then_some((policy, urls))
}
