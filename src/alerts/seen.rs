//! What the rules take from a record. Everything else in it, and members of other types, are passed over.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One record.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    pub kind: String,
    pub t: Timestamp,
    #[serde(default)]
    pub call: Option<String>,
    #[serde(default)]
    pub open: bool,
    #[serde(default)]
    pub peer: Option<String>,
    #[serde(default)]
    pub sess: Option<String>,
    #[serde(default)]
    pub dec: Decided,
    #[serde(default)]
    pub out: Ended,
    #[serde(default)]
    pub seg: Released,
    #[serde(default)]
    pub what: What,
    #[serde(default)]
    pub who: Option<Who>,
    /// Refusals of callers nobody knows, many in one record.
    #[serde(default)]
    pub refused: Vec<Refused>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Decided {
    #[serde(default)]
    pub effect: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub rule: String,
    #[serde(default)]
    pub findings: Vec<Found>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ended {
    #[serde(default)]
    pub res_n: u64,
    #[serde(default)]
    pub findings: Vec<Found>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Released {
    #[serde(default)]
    pub bytes: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Found {
    pub layer: String,
    #[serde(default)]
    pub action: String,
    #[serde(default)]
    pub count: u64,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct What {
    #[serde(default)]
    pub act: String,
    #[serde(default)]
    pub args_n: u64,
    #[serde(default)]
    pub method: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub server: Option<String>,
    #[serde(default)]
    pub target: Option<String>,
    /// Of an alert: which rule, and about what.
    #[serde(default)]
    pub rule: String,
    #[serde(default)]
    pub about: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Who {
    #[serde(default)]
    pub client: Option<String>,
    pub iss: String,
    pub sub: String,
    #[serde(default)]
    pub tenant: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Refused {
    pub n: u64,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub peer: Option<String>,
    #[serde(default)]
    pub server: Option<String>,
}

/// Whose doing a message is, and what it is about: what is told apart.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Origin {
    pub who: Option<Who>,
    pub session: Option<String>,
    pub peer: Option<String>,
    pub server: Option<String>,
    /// Of a call.
    pub tool: Option<String>,
    /// That granted it.
    pub role: Option<String>,
}

/// What happened, as rules count it.
#[derive(Clone, Debug)]
pub(super) struct Happened {
    pub origin: Arc<Origin>,
    pub what: Event,
}

/// See [`Happened`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A message was decided about, which was let through or not.
    Decided { allowed: bool, arguments: u64 },
    /// So many refusals that say something about who was refused.
    Denied(u64),
    /// A refusal of what nobody has granted them.
    OutOfScope,
    /// A message in which the injection scan has found something.
    Injection,
    /// So many findings of DLP.
    Dlp(u64),
    /// So many bytes, in or out.
    Bytes(u64),
    /// The rotation of a credential is due.
    Due,
}

/// Refusals that are the gateway's own doing, or its operator's.
const NOT_THE_CALLERS: [&str; 10] = [
    "breaker_open",
    "internal",
    "killed",
    "not_recorded",
    "overloaded",
    "policy_error",
    "session_ended",
    "shutdown",
    "store_unavailable",
    "stream_over",
];

/// Refusals of what was never granted.
const NOT_GRANTED: [&str; 6] =
    ["arguments", "insufficient_scope", "no_such_path", "unknown_method", "unknown_target", "unknown_task"];

impl Line {
    /// The record of a line; nothing for one that has another form, as in a log that was tampered with.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }

    /// Whose doing a decision is.
    pub(super) fn origin(&mut self) -> Origin {
        let is_call = self.what.method == "tools/call";
        Origin {
            who: self.who.take(),
            session: self.sess.take(),
            peer: self.peer.take(),
            server: self.what.server.take(),
            tool: self.what.name.take().filter(|_| is_call),
            role: self.dec.rule.strip_prefix("role:").filter(|_| self.dec.effect == "allow").map(str::to_owned),
        }
    }

    /// What a decision says happened.
    pub(super) fn decided(&self) -> Vec<Event> {
        let allowed = self.dec.effect != "deny";
        let mut events = vec![Event::Decided { allowed, arguments: self.what.args_n }];
        if self.what.args_n > 0 {
            events.push(Event::Bytes(self.what.args_n));
        }
        if !allowed {
            events.extend(denied(&self.dec.reason, 1));
            if NOT_GRANTED.contains(&self.dec.reason.as_str()) {
                events.push(Event::OutOfScope);
            }
        }
        events.extend(findings(&self.dec.findings));
        events
    }

    /// What an outcome, or a part of a stream, says happened.
    pub(super) fn ended(&self) -> Vec<Event> {
        let bytes = self.out.res_n.saturating_add(self.seg.bytes);
        let mut events: Vec<_> = (bytes > 0).then_some(Event::Bytes(bytes)).into_iter().collect();
        events.extend(findings(&self.out.findings));
        events
    }
}

/// So many refusals for one reason.
pub(super) fn denied(reason: &str, times: u64) -> Option<Event> {
    (!NOT_THE_CALLERS.contains(&reason)).then_some(Event::Denied(times))
}

/// Those that an exception let pass, and what is put back for whoever may have it, are nothing new.
fn findings(found: &[Found]) -> impl Iterator<Item = Event> {
    let count = |layer: &str| {
        let new = found.iter().filter(|found| found.layer == layer && !matches!(found.action.as_str(), "except" | "restore"));
        new.fold(0_u64, |sum, found| sum.saturating_add(found.count.max(1)))
    };
    let (injections, dlp) = (count("inj"), count("dlp"));
    // One page has many signs of one attack; of personal data each is one more.
    (injections > 0).then_some(Event::Injection).into_iter().chain((dlp > 0).then_some(Event::Dlp(dlp)))
}
