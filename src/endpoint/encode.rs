//! Answers: the one table from reasons to HTTP status, JSON-RPC code and the text a peer reads (DESIGN.md section 6).

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body::Body as _;

use super::EdgeBody;
use super::events::EventBody;
use super::headers::{SESSION_ID, YETT_CALL};
use super::http_sse::ChannelBody;
use crate::chain::{CallId, Category, Challenge, McpResponse, Reason, Rejection, ReplyTo, ResponseBody, Route};
use crate::protocol::json::RawJson;
use crate::protocol::{Method, ProtocolVersion, code};

/// How soon to try again when we are the ones who cannot.
const UNAVAILABLE_RETRY: u64 = 1;

/// What a caller reads of a server at which they have no account yet.
const CONNECT_FIRST: &str = "This server needs an account of yours. Open this page in a browser to connect it, then call again";

/// The HTTP response to a call.
pub(super) fn response(result: Result<McpResponse, Rejection>, call: CallId, route: &Route) -> Response<EdgeBody> {
    let mut response = match result {
        Ok(response) => accepted(response, call),
        Err(rejection) => refused(&rejection, call, route),
    };
    if let Some(id) = call.to_header() {
        response.headers_mut().insert(YETT_CALL, id);
    }
    response
}

fn accepted(reply: McpResponse, call: CallId) -> Response<EdgeBody> {
    let (status, kind, body) = match reply.body {
        ResponseBody::Accepted => (StatusCode::ACCEPTED, None, EdgeBody::empty()),
        ResponseBody::Ended => (StatusCode::OK, None, EdgeBody::empty()),
        ResponseBody::Json(status, reply) => (status, Some("application/json"), EdgeBody::reply(reply)),
        ResponseBody::Opened(channel) => {
            (StatusCode::OK, Some("text/event-stream"), EdgeBody::channel(ChannelBody::new(channel)))
        }
        ResponseBody::Resumed(kept) => (StatusCode::OK, Some("text/event-stream"), EdgeBody::events(EventBody::resumed(*kept))),
        ResponseBody::Stream(stream) => {
            let events = EdgeBody::events(EventBody::new(stream, call, reply.polling));
            (StatusCode::OK, Some("text/event-stream"), events)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if kind == Some("text/event-stream") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        // Asks proxies in front of us not to hold events back. MCP 2026-07-28, Streamable HTTP.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    }
    if let Some(session) = reply.session {
        headers.insert(SESSION_ID, session);
    }
    response
}

#[expect(clippy::wildcard_enum_match_arm, reason = "few reasons have a header of their own")]
fn refused(rejection: &Rejection, call: CallId, route: &Route) -> Response<EdgeBody> {
    let answer = answer(rejection);
    let body = if answer.body == Shown::Nothing { EdgeBody::empty() } else { EdgeBody::full(error_body(rejection, call)) };
    let has_body = !body.is_end_stream();
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    if has_body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    match rejection.reason() {
        Reason::Unauthenticated(challenge) => {
            challenge_header(*challenge, route).map(|value| headers.insert(WWW_AUTHENTICATE, value));
        }
        Reason::InsufficientScope(scopes) => {
            step_up_header(scopes, route).map(|value| headers.insert(WWW_AUTHENTICATE, value));
        }
        Reason::MethodNotAllowed => {
            let allowed = if route.legacy_sse { "GET, POST" } else { "POST, GET, DELETE" };
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Reason::BreakerOpen(wait) | Reason::RateLimited { wait, .. } => {
            headers.insert(RETRY_AFTER, seconds(*wait).into());
        }
        Reason::Killed
        | Reason::NotRecorded
        | Reason::Overloaded
        | Reason::Stopping
        | Reason::StoreUnavailable
        | Reason::StreamLimit
        | Reason::StreamOver => {
            headers.insert(RETRY_AFTER, UNAVAILABLE_RETRY.into());
        }
        Reason::BodyIncomplete | Reason::BodyTooLarge | Reason::BodyTooSlow | Reason::Framing(..) => {
            // What is left of the body is not worth reading, and must not be taken for the next request.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        _ => {}
    }
    response
}

/// What a refusal looks like.
struct Answer {
    status: StatusCode,
    code: i64,
    body: Shown,
    message: String,
}

/// What the body of a refusal is.
#[derive(PartialEq, Eq)]
enum Shown {
    /// A JSON-RPC error for the request. Where there is none, since nothing was read or it was a notification, it has no id: the
    /// schemas of MCP have no null there.
    Error,
    /// A JSON-RPC error with `id: null`, as JSON-RPC wants it where a message was read and no id of it could be believed.
    ErrorWithNullId,
    /// Nothing.
    Nothing,
    /// A tool's result that says it failed: the model reads it and can go on.
    ToolError,
}

/// What a model reads in place of a result.
fn withheld(category: Category) -> &'static str {
    match category {
        // It can do something about it.
        Category::ResultLimit => {
            "The tool ran, but its result is larger than results may be. Ask for less: fewer items, a narrower range."
        }
        Category::Injection
        | Category::NotScanned
        | Category::OutputSchema
        | Category::SecretQuestion
        | Category::SensitiveData
        | Category::ServerRequest => "The tool ran, but its result was withheld by policy.",
    }
}

/// The table.
fn answer(rejection: &Rejection) -> Answer {
    let reply_to = rejection.reply_to();
    let is_call = reply_to.is_some_and(|reply_to| matches!(reply_to.method, Method::TasksResult | Method::ToolsCall));
    let subscribes = reply_to.is_some_and(|reply_to| reply_to.method.is_subscription());
    let modern = reply_to.is_some_and(|reply_to| !reply_to.version.has_sessions());
    let has_id = reply_to.is_some_and(|reply_to| reply_to.id.is_some());
    let error = |status, code, message: &str| Answer { status, code, body: Shown::Error, message: message.to_owned() };
    let bare = |status| Answer { status, code: 0, body: Shown::Nothing, message: String::new() };
    let unavailable = |message| error(StatusCode::SERVICE_UNAVAILABLE, code::UNAVAILABLE, message);
    // A notification cannot be answered by a JSON-RPC error at 200: nobody would take it for a refusal.
    let ok = if has_id { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    match rejection.reason().told() {
        Reason::Blocked(_) => error(ok, code::BLOCKED, "The request was blocked by policy"),
        Reason::BlockedResult(category) if is_call && has_id => Answer {
            status: StatusCode::OK,
            code: code::BLOCKED,
            body: Shown::ToolError,
            message: withheld(*category).to_owned(),
        },
        Reason::BlockedResult(_) => error(ok, code::BLOCKED, "The result was withheld by policy"),
        // What failed in a handshake is never written: there is no connection to write it on.
        Reason::BodyIncomplete | Reason::Handshake(_) | Reason::Unauthenticated(Challenge::InvalidRequest) => {
            bare(StatusCode::BAD_REQUEST)
        }
        Reason::BodyTooLarge => bare(StatusCode::PAYLOAD_TOO_LARGE),
        Reason::BodyTooSlow => bare(StatusCode::REQUEST_TIMEOUT),
        Reason::CredentialExpired | Reason::CredentialRevoked => {
            error(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, "The credential of this stream is no longer good")
        }
        Reason::Denied(reason) => error(ok, code::FORBIDDEN, reason.as_deref().unwrap_or("Forbidden by policy")),
        Reason::ForeignState => error(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, "Unknown or expired `requestState`"),
        Reason::Framing(status, _) | Reason::Page(status, _) => {
            bare(StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_REQUEST))
        }
        Reason::HeaderMismatch(header) => {
            let message = format!("Header mismatch: `{header}` is missing or differs from the body");
            error(StatusCode::BAD_REQUEST, code::HEADER_MISMATCH, &message)
        }
        Reason::HostNotAllowed | Reason::OriginNotAllowed => bare(StatusCode::FORBIDDEN),
        Reason::InsufficientScope(_) => error(StatusCode::FORBIDDEN, code::FORBIDDEN, "The token lacks a scope"),
        Reason::Internal(_) => error(StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL, "Internal error"),
        Reason::InvalidArguments(what) => error(ok, code::INVALID_PARAMS, what),
        Reason::InvalidParams(what) => error(ok, code::INVALID_PARAMS, what),
        // What a model can put right it is told as the result of its tool.
        Reason::LoopGuard(sentence) | Reason::Misfit(sentence) if is_call && has_id => {
            Answer { status: ok, code: code::INVALID_PARAMS, body: Shown::ToolError, message: sentence.to_string() }
        }
        Reason::LoopGuard(sentence) | Reason::Misfit(sentence) => error(ok, code::INVALID_PARAMS, sentence),
        Reason::Killed => unavailable("Stopped by the operator"),
        Reason::Malformed(code, what) => {
            Answer { status: StatusCode::BAD_REQUEST, code: *code, body: Shown::ErrorWithNullId, message: what.clone() }
        }
        Reason::MethodNotAllowed => bare(StatusCode::METHOD_NOT_ALLOWED),
        Reason::MissingCapability(_) => {
            error(StatusCode::BAD_REQUEST, code::MISSING_CAPABILITY, "The client has not declared a required capability")
        }
        Reason::MissingMeta(key) => error(StatusCode::BAD_REQUEST, code::INVALID_PARAMS, &format!("Missing `_meta` key `{key}`")),
        Reason::MissingSession => {
            error(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, "Missing `Mcp-Session-Id`: start with `initialize`")
        }
        Reason::NoLongerAllowed => error(ok, code::FORBIDDEN, "No longer allowed by policy"),
        Reason::NoSuchPath => bare(StatusCode::NOT_FOUND),
        Reason::NotAcceptable => bare(StatusCode::NOT_ACCEPTABLE),
        Reason::NotConnected(page, false) => error(ok, code::NOT_CONNECTED, &format!("{CONNECT_FIRST}: {page}")),
        Reason::NotConnected(_, true) => error(ok, code::URL_ELICITATION_REQUIRED, CONNECT_FIRST),
        Reason::BreakerOpen(_) | Reason::NotRecorded | Reason::StoreUnavailable => unavailable("Temporarily unavailable"),
        Reason::Overloaded => unavailable("Overloaded"),
        Reason::Stopping => unavailable("Shutting down"),
        Reason::StreamLimit if subscribes => unavailable("The stream has reached its limit; subscribe again"),
        Reason::StreamLimit => error(ok, code::UPSTREAM_FAILED, "The MCP server sent more than a stream may have"),
        Reason::StreamOver => unavailable("The stream is over; subscribe again"),
        // What is told is one of the others.
        Reason::PolicyError(_) => error(ok, code::FORBIDDEN, "Forbidden by policy"),
        Reason::RateLimited { wait, .. } => {
            let message = format!("Rate limit reached; try again in {} s", seconds(*wait));
            error(StatusCode::TOO_MANY_REQUESTS, code::RATE_LIMITED, &message)
        }
        Reason::SessionEnded => error(StatusCode::NOT_FOUND, code::SESSION_NOT_FOUND, "The session has ended"),
        Reason::SessionNotFound => error(StatusCode::NOT_FOUND, code::SESSION_NOT_FOUND, "Session not found"),
        Reason::Unauthenticated(_) => {
            let message = "A valid credential for this resource is required";
            error(StatusCode::UNAUTHORIZED, code::UNAUTHENTICATED, message)
        }
        Reason::UnknownEvent => {
            let message = "Nothing can be resumed from that `Last-Event-ID`";
            error(StatusCode::BAD_REQUEST, code::INVALID_REQUEST, message)
        }
        // In a legacy session 404 means that the session is gone, and the client would start again for ever.
        Reason::UnknownMethod => {
            let status = if modern { StatusCode::NOT_FOUND } else { ok };
            error(status, code::METHOD_NOT_FOUND, "Method not found")
        }
        Reason::UnknownTarget(thing, name) => error(ok, code::INVALID_PARAMS, &format!("Unknown {}: {name}", thing.as_str())),
        Reason::UnknownTask => error(ok, code::INVALID_PARAMS, "Unknown task"),
        Reason::UnsupportedMedia => bare(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        Reason::UnsupportedVersion(_) => {
            error(StatusCode::BAD_REQUEST, code::UNSUPPORTED_VERSION, "Unsupported protocol version")
        }
        Reason::UpstreamFailed(_) => error(ok, code::UPSTREAM_FAILED, "The MCP server failed"),
        Reason::UpstreamTimeout => error(ok, code::UPSTREAM_TIMEOUT, "The MCP server did not answer in time"),
    }
}

/// The JSON-RPC message that says a refusal.
pub(super) fn error_body(rejection: &Rejection, call: CallId) -> Bytes {
    let answer = answer(rejection);
    let id = rejection.reply_to().and_then(|reply_to| reply_to.id.as_ref());
    let id = match id {
        _ if answer.body == Shown::ErrorWithNullId => r#""id":null,"#.to_owned(),
        Some(id) => format!(r#""id":{},"#, id.as_json()),
        None => String::new(),
    };
    error_message(rejection, &answer, &id, call)
}

/// The same where no HTTP status says anything: always by the id of its request, without which nobody would wait for it.
pub(super) fn error_event(rejection: &Rejection, call: CallId) -> Option<Bytes> {
    let id = rejection.reply_to()?.id.as_ref()?;
    Some(error_message(rejection, &answer(rejection), &format!(r#""id":{},"#, id.as_json()), call))
}

/// `id` is the whole member, with its comma, or nothing.
fn error_message(rejection: &Rejection, answer: &Answer, id: &str, call: CallId) -> Bytes {
    let message = RawJson::string(&answer.message);
    let message = message.as_str();
    if answer.body == Shown::ToolError {
        let modern = if is_modern(rejection.reply_to()) { r#""resultType":"complete","# } else { "" };
        return Bytes::from(format!(
            r#"{{"jsonrpc":"2.0",{id}"result":{{{modern}"content":[{{"type":"text","text":{message}}}],"isError":true,"_meta":{{"io.yett/call":"{call}"}}}}}}"#
        ));
    }
    let data = data(rejection.reason().told(), call);
    Bytes::from(format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":{},"message":{message},"data":{data}}}}}"#, answer.code))
}

fn is_modern(reply_to: Option<&ReplyTo>) -> bool {
    reply_to.is_some_and(|reply_to| !reply_to.version.has_sessions())
}

/// `data` of an error: always the call id, never a rule's name or matched text.
#[expect(clippy::wildcard_enum_match_arm, reason = "few reasons have data of their own")]
fn data(reason: &Reason, call: CallId) -> String {
    match reason {
        Reason::Blocked(category) | Reason::BlockedResult(category) => {
            format!(r#"{{"category":"{}","call":"{call}"}}"#, category.as_str())
        }
        Reason::Denied(Some(reason)) => {
            format!(r#"{{"reason":{},"call":"{call}"}}"#, RawJson::string(reason).as_str())
        }
        Reason::MissingCapability(extension) => {
            format!(r#"{{"requiredCapabilities":{{"extensions":{{"{extension}":{{}}}}}},"call":"{call}"}}"#)
        }
        Reason::NotConnected(page, sends) => {
            let page = RawJson::string(page);
            let (page, why) = (page.as_str(), RawJson::string(CONNECT_FIRST));
            let elicitation = format!(r#"{{"mode":"url","elicitationId":"{call}","url":{page},"message":{}}}"#, why.as_str());
            let elicitations = if *sends { format!(r#""elicitations":[{elicitation}],"#) } else { String::new() };
            format!(r#"{{{elicitations}"url":{page},"call":"{call}"}}"#)
        }
        Reason::RateLimited { wait, remaining } => {
            let wait = wait.as_millis();
            format!(r#"{{"call":"{call}","retry_after_ms":{wait},"remaining":{remaining}}}"#)
        }
        Reason::UnsupportedVersion(requested) => {
            // No revision with a handshake: a client that finds its own here would take the server behind us for one that has it.
            let stateless = ProtocolVersion::ALL.iter().filter(|version| !version.has_sessions());
            let supported: Vec<_> = stateless.map(|version| format!(r#""{version}""#)).collect();
            let requested = RawJson::string(requested);
            format!(r#"{{"supported":[{}],"requested":{},"call":"{call}"}}"#, supported.join(","), requested.as_str())
        }
        _ => format!(r#"{{"call":"{call}"}}"#),
    }
}

/// RFC 6750, section 3; RFC 9728, section 5.1.
fn challenge_header(challenge: Challenge, route: &Route) -> Option<HeaderValue> {
    let error = match challenge {
        Challenge::InvalidRequest => r#"error="invalid_request", "#,
        Challenge::InvalidToken => r#"error="invalid_token", "#,
        Challenge::Missing => "",
    };
    HeaderValue::from_str(&format!(r#"Bearer {error}resource_metadata="{}""#, route.metadata_url)).ok()
}

/// All that the operation needs, and nothing that the token holds besides: clients join both. RFC 6750, section 3.1; PROTOCOL.md 7.3.
/// Neither a scope nor the URL can hold a quote.
fn step_up_header(scopes: &[String], route: &Route) -> Option<HeaderValue> {
    let (scopes, metadata) = (scopes.join(" "), &route.metadata_url);
    let text = format!(
        r#"Bearer error="insufficient_scope", scope="{scopes}", resource_metadata="{metadata}", error_description="The token lacks a scope that this needs""#
    );
    HeaderValue::from_str(&text).ok()
}

/// Whole seconds, rounded up, at least one.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0 || wait.is_zero())
}

#[cfg(test)]
#[path = "encode_tests.rs"]
mod tests;
