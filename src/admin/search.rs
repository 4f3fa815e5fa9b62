//! `GET /v1/audit/search`: who did what, for operators, and for auditors as far as it is about their tenant. Each search is a record itself
//! before its answer is told.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use form_urlencoded::parse;
use serde_json::{Value, json};

use super::api::{Shared, failed, problem};
use super::askers::Asker;
use crate::audit_index::{Answer, BadQuery, IndexError, Query};

/// Longest query string.
const LONGEST: usize = 16 * 1024;

pub(super) async fn search(
    State(shared): State<Arc<Shared>>,
    Extension(who): Extension<Asker>,
    RawQuery(text): RawQuery,
) -> Response {
    let Some(indexer) = &shared.indexer else {
        return problem(StatusCode::NOT_FOUND, "this gateway keeps no index (`audit.index`)");
    };
    let text = text.unwrap_or_default();
    if text.len() > LONGEST {
        return problem(StatusCode::BAD_REQUEST, "the query is longer than 16 KiB");
    }
    let asked = match Asked::read(&text, &who, shared.operations.now()) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let _turn = match &who {
        Asker::Admin => None,
        Asker::Auditor(auditor) => Some(auditor.turn().await),
    };
    let answer = match indexer.search(asked.query, asked.count).await {
        Ok(answer) => answer,
        Err(error @ IndexError::Slow) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a search failed");
            let told = match &who {
                Asker::Admin => error.to_string(),
                // Files of the gateway's host may stand in it.
                Asker::Auditor(_) => "the search failed; the operators' log says why".to_owned(),
            };
            return problem(StatusCode::SERVICE_UNAVAILABLE, &told);
        }
    };
    // Last, so that it tells how much was read; before the answer, so that nothing is read unrecorded.
    if let Err(error) = shared.operations.record_search(&asked.by, answer.page.records.len(), &who.requester()).await {
        return failed(&error);
    }
    Json(shown(&answer, &who)).into_response()
}

/// The answer as this one is told it.
fn shown(answer: &Answer, asker: &Asker) -> Value {
    let mut body = json!(answer.page);
    let Some(members) = body.as_object_mut() else { return body };
    if let Some(count) = answer.count {
        members.insert("count".to_owned(), json!(count));
    }
    match asker {
        Asker::Admin => {}
        // How long the log is tells how much others do; what an auditor needs to know is whether something is missing.
        Asker::Auditor(_) => {
            let is_behind = answer.page.log.is_some_and(|log| answer.page.indexed < log);
            members.insert("behind".to_owned(), json!(is_behind));
            members.insert("indexed".to_owned(), Value::Null);
            members.insert("log".to_owned(), Value::Null);
        }
    }
    body
}

/// What a query string asks for.
struct Asked {
    query: Query,
    count: bool,
    /// The names of its filters, for the record: their values may be anything that an operator types.
    by: String,
}

impl Asked {
    /// SECURITY: whose records there are is set here, by who asks, for every search; no filter undoes it.
    fn read(text: &str, asker: &Asker, now: jiff::Timestamp) -> Result<Self, BadQuery> {
        let view = match asker {
            Asker::Admin => None,
            Asker::Auditor(auditor) => Some(auditor.view().clone()),
        };
        let mut query = Query { view, ..Query::default() };
        let (mut count, mut names) = (false, Vec::new());
        for (name, value) in parse(text.as_bytes()) {
            match &*name {
                "count" => count = value == "true",
                name => query.set(name, &value, now)?,
            }
            names.push(name.into_owned());
        }
        names.sort_unstable();
        names.dedup();
        Ok(Self { query, count, by: names.join(",") })
    }
}
