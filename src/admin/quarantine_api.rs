//! The admin API's part about withheld definitions: `/v1/quarantine`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Shared, failed, problem};
use super::operations::Operations;
use super::privacy_api::admin;
use crate::state::{Approval, Definition};

/// Digits of a hash that nobody takes for another by mistake.
const SHORTEST: usize = 8;

/// Digits of a whole one.
const WHOLE: usize = 64;

/// Longest name of a tool that an approval can name.
const MAX_TOOL: usize = 256;

/// Tells what is withheld.
pub trait Withheld: fmt::Debug + Send + Sync {
    /// All of it, by server and tool.
    fn withheld(&self) -> Vec<WithheldDefinition>;
}

/// A definition that met rules of the injection scan since the start.
#[derive(Clone, Debug)]
pub struct WithheldDefinition {
    /// The server's name.
    pub server: String,
    /// The tool's.
    pub tool: String,
    /// Its SHA-256; `None` for all of a tool beyond those that are remembered.
    pub definition: Option<String>,
    /// What it says, as JSON in one spelling; `None` where it was too long to be kept.
    pub text: Option<String>,
    /// What it met.
    pub rules: Vec<&'static str>,
    /// When it was first seen.
    pub since: Timestamp,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/quarantine", get(list)).route("/v1/quarantine/{server}/{tool}", put(approve).delete(revoke))
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(shown_quarantine(&shared.withheld(), &shared.operations))
}

async fn approve(
    State(shared): State<Arc<Shared>>,
    Path((server, tool)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(Words { definition, by, reason }) = Words::of(query) else { return bad_words() };
    if reason.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "an approval needs a `reason`, for whoever looks at it later");
    }
    if !shared.servers.contains(&server) {
        let known: Vec<_> = shared.servers.iter().map(String::as_str).collect();
        return problem(StatusCode::NOT_FOUND, &format!("no server is named `{server}`; there are: {}", known.join(", ")));
    }
    let definition = match withheld_definition(&shared.withheld(), &server, &tool, &definition) {
        Ok(definition) => definition,
        Err(what) => return problem(StatusCode::NOT_FOUND, &what),
    };
    done(&shared, shared.operations.approve_definition(definition, &reason, &by).await)
}

async fn revoke(
    State(shared): State<Arc<Shared>>,
    Path((server, tool)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(Words { definition, by, reason }) = Words::of(query) else { return bad_words() };
    match approved_definition(&shared.operations.approvals(), &server, &tool, &definition) {
        Ok(definition) => done(&shared, shared.operations.revoke_definition(&definition, &reason, &by).await),
        Err(what) => problem(StatusCode::NOT_FOUND, &what),
    }
}

fn done(shared: &Shared, result: Result<(), super::OperationError>) -> Response {
    match result {
        Ok(()) => Json(shown_quarantine(&shared.withheld(), &shared.operations)).into_response(),
        Err(error) => failed(&error),
    }
}

/// The withheld definition of a tool whose hash begins so; or the whole hash of one that was not seen here, but by another replica or before
/// the last start.
pub fn withheld_definition(all: &[WithheldDefinition], server: &str, tool: &str, begins: &str) -> Result<Definition, String> {
    if tool.is_empty() || tool.len() > MAX_TOOL || tool.contains(char::is_control) {
        return Err(format!("a tool that can be approved has a name of 1 to {MAX_TOOL} printable bytes"));
    }
    let of_tool = all.iter().filter(|withheld| withheld.server == server && withheld.tool == tool);
    let hashes: BTreeSet<_> = of_tool.filter_map(|withheld| withheld.definition.clone()).collect();
    one_of(&hashes, (server, tool), begins, "withheld")
}

/// The approved definition of a tool whose hash begins so.
pub fn approved_definition(all: &[(Definition, Approval)], server: &str, tool: &str, begins: &str) -> Result<Definition, String> {
    let of_tool = all.iter().filter(|(definition, _)| definition.server == server && definition.tool == tool);
    let hashes: BTreeSet<_> = of_tool.map(|(definition, _)| definition.hash.clone()).collect();
    one_of(&hashes, (server, tool), begins, "approved")
}

fn one_of(hashes: &BTreeSet<String>, (server, tool): (&str, &str), begins: &str, what: &str) -> Result<Definition, String> {
    let begins = begins.to_ascii_lowercase();
    if !(SHORTEST..=WHOLE).contains(&begins.len()) || !begins.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("a definition is named by its SHA-256 in hexadecimal, or by {SHORTEST} or more of its first digits"));
    }
    let mut meant = hashes.iter().filter(|hash| hash.starts_with(&begins));
    let hash = match (meant.next(), meant.next()) {
        (Some(hash), None) => hash.clone(),
        (Some(_), Some(_)) => {
            return Err(format!("more than one {what} definition of this tool begins with {begins}; write more of it"));
        }
        (None, _) if begins.len() == WHOLE && what == "withheld" => begins,
        (None, _) => {
            return Err(format!(
                "no {what} definition of this tool begins with {begins}; `yett servers quarantine` shows what there is"
            ));
        }
    };
    Ok(Definition { server: server.to_owned(), tool: tool.to_owned(), hash })
}

