//! A decision as it stands in the log: what a record says, read without belief. Whatever it lacks is missing here, never guessed.

use std::net::IpAddr;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::super::decided::Decided;
use crate::policy::Effect;
use crate::protocol::{Method, ProtocolVersion};

/// Words of refusals that authorization has.
const REFUSALS: [&str; 9] = [
    "arguments",
    "denied",
    "insufficient_scope",
    "invalid_params",
    "no_such_path",
    "policy_error",
    "unknown_method",
    "unknown_target",
    "unknown_task",
];

/// What a `call.decision` record says.
#[derive(Debug)]
pub(in super::super) enum Read {
    /// The policy has decided it.
    Decided(Box<Stood>),
    /// Somebody before it has, for this reason.
    Before(String),
    /// It cannot be read as what this build writes.
    Odd,
}

/// A decision of a policy.
#[derive(Debug)]
pub(in super::super) struct Stood {
    /// The call's id.
    pub(in super::super) call: Uuid,
    /// The moment by which it was judged.
    pub(super) at: Timestamp,
    /// From where it came.
    pub(super) peer: IpAddr,
    /// How the caller has shown who they are.
    pub(super) authn: String,
    /// What the vault keeps of them is called so; `None` in records of releases that kept nothing.
    pub(super) facts: Option<String>,
    /// Of which server.
    pub(in super::super) server: String,
    pub(in super::super) method: Method,
    /// Of which revision.
    pub(super) version: ProtocolVersion,
    /// The tool or prompt, where the record may name it.
    pub(in super::super) name: Option<String>,
    /// What was kept: of which kind, and SHA-256 of what is stored, if anything is.
    pub(super) kept: Option<(String, Option<String>)>,
    /// Whether something was changed in it before it was sent on.
    pub(super) edited: bool,
    /// Whether its server's own word made it more dangerous than the operator's.
    pub(super) hinted: bool,
    /// What the policy has decided.
    pub(in super::super) decided: Decided,
    /// Whether `decided` has the rule by which it was; a station behind may have put its own there.
    pub(in super::super) has_rule: bool,
    /// Why a later station has refused it.
    pub(in super::super) later: Option<String>,
}

impl Read {
    /// What the record says, by its line.
    pub(in super::super) fn of(line: &str) -> Self {
        let Ok(record) = serde_json::from_str::<Value>(line) else { return Self::Odd };
        let text = |path: &str| record.pointer(path).and_then(Value::as_str);
        if text("/dec/policy").is_none() {
            return text("/dec/reason").map_or(Self::Odd, |reason| Self::Before(reason.to_owned()));
        }
        let allowed = text("/dec/layers").unwrap_or_default().split(',').any(|mark| mark == "authz:ok");
        let reason = text("/dec/reason");
        // Whoever has left in the middle was not decided about, nor who met a failure of ours.
        if let (false, Some(reason)) = (allowed, reason.filter(|reason| !REFUSALS.contains(reason))) {
            return Self::Before(reason.to_owned());
        }
        let is_whole = record.get("cut").is_none() && (allowed || reason.is_some());
        Stood::of(&record, allowed).filter(|_| is_whole).map_or(Self::Odd, |stood| Self::Decided(Box::new(stood)))
    }
}

impl Stood {
    fn of(record: &Value, allowed: bool) -> Option<Self> {
        let text = |path: &str| record.pointer(path).and_then(Value::as_str);
        let rule = text("/dec/rule").map(str::to_owned);
        let granted = rule.as_deref().is_some_and(|rule| rule.starts_with("role:"));
        let reason = text("/dec/reason");
        // The policy had no objection, but the protocol: there is no such method, or nothing was asked.
        let allowed = allowed || (granted && matches!(reason, Some("invalid_params" | "unknown_method")));
        let effect = if allowed { Effect::Allow } else { Effect::Deny };
        let call: Uuid = text("/call")?.parse().ok()?;
        let kept = text("/what/capture").map(|kind| (kind.to_owned(), text("/what/content").map(str::to_owned)));
        Some(Self {
            at: moment(call)?,
            call,
            peer: text("/peer")?.parse().ok()?,
            authn: text("/who/authn")?.to_owned(),
            facts: text("/who/facts").map(str::to_owned),
            server: text("/what/server")?.to_owned(),
            method: method(text("/what/method")?)?,
            version: ProtocolVersion::from_date(text("/what/rev")?)?,
            name: text("/what/name").map(str::to_owned),
            kept,
            edited: record.pointer("/dec/edits").is_some(),
            hinted: text("/dec/operation") == Some("destructive"),
            has_rule: !allowed || granted,
            decided: Decided { effect, rule: rule.filter(|_| !allowed || granted), shadow: shadows(record) },
            later: reason.filter(|_| allowed).map(str::to_owned),
        })
    }
}

