//! Whatever is refused, in whatever revision: what is said is a message of JSON-RPC, with the id it answers and nothing of the policy.

use http_body_util::BodyExt as _;

use super::*;
use crate::chain::{Category, Thing};
use crate::protocol::json::{Document, Kind, Limits, Value};
use crate::protocol::{Message, RequestId, Shape, Side};

/// Every reason there is. A new one does not compile until it stands here.
fn reasons() -> Vec<Reason> {
    let wait = Duration::from_millis(1500);
    let all = vec![
        Reason::Blocked(Category::SensitiveData),
        Reason::BlockedResult(Category::Injection),
        Reason::BreakerOpen(wait),
        Reason::BodyIncomplete,
        Reason::BodyTooLarge,
        Reason::BodyTooSlow,
        Reason::CredentialExpired,
        Reason::CredentialRevoked,
        Reason::Denied(None),
        Reason::Denied(Some("closed \"today\"\n".to_owned())),
        Reason::ForeignState,
        Reason::Framing(400, "bad_header"),
        Reason::Handshake("certificate_expired"),
        Reason::HeaderMismatch("Mcp-Param"),
        Reason::HostNotAllowed,
        Reason::InsufficientScope(["crm.read".to_owned()].into()),
        Reason::Internal("a_secret_of_ours"),
        Reason::InvalidArguments("`a\"\n` must be text".into()),
        Reason::InvalidParams("unreadable"),
        Reason::Killed,
        Reason::LoopGuard("This is the 6th identical call of `a` within 60 s. Change the arguments or stop.".into()),
        Reason::Malformed(code::PARSE_ERROR, "no JSON".to_owned()),
        Reason::MethodNotAllowed,
        Reason::Misfit("`priority` must be one of `low`, `normal`.".into()),
        Reason::MissingCapability("io.modelcontextprotocol/tasks"),
        Reason::MissingMeta("io.modelcontextprotocol/protocolVersion"),
        Reason::MissingSession,
        Reason::NoLongerAllowed,
        Reason::NoSuchPath,
        Reason::NotAcceptable,
        Reason::NotConnected("https://gw.example/accounts/mail?issuer=corp".into(), false),
        Reason::NotConnected("https://gw.example/accounts/mail?issuer=corp".into(), true),
        Reason::NotRecorded,
        Reason::OriginNotAllowed,
        Reason::Page(400, "state"),
        Reason::Overloaded,
        Reason::PolicyError(Box::new(Reason::UnknownTarget(Thing::Tool, "x".to_owned()))),
        Reason::RateLimited { wait, remaining: 0 },
        Reason::SessionEnded,
        Reason::SessionNotFound,
        Reason::Stopping,
        Reason::StoreUnavailable,
        Reason::StreamLimit,
        Reason::StreamOver,
        Reason::Unauthenticated(Challenge::InvalidRequest),
        Reason::Unauthenticated(Challenge::InvalidToken),
        Reason::Unauthenticated(Challenge::Missing),
        Reason::UnknownEvent,
        Reason::UnknownMethod,
        Reason::UnknownTask,
        Reason::UnknownTarget(Thing::Tool, "a\"\u{1}\u{e9}".to_owned()),
        Reason::UnsupportedMedia,
        Reason::UnsupportedVersion("2031-01-01\"".to_owned()),
        Reason::UpstreamFailed("a_secret_of_ours"),
        Reason::UpstreamTimeout,
    ];
    all.iter().for_each(listed);
    all
}

