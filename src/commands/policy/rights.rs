//! Who may call what, as data: each role by itself and each caller whom a binding means, by tool, with the rule that decides.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::decided::{Decided, place};
use super::matrix::tools;
use super::{access, registry};
use crate::config::Judged;
use crate::decide::{Arguments, Caller, Engine, Hints, Ruling, Scene};
use crate::policy::{Asks, Effect, Policy};

/// The rows of `policy matrix`, and those of the tools `called` (server, tool), decided as at `now`. What nothing grants has no cell.
pub(crate) fn rights(judged: &Judged, now: Timestamp, called: &BTreeSet<(String, String)>) -> anyhow::Result<Value> {
    let policy = &judged.policy;
    let is_configured = |name: &str| judged.servers.iter().any(|server| server.name == name);
    let called = called.iter().filter(|(server, _)| is_configured(server));
    let called: Vec<String> = called.map(|(server, tool)| format!("{server}/{tool}")).collect();
    let (engine, scopes) = (Engine::new(policy), registry::scopes([policy, policy]));
    let callers = registry::callers([judged, judged]);
    let anybody = Caller { scopes: Some(&scopes), ..Caller::default() };
    let mut rows = Vec::new();
    for (server, tool) in tools(&called, judged)? {
        let scene = Scene { server, now, peer: None, hints: Hints::none() };
        let asks = Asks::Call((server.name.clone(), tool.clone()));
        let asked = access::of(&asks).1;
        let (mut by_role, mut by_caller) = (Map::new(), Map::new());
        for role in policy.roles.iter().map(|role| role.name.as_str()) {
            let ruling = engine.held_as(role, anybody, scene).decide(&asked, Arguments::Unknown);
            by_role.extend(cell(ruling, policy).map(|cell| (role.to_owned(), cell)));
        }
        for (name, caller) in &callers {
            let ruling = engine.held_by(access::caller(caller), scene).decide(&asked, Arguments::Unknown);
            by_caller.extend(cell(ruling, policy).map(|cell| (name.clone(), cell)));
        }
        let operation = server.operations.get(&tool).copied().unwrap_or_default().as_str();
        rows.push(json!({
            "server": server.name, "tool": tool, "operation": operation, "roles": by_role, "callers": by_caller,
        }));
    }
    Ok(json!({
        "policy": policy.hash,
        "at": now.to_string(),
        "roles": policy.roles.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(),
        "callers": callers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "tools": rows,
        "otherwise": "deny: no role grants it",
    }))
}

/// What is decided, by which rule, and where that is written.
fn cell(ruling: Ruling, policy: &Policy) -> Option<Value> {
    let decided = Decided::from(ruling);
    if decided.effect == Effect::Deny && decided.rule.is_none() {
        return None;
    }
    Some(json!({ "effect": decided.effect.as_str(), "rule": decided.rule, "at": place(&decided, policy) }))
}
