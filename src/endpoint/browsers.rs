//! The pages on which users connect accounts (`crate::accounts`): HTTP on one side, what the desk says on the other.
//!
//! SECURITY: here alone a browser's cookies count. They are read by nothing else, and no page of another site can use them: forms come from
//! our own pages alone, no other page can show ours in a frame, and what is answered can be read by nobody's script.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY,
    SET_COOKIE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use super::headers::YETT_CALL;
use super::{EdgeBody, Endpoint, hosts};
use crate::accounts::{Answer, Desk, Page, Visit};
use crate::chain::{Peer, Reason};

/// Largest form.
const LARGEST: usize = 4 * 1024;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

impl Endpoint {
    /// Answers a browser on one of the pages.
    pub(super) async fn answer_browser<B>(&self, desk: &Desk, request: Request<B>, peer: Peer) -> Response<EdgeBody>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let route = self.routes.resolve("/");
        let form = match self.admit(&head) {
            Ok(false) => Bytes::new(),
            Ok(true) => {
                match tokio::time::timeout(self.listener.limits.body_timeout, Limited::new(body, LARGEST).collect()).await {
                    Ok(Ok(form)) => form.to_bytes(),
                    Ok(Err(_broken)) => return self.refuse(Reason::BodyTooLarge, peer, &route).await.0,
                    Err(_elapsed) => return self.refuse(Reason::BodyTooSlow, peer, &route).await.0,
                }
            }
            Err(reason) => return self.refuse(reason, peer, &route).await.0,
        };
        let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
        let visit = Visit { method: &head.method, path, query, headers: &head.headers, form };
        match desk.answer(&visit).await {
            Answer::Go(to, cookies) => went(&to, &cookies),
            Answer::Show(page, cookies) => shown(page, &cookies),
            Answer::Refuse(word, page, cookies) => {
                let (refused, call) = self.refuse(Reason::Page(page.status.as_u16(), word), peer, &route).await;
                // It could not be recorded: then that is the answer.
                if refused.status() != page.status {
                    return refused;
                }
                let mut response = shown(page.recorded_as(&call.to_string()), &cookies);
                if let Some(id) = call.to_header() {
                    response.headers_mut().insert(YETT_CALL, id);
                }
                response
            }
        }
    }

    /// Whether a form is to be read; an error for what no page of ours has sent.
    fn admit(&self, head: &Parts) -> Result<bool, Reason> {
        if !hosts::is_ours(&head.headers, &self.listener.allowed_hosts) {
            return Err(Reason::HostNotAllowed);
        }
        let mut origins = head.headers.get_all(ORIGIN).iter();
        let (origin, more) = (origins.next(), origins.next());
        let is_form = head.method == Method::POST;
        // Browsers send it with every form. Where a link is followed there is none.
        match origin {
            Some(origin) if more.is_none() && origin.as_bytes() == self.listener.public_url.as_bytes() => {}
            None if !is_form => {}
            Some(_) | None => return Err(Reason::OriginNotAllowed),
        }
        if is_form {
            let kind = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
            let kind = kind.split(';').next().unwrap_or_default().trim();
            if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                return Err(Reason::UnsupportedMedia);
            }
        }
        Ok(is_form)
    }
}

fn shown(page: Page, cookies: &[String]) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::full(Bytes::from(page.html)));
    *response.status_mut() = page.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    if page.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    guarded(response, cookies)
}

fn went(to: &str, cookies: &[String]) -> Response<EdgeBody> {
    let mut response = Response::new(EdgeBody::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    guarded(response, cookies)
}

/// With everything that keeps others from it.
fn guarded(mut response: Response<EdgeBody>, cookies: &[String]) -> Response<EdgeBody> {
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&Page::policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Not `no-referrer`: with it browsers say `Origin: null` of our own forms.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    for cookie in cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
        headers.append(SET_COOKIE, cookie);
    }
    response
}