/// Rules in shadow that would have denied it, in order.
fn shadows(record: &Value) -> Vec<String> {
    let findings = record.pointer("/dec/findings").and_then(Value::as_array).into_iter().flatten();
    let text = |finding: &Value, key: &str| finding.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let of_policy = findings.filter(|found| text(found, "layer") == "authz" && text(found, "action") == "shadow");
    let mut rules: Vec<String> = of_policy.map(|finding| text(finding, "rule")).collect();
    rules.sort();
    rules
}

/// The moment in the id of a call.
fn moment(call: Uuid) -> Option<Timestamp> {
    let (seconds, nanos) = call.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanos).ok()?).ok()
}

/// The method that records call so. Some have no name on the wire.
fn method(name: &str) -> Option<Method> {
    let other = [Method::Answer, Method::EndSession, Method::Push, Method::Other];
    let known = Method::from_name(name);
    if known == Method::Other { other.into_iter().find(|method| method.name() == name) } else { Some(known) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        json!({
            "call": "019ac0de-0000-7000-8000-000000000001",
            "dec": { "effect": "allow", "layers": "authn:ok,authz:ok", "policy": "h", "rule": "role:a" },
            "peer": "127.0.0.1",
            "what": { "method": "tools/call", "name": "x", "rev": "2026-07-28", "server": "crm" },
            "who": { "authn": "jwt", "facts": "f", "iss": "corp", "sub": "p" },
        })
    }

    fn read(change: impl FnOnce(&mut Value)) -> Read {
        let mut record = record();
        change(&mut record);
        Read::of(&record.to_string())
    }

    #[test]
    fn what_was_decided_before_the_policy_or_in_no_way_is_told_apart() {
        let Read::Decided(stood) = read(|_| ()) else { panic!() };
        assert_eq!((stood.decided.effect, stood.decided.rule.as_deref(), stood.has_rule), (Effect::Allow, Some("role:a"), true));
        assert_eq!(stood.at.to_string(), "2025-11-26T15:52:45.824Z");
        let refused = json!({ "effect": "deny", "layers": "authn:ok", "policy": "h", "reason": "denied", "rule": "rule:r" });
        let Read::Decided(stood) = read(|record| record["dec"] = refused.clone()) else { panic!() };
        assert_eq!((stood.decided.effect, stood.later), (Effect::Deny, None));
        let limited = json!({ "effect": "deny", "layers": "authn:ok,authz:ok", "policy": "h", "reason": "rate_limited", "rule": "limit:l" });
        let Read::Decided(stood) = read(|record| record["dec"] = limited) else { panic!() };
        assert_eq!((stood.decided.effect, stood.has_rule, stood.later.as_deref()), (Effect::Allow, false, Some("rate_limited")));
        let gone = read(|record| {
            record["dec"] = refused;
            record["dec"]["reason"] = "client_gone".into();
        });
        assert!(matches!(gone, Read::Before(reason) if reason == "client_gone"));
        let unknown = json!({ "effect": "deny", "layers": "", "reason": "unauthenticated" });
        assert!(matches!(read(|record| record["dec"] = unknown), Read::Before(reason) if reason == "unauthenticated"));
        assert!(matches!(Read::of("{"), Read::Odd));
        assert!(matches!(read(|record| record["cut"] = 1.into()), Read::Odd));
        assert!(matches!(read(|record| record["what"]["method"] = "of tomorrow".into()), Read::Odd));
        assert!(matches!(read(|record| record["call"] = "no id".into()), Read::Odd));
    }
}
