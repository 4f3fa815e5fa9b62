//! The admin API's part about the vault, under `/v1/vault`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Shared, problem};
use super::export::{Exported, ExportedLog};
use super::privacy::{Order, PrivacyError, UNNAMED};
use super::tokens::Held;
use crate::secret::Secret;
use crate::vault::{Content, Identity};

/// Most pseudonyms revealed by one request.
const REVEALED: usize = 1_000;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/vault/erase", post(erase))
        .route("/v1/vault/hold", post(hold))
        .route("/v1/vault/release", post(release))
        .route("/v1/vault/expire", post(expire))
        .route("/v1/vault/reveal", post(reveal))
        .route("/v1/vault/pseudonyms", post(pseudonyms))
        .route("/v1/vault/content", post(content))
        .route("/v1/vault/export", post(export))
        .route("/v1/vault/token/reveal", post(reveal_token))
        .route("/v1/vault/token/forget", post(forget_token))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    issuer: String,
    subject: String,
    basis: String,
    approver: String,
    #[serde(default = "admin")]
    requester: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpireBody {
    #[serde(default)]
    trust_clock: bool,
    #[serde(default = "admin")]
    requester: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevealBody {
    pseudonyms: Vec<String>,
    #[serde(default = "admin")]
    requester: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindBody {
    issuer: String,
    subject: String,
    #[serde(default = "admin")]
    requester: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentBody {
    call: String,
    #[serde(default = "admin")]
    requester: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    issuer: String,
    tenant: Option<String>,
    purpose: String,
    token: String,
    #[serde(default = "admin")]
    requester: String,
}

impl TokenBody {
    fn parts(self) -> (Held, String) {
        let Self { issuer, tenant, purpose, token, requester } = self;
        (Held { issuer, tenant, purpose, token: Secret::new(token) }, requester)
    }
}

/// See [`UNNAMED`].
pub(super) fn admin() -> String {
    UNNAMED.to_owned()
}

impl From<OrderBody> for Order {
    fn from(body: OrderBody) -> Self {
        let OrderBody { issuer, subject, basis, approver, requester } = body;
        Self { who: Identity { issuer, subject }, basis, approver, requester }
    }
}

async fn erase(State(shared): State<Arc<Shared>>, Json(body): Json<OrderBody>) -> Response {
    names(shared.operations.privacy().erase(&body.into()).await)
}

async fn hold(State(shared): State<Arc<Shared>>, Json(body): Json<OrderBody>) -> Response {
    names(shared.operations.privacy().hold(&body.into(), true).await)
}

async fn release(State(shared): State<Arc<Shared>>, Json(body): Json<OrderBody>) -> Response {
    names(shared.operations.privacy().hold(&body.into(), false).await)
}

async fn pseudonyms(State(shared): State<Arc<Shared>>, Json(body): Json<FindBody>) -> Response {
    let FindBody { issuer, subject, requester } = body;
    names(shared.operations.privacy().pseudonyms(&Identity { issuer, subject }, &requester).await)
}

async fn export(State(shared): State<Arc<Shared>>, Json(body): Json<FindBody>) -> Response {
    let FindBody { issuer, subject, requester } = body;
    match shared.operations.privacy().export(&Identity { issuer, subject }, &requester).await {
        Ok(exported) => Json(exported_json(&exported)).into_response(),
        Err(error) => failed(&error),
    }
}

/// What is to be exported, as JSON.
pub fn exported_json(exported: &Exported) -> Value {
    let log = |log: &ExportedLog| json!({ "log": log.name, "records": log.records, "root": log.root, "size": log.size });
    json!({ "pseudonyms": exported.pseudonyms, "logs": exported.logs.iter().map(log).collect::<Vec<_>>() })
}

fn names(done: Result<Vec<String>, PrivacyError>) -> Response {
    done.map_or_else(|error| failed(&error), |names| Json(json!({ "pseudonyms": names })).into_response())
}

async fn expire(State(shared): State<Arc<Shared>>, Json(body): Json<ExpireBody>) -> Response {
    match shared.operations.privacy().expire(body.trust_clock, &body.requester).await {
        Ok(Some(expired)) => {
            Json(json!({ "month": expired.month.to_string(), "keys": expired.keys, "tokens": expired.tokens })).into_response()
        }
        Ok(None) => Json(json!({ "month": null, "keys": 0, "tokens": 0 })).into_response(),
        Err(error) => failed(&error),
    }
}

async fn reveal(State(shared): State<Arc<Shared>>, Json(body): Json<RevealBody>) -> Response {
    if body.pseudonyms.len() > REVEALED {
        return problem(StatusCode::BAD_REQUEST, "at most 1000 pseudonyms at once");
    }
    match shared.operations.privacy().reveal(&body.pseudonyms, &body.requester).await {
        Ok(revealed) => {
            let shown: serde_json::Map<_, _> = revealed
                .into_iter()
                .map(|(name, Identity { issuer, subject })| (name, json!({ "issuer": issuer, "subject": subject })))
                .collect();
            Json(json!({ "revealed": shown })).into_response()
        }
        Err(error) => failed(&error),
    }
}

async fn content(State(shared): State<Arc<Shared>>, Json(body): Json<ContentBody>) -> Response {
    let Ok(call) = body.call.parse() else {
        return problem(StatusCode::BAD_REQUEST, "`call` is not the id of a call");
    };
    match shared.operations.privacy().content(call, &body.requester).await {
        Ok(contents) => Json(json!({ "contents": shown(&contents) })).into_response(),
        Err(error) => failed(&error),
    }
}

async fn reveal_token(State(shared): State<Arc<Shared>>, Json(body): Json<TokenBody>) -> Response {
    let (held, requester) = body.parts();
    match shared.operations.privacy().reveal_token(&held, &requester).await {
        Ok(value) => Json(json!({ "value": value.expose() })).into_response(),
        Err(error) => failed(&error),
    }
}

async fn forget_token(State(shared): State<Arc<Shared>>, Json(body): Json<TokenBody>) -> Response {
    let (held, requester) = body.parts();
    match shared.operations.privacy().forget_token(&held, &requester).await {
        Ok(row) => Json(json!({ "row": row })).into_response(),
        Err(error) => failed(&error),
    }
}

/// Captured texts as JSON. Each was part of a message, so it is UTF-8.
pub fn shown(contents: &[Content]) -> Value {
    let one = |content: &Content| {
        let text = String::from_utf8_lossy(content.text.expose());
        json!({ "kind": content.kind, "sha256": content.sha256, "text": text })
    };
    contents.iter().map(one).collect()
}

pub(super) fn failed(error: &PrivacyError) -> Response {
    let status = match error {
        PrivacyError::Unknown | PrivacyError::UnknownToken => StatusCode::NOT_FOUND,
        PrivacyError::Held | PrivacyError::Clock | PrivacyError::Kept(_) => StatusCode::CONFLICT,
        PrivacyError::Identifying(_) | PrivacyError::Words(_) | PrivacyError::Reason => StatusCode::BAD_REQUEST,
        PrivacyError::NotRecorded(_)
        | PrivacyError::Unfinished(_)
        | PrivacyError::Vault(_)
        | PrivacyError::Store(_)
        | PrivacyError::Read(_)
        | PrivacyError::Prune(_)
        | PrivacyError::Thread(_)
        | PrivacyError::Died
        | PrivacyError::Export(_)
        | PrivacyError::Uncovered
        | PrivacyError::Internal(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "an operation on the vault failed");
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    problem(status, &error.to_string())
}
