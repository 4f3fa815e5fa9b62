//! TLS on listeners: what is spoken, who is let in, how both are renewed.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod handshake;
mod identity;
mod renewal;
mod scan;
mod streams;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::{Value, json};
use yett::audit::Filter;

use crate::support::certs::{Authority, Issued, Leaf};
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Post};
use crate::support::stage::Stage;
use crate::support::tls::TlsClient;
use crate::support::token::Issuer;

pub(crate) const AGENT: &str = "spiffe://corp.example/agent";

/// Who may call by certificate.
const CALLERS: &str = "version: 1
bindings:
  - { role: staff, issuers: [mtls], subjects: [\"spiffe://corp.example/agent\", agent.corp.example, agent] }
";

/// A stage with a second listener, which speaks TLS.
pub(crate) struct Secure {
    pub(crate) stage: Stage,
    pub(crate) address: SocketAddr,
    /// Of clients' certificates.
    corp: Authority,
    /// Of the gateway's.
    public: Authority,
    pub(crate) client: TlsClient,
    issuer: Issuer,
}

/// How the second listener is set up.
#[derive(Default)]
pub(crate) struct Setting<'a> {
    /// More keys of its `tls`.
    pub(crate) tls: &'a str,
    /// More keys of the listener.
    pub(crate) listener: &'a str,
    /// More keys of the issuer.
    pub(crate) issuer: &'a str,
    /// The value of `mtls`, if callers are known by certificate.
    pub(crate) mtls: Option<&'a str>,
}

impl Setting<'_> {
    /// Asks for certificates, and takes the URI for the caller.
    pub(crate) fn mutual(mode: &str) -> Setting<'_> {
        Setting { tls: mode, mtls: Some("{ subject: san_uri }"), ..Setting::default() }
    }
}

const OPTIONAL: &str = "client_auth: { ca: clients.pem, mode: optional, crl: clients.crl }";
pub(crate) const REQUIRED: &str = "client_auth: { ca: clients.pem, crl: clients.crl }";

impl Secure {
    pub(crate) async fn new(setting: Setting<'_>) -> Self {
        let (corp, public, issuer) = (Authority::new("corp"), Authority::new("public"), Issuer::new("idp"));
        let server = public.issue(&Leaf::server("127.0.0.1"));
        let stage = Stage::trusting_with(&[&issuer], |builder| {
            let folder = builder.folder();
            server.write(folder, "server");
            fs::write(folder.join("clients.pem"), &corp.pem).unwrap();
            fs::write(folder.join("clients.crl"), corp.revocations(&[])).unwrap();
            fs::write(folder.join("idp.jwks.json"), issuer.key_set().to_string()).unwrap();
            let mtls = setting.mtls.map(|mtls| format!("  mtls: {mtls}\n")).unwrap_or_default();
            let callers = if setting.mtls.is_some() { CALLERS } else { "version: 1\n" };
            let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
            builder.policy(callers).config_extra(&format!(
                "listeners:
  - {{ name: plain, address: \"127.0.0.1:0\" }}
  - {{ name: secure, address: \"127.0.0.1:0\", tls: {{ cert: server.pem, key: server.key{} }}{} }}
identity:
  issuers: [{{ name: idp, issuer: \"https://idp.example\", jwks_file: idp.jwks.json, algorithms: [ES256],
    claims: {{ subject: sub, groups: groups }}{} }}]
{mtls}",
                comma(setting.tls),
                comma(setting.listener),
                comma(setting.issuer),
            ))
        })
        .await;
        let address = stage.gateway.running.addresses[1];
        let client = TlsClient::trusting(&public);
        Self { stage, address, corp, public, client, issuer }
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.stage.gateway
    }

    fn file(&self, name: &str) -> PathBuf {
        self.gateway().data().parent().unwrap().join(name)
    }

    /// A good call to the second listener, with no credential.
    pub(crate) fn call(&self) -> Post {
        self.call_with("x").without("Authorization")
    }

    /// The same with a token.
    pub(crate) fn call_with(&self, token: &str) -> Post {
        let client = crate::support::client::Client::modern(self.address, "crm", token);
        client.post(&client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} })))
    }

    /// A good call with an API key.
    pub(crate) fn keyed(&self) -> Post {
        self.call_with(&self.stage.key)
    }

    /// A client that shows a certificate of `corp`.
    pub(crate) fn showing(&self, leaf: &Leaf) -> TlsClient {
        self.client.showing(&self.corp.issue(leaf))
    }

    async fn send(&self, client: &TlsClient, post: &Post) -> Answer {
        client.send(self.address, post).await.expect("an answer")
    }

    /// No connection comes about, the server hears nothing, and one record says why. What else happens is nobody else's business.
    async fn assert_no_handshake(&self, what: &str, client: &TlsClient, word: &str) -> Value {
        let (before, arrived) = (self.denials(), self.stage.upstream.count());
        let answer = client.send(self.address, &self.keyed()).await;
        assert!(answer.is_none(), "{what}: {answer:?}");
        let fresh = eventually("a record of the handshake", || {
            Some(self.denials().split_off(before.len())).filter(|fresh| !fresh.is_empty())
        });
        let fresh = fresh.await;
        assert_eq!(fresh.len(), 1, "{what}: {fresh:?}");
        assert_eq!(fresh[0]["dec"]["reason"], word, "{what}: {fresh:?}");
        assert_eq!(fresh[0]["peer"], "127.0.0.1", "{what}: {fresh:?}");
        assert_eq!(self.stage.upstream.count(), arrived, "{what}: the server was reached");
        fresh[0].clone()
    }

    pub(crate) fn denials(&self) -> Vec<Value> {
        self.gateway().denials()
    }

    /// The record of what an answer says was decided.
    pub(crate) fn decision(&self, answer: &Answer) -> Value {
        self.gateway().records_of(&answer.call()).remove(0)
    }

    /// Renewals in the log.
    fn renewals(&self) -> Vec<Value> {
        let all =
            self.gateway().records(&Filter { kinds: vec!["config.change".to_owned(), "admin".to_owned()], ..Filter::default() });
        all.into_iter().filter(|record| record["what"]["act"].as_str().is_some_and(|act| act.starts_with("tls."))).collect()
    }

    pub(crate) async fn end(self) {
        self.stage.gateway.stop_and_verify().await;
    }
}

/// A certificate of the gateway's, put in place as an agent would.
fn put(secure: &Secure, issued: &Issued) {
    fs::write(secure.file("server.pem"), &issued.certificate).unwrap();
    fs::write(secure.file("server.key"), &issued.key).unwrap();
}
