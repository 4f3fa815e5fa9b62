//! The admin API's part about API keys: `/v1/keys`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Shared, bad_query, failed, problem, requester};
use super::operations::OperationError;
use super::privacy_api::admin;
use crate::secret::Secret;
use crate::state::{Aging, ApiKey, Kept, KeyStatus, NewKey, Rotation};

/// Longest overlap of two secrets: what is good for longer is not rotated.
pub const MAX_OVERLAP: Duration = Duration::from_hours(90 * 24);

/// Most groups, roles and servers of one key, each.
const MAX_LIST: usize = 256;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/keys", get(list).post(create))
        .route("/v1/keys/{id}", delete(revoke))
        .route("/v1/keys/{id}/rotate", post(rotate))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateBody {
    subject: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    tenant: Option<String>,
    #[serde(default)]
    servers: Vec<String>,
    expires: Option<Timestamp>,
    #[serde(default = "admin")]
    requester: String,
}

/// Whether a key can be made so, or why not. `servers` are those that are configured.
pub fn check_key(new: &NewKey, mut servers: impl Iterator<Item = impl AsRef<str>> + Clone) -> Result<(), String> {
    let plain = |text: &String| !text.is_empty() && text.len() <= 256 && !text.contains(char::is_control);
    if ![&new.groups, &new.roles].iter().all(|list| list.len() <= MAX_LIST && list.iter().all(plain))
        || !plain(&new.subject)
        || !new.tenant.iter().all(plain)
    {
        return Err(format!(
            "subject, groups, roles and tenant are 1-256 printable characters each, and lists have up to {MAX_LIST}"
        ));
    }
    let all = servers.clone();
    match new.servers.iter().flatten().find(|wanted| !all.clone().any(|known| known.as_ref() == wanted.as_str())) {
        // A name that nobody has would be a key for nothing, and for whatever gets that name later.
        Some(wanted) => {
            let hint = servers.next().map(|first| format!("; there is `{}`", first.as_ref())).unwrap_or_default();
            Err(format!("no server is called `{wanted}`{hint}"))
        }
        None => Ok(()),
    }
}

async fn create(State(shared): State<Arc<Shared>>, Json(body): Json<CreateBody>) -> Response {
    let CreateBody { subject, groups, roles, tenant, servers, expires, requester } = body;
    let servers = (!servers.is_empty()).then_some(servers);
    let new = NewKey { subject, groups, roles, tenant, servers, expires };
    if let Err(what) = check_key(&new, shared.servers.iter()) {
        return problem(StatusCode::BAD_REQUEST, &what);
    }
    shown_secret(&shared, shared.operations.create_key(new, &requester).await)
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    /// Seconds.
    #[serde(default)]
    overlap: u64,
    expires: Option<Timestamp>,
    #[serde(default = "admin")]
    requester: String,
}

async fn rotate(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    Json(body): Json<RotateBody>,
) -> Response {
    if query.is_some() {
        return problem(StatusCode::BAD_REQUEST, "what is asked for stands in the body: `overlap`, `expires`, `requester`");
    }
    let RotateBody { overlap, expires, requester } = body;
    let rotation = Rotation { overlap: Duration::from_secs(overlap), expires };
    if rotation.overlap > MAX_OVERLAP {
        return problem(StatusCode::BAD_REQUEST, "`overlap` is at most 90 days, in seconds");
    }
    shown_secret(&shared, shared.operations.rotate_key(&id, rotation, &requester).await)
}

async fn revoke(State(shared): State<Arc<Shared>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(by) = requester(query) else { return bad_query() };
    let (aging, now) = (shared.operations.aging(), shared.operations.now());
    match shared.operations.revoke_key(&id, &by).await {
        Ok(key) => Json(json!({ "key": shown_key(&key, aging, now) })).into_response(),
        Err(error) => failed(&error),
    }
}

async fn list(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let (aging, now) = (shared.operations.aging(), shared.operations.now());
    let keys: Vec<_> = shared.operations.keys().iter().map(|key| shown_key(key, aging, now)).collect();
    Json(json!({ "keys": keys }))
}

fn shown_secret(shared: &Shared, made: Result<(Arc<ApiKey>, Secret<String>), OperationError>) -> Response {
    match made {
        Ok((key, secret)) => {
            let key = shown_key(&key, shared.operations.aging(), shared.operations.now());
            (StatusCode::CREATED, Json(json!({ "key": key, "secret": secret.expose() }))).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// A key as JSON, for operators. No secret is in it, and no hash of one.
pub fn shown_key(key: &ApiKey, aging: Aging, now: Timestamp) -> Value {
    let status = match key.status(now, aging) {
        KeyStatus::Active => "active",
        KeyStatus::Due => "due",
        KeyStatus::Expired => "expired",
        KeyStatus::Revoked => "revoked",
        KeyStatus::TooOld => "too_old",
    };
    let former = key.former.as_ref().filter(|(_, until)| now < *until && key.revoked.is_none());
    let last = |kept: &Kept| kept.last_use();
    let mut shown = json!({
        "id": &*key.id, "prefix": format!("yett_{}_", key.id), "status": status,
        "subject": &*key.subject, "groups": key.groups, "roles": key.roles, "tenant": key.tenant.as_deref(),
        "servers": key.servers, "created": key.created, "expires": key.expires, "end": key.end(aging),
        "rotated": key.former.as_ref().map(|_| key.secret.made), "last_used": last(&key.secret),
        "former_secret": former.map(|(kept, until)| json!({ "until": until, "last_used": last(kept) })),
    });
    if let (Some(revoked), Some(shown)) = (key.revoked, shown.as_object_mut()) {
        shown.insert("revoked".to_owned(), json!(revoked));
    }
    shown
}
