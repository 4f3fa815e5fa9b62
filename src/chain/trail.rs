//! The decision record of one message, as it comes together while the message passes the layers.
//!
//! Enforcement and audit use this one value (DESIGN.md section 1). It is the only cell that layers share, and they only add to it.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{End, McpResponse, Rejection, ReplyTo, ResponseBody};
use crate::master_key::Committer;
use crate::protocol::{Method, ProtocolVersion};
use crate::trace::{SpanId, Trace};

/// A shared handle on the decision of one message.
#[derive(Clone, Default)]
pub struct Trail(Arc<Mutex<Decision>>);

/// What was decided about one message, and on what ground.
#[derive(Debug, Default)]
pub struct Decision {
    /// Which layers it passed, in order, and what each says of it.
    pub marks: Vec<(&'static str, Mark)>,
    /// The rule that decided, e.g. `role:analyst`.
    pub rule: Option<Box<str>>,
    /// What the call does, where its server's own word makes that more than the operator says.
    pub operation: Option<&'static str>,
    /// SHA-256 of the policy that judged it.
    pub policy: Option<Arc<str>>,
    /// What layers saw, request side first.
    pub findings: Vec<Finding>,
    /// How sure the injection scan is of what it saw, by the side.
    pub scores: Scores,
    /// How many places were edited so far.
    pub edits: usize,
    /// A word for the operator: which check failed, what broke.
    pub detail: Option<&'static str>,
    /// Whether the decision to let it pass stands in the log already.
    pub recorded: bool,
    /// Who called, once that is known.
    pub who: Option<Who>,
    /// What was asked, once that is known.
    pub what: Option<What>,
    /// What records call its legacy session: the one it is in, or the one that it has begun.
    pub session: Option<Arc<str>>,
    /// The request that a refusal would answer, once it is read: for failures that come past the station that knows it.
    pub reply_to: Option<ReplyTo>,
    /// Where it stands in the tree of its caller.
    pub trace: Trace,
    /// When each mark was made; only where spans are exported.
    pub times: Vec<Instant>,
    /// Its way to the server, once it was on it.
    pub hop: Option<Hop>,
    /// What ends its reply from outside, if that is a stream.
    pub end: Option<End>,
    /// By what it was ended, if what let it begin was taken away.
    pub withdrawn: Option<Withdrawn>,
}

/// By what something that was allowed is no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawn {
    /// SHA-256 of the policy.
    pub policy: Arc<str>,
    /// The rule of it, where it is one, and not the want of a grant.
    pub rule: Option<Box<str>>,
}

/// The way to the server and back, for whoever measures it.
#[derive(Clone, Debug)]
pub struct Hop {
    /// Its span, the parent of the server's own.
    pub span: SpanId,
    /// When the message was handed over.
    pub started: Instant,
    /// When the whole reply was in; `None` for a stream, which ends with its call.
    pub ended: Option<Instant>,
    /// Why there was no reply.
    pub failed: Option<&'static str>,
}

/// What a layer says of a message it let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// So many findings.
    Findings(u32),
    /// Nothing to object.
    Ok,
}

/// What a layer saw. Never the matched text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The layer.
    pub layer: &'static str,
    /// The rule, e.g. `us-ssn` or `inj.override`.
    pub rule: Arc<str>,
    /// What it detects, e.g. `us_ssn`.
    pub kind: &'static str,
    /// What was done about it.
    pub action: Action,
    /// On which side.
    pub side: Direction,
    /// How often in this message.
    pub count: u32,
    /// Which detector it was, where the rule has several.
    pub by: Option<Arc<str>>,
    /// What exactly it is about, where that is told.
    pub about: Option<About>,
}

/// What exactly a finding is about. Nothing of a peer's own text but a name of plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// A definition of a server's: SHA-256 of it as it came, in hexadecimal.
    Definition(Arc<str>),
    /// A field of a form.
    Field(Arc<str>),
}

/// From 0 to 100: how sure the injection scan is that somebody gives orders. Of several messages of one side, the most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scores {
    /// In what came from the client.
    pub request: u8,
    /// In what came from the server.
    pub response: u8,
}

/// How many findings of one call say what they are about: a server decides how many things it offers, and each takes room in the record.
const MOST_ABOUT: usize = 10;

/// What was done about a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The message was refused.
    Blocked,
    /// An exception of the policy let it pass.
    Excused,
    /// A link was made one that nothing follows.
    Defanged,
    /// A keyed hash took its place.
    Hashed,
    /// The text was wrapped as external data.
    Labelled,
    /// Nothing but this line.
    Logged,
    /// A placeholder took its place.
    Masked,
    /// The last of it stayed.
    Partial,
    /// The definition was withheld.
    Quarantined,
    /// A token became its value again.
    Restored,
    /// A rule in shadow mode would have acted.
    Shadowed,
    /// The span was removed.
    Stripped,
    /// A token took its place.
    Tokenized,
    /// The result was cut.
    Truncated,
}

/// Which way a text went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Request,
    /// From the server.
    Response,
}

