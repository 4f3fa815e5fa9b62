//! From a decision to the draft of a record: what stands in `call.decision` and `call.outcome` (docs/audit-format.md).

use std::fmt::Write as _;

use super::released::Released;
use crate::audit::{Draft, Kind, ObjectWriter};
use crate::chain::{About, Captured, Decision, Direction, Finding, Mark, Reason, RequestContext, ServerMessage, Who};
use crate::protocol::Message;
use crate::protocol::json::Value;

/// How a call ended, as its response says.
pub(super) struct Outcome {
    status: &'static str,
    code: Option<i64>,
    edits: usize,
    released: bytes::Bytes,
}

impl Outcome {
    /// Of a response that is about to be released.
    pub(super) fn of(reply: &ServerMessage) -> Self {
        let message = &reply.message;
        let failed = message.result().and_then(|result| result.get("isError")).and_then(Value::as_bool) == Some(true);
        let status = match message.error() {
            Some(_) => "error",
            None if failed => "tool_error",
            None => "ok",
        };
        let code = message.error().and_then(|error| error.get("code")).and_then(Value::as_i64);
        Self { status, code, edits: Message::edit_count(message), released: message.encode() }
    }

    pub(super) fn status(&self) -> &'static str {
        self.status
    }
}

/// The decision to let a message pass; the trail notes that it was written.
pub(super) fn decision(context: &RequestContext) -> Draft {
    context.trail.with(|decision| {
        decision.recorded = true;
        let mut draft = draft(Kind::CallDecision, context, decision, "allow", None);
        if decision.what.as_ref().is_some_and(|what| what.expects_reply) {
            draft.expects_outcome();
        }
        draft
    })
}

/// A refusal: the one record of a message that was never allowed, or the outcome of one that was, after what was `released`.
pub(super) fn refusal(context: &RequestContext, reason: &Reason, released: Option<&Released>) -> Draft {
    context.trail.with(|decision| {
        if let Reason::Internal(what) | Reason::UpstreamFailed(what) = reason {
            decision.detail.get_or_insert(what);
        }
        if decision.recorded {
            return outcome_draft(context, decision, reason.word(), released, None);
        }
        draft(Kind::CallDecision, context, decision, "deny", Some(reason.word()))
    })
}

/// How a call ended without a response.
pub(super) fn end(context: &RequestContext, status: &'static str, released: Option<&Released>) -> Draft {
    context.trail.with(|decision| {
        if decision.recorded {
            return outcome_draft(context, decision, status, released, None);
        }
        draft(Kind::CallDecision, context, decision, "deny", Some(status))
    })
}

/// How a call ended with a response that came after what was `released`.
pub(super) fn outcome(context: &RequestContext, outcome: &Outcome, released: Option<&Released>) -> Draft {
    context.trail.with(|decision| outcome_draft(context, decision, outcome.status, released, Some(outcome)))
}

/// A decision with everything known so far.
fn draft(kind: Kind, context: &RequestContext, decision: &Decision, effect: &str, reason: Option<&str>) -> Draft {
    let mut draft = Draft::new(kind);
    draft.text("call", &context.call.to_string());
    draft.object("dec", |dec| {
        if let Some(detail) = decision.detail {
            dec.text("detail", detail);
        }
        if decision.edits > 0 {
            dec.count("edits", decision.edits);
        }
        dec.text("effect", effect);
        findings(dec, decision, None);
        dec.text("layers", &layers(decision));
        if let Some(operation) = decision.operation {
            dec.text("operation", operation);
        }
        if let Some(policy) = &decision.policy {
            dec.text("policy", policy);
        }
        if let Some(reason) = reason {
            dec.text("reason", reason);
        }
        if let Some(rule) = &decision.rule {
            dec.text("rule", rule);
        }
        score(dec, decision.scores.request.max(decision.scores.response));
    });
    draft.text("peer", &context.peer.address.to_string());
    session(&mut draft, decision);
    draft.text("trace", &decision.trace.id().to_string());
    if let Some(via) = context.peer.via {
        draft.text("via", &via.to_string());
    }
    what(&mut draft, context, decision);
    if let Some(who) = &decision.who {
        draft.object("who", |out| write_who(out, who));
    }
    draft
}

/// Part of a stream that has left.
pub(super) fn segment(context: &RequestContext, released: &Released, sum: Option<String>) -> Draft {
    let mut draft = Draft::new(Kind::StreamSegment);
    draft.text("call", &context.call.to_string());
    draft.object("seg", |seg| {
        seg.count("bytes", released.bytes).integer("events", released.events).integer("first", released.first);
        seg.integer("n", released.number);
        if let Some(sum) = sum {
            seg.text("sum", &sum);
        }
    });
    draft
}

