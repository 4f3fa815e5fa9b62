//! The admin API's part about kill switches: `/v1/switches`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::api::{Shared, failed, problem};
use super::operations::Operations;
use super::privacy_api::admin;
use crate::state::Switch;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/switches", get(list)).route("/v1/switches/{name}", put(turn_on).delete(turn_off))
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shown_stops(&shared.operations))
}

async fn turn_on(State(shared): State<Arc<Shared>>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    set(&shared, &name, true, query).await
}

async fn turn_off(State(shared): State<Arc<Shared>>, Path(name): Path<String>, RawQuery(query): RawQuery) -> Response {
    set(&shared, &name, false, query).await
}

async fn set(shared: &Shared, name: &str, on: bool, query: Option<String>) -> Response {
    let Some((by, reason)) = words(query) else {
        return problem(StatusCode::BAD_REQUEST, "the only parameters are `requester` and `reason`, each once");
    };
    let switch = Switch::from_name(name);
    // What is on can be turned off, whatever it names: its server may be gone from the configuration.
    let is_on = shared.operations.stops().iter().any(|(known, _)| *known == switch);
    if (on || !is_on)
        && let Err(what) = is_known(shared, &switch)
    {
        return problem(StatusCode::NOT_FOUND, &what);
    }
    match shared.operations.switch_for(&switch, on, &reason, &by).await {
        Ok(()) => Json(shown_stops(&shared.operations)).into_response(),
        Err(error) => failed(&error),
    }
}

/// Whether a switch names what is configured. A tool is known to its server alone, and may come tomorrow.
fn is_known(shared: &Shared, switch: &Switch) -> Result<(), String> {
    /// No name is longer, and a store may take no longer key.
    const LONGEST: usize = 1024;
    let named = switch.name();
    if named.len() > LONGEST || named.chars().any(char::is_control) {
        return Err(format!("what is stopped has no control characters in its name and not more than {LONGEST} bytes"));
    }
    let (what, name, known) = match switch {
        Switch::All | Switch::Session(_) => return Ok(()),
        Switch::Server(server) | Switch::Tool { server, .. } => ("server", server, &shared.servers),
        Switch::Principal { issuer, .. } | Switch::Tenant { issuer, .. } => ("issuer", issuer, &shared.issuers),
        Switch::Unknown(_) => {
            return Err("a switch is `all`, `server:<name>`, `tool:<server>/<tool>`, `principal:<issuer>/<subject>`, \
                        `tenant:<issuer>/<tenant>` or `session:<16 hexadecimal digits>`"
                .to_owned());
        }
    };
    if known.contains(name) {
        return Ok(());
    }
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    Err(format!("no {what} is named `{name}`; there are: {}", known.join(", ")))
}

/// Who asks, and why: `?requester=NAME&reason=TEXT`, both optional, and nothing else.
fn words(query: Option<String>) -> Option<(String, String)> {
    let (mut by, mut reason) = (None, None);
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let place = match &*key {
            "requester" => &mut by,
            "reason" => &mut reason,
            _ => return None,
        };
        if place.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    Some((by.unwrap_or_else(admin), reason.unwrap_or_default()))
}

/// What is stopped, for operators: `on` has the names, `switches` what is known of each.
pub fn shown_stops(operations: &Operations) -> Value {
    let stops = operations.stops();
    let names: Vec<_> = stops.iter().map(|(switch, _)| switch.name()).collect();
    let shown = |(switch, stop): &(Switch, crate::state::Stop)| {
        json!({
            "name": switch.name(), "reason": Some(&stop.reason).filter(|reason| !reason.is_empty()),
            "known": !matches!(switch, Switch::Unknown(_)),
        })
    };
    json!({ "on": names, "switches": stops.iter().map(shown).collect::<Vec<_>>() })
}
