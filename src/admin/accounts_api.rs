//! The admin API's part about accounts that callers have connected: `/v1/accounts`.

use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::api::{Shared, bad_query, failed, requester};
use crate::state::Account;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/accounts", get(list)).route("/v1/accounts/{id}", delete(revoke))
}

async fn list(State(shared): State<Arc<Shared>>) -> Response {
    match shared.operations.accounts().await {
        Ok(accounts) => Json(json!({ "accounts": accounts.iter().map(shown_account).collect::<Vec<_>>() })).into_response(),
        Err(error) => failed(&error),
    }
}

async fn revoke(State(shared): State<Arc<Shared>>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Response {
    let Some(by) = requester(query) else { return bad_query() };
    match shared.operations.revoke_account(&id, &by).await {
        Ok((account, tokens)) => {
            if let Some(accounts) = &shared.accounts {
                accounts.give_back(&account, &tokens).await;
            }
            Json(json!({ "account": shown_account(&account) })).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// An account as JSON, for operators. No token is in it.
pub fn shown_account(account: &Account) -> Value {
    json!({
        "id": account.id, "issuer": account.whose.issuer, "subject": account.whose.subject, "tenant": Some(&account.whose.tenant).filter(|tenant| !tenant.is_empty()),
        "server": account.whose.server, "scopes": account.scopes, "connected": account.connected, "renewed": account.renewed,
    })
}
