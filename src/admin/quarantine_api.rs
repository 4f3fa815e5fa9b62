//! The admin API's part about withheld definitions: `/v1/quarantine`.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::api::{Shared, failed, problem};
use super::operations::Operations;
use super::privacy_api::admin;
use crate::layers::injection::{Quarantine, Withheld};
use crate::state::{Approval, Definition};

/// Digits of a hash that nobody takes for another by mistake.
const SHORTEST: usize = 8;

/// Digits of a whole one.
const WHOLE: usize = 64;

/// Longest name of a tool that an approval can name.
const MAX_TOOL: usize = 256;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/quarantine", get(list))
        .route("/v1/quarantine/{server}/{tool}", put(approve).delete(revoke))
        .route("/v1/withheld/{server}", delete(forget_server))
        .route("/v1/withheld/{server}/{tool}", delete(forget_tool))
}

async fn list(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let Some([server]) = once(query, ["server"]) else {
        return problem(StatusCode::BAD_REQUEST, "the only parameter is `server`, once");
    };
    shown(&shared, server.as_deref())
}

fn shown(shared: &Shared, server: Option<&str>) -> Response {
    Json(shown_quarantine(Some(&shared.quarantine), &shared.operations, server)).into_response()
}

async fn approve(
    State(shared): State<Arc<Shared>>,
    Path((server, tool)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(Words { definition: Some(definition), by, reason }) = Words::of(query) else { return bad_words() };
    if reason.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "an approval needs a `reason`, for whoever looks at it later");
    }
    if !shared.servers.contains(&server) {
        let known: Vec<_> = shared.servers.iter().map(String::as_str).collect();
        return problem(StatusCode::NOT_FOUND, &format!("no server is named `{server}`; there are: {}", known.join(", ")));
    }
    let definition = match withheld_definition(&shared.quarantine.hashes(&server, &tool), &server, &tool, &definition) {
        Ok(definition) => definition,
        Err(what) => return problem(StatusCode::NOT_FOUND, &what),
    };
    let done = shared.operations.approve_definition(definition, &reason, &by).await;
    done.map_or_else(|error| failed(&error), |()| shown(&shared, Some(&server)))
}

async fn revoke(
    State(shared): State<Arc<Shared>>,
    Path((server, tool)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(Words { definition: Some(definition), by, reason }) = Words::of(query) else { return bad_words() };
    let definition = match approved_definition(&shared.operations.approvals(), &server, &tool, &definition) {
        Ok(definition) => definition,
        Err(what) => return problem(StatusCode::NOT_FOUND, &what),
    };
    let done = shared.operations.revoke_definition(&definition, &reason, &by).await;
    done.map_or_else(|error| failed(&error), |()| shown(&shared, Some(&server)))
}

async fn forget_server(State(shared): State<Arc<Shared>>, Path(server): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(Words { definition: None, by, reason }) = Words::of(query) else {
        return problem(StatusCode::BAD_REQUEST, "the parameters are `requester` and `reason`, each once");
    };
    forget(&shared, (&server, None), &by, &reason).await
}

async fn forget_tool(
    State(shared): State<Arc<Shared>>,
    Path((server, tool)): Path<(String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(Words { definition, by, reason }) = Words::of(query) else {
        return problem(StatusCode::BAD_REQUEST, "the parameters are `definition`, `requester` and `reason`, each once");
    };
    let hashes = shared.quarantine.hashes(&server, &tool);
    // Not one of another replica's: there is nothing of it to be forgotten here.
    let whole = definition.map(|begins| one_of(&hashes, (&server, &tool), &begins, What::Withheld)).transpose();
    match whole {
        Ok(whole) => {
            forget(&shared, (&server, Some((&tool, whole.as_ref().map(|found| found.hash.as_str())))), &by, &reason).await
        }
        Err(what) => problem(StatusCode::NOT_FOUND, &what),
    }
}

async fn forget(shared: &Shared, (server, what): (&str, Option<(&str, Option<&str>)>), by: &str, reason: &str) -> Response {
    if reason.is_empty() {
        return problem(StatusCode::BAD_REQUEST, "it needs a `reason`, for whoever looks at it later");
    }
    // Of what there is not there is no record.
    if !shared.quarantine.has(server, what.map(|(tool, _)| tool)) {
        return problem(StatusCode::NOT_FOUND, "nothing of this is withheld; `yett servers quarantine` shows what is");
    }
    match shared.operations.forget_definitions(&shared.quarantine, (server, what), reason, by).await {
        Ok(_) => shown(shared, Some(server)),
        Err(error) => failed(&error),
    }
}

/// The definition of a tool, of those with these `hashes`, whose hash begins so; or the whole hash of one that was not seen here, but by another
/// replica or before the last start.
pub fn withheld_definition(hashes: &BTreeSet<String>, server: &str, tool: &str, begins: &str) -> Result<Definition, String> {
    if tool.is_empty() || tool.len() > MAX_TOOL || tool.contains(char::is_control) {
        return Err(format!("a tool that can be approved has a name of 1 to {MAX_TOOL} printable bytes"));
    }
    let hash = begins.to_ascii_lowercase();
    if hash.len() == WHOLE && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Definition { server: server.to_owned(), tool: tool.to_owned(), hash });
    }
    one_of(hashes, (server, tool), begins, What::Withheld)
}

