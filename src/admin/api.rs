//! The admin API over HTTP: JSON in, JSON out, under `/v1`.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::askers::{Asker, Askers, Auditor};
use super::operations::{OperationError, Operations};
use super::privacy_api::{self, admin};
use super::prune_api;
use super::reference;
use super::reload::{Reload, reload};
use super::search::search;
use super::token::admin_token;
use super::{accounts_api, keys_api, quarantine_api, switches_api};
use crate::accounts::Accounts;
use crate::audit_index::Indexer;
use crate::layers::injection::Quarantine;
use crate::listener::{bind, operators};
use crate::state::KeyError;

/// Largest request of an operator.
const MAX_BODY: usize = 64 * 1024;

/// Why there is no admin API.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The token cannot be read or made.
    #[error("`admin.token` cannot be read or made")]
    Token(#[source] io::Error),
    /// An auditor could not be told from somebody else.
    #[error("the token of the auditor `{0}` is that of another auditor, or the one in `admin.token`")]
    SameToken(String),
    /// The port is taken.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// A bound admin listener.
#[derive(Debug)]
pub struct Admin {
    socket: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    askers: Askers,
    pub(super) operations: Arc<Operations>,
    pub(super) servers: BTreeSet<String>,
    /// Who may vouch for callers, by their configured names.
    pub(super) issuers: BTreeSet<String>,
    /// Where the log is searched; `None` where no index is kept.
    pub(super) indexer: Option<Indexer>,
    pub(super) reload: Arc<dyn Reload>,
    /// Where accounts are that callers connect; `None` where no server has them.
    pub(super) accounts: Option<Arc<Accounts>>,
    /// What the injection scan has withheld.
    pub(super) quarantine: Arc<Quarantine>,
}

impl Admin {
    /// Binds, with the token of `data_dir`.
    pub fn bind(
        address: SocketAddr,
        data_dir: &Path,
        operations: Arc<Operations>,
        servers: BTreeSet<String>,
        indexer: Option<Indexer>,
        reload: Arc<dyn Reload>,
    ) -> Result<Self, AdminError> {
        let token = admin_token(data_dir).map_err(AdminError::Token)?;
        let failed = |source| AdminError::Bind { address, source };
        let socket = bind(address, operators::BUFFER).map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let askers = Askers::of(token);
        let issuers = BTreeSet::new();
        let quarantine = Arc::default();
        let shared = Shared { askers, operations, servers, issuers, indexer, reload, accounts: None, quarantine };
        Ok(Self { socket, address, shared: Arc::new(shared) })
    }

    /// Tells authorization servers of accounts that are taken away.
    #[must_use]
    pub fn with_accounts(mut self, accounts: Option<Arc<Accounts>>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.accounts = accounts;
        }
        self
    }

    /// Shows what is withheld.
    #[must_use]
    pub fn with_quarantine(mut self, quarantine: Arc<Quarantine>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.quarantine = quarantine;
        }
        self
    }

    /// Callers and tenants of these issuers can be stopped.
    #[must_use]
    pub fn with_issuers(mut self, issuers: BTreeSet<String>) -> Self {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.issuers = issuers;
        }
        self
    }

    /// Lets these ask as well, each for what is theirs.
    pub fn with_auditors(mut self, auditors: Vec<Auditor>) -> Result<Self, AdminError> {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.askers.add(auditors).map_err(AdminError::SameToken)?;
        }
        Ok(self)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let routes = Router::new()
            .route("/v1/audit/search", get(search))
            .route("/v1/reload", post(reload))
            .merge(accounts_api::routes())
            .merge(keys_api::routes())
            .merge(privacy_api::routes())
            .merge(prune_api::routes())
            .merge(quarantine_api::routes())
            .merge(reference::routes())
            .merge(switches_api::routes())
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .layer(map_response(in_json))
            // Outermost: without the token no path, no body and no mistake is looked at.
            .layer(from_fn_with_state(Arc::clone(&self.shared), authenticate))
            .with_state(self.shared);
        operators::serve(self.socket, TowerToHyperService::new(routes), stop).await;
    }
}

async fn authenticate(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let mut values = request.headers().get_all(AUTHORIZATION).iter();
    let given = values.next().and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix("Bearer "));
    let known = given.and_then(|given| shared.askers.who(given)).filter(|_| values.next().is_none());
    let Some(asker) = known else {
        shared.operations.refused(None).await;
        return problem(StatusCode::UNAUTHORIZED, "the admin API needs the token in `admin.token`, or an auditor's");
    };
    if !asker.may(request.method(), request.uri().path()) {
        if let Asker::Auditor(auditor) = &asker {
            shared.operations.refused(Some(auditor.name())).await;
        }
        return problem(StatusCode::FORBIDDEN, "an auditor may search the audit log, and nothing else");
    }
    request.extensions_mut().insert(asker);
    next.run(request).await
}

/// What the library says of a body that it cannot read is plain text; here it is told like every other mistake.
async fn in_json(response: Response) -> Response {
    let status = response.status();
    let is_text = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !status.is_client_error() || !is_text {
        return response;
    }
    let text = to_bytes(response.into_body(), MAX_BODY).await.unwrap_or_default();
    problem(status, &String::from_utf8_lossy(&text))
}

pub(super) fn problem(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what }))).into_response()
}

/// Who asks, of a request without a body: `?requester=NAME`, and nothing else.
pub(super) fn requester(query: Option<String>) -> Option<String> {
    let query = query.unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    match (pairs.next(), pairs.next()) {
        (None, _) => Some(admin()),
        (Some((key, value)), None) if key == "requester" => Some(value.into_owned()),
        _ => None,
    }
}

pub(super) fn bad_query() -> Response {
    problem(StatusCode::BAD_REQUEST, "the only parameter is `requester`")
}

pub(super) fn failed(error: &OperationError) -> Response {
    match error {
        OperationError::Key(KeyError::NotFound(_)) | OperationError::NoAccount(_) => {
            problem(StatusCode::NOT_FOUND, &error.to_string())
        }
        OperationError::Requester(_) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
        OperationError::Key(KeyError::Changed(_) | KeyError::NotActive(_)) => problem(StatusCode::CONFLICT, &error.to_string()),
        OperationError::Key(KeyError::Store(_))
        | OperationError::NotRecorded(_)
        | OperationError::Store(_)
        | OperationError::Vault(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "an operation failed");
            problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())
        }
    }
}
