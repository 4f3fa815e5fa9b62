//! Accounts that callers connect with a browser, from certified providers: one at which callers sign in, one at which the server's accounts are.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod attacks;
mod connecting;
mod renewal;
mod replicas;

use serde_json::{Value, json};

use crate::support::browser::Browser;
use crate::support::gateway::{Builder, Gateway};
use crate::support::http::Answer;
use crate::support::issuer::Provider;
use crate::support::server::Upstream;

const POLICY: &str = "version: 1
roles:
  staff:
    allow: [{ servers: [mail, crm], tools: [\"*\"] }]
bindings:
  - { role: staff, groups: [staff], issuers: [corp, api-key] }
";

/// Where tokens of users are read by a test that is their client: nobody listens there.
const CALLBACK: &str = "http://127.0.0.1/callback";

/// A gateway between two providers and a server.
struct Scene {
    corp: Provider,
    mail: Provider,
    server: Upstream,
    gateway: Gateway,
}

/// A client that browsers are sent back from, to these paths of whatever port of this machine.
fn client(id: &str, paths: &[&str]) -> Value {
    let redirects: Vec<_> = paths.iter().map(|path| format!("http://127.0.0.1{path}")).collect();
    json!({
        "client_id": id, "client_secret": format!("secret-of-{id}"), "application_type": "native", "redirect_uris": redirects,
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
    })
}

/// The provider at which callers sign in.
async fn corp() -> Provider {
    Provider::with(&json!({ "clients": [client("desk", &["/sign-in/corp"])], "people": { "eve": { "groups": ["staff"] } } }))
        .await
}

/// The provider at which the accounts of `mail` are.
async fn mail(options: Value) -> Provider {
    let mut all = json!({ "clients": [client("yett", &["/accounts/mail/callback"])], "scopes": ["mail.read"] });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    Provider::with(&all).await
}

/// How accounts of `mail` are connected, in flow style.
fn user_oauth(mail: &Provider) -> String {
    let issuer = &mail.issuer;
    format!(
        "auth: {{ user_oauth: {{ issuer: \"{issuer}\", client_id: yett, client_secret: secret-of-yett, scopes: [mail.read] }} }}"
    )
}

impl Scene {
    async fn set() -> Self {
        Self::with(json!({}), |builder| builder).await
    }

    /// With options of the mail provider, and more of a configuration.
    async fn with(options: Value, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let (corp, mail, server) = (corp().await, mail(options).await, Upstream::start().await);
        let sign_in = "sign_in: { client_id: desk, client_secret: secret-of-desk }";
        let builder = Gateway::start()
            .policy(POLICY)
            .issuer_written(&corp.written("corp", sign_in))
            .server("mail", &server, &user_oauth(&mail))
            .server("crm", &server, "");
        let gateway = configure(builder).await;
        Self { corp, mail, server, gateway }
    }

    /// The URL of a page.
    fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.address)
    }

    /// An access token of this user's for the route of a server, which a client of theirs has got.
    async fn token(&self, login: &str, server: &str) -> String {
        user_token(&self.corp, login, &self.gateway.url(server)).await
    }

    /// A call of `mail` with this token.
    async fn call(&self, token: &str) -> Answer {
        self.gateway.modern("mail", token).call("echo", json!({ "text": "hi" })).await
    }

    /// A browser whose user has connected an account of theirs at `mail`.
    async fn connected(&self, login: &str, account: &str) -> Browser {
        let mut browser = Browser::default();
        let page = browser.open_as(&self.page("/accounts/mail"), login).await;
        let page = browser.press(&page, "connect").await;
        let page = browser.sign_in(page, account).await;
        assert!(page.status() == 200 && page.text().contains("is connected"), "{:?}\n{}", browser.trace, page.text());
        browser
    }

    /// What `mail` was shown in its last call.
    fn shown(&self) -> String {
        let call = self.server.calls().pop().unwrap();
        call.header("authorization").unwrap().strip_prefix("Bearer ").unwrap().to_owned()
    }
}

async fn user_token(provider: &Provider, login: &str, resource: &str) -> String {
    let verifier = "a-verifier-of-a-test-that-is-long-enough-for-it";
    let fields = [
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("resource", resource),
        ("code_challenge", &yett::oauth::digest_of(verifier)),
        ("code_challenge_method", "S256"),
    ];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut browser = Browser::default();
    let page = browser.open_as(&format!("{}/auth?{query}", provider.url), login).await;
    let code = page.url.split("code=").nth(1).unwrap_or_else(|| panic!("{}\n{}", page.url, page.text()));
    let code = code.split('&').next().unwrap();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier),
        ("resource", resource),
    ];
    let answer = provider.post("/token", "web", &fields).await;
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// What a call is told of a caller without an account: the code and the page.
fn told(answer: &Answer) -> (Value, String) {
    let error = answer.json()["error"].clone();
    (error["code"].clone(), error["data"]["url"].as_str().unwrap_or_default().to_owned())
}
