//! `POST /v1/reload`: the configuration is read again.

use std::fmt;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use futures_util::future::BoxFuture;
use serde_json::json;

use super::api::{Shared, problem};
use crate::audit::AppendError;

/// Reads the configuration again and puts it into force.
pub trait Reload: fmt::Debug + Send + Sync {
    /// Does so on behalf of `by`: whole, or not at all.
    fn reload<'a>(&'a self, by: &'static str) -> BoxFuture<'a, Result<Reloaded, NotReloaded>>;
}

/// What is in force now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reloaded {
    /// SHA-256 of the configuration's text.
    pub configuration: String,
    /// Hash of the policies.
    pub policy: String,
    /// The log's durability.
    pub mode: &'static str,
    /// Whether anything is other than it was.
    pub changed: bool,
}

/// Why everything is as it was.
#[derive(Debug, thiserror::Error)]
pub enum NotReloaded {
    /// The configuration or a policy is wrong.
    #[error("{0}")]
    Invalid(String),
    /// Something was changed that is read at a start only.
    #[error("a restart is needed for what was changed in: {}", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// There is nothing to read again.
    #[error("this gateway's configuration was not read from a file")]
    NoFile,
    /// It could not be recorded, so it was not done.
    #[error("the reload could not be recorded")]
    NotRecorded(#[from] AppendError),
}

impl NotReloaded {
    /// In a word, for the record.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NeedsRestart(_) => "needs_restart",
            Self::NoFile => "no_file",
            Self::NotRecorded(_) => "not_recorded",
        }
    }
}

pub(super) async fn reload(State(shared): State<Arc<Shared>>) -> Response {
    match shared.reload.reload("admin").await {
        Ok(Reloaded { configuration, policy, mode, changed }) => {
            Json(json!({ "configuration": configuration, "policy": policy, "mode": mode, "changed": changed })).into_response()
        }
        Err(refused) => {
            let status = match &refused {
                NotReloaded::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
                NotReloaded::NeedsRestart(_) | NotReloaded::NoFile => StatusCode::CONFLICT,
                NotReloaded::NotRecorded(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            problem(status, &refused.to_string())
        }
    }
}