/// Who called, in terms fit for the log.
#[derive(Clone, Debug, Default)]
pub struct Who {
    /// How they proved it: `api_key`, `jwt`.
    pub authn: &'static str,
    /// The issuer's configured name.
    pub issuer: Arc<str>,
    /// The OAuth client, or the API key's id.
    pub client: Option<Arc<str>>,
    /// What is said of them, by its name in `vault.db`.
    pub facts: Option<Arc<str>>,
    /// The pseudonym of the subject; the mapping is in `vault.db`.
    pub subject: Arc<str>,
    /// The tenant.
    pub tenant: Option<Arc<str>>,
    /// Makes the commitments of this caller's records.
    pub committer: Option<Committer>,
}

/// What was asked, in terms fit for the log.
#[derive(Clone, Debug)]
pub struct What {
    /// The method.
    pub method: Method,
    /// The tool or prompt, when its name keeps to the naming rules.
    pub name: Option<Box<str>>,
    /// A commitment to a target that is the caller's own text: a URI, an odd name.
    pub target: Option<String>,
    /// The server.
    pub server: Option<Arc<str>>,
    /// The revision.
    pub version: ProtocolVersion,
    /// A commitment to the message as it came.
    pub args: Option<String>,
    /// Its size in bytes.
    pub size: usize,
    /// What of its arguments was kept, where the operator wants any kept.
    pub captured: Option<Captured>,
    /// The id of the request, where it is a number.
    pub number: Option<i64>,
    /// Whether an outcome will follow this decision.
    pub expects_reply: bool,
}

/// What was kept of a call's arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Captured {
    /// Their text is in the vault: what was taken, and SHA-256 of what is stored there.
    Content(&'static str, String),
    /// The names that may stand in a record, and how many others there were.
    Keys(Vec<Box<str>>, usize),
    /// There was nothing of what was to be taken.
    Nothing(&'static str),
}

impl Decision {
    /// Notes what `layer` says of a message it let pass.
    pub fn mark(&mut self, layer: &'static str, mark: Mark) {
        self.marks.push((layer, mark));
        // Also before it is known whether the caller's own flag counts, so that every mark has its time.
        if self.trace.may_be_sampled() {
            self.times.push(Instant::now());
        }
    }
}

impl Trail {
    /// For a message that stands there in its caller's tree.
    pub fn new(trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(Decision { trace, ..Decision::default() })))
    }

    /// Reads or adds.
    pub fn with<T>(&self, f: impl FnOnce(&mut Decision) -> T) -> T {
        f(&mut self.0.lock())
    }

    /// Notes that `layer` let the message pass.
    pub fn pass(&self, layer: &'static str) {
        self.0.lock().mark(layer, Mark::Ok);
    }

    /// Notes what `layer` saw in a message it let pass.
    pub fn pass_with_findings(&self, layer: &'static str, count: u32) {
        self.0.lock().mark(layer, Mark::Findings(count));
    }

    /// Notes how sure the injection scan is of what it saw on one side.
    pub fn score(&self, side: Direction, score: u8) {
        let mut decision = self.0.lock();
        let known = match side {
            Direction::Request => &mut decision.scores.request,
            Direction::Response => &mut decision.scores.response,
        };
        *known = score.max(*known);
    }

    /// Notes that the message goes to its server now; gives the `traceparent` to send along.
    pub fn depart(&self) -> String {
        let mut decision = self.0.lock();
        let span = decision.trace.next_hop();
        decision.hop = Some(Hop { span, started: Instant::now(), ended: None, failed: None });
        decision.trace.traceparent(span)
    }

    /// Notes what came back.
    pub fn arrive(&self, result: &Result<McpResponse, Rejection>) {
        if let Some(hop) = &mut self.0.lock().hop {
            let streams = result.as_ref().is_ok_and(|response| matches!(response.body, ResponseBody::Stream(_)));
            hop.ended = (!streams).then(Instant::now);
            hop.failed = result.as_ref().err().map(|rejection| rejection.reason().word());
        }
    }

    /// What ends its reply from outside.
    pub fn end(&self) -> End {
        self.0.lock().end.get_or_insert_default().clone()
    }

    /// Adds a finding, or counts it up if the same was seen already.
    pub fn find(&self, mut finding: Finding) {
        let mut decision = self.0.lock();
        let named = decision.findings.iter().filter(|known| known.about.is_some() && known.about != finding.about).count();
        if named >= MOST_ABOUT {
            finding.about = None;
        }
        let known = decision.findings.iter_mut().find(|known| {
            known.rule == finding.rule
                && known.kind == finding.kind
                && known.side == finding.side
                && known.action == finding.action
                && known.about == finding.about
        });
        match known {
            Some(known) => known.count = known.count.saturating_add(finding.count),
            None => decision.findings.push(finding),
        }
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trail")
    }
}

impl Action {
    /// Its name in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "block",
            Self::Excused => "except",
            Self::Defanged => "defang",
            Self::Hashed => "hash",
            Self::Labelled => "label",
            Self::Logged => "log",
            Self::Masked => "mask",
            Self::Partial => "partial",
            Self::Quarantined => "quarantine",
            Self::Restored => "restore",
            Self::Shadowed => "shadow",
            Self::Stripped => "strip",
            Self::Tokenized => "tokenize",
            Self::Truncated => "truncate",
        }
    }
}

impl Direction {
    /// Its name in records and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}
