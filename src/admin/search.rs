//! `GET /v1/audit/search`: who did what, for operators. Each search is a record itself before its answer is told.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use form_urlencoded::parse;
use serde_json::json;

use super::api::{Shared, failed, problem};
use super::privacy::UNNAMED;
use crate::audit_index::{BadQuery, IndexError, Query};

/// Longest query string.
const LONGEST: usize = 16 * 1024;

pub(super) async fn search(State(shared): State<Arc<Shared>>, RawQuery(text): RawQuery) -> Response {
    let Some(indexer) = &shared.indexer else {
        return problem(StatusCode::NOT_FOUND, "this gateway keeps no index (`audit.index`)");
    };
    let text = text.unwrap_or_default();
    if text.len() > LONGEST {
        return problem(StatusCode::BAD_REQUEST, "the query is longer than 16 KiB");
    }
    let asked = match Asked::read(&text, shared.operations.now()) {
        Ok(asked) => asked,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let answer = match indexer.search(asked.query, asked.count).await {
        Ok(answer) => answer,
        Err(error @ IndexError::Slow) => return problem(StatusCode::BAD_REQUEST, &error.to_string()),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a search failed");
            return problem(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
        }
    };
    // Last, so that it tells how much was read; before the answer, so that nothing is read unrecorded.
    if let Err(error) = shared.operations.record_search(&asked.by, answer.page.records.len(), UNNAMED).await {
        return failed(&error);
    }
    let mut body = json!(answer.page);
    if let (Some(members), Some(count)) = (body.as_object_mut(), answer.count) {
        members.insert("count".to_owned(), json!(count));
    }
    Json(body).into_response()
}

/// What a query string asks for.
struct Asked {
    query: Query,
    count: bool,
    /// The names of its filters, for the record: their values may be anything that an operator types.
    by: String,
}

impl Asked {
    fn read(text: &str, now: jiff::Timestamp) -> Result<Self, BadQuery> {
        let mut query = Query::default();
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