/// A reason that is new belongs into the list.
fn listed(reason: &Reason) {
    match reason {
        Reason::Blocked(_)
        | Reason::BlockedResult(_)
        | Reason::BodyIncomplete
        | Reason::BodyTooLarge
        | Reason::BodyTooSlow
        | Reason::BreakerOpen(_)
        | Reason::CredentialExpired
        | Reason::CredentialRevoked
        | Reason::Denied(_)
        | Reason::ForeignState
        | Reason::Framing(..)
        | Reason::Handshake(_)
        | Reason::HeaderMismatch(_)
        | Reason::HostNotAllowed
        | Reason::InsufficientScope(_)
        | Reason::Internal(_)
        | Reason::InvalidArguments(_)
        | Reason::InvalidParams(_)
        | Reason::Killed
        | Reason::LoopGuard(_)
        | Reason::Malformed(..)
        | Reason::MethodNotAllowed
        | Reason::Misfit(_)
        | Reason::MissingCapability(_)
        | Reason::MissingMeta(_)
        | Reason::MissingSession
        | Reason::NoLongerAllowed
        | Reason::NoSuchPath
        | Reason::NotAcceptable
        | Reason::NotConnected(..)
        | Reason::NotRecorded
        | Reason::OriginNotAllowed
        | Reason::Page(..)
        | Reason::Overloaded
        | Reason::PolicyError(_)
        | Reason::RateLimited { .. }
        | Reason::SessionEnded
        | Reason::SessionNotFound
        | Reason::Stopping
        | Reason::StoreUnavailable
        | Reason::StreamLimit
        | Reason::StreamOver
        | Reason::Unauthenticated(_)
        | Reason::UnknownEvent
        | Reason::UnknownMethod
        | Reason::UnknownTarget(..)
        | Reason::UnknownTask
        | Reason::UnsupportedMedia
        | Reason::UnsupportedVersion(_)
        | Reason::UpstreamFailed(_)
        | Reason::UpstreamTimeout => {}
    }
}

/// Requests and notifications of every revision, and what was refused before anything was read.
fn answered() -> Vec<Option<ReplyTo>> {
    let id = |json: &'static str| {
        let document = Document::parse(Bytes::from_static(json.as_bytes()), Limits::default()).unwrap();
        RequestId::read(document.root())
    };
    let ids = [id("\"a\""), id("7"), None];
    let methods = [Method::ToolsCall, Method::ToolsList];
    let mut all = vec![None];
    for version in ProtocolVersion::ALL {
        for method in methods {
            all.extend(ids.clone().map(|id| Some(ReplyTo { id, version, method })));
        }
    }
    all
}

#[tokio::test]
async fn every_refusal_is_a_message_that_answers_what_was_asked_or_has_no_body() {
    let call = CallId::new();
    let route = Route {
        resource: "https://gw.example/mcp/crm".to_owned(),
        metadata_url: "https://gw.example/.well-known/oauth-protected-resource/mcp/crm".to_owned(),
        server: None,
        audiences: Vec::new(),
        legacy_sse: false,
    };
    for reason in reasons() {
        for reply_to in answered() {
            let mut rejection = Rejection::new(reason.clone());
            if let Some(reply_to) = &reply_to {
                rejection = rejection.answering(reply_to);
            }
            let response = response(Err(rejection), call, &route);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            if body.is_empty() {
                continue;
            }
            let what = format!("{reason:?} for {reply_to:?}: {}", String::from_utf8_lossy(&body));
            let message = Message::parse(body.clone(), Limits::default(), Side::Server).expect(&what);
            assert_eq!(message.shape(), Shape::Response, "{what}");
            assert!(!String::from_utf8_lossy(&body).contains("a_secret_of_ours"), "{what}");
            let id = reply_to.as_ref().and_then(|reply_to| reply_to.id.as_ref());
            if matches!(reason, Reason::Malformed(..)) {
                assert!(body.starts_with(br#"{"jsonrpc":"2.0","id":null,"#), "{what}");
            } else {
                assert_eq!(message.id(), id, "{what}");
                assert_eq!(body.windows(5).any(|part| part == br#""id":"#), id.is_some(), "{what}");
            }
            assert_shape(&message, reply_to.as_ref(), call, &what);
        }
    }
}

fn assert_shape(message: &Message, reply_to: Option<&ReplyTo>, call: CallId, what: &str) {
    if let Some(result) = message.result() {
        let modern = reply_to.is_some_and(|reply_to| !reply_to.version.has_sessions());
        assert_eq!(result.get("isError").and_then(Value::as_bool), Some(true), "{what}");
        assert_eq!(result.get("resultType").and_then(Value::as_str), modern.then_some("complete"), "{what}");
        return;
    }
    let error = message.error().expect(what);
    assert!(error.get("code").and_then(Value::as_i64).is_some(), "{what}");
    assert_eq!(error.get("message").map(Value::kind), Some(Kind::String), "{what}");
    assert_eq!(error.path(&["data", "call"]).and_then(Value::as_str), Some(&*call.to_string()), "{what}");
}
