//! Callers without any credential, where the operator lets them in: everybody on this machine, as one caller.

use http::header::ORIGIN;
use http::request::Parts;
use http::{HeaderName, HeaderValue};

use super::described::Described;
use super::ground::Ground;
use super::layer::store_down;
use super::principal::{Facts, Principal};
use crate::chain::{Challenge, Peer, Reason, Rejection, RequestContext};
use crate::policy::ANONYMOUS;
use crate::vault::{Caller, Vault};

/// What the name of a header holds that bears a credential somewhere, or that says that the request was passed on.
const SIGNS: [(&str, &str); 13] = [
    ("auth", "anonymous_credential"),
    ("cert", "anonymous_credential"),
    ("cookie", "anonymous_credential"),
    ("credential", "anonymous_credential"),
    ("key", "anonymous_credential"),
    ("password", "anonymous_credential"),
    ("secret", "anonymous_credential"),
    ("sec-websocket", "anonymous_credential"),
    ("token", "anonymous_credential"),
    ("client-ip", "anonymous_forwarded"),
    ("connecting-ip", "anonymous_forwarded"),
    ("forwarded", "anonymous_forwarded"),
    ("real-ip", "anonymous_forwarded"),
];

/// What a stream of the transport of 2024-11-05 is named by: no credential, and the one query that means something.
const SESSION: &str = "sessionId=";

/// The caller that nobody in particular is.
///
/// SECURITY: asked only once nothing was found that is judged. Who sends something that looks as if it should be, wherever it stands, means to
/// be somebody, and is not to be taken for nobody because it was not understood.
pub(super) async fn principal(
    head: &Parts,
    (vault, described): (&Vault, &Described),
    context: &RequestContext,
) -> Result<Principal, Rejection> {
    if let Some(word) = looks_like_more(head, &context.peer) {
        context.trail.with(|decision| decision.detail = Some(word));
        return Err(Reason::Unauthenticated(Challenge::Missing).into());
    }
    let caller = Caller { issuer: ANONYMOUS, subject: ANONYMOUS, tenant: None };
    let pseudonym = vault.pseudonym(caller, context.received).await.map_err(|error| store_down(&error))?;
    let principal = Principal::new(Facts {
        authn: ANONYMOUS,
        issuer: ANONYMOUS.into(),
        subject: ANONYMOUS.into(),
        client: None,
        groups: Vec::new(),
        claimed_roles: Vec::new(),
        tenant: None,
        region: described.regions.of(ANONYMOUS),
        attributes: Vec::new(),
        expires: None,
        pseudonym,
        ground: Ground::Nothing,
        profile: None,
    });
    described.of(principal, None, vault).await
}

/// Why this is no request of somebody on this machine without a credential.
fn looks_like_more(head: &Parts, peer: &Peer) -> Option<&'static str> {
    // The configuration has seen to the listener's address and to its proxies; this holds also where it was wrong.
    if !peer.address.to_canonical().is_loopback() || peer.via.is_some() {
        return Some("anonymous_forwarded");
    }
    if peer.certificate.is_some() || head.uri.query().is_some_and(|query| !is_session(query)) {
        return Some("anonymous_credential");
    }
    // A page elsewhere that has the browser fetch something, and is not named because it may not read it.
    let site = head.headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| !matches!(site, b"none" | b"same-origin")) && !head.headers.contains_key(ORIGIN) {
        return Some("anonymous_page");
    }
    // What the protocol itself has in headers repeats a message, and may be called anything.
    let is_known = |name: &str| name.starts_with("mcp-") || name == "idempotency-key";
    head.headers.keys().map(HeaderName::as_str).filter(|name| !is_known(name)).find_map(|name| {
        let sign = SIGNS.iter().find(|(sign, _)| name.contains(sign)).map(|(_, word)| *word);
        sign.or_else(|| (name == "via").then_some("anonymous_forwarded"))
    })
}

fn is_session(query: &str) -> bool {
    query.strip_prefix(SESSION).is_some_and(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn judged(uri: &str, name: &str, peer: &Peer) -> Option<&'static str> {
        let (head, ()) = http::Request::post(uri).header(name, "x").body(()).unwrap().into_parts();
        looks_like_more(&head, peer)
    }

    #[test]
    fn nobody_is_who_is_on_this_machine_and_sends_nothing() {
        let at = |address: &str| Peer::at(address.parse::<IpAddr>().unwrap());
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(judged("/mcp/crm", "accept", &at(address)), None, "{address}");
        }
        for address in ["192.0.2.1", "10.0.0.1", "::2", "0.0.0.0", "::ffff:10.0.0.1"] {
            assert_eq!(judged("/mcp/crm", "accept", &at(address)), Some("anonymous_forwarded"), "{address}");
        }
        let passed_on = Peer { via: Some("127.0.0.1".parse().unwrap()), ..at("127.0.0.1") };
        assert_eq!(judged("/mcp/crm", "accept", &passed_on), Some("anonymous_forwarded"));
    }

    #[test]
    fn a_session_in_the_query_is_no_credential_and_everything_else_is_taken_for_one() {
        let here = Peer::at("127.0.0.1".parse().unwrap());
        assert_eq!(judged("/mcp/crm/sse?sessionId=a-b_C9", "mcp-param-api-key", &here), None);
        for query in ["", "token=a", "sessionId=a&token=b", "sessionId=a%26", "%61ccess_token=a", "sessionid=a"] {
            assert_eq!(judged(&format!("/mcp/crm?{query}"), "accept", &here), Some("anonymous_credential"), "{query}");
        }
    }
}