fn outcome_draft(
    context: &RequestContext,
    decision: &Decision,
    status: &str,
    released: Option<&Released>,
    outcome: Option<&Outcome>,
) -> Draft {
    let committer = decision.who.as_ref().and_then(|who| who.committer.as_ref());
    let mut draft = Draft::new(Kind::CallOutcome);
    draft.text("call", &context.call.to_string());
    draft.object("out", |out| {
        if let Some(code) = outcome.and_then(|outcome| outcome.code) {
            out.integer("code", code);
        }
        if let Some(detail) = decision.detail {
            out.text("detail", detail);
        }
        if let Some(edits) = outcome.map(|outcome| outcome.edits).filter(|edits| *edits > 0) {
            out.count("edits", edits);
        }
        let released = released.filter(|released| released.total() > 0);
        if let Some(released) = released {
            out.integer("events", released.total());
        }
        findings(out, decision, Some(Direction::Response));
        if let Some(withdrawn) = &decision.withdrawn {
            out.text("policy", &withdrawn.policy);
        }
        if let Some(outcome) = outcome {
            if let Some(committer) = committer {
                out.text("res", &committer.commit(context.call.as_bytes(), "res", &outcome.released));
            }
            out.count("res_n", outcome.released.len());
        }
        if let Some(rule) = decision.withdrawn.as_ref().and_then(|withdrawn| withdrawn.rule.as_ref()) {
            out.text("rule", rule);
        }
        score(out, decision.scores.response);
        if let (Some(released), Some(committer)) = (released, committer) {
            out.text("seg", &committer.commit(context.call.as_bytes(), "seg", &released.digest()));
        }
        out.text("status", status);
        out.integer("us", i128::try_from(context.started.elapsed().as_micros()).unwrap_or(i128::MAX));
    });
    // A handshake has its session only now.
    session(&mut draft, decision);
    draft
}

fn session(draft: &mut Draft, decision: &Decision) {
    if let Some(session) = &decision.session {
        draft.text("sess", session);
    }
}

fn what(draft: &mut Draft, context: &RequestContext, decision: &Decision) {
    draft.object("what", |out| {
        let Some(what) = &decision.what else {
            // Nothing was read: the path's server, if there is one, is all that is known.
            if let Some(server) = &context.route.server {
                out.text("server", &server.name);
            }
            return;
        };
        if let Some(args) = &what.args {
            out.text("args", args);
            out.count("args_n", what.size);
        }
        captured(out, what.captured.as_ref());
        out.text("method", what.method.name());
        if let Some(name) = &what.name {
            out.text("name", name);
        }
        out.text("rev", what.version.as_str());
        if let Some(server) = &what.server {
            out.text("server", server);
        }
        if let Some(target) = &what.target {
            out.text("target", target);
        }
    });
}

fn captured(out: &mut ObjectWriter<'_>, captured: Option<&Captured>) {
    match captured {
        None => {}
        Some(Captured::Content(kind, sha256)) => {
            out.text("capture", kind).text("content", sha256);
        }
        Some(Captured::Nothing(kind)) => {
            out.text("capture", kind);
        }
        Some(Captured::Keys(names, others)) => {
            out.text("capture", "keys").list("keys", |list| {
                for name in names {
                    list.text(name);
                }
            });
            if *others > 0 {
                out.count("keys_cut", *others);
            }
        }
    }
}

fn write_who(out: &mut ObjectWriter<'_>, who: &Who) {
    out.text("authn", who.authn);
    if let Some(client) = &who.client {
        out.text("client", client);
    }
    if let Some(facts) = &who.facts {
        out.text("facts", facts);
    }
    out.text("iss", &who.issuer);
    out.text("sub", &who.subject);
    if let Some(tenant) = &who.tenant {
        out.text("tenant", tenant);
    }
}

/// Findings of one side, or of all.
fn findings(out: &mut ObjectWriter<'_>, decision: &Decision, side: Option<Direction>) {
    let chosen = |finding: &&Finding| side.is_none_or(|side| finding.side == side);
    if !decision.findings.iter().any(|finding| chosen(&finding)) {
        return;
    }
    out.list("findings", |list| {
        for finding in decision.findings.iter().filter(chosen) {
            list.object(|out| {
                out.text("action", finding.action.as_str());
                if let Some(by) = &finding.by {
                    out.text("by", by);
                }
                out.integer("count", finding.count);
                match &finding.about {
                    Some(About::Definition(hash)) => out.text("def", hash),
                    Some(About::Field(name)) => out.text("field", name),
                    None => out,
                };
                out.text("kind", finding.kind);
                out.text("layer", finding.layer);
                out.text("rule", &finding.rule);
                out.text("side", finding.side.as_str());
            });
        }
    });
}

/// How sure the injection scan is of what it saw, if it saw anything.
fn score(out: &mut ObjectWriter<'_>, score: u8) {
    if score > 0 {
        out.integer("score", score);
    }
}

/// `authn:ok,decode:ok,kill:ok,rate:ok,authz:ok,inj:0,dlp:2`
fn layers(decision: &Decision) -> String {
    let mut text = String::with_capacity(96);
    for (layer, mark) in &decision.marks {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing to a String cannot fail.
        let _ = match mark {
            Mark::Ok => write!(text, "{layer}:ok"),
            Mark::Findings(count) => write!(text, "{layer}:{count}"),
        };
    }
    text
}