/// What stands in the query: `definition`, `requester` and `reason`, each once, and nothing else.
struct Words {
    definition: String,
    by: String,
    reason: String,
}

impl Words {
    fn of(query: Option<String>) -> Option<Self> {
        let (mut definition, mut by, mut reason) = (None, None, None);
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let place = match &*key {
                "definition" => &mut definition,
                "requester" => &mut by,
                "reason" => &mut reason,
                _ => return None,
            };
            if place.replace(value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Self { definition: definition?, by: by.unwrap_or_else(admin), reason: reason.unwrap_or_default() })
    }
}

fn bad_words() -> Response {
    problem(
        StatusCode::BAD_REQUEST,
        "the parameters are `definition`, which has to be there, `requester` and `reason`, each once",
    )
}

/// What is withheld and what is approved, for operators.
pub fn shown_quarantine(withheld: &[WithheldDefinition], operations: &Operations) -> Value {
    let approvals = operations.approvals();
    let is_approved = |held: &WithheldDefinition| {
        let same = |(definition, _): &(Definition, Approval)| {
            definition.server == held.server && definition.tool == held.tool && Some(&definition.hash) == held.definition.as_ref()
        };
        approvals.iter().any(same)
    };
    let held = |held: &WithheldDefinition| {
        json!({
            "server": held.server, "tool": held.tool, "definition": held.definition, "text": held.text, "rules": held.rules,
            "since": held.since, "approved": is_approved(held),
        })
    };
    let approved = |(definition, approval): &(Definition, Approval)| {
        json!({
            "server": definition.server, "tool": definition.tool, "definition": definition.hash, "by": approval.by,
            "reason": approval.reason, "at": approval.at,
        })
    };
    json!({
        "withheld": withheld.iter().map(held).collect::<Vec<_>>(),
        "approvals": approvals.iter().map(approved).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_named_by_enough_of_its_hash() {
        let held = |digits: &str| WithheldDefinition {
            server: "crm".to_owned(),
            tool: "add".to_owned(),
            definition: Some(format!("{digits:0<64}")),
            text: None,
            rules: vec!["model"],
            since: Timestamp::UNIX_EPOCH,
        };
        let all = [held("0123456789a"), held("0123456789b"), held("fedcba9876")];
        let meant = |begins: &str| withheld_definition(&all, "crm", "add", begins).map(|definition| definition.hash);
        assert_eq!(meant("FEDCBA98"), Ok(format!("{:0<64}", "fedcba9876")));
        assert_eq!(meant("0123456789b"), Ok(format!("{:0<64}", "0123456789b")));
        for wrong in ["", "fedcba9", "0123456789", "aaaaaaaa", "fedcba98xx", &"a".repeat(65)] {
            assert!(meant(wrong).is_err(), "{wrong}");
        }
        assert_eq!(meant(&"a".repeat(64)), Ok("a".repeat(64)), "what another replica saw");
        assert!(withheld_definition(&all, "mail", "add", "fedcba98").is_err());
        assert!(withheld_definition(&all, "crm", "a\n", &"a".repeat(64)).is_err());
        assert!(approved_definition(&[], "crm", "add", &"a".repeat(64)).is_err(), "nobody has approved it");
    }
}
