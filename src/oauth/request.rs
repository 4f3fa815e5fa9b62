//! What a user's browser is sent to an authorization server with, and what its way back is checked by.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use http::Uri;

use crate::master_key::random_bytes;

/// What binds the way back to the browser that was sent, and the code to whoever sent it. RFC 6749, section 10.12; RFC 7636.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof {
    /// Comes back with the browser.
    pub state: String,
    /// Goes to the token endpoint; its digest goes with the browser.
    pub verifier: String,
    /// Comes back in what says who has signed in (`OpenID` Connect Core, section 3.1.2.1).
    pub nonce: String,
}

/// An authorization request. RFC 6749, section 4.1.1.
#[derive(Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub client_id: &'a str,
    /// Where the browser is to come back.
    pub redirect_uri: &'a str,
    /// What the token is to be good for; empty leaves it to the authorization server.
    pub scope: &'a str,
    /// The server that it is for (RFC 8707).
    pub resource: Option<&'a str>,
    /// By what the way back is checked.
    pub proof: &'a Proof,
}

impl Proof {
    /// A new one; `None` if the system has no random bytes.
    pub fn new() -> Option<Self> {
        Some(Self { state: unguessable()?, verifier: unguessable()?, nonce: unguessable()? })
    }

    /// Whether a browser that comes back with `state` is the one that was sent.
    pub fn is_of(&self, state: &str) -> bool {
        verify_slices_are_equal(self.state.as_bytes(), state.as_bytes()).is_ok()
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

impl Request<'_> {
    /// The URL to send the browser to. A query that the endpoint has is kept (RFC 6749, section 3.1).
    pub(super) fn url(&self, endpoint: &Uri) -> String {
        let mut fields = Serializer::new(String::new());
        fields
            .append_pair("response_type", "code")
            .append_pair("client_id", self.client_id)
            .append_pair("redirect_uri", self.redirect_uri)
            .append_pair("state", &self.proof.state)
            .append_pair("code_challenge", &digest_of(&self.proof.verifier))
            .append_pair("code_challenge_method", "S256");
        // A parameter of OpenID Connect, which is refused beside others.
        if self.scope.split(' ').any(|scope| scope == "openid") {
            fields.append_pair("nonce", &self.proof.nonce);
        }
        if !self.scope.is_empty() {
            fields.append_pair("scope", self.scope);
        }
        if let Some(resource) = self.resource {
            fields.append_pair("resource", resource);
        }
        let joint = if endpoint.query().is_some() { '&' } else { '?' };
        format!("{endpoint}{joint}{}", fields.finish())
    }
}

/// 256 random bits as text that a URL holds as it is; `None` if the system has none.
pub fn unguessable() -> Option<String> {
    Some(URL_SAFE_NO_PAD.encode(random_bytes::<32>()?))
}

/// SHA-256 of a text in base64url: a code challenge by S256 (RFC 7636, section 4.2).
pub fn digest_of(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        let challenge = digest_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "appendix B");
    }

    #[test]
    fn a_browser_is_sent_with_everything_and_the_verifier_stays() {
        let proof = Proof::new().unwrap();
        assert!(proof.is_of(&proof.state) && !proof.is_of("") && !proof.is_of(&proof.verifier));
        assert!(proof.verifier.len() >= 43, "RFC 7636, section 4.1");
        let request = Request {
            client_id: "a&b",
            redirect_uri: "https://gw.example/accounts/callback",
            scope: "mail.read mail.send",
            resource: Some("https://mail.example/mcp"),
            proof: &proof,
        };
        let url = request.url(&"https://login.example/authorize?tenant=7".parse().unwrap());
        let fields: Vec<_> = form_urlencoded::parse(url.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let get = |name: &str| {
            let mut found = fields.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
            let first = found.next();
            assert!(found.next().is_none(), "{name} stands there once");
            first.unwrap_or_default()
        };
        assert_eq!((get("tenant"), get("client_id"), get("response_type")), ("7", "a&b", "code"));
        assert_eq!((get("resource"), get("scope")), ("https://mail.example/mcp", "mail.read mail.send"));
        assert_eq!((get("code_challenge_method"), get("state")), ("S256", proof.state.as_str()));
        assert!(!url.contains(&proof.verifier));
    }
}