/// The approved definition of a tool whose hash begins so.
pub fn approved_definition(all: &[(Definition, Approval)], server: &str, tool: &str, begins: &str) -> Result<Definition, String> {
    let of_tool = all.iter().filter(|(definition, _)| definition.server == server && definition.tool == tool);
    let hashes: BTreeSet<_> = of_tool.map(|(definition, _)| definition.hash.clone()).collect();
    one_of(&hashes, (server, tool), begins, What::Approved)
}

/// Among what a definition is looked for.
#[derive(Clone, Copy)]
enum What {
    Approved,
    Withheld,
}

fn one_of(hashes: &BTreeSet<String>, (server, tool): (&str, &str), begins: &str, what: What) -> Result<Definition, String> {
    let what = match what {
        What::Approved => "approved",
        What::Withheld => "withheld",
    };
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
        (None, _) => {
            return Err(format!(
                "no {what} definition of this tool begins with {begins}; `yett servers quarantine` shows what there is"
            ));
        }
    };
    Ok(Definition { server: server.to_owned(), tool: tool.to_owned(), hash })
}

/// What stands in the query: `definition`, `requester` and `reason`, each once at most, and nothing else.
struct Words {
    definition: Option<String>,
    by: String,
    reason: String,
}

impl Words {
    fn of(query: Option<String>) -> Option<Self> {
        let [definition, by, reason] = once(query, ["definition", "requester", "reason"])?;
        Some(Self { definition, by: by.unwrap_or_else(admin), reason: reason.unwrap_or_default() })
    }
}

/// Parameters of these names, each once at most; `None` where there is anything else.
fn once<const N: usize>(query: Option<String>, names: [&str; N]) -> Option<[Option<String>; N]> {
    let mut found = [const { None }; N];
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let (_, place) = names.iter().zip(&mut found).find(|(name, _)| ***name == *key)?;
        if place.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    Some(found)
}

fn bad_words() -> Response {
    problem(
        StatusCode::BAD_REQUEST,
        "the parameters are `definition`, which has to be there, `requester` and `reason`, each once",
    )
}

/// What is withheld, which a stopped gateway has forgotten, and what is approved, everywhere or at one server, for operators.
pub fn shown_quarantine(quarantine: Option<&Quarantine>, operations: &Operations, server: Option<&str>) -> Value {
    let is_approved = |held: &Withheld| {
        let (server, tool, hash) = (held.server.clone(), held.tool.clone(), held.definition.clone());
        tool.zip(hash).is_some_and(|(tool, hash)| operations.approves(&Definition { server, tool, hash }))
    };
    let held = |held: &Withheld| {
        let (since, last) = held.seen.unzip();
        json!({
            "server": held.server, "tool": held.tool, "definition": held.definition, "text": held.text, "rules": held.rules,
            "since": since, "last": last, "approved": is_approved(held),
        })
    };
    let approved = |(definition, approval): &(Definition, Approval)| {
        json!({
            "server": definition.server, "tool": definition.tool, "definition": definition.hash, "by": approval.by,
            "reason": approval.reason, "at": approval.at,
        })
    };
    let approvals = operations.approvals();
    let wanted = approvals.iter().filter(|(definition, _)| server.is_none_or(|server| definition.server == server));
    json!({
        "withheld": quarantine.map(|quarantine| quarantine.list(server)).iter().flatten().map(held).collect::<Vec<_>>(),
        "approvals": wanted.map(approved).collect::<Vec<_>>(),
        "approvals_hold": operations.approvals_hold(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_named_by_enough_of_its_hash() {
        let all = BTreeSet::from(["0123456789a", "0123456789b", "fedcba9876"].map(|digits| format!("{digits:0<64}")));
        let meant = |begins: &str| withheld_definition(&all, "crm", "add", begins).map(|definition| definition.hash);
        assert_eq!(meant("FEDCBA98"), Ok(format!("{:0<64}", "fedcba9876")));
        assert_eq!(meant("0123456789b"), Ok(format!("{:0<64}", "0123456789b")));
        for wrong in ["", "fedcba9", "0123456789", "aaaaaaaa", "fedcba98xx", &"a".repeat(65), &"x".repeat(64)] {
            assert!(meant(wrong).is_err(), "{wrong}");
        }
        assert_eq!(meant(&"A".repeat(64)), Ok("a".repeat(64)), "what another replica saw");
        assert!(withheld_definition(&BTreeSet::new(), "mail", "add", "fedcba98").is_err());
        assert!(withheld_definition(&all, "crm", "a\n", &"a".repeat(64)).is_err());
        assert!(approved_definition(&[], "crm", "add", &"a".repeat(64)).is_err(), "nobody has approved it");
    }
}
