//! What Rego modules take away. They see what conditions see, as one document, and add denials; an error denies.

use regorus::Value as Rego;
use serde_json::{Map, Value as Json, json};

use super::arguments::plain;
use super::facts::{Arguments, Facts};
use super::outcome::Failure;
use super::said::{Answer, Said};
use crate::policy::{Modules, Unsaid};

/// Most bytes of arguments that modules look at.
const MAX_ARGUMENTS: usize = 64 << 10;

/// Longest name of a rule, and longest text that a caller is told.
const MAX_NAME: usize = 63;
const MAX_REASON: usize = 500;

impl Said {
    fn failed(failure: Failure) -> Self {
        Self::Denied { rule: "rego:deny".into(), reason: None, failure: Some(failure) }
    }
}

/// Asks the modules.
pub(super) fn judge(modules: &Modules, facts: &Facts<'_>) -> Answer {
    // SECURITY: a module beside others that look at arguments must not take away their word on what nobody has the arguments of: a task.
    let is_unknown = modules.reads().arguments && matches!(facts.arguments, Arguments::Unknown);
    let input = match input(facts, modules.reads().arguments && !is_unknown) {
        Ok(input) => input,
        Err(failure) => return Said::failed(failure).into(),
    };
    if is_unknown {
        let Some(said) = modules.deny_whatever_the_arguments(Rego::from(input)) else { return Said::Depends.into() };
        let Answer { said, shadow } = told(said);
        return Answer { said: if said == Said::Nothing { Said::Depends } else { said }, shadow };
    }
    told(modules.deny(Rego::from(input)))
}

fn told(said: Result<Rego, Unsaid>) -> Answer {
    match said {
        Ok(value) => read(&value).unwrap_or_else(|| Said::failed(Failure::Rego).into()),
        Err(Unsaid::Failed) => Said::failed(Failure::Rego).into(),
        Err(Unsaid::Late) => Said::failed(Failure::Steps).into(),
    }
}

/// What `deny` came to: nothing, `true`, or a set whose members are texts for the caller or `{"rule": ..., "reason": ..., "shadow": ...}`. The
/// first in order is on record, and all in shadow are. `None` if it is something else.
fn read(value: &Rego) -> Option<Answer> {
    let denied = |name: &str, reason: Option<&str>| Said::Denied {
        rule: format!("rego:{name}").into(),
        reason: reason.map(Into::into),
        failure: None,
    };
    if *value == Rego::Undefined || *value == Rego::from(false) {
        return Some(Said::Nothing.into());
    }
    if *value == Rego::from(true) {
        return Some(denied("deny", None).into());
    }
    let (mut first, mut shadow) = (None, Vec::new());
    for member in value.as_set().ok()? {
        let found = if let Ok(text) = member.as_string() {
            denied("deny", Some(sentence(text)?))
        } else {
            let text = |key: &str| match member.as_object().ok()?.get(&Rego::from(key)) {
                None => Some(None),
                Some(value) => value.as_string().ok().map(|text| Some(text.to_string())),
            };
            let (rule, reason) = (text("rule")?.unwrap_or_else(|| "deny".to_owned()), text("reason")?);
            let reason = reason.as_deref().map(sentence);
            if reason == Some(None) || !is_name(&rule) {
                return None;
            }
            // SECURITY: only what says so in so many words is in shadow, and what says it in others is a mistake.
            if let Some(in_shadow) = member.as_object().ok()?.get(&Rego::from("shadow"))
                && *in_shadow.as_bool().ok()?
            {
                shadow.push(format!("rego:{rule}").into());
                continue;
            }
            denied(&rule, reason.flatten())
        };
        first.get_or_insert(found);
    }
    Some(Answer { said: first.unwrap_or(Said::Nothing), shadow })
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_NAME
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

fn sentence(text: &str) -> Option<&str> {
    (!text.trim().is_empty() && text.len() <= MAX_REASON && !text.chars().any(char::is_control)).then_some(text)
}

/// The same document as conditions see; what is missing is not there.
fn input(facts: &Facts<'_>, with_arguments: bool) -> Result<Json, Failure> {
    let Facts { principal, roles, access, server, arguments, now, peer } = facts;
    let attributes: Map<String, Json> =
        principal.attributes.iter().map(|(name, value)| (name.clone(), Json::from(value.as_str()))).collect();
    let utc = now.to_zoned(jiff::tz::TimeZone::UTC);
    let mut input = json!({
        "principal": {
            "issuer": principal.issuer, "subject": principal.subject, "authn": principal.authn, "groups": principal.groups,
            "claimed_roles": principal.claimed_roles, "roles": roles, "scopes": principal.scopes.unwrap_or_default(),
            "attributes": attributes,
        },
        "access": { "method": access.method, "operation": access.operation },
        "server": { "name": server.name, "classification": server.classification },
        "now": {
            "time": now.to_string(), "ns": i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX), "hour": utc.hour(),
            "weekday": utc.weekday().to_sunday_zero_offset(),
        },
    });
    for (part, name, value) in [
        ("principal", "client", principal.client),
        ("principal", "tenant", principal.tenant),
        ("principal", "region", principal.region),
        ("access", "tool", access.tool),
        ("access", "prompt", access.prompt),
        ("access", "resource", access.resource),
        ("access", "target", access.target()),
        ("server", "owner", server.owner),
        ("server", "purpose", server.purpose),
        ("server", "region", server.region),
    ] {
        if let (Some(value), Some(members)) = (value, input.get_mut(part).and_then(Json::as_object_mut)) {
            members.insert(name.to_owned(), Json::from(value));
        }
    }
    let Some(members) = input.as_object_mut() else { return Err(Failure::Rego) };
    if let Some(address) = peer {
        members.insert("peer".to_owned(), json!({ "address": address.to_canonical().to_string() }));
    }
    if with_arguments {
        let given = match arguments {
            Arguments::Known(Some(value)) if value.span().len() > MAX_ARGUMENTS => return Err(Failure::TooLarge),
            Arguments::Known(Some(value)) => plain(*value).ok_or(Failure::Number)?,
            Arguments::Known(None) | Arguments::Unknown => Json::Object(Map::new()),
        };
        members.insert("arguments".to_owned(), given);
    }
    Ok(input)
}
