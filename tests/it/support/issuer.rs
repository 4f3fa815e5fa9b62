//! A certified `OpenID` provider (npm `oidc-provider`, `tests/identity/provider.mjs`): real tokens over real HTTP.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use yett::outbound::{Ask, Bounds, Client};
use yett::secret::Secret;

use super::certs::Authority;
use super::part::Part;
use crate::peers::parts;

/// A running provider. Ends when dropped.
pub(crate) struct Provider {
    part: Part,
    /// Its exact `iss`.
    pub(crate) issuer: String,
    /// Where it listens.
    pub(crate) url: String,
    /// The CA that it is believed by, if it speaks TLS.
    authority: Option<String>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        Self::with(&json!({})).await
    }

    /// With options of `provider.mjs`.
    pub(crate) async fn with(options: &Value) -> Self {
        let (part, greeting) = Part::start(parts::provider(options)).await;
        let issuer = greeting["issuer"].as_str().expect("an issuer").to_owned();
        let scheme = issuer.split(':').next().expect("a URL");
        let host = if scheme == "https" { "localhost" } else { "127.0.0.1" };
        let url = format!("{scheme}://{host}:{}", greeting["port"]);
        Self { part, issuer, url, authority: None }
    }

    /// The same over TLS at `localhost`, with the certificate that these files hold whenever it begins to listen.
    pub(crate) async fn secured(authority: &Authority, certificate: &Path, key: &Path) -> Self {
        let options = json!({ "host": "localhost", "tls": { "cert": certificate, "key": key } });
        Self { authority: Some(authority.pem.clone()), ..Self::with(&options).await }
    }

    /// As an issuer of that name in `yett.yaml`, found by discovery; `extra` are more of its keys in flow style.
    pub(crate) fn written(&self, name: &str, extra: &str) -> String {
        let comma = if extra.is_empty() { "" } else { ", " };
        let claims = "claims: { subject: sub, groups: groups, tenant: tenant }";
        let algorithms = if extra.contains("algorithms:") { "" } else { "algorithms: [RS256, PS256, ES256, EdDSA], " };
        format!("{{ name: {name}, issuer: \"{}\", {algorithms}{claims}{comma}{extra} }}", self.issuer)
    }

    /// New keys sign from now on; the old ones stay published if `keep`.
    pub(crate) async fn rotate(&self, keep: bool) {
        self.tell("rotate", json!({ "keep": keep })).await;
    }

    /// Nobody listens any more.
    pub(crate) async fn stop(&self) {
        self.tell("stop", json!({})).await;
    }

    /// Listens again, on the same port.
    pub(crate) async fn start_again(&self) {
        self.tell("start", json!({})).await;
    }

    /// What goes wrong from now on: `{"kind": "status", "status": 500, "path": "/token"}`; `{}` ends it.
    pub(crate) async fn trouble(&self, what: Value) {
        self.tell("trouble", what).await;
    }

    /// How often a path was asked for.
    pub(crate) async fn asked(&self, path: &str) -> u64 {
        self.tell("asked", json!({})).await[path].as_u64().unwrap_or(0)
    }

    /// An access token for `resource` that this client got by its own credentials.
    pub(crate) async fn token(&self, client: &str, resource: &str) -> String {
        self.token_with(client, resource, "").await
    }

    /// The same with scopes.
    pub(crate) async fn token_with(&self, client: &str, resource: &str, scope: &str) -> String {
        let mut fields = vec![("grant_type", "client_credentials"), ("resource", resource)];
        if !scope.is_empty() {
            fields.push(("scope", scope));
        }
        let answer = self.post("/token", client, &fields).await;
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token for {client}: {answer}")).to_owned()
    }

    /// Takes a token back (RFC 7009).
    pub(crate) async fn revoke(&self, client: &str, token: &str) {
        self.post("/token/revocation", client, &[("token", token)]).await;
    }

    /// What it answers to a form of one of its clients.
    pub(crate) async fn post(&self, path: &str, client: &str, fields: &[(&str, &str)]) -> Value {
        let secret = Secret::new(format!("secret-of-{client}"));
        let ask = Ask::form(fields.iter().copied()).at(path).client(client, &secret).expect("credentials");
        let answer = client_of(&self.url, self.authority.as_deref()).send(ask).await.expect("an answer of the provider");
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    async fn tell(&self, command: &str, mut what: Value) -> Value {
        what["command"] = command.into();
        self.part.ask(&what).await
    }
}

/// A client of whatever is at this URL, for the side of a test that is no gateway.
pub(crate) fn http(url: &str) -> Client {
    client_of(url, None)
}

fn client_of(url: &str, authority: Option<&str>) -> Client {
    let seconds = Duration::from_secs;
    let bounds = Bounds { connect: seconds(10), total: seconds(20), answer: 1 << 20, at_once: 64 };
    Client::new(&url.parse().expect("a URL"), bounds, authority.map(str::as_bytes)).expect("a client")
}

/// The claims of a JWT, unproven.
pub(crate) fn claims(token: &str) -> HashMap<String, Value> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).expect("a payload");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
}
