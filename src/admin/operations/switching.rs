//! Operations on kill switches.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};

use super::{OperationError, Operations};
use crate::admin::privacy::{UNNAMED, is_fit, is_fit_reason};
use crate::audit::Kind;
use crate::master_key::hex;
use crate::state::{Stop, Switch, mark};
use crate::vault::Caller;

impl Operations {
    /// Turns a switch on or off without a word why; see [`Operations::switch_for`].
    pub async fn set_switch(&self, switch: &Switch, on: bool, requester: &str) -> Result<(), OperationError> {
        self.switch_for(switch, on, "", requester).await
    }

    /// Turns a switch on or off, once that is recorded; it holds even if the store fails, which the error then says, but for an end in a store
    /// that replicas share. The reason is for operators: empty, or one line. SECURITY: the record names a caller by their pseudonym, in its digests
    /// too.
    pub async fn switch_for(&self, switch: &Switch, on: bool, reason: &str, requester: &str) -> Result<(), OperationError> {
        let _turn = self.turn.lock().await;
        let subject = named(switch).map(|(_, subject)| subject);
        is_fit(requester, subject)?;
        is_fit_reason(reason, subject)?;
        let before = self.switches.marks();
        let stop = self.switches.prepare(switch, reason);
        let mut after = before.clone();
        if on {
            after.insert(switch.clone(), mark(switch, &stop));
        } else {
            after.remove(switch);
        }
        let (pseudonym, target) = match named(switch) {
            Some((issuer, subject)) => {
                let known = self.vault.pseudonym(Caller { issuer, subject, tenant: None }, self.now()).await?;
                (Some(known.name), format!("principal:{issuer}"))
            }
            None => (None, switch.name()),
        };
        self.record(Kind::Killswitch, if on { "kill" } else { "unkill" }, &target, |what| {
            what.text("after", &digest_of(&after)).text("before", &digest_of(&before));
            if !reason.is_empty() {
                what.text("reason", reason);
            }
            what.text("requester", requester);
            if let Some(pseudonym) = &pseudonym {
                what.text("sub", pseudonym);
            }
        })
        .await?;
        Ok(self.switches.set(switch, on.then_some(stop)).await?)
    }

    /// Turns a switch on because a rule of alerts says so. SECURITY: whoever is called what the rule is called, or `alerts`, is stopped all the same; the
    /// record says less then.
    pub async fn quarantine(&self, switch: &Switch, rule: &str) -> Result<(), OperationError> {
        match self.switch_for(switch, true, &format!("alert {rule}"), "alerts").await {
            Err(OperationError::Requester(_)) => self.switch_for(switch, true, "", UNNAMED).await,
            done => done,
        }
    }

    /// The switches that are on, by name.
    pub fn switches(&self) -> Vec<String> {
        self.switches.list()
    }

    /// The switches that are on, with what is known of them.
    pub fn stops(&self) -> Vec<(Switch, Stop)> {
        self.switches.stops_on()
    }
}

/// Whom a switch names: issuer and subject.
fn named(switch: &Switch) -> Option<(&str, &str)> {
    match switch {
        Switch::Principal { issuer, subject } => Some((issuer, subject)),
        Switch::All
        | Switch::Server(_)
        | Switch::Tool { .. }
        | Switch::Session(_)
        | Switch::Tenant { .. }
        | Switch::Unknown(_) => None,
    }
}

/// SHA-256 of what is on.
fn digest_of(marks: &BTreeMap<Switch, String>) -> String {
    let mut marks: Vec<_> = marks.values().map(String::as_str).collect();
    marks.sort_unstable();
    hex(digest(&SHA256, marks.join("\n").as_bytes()).as_ref())
}
