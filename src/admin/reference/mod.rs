//! The admin API described: an `OpenAPI` 3.1 document, and a page for people made from it.
//!
//! Both are asked for with the token, like everything here. They hold no secret; but one path that answers without a token is one more that
//! tells a stranger what listens there, and a browser could not go on from the page anyhow: it sends no token. Whoever wants them without a
//! gateway has `yett schema admin`, with `--html` the page.

mod document;
mod page;
mod schemas;
mod table;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::Method;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;

use super::api::Shared;

use document::document;
use table::ENTRIES;
use utoipa::openapi::path::HttpMethod;

/// The document as it is served; JSON.
pub fn openapi() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| document().to_pretty_json().unwrap_or_default() + "\n");
    &TEXT
}

/// The page as it is served; HTML without scripts, and with nothing from elsewhere.
pub fn reference_page() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| page::render(&document()));
    &TEXT
}

/// Whether an auditor may ask this: what the table says is for them, by its exact path. They only read.
pub(super) fn is_for_auditors(method: &Method, path: &str) -> bool {
    *method == Method::GET
        && ENTRIES.iter().any(|entry| entry.for_auditors && entry.method == HttpMethod::Get && entry.path == path)
}

pub(super) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/v1/openapi.json", get(served_document)).route("/docs", get(served_page))
}

async fn served_document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], openapi())
}

async fn served_page() -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CACHE_CONTROL, "no-store".to_owned()),
        (CONTENT_SECURITY_POLICY, page::policy()),
    ];
    (headers, reference_page())
}
