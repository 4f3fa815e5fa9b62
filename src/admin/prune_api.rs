//! The admin API's part about pruning the log: `POST /v1/audit/prune`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Shared;
use super::privacy_api::{admin, failed};
use super::prune::{PruneOrder, Pruned};
use crate::audit::Stopped;

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/audit/prune", post(prune))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PruneBody {
    before: Option<Timestamp>,
    from: Option<u64>,
    #[serde(default)]
    apply: bool,
    #[serde(default)]
    trust_clock: bool,
    #[serde(default = "admin")]
    requester: String,
}

async fn prune(State(shared): State<Arc<Shared>>, Json(body): Json<PruneBody>) -> Response {
    let PruneBody { before, from, apply, trust_clock, requester } = body;
    let order = PruneOrder { before, from, apply, trust_clock, requester };
    match shared.operations.privacy().prune(&order).await {
        Ok(pruned) => Json(shown(&pruned)).into_response(),
        Err(error) => failed(&error),
    }
}

/// What was removed as JSON; `more` if there may be more to remove.
pub fn shown(pruned: &Pruned) -> Value {
    let removal = pruned.removal.as_ref().map(|removal| {
        json!({
            "from": removal.from, "to": removal.to, "segments": removal.segments, "bytes": removal.bytes,
            "oldest": removal.oldest, "newest": removal.newest, "root": removal.root.base64(),
        })
    });
    json!({
        "removal": removal,
        "record": pruned.record,
        "stopped": pruned.stopped.to_string(),
        "more": pruned.stopped == Stopped::More,
    })
}
