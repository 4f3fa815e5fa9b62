//! Who is calling, said to servers in a way that they can check: a short-lived JWT, signed by a key whose public half every listener publishes.
//!
//! SECURITY: a bare name in a header is believed from whoever sends it. This says who says so (`iss`), to whom (`aud`) and for how long, and is
//! of a type of its own, so that it is taken for no access token. It is not one: it proves who has called, and grants nothing.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;

use crate::clock::Clock;
use crate::master_key::{MasterKey, hex, random_bytes};
use crate::protocol::json::RawJson;

/// How long one is good: the way to the server, and its clock.
const LIFE: i64 = 60;

const LABEL: &str = "identity tokens 1";

/// Signs assertions.
pub struct Assertions {
    pair: Ed25519KeyPair,
    kid: String,
    clock: Arc<dyn Clock>,
}

/// What is said of a caller.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The gateway, by the URL at which it was called.
    pub iss: String,
    /// The server.
    pub aud: String,
    /// The caller, by the name that their issuer gives them.
    pub sub: String,
    /// That issuer, by its configured name: a `sub` is one person's within it alone.
    pub idp: String,
    /// The OAuth client, or the key.
    pub client: Option<String>,
    /// Their tenant.
    pub tenant: Option<String>,
    /// Their groups, where the server is to know them.
    pub groups: Option<Vec<String>>,
}

impl Assertions {
    /// By a key that follows from the master key, so that all replicas have the same. `None` if the cryptographic library refuses.
    pub fn new(master: &MasterKey, clock: Arc<dyn Clock>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(master.derive_bytes(LABEL).expose()).ok()?;
        let kid = URL_SAFE_NO_PAD.encode(digest(&SHA256, thumbprint(&pair).as_bytes()));
        Some(Self { pair, kid, clock })
    }

    /// The public half, as a JWK set (RFC 7517).
    pub fn key_set(&self) -> Bytes {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        let kid = &self.kid;
        format!(r#"{{"keys":[{{"alg":"EdDSA","crv":"Ed25519","kid":"{kid}","kty":"OKP","use":"sig","x":"{x}"}}]}}"#).into()
    }

    /// A fresh assertion about a caller; `None` if the system has no random bytes.
    pub fn sign(&self, caller: &Caller) -> Option<String> {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"yett-identity+jwt"}}"#, self.kid);
        let payload = payload(caller, self.clock.now().as_second(), &hex(&random_bytes::<16>()?));
        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.pair.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        Some(token)
    }
}

/// RFC 7638, section 3, for RFC 8037: the required members in their order.
fn thumbprint(pair: &Ed25519KeyPair) -> String {
    format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(pair.public_key().as_ref()))
}

fn payload(caller: &Caller, now: i64, jti: &str) -> String {
    let text = |text: &str| RawJson::string(text).as_str().to_owned();
    let mut members = vec![
        ("iss", text(&caller.iss)),
        ("aud", text(&caller.aud)),
        ("sub", text(&caller.sub)),
        ("idp", text(&caller.idp)),
        ("iat", now.to_string()),
        ("exp", (now + LIFE).to_string()),
        ("jti", text(jti)),
    ];
    members.extend(caller.client.as_deref().map(|client| ("client", text(client))));
    members.extend(caller.tenant.as_deref().map(|tenant| ("tenant", text(tenant))));
    if let Some(groups) = &caller.groups {
        let groups: Vec<String> = groups.iter().map(|group| text(group)).collect();
        members.push(("groups", format!("[{}]", groups.join(","))));
    }
    let members: Vec<String> = members.into_iter().map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    format!("{{{}}}", members.join(","))
}

impl fmt::Debug for Assertions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assertions").field("kid", &self.kid).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_holds_it_stays_one_claim() {
        let caller = Caller {
            iss: "https://gw".into(),
            aud: "https://crm/mcp".into(),
            sub: "a\",\"sub\":\"root".into(),
            idp: "corp".into(),
            client: None,
            tenant: Some("t\u{1}\\".into()),
            groups: Some(vec!["x\"".into(), "é".into()]),
        };
        let payload: serde_json::Value = serde_json::from_str(&payload(&caller, 100, "j")).unwrap();
        assert_eq!(payload["sub"], "a\",\"sub\":\"root");
        assert_eq!(payload["tenant"], "t\u{1}\\");
        assert_eq!(payload["groups"], serde_json::json!(["x\"", "é"]));
        assert_eq!((&payload["iat"], &payload["exp"]), (&100.into(), &160.into()));
        assert!(payload.get("client").is_none());
    }
}
