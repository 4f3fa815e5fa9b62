//! `OpenBao` in development mode: an issuer of tokens that are none of RFC 9068, and a store of secrets.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;

use http::Method;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use yett::outbound::{Answer, Ask};
use yett::secret::Secret;

use super::issuer::http;
use super::within;
use crate::peers::parts;

/// The token of its administrator.
pub(crate) const ROOT: &str = "root-of-a-test";

/// A running server. Ends when dropped.
pub(crate) struct OpenBao {
    /// Where it listens, without a path.
    pub(crate) url: String,
    child: Child,
}

impl OpenBao {
    pub(crate) async fn start() -> Self {
        // It takes no port 0: one that was free a moment ago, and another if somebody was quicker.
        for _ in 0..5 {
            if let Some(server) = Self::at(free_port()).await {
                return server;
            }
        }
        panic!("`bao server -dev` does not start");
    }

    async fn at(port: u16) -> Option<Self> {
        let mut command = Command::from(parts::openbao());
        command.args(["server", "-dev", "-dev-no-store-token", "-log-level=error", "-dev-root-token-id", ROOT]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}; run scripts/parts"));
        let mut server = Self { url: format!("http://127.0.0.1:{port}"), child };
        let ready = async {
            loop {
                if server.child.try_wait().expect("a child").is_some() {
                    return false;
                }
                // Its own mount: there once the development mode has set up everything.
                if server
                    .send(ROOT, Method::GET, "sys/mounts/secret", Value::Null)
                    .await
                    .is_some_and(|answer| answer.status == 200)
                {
                    return true;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        within("`bao server -dev`", ready).await.then_some(server)
    }

    /// Asks its API with a token: the answer's `data`, or the whole of it where there is none.
    pub(crate) async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> Value {
        let answer = self.send(token, method, path, body).await.expect("an answer of OpenBao");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status.is_success(), "{path}: {} {text}", answer.status);
        let mut value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if value["data"].is_object() { value["data"].take() } else { value }
    }

    /// The same as its administrator.
    pub(crate) async fn root(&self, method: Method, path: &str, body: Value) -> Value {
        self.ask(ROOT, method, path, body).await
    }

    /// Writes a secret of its KV store, version 2, mounted at `secret`.
    pub(crate) async fn put(&self, path: &str, fields: Value) {
        self.root(Method::POST, &format!("secret/data/{path}"), json!({ "data": fields })).await;
    }

    /// Makes it an issuer for a route, with a user `ada` in group `staff`; by `algorithm`.
    pub(crate) async fn issue_for(&self, audience: &str, algorithm: &str) {
        let post = Method::POST;
        self.root(post.clone(), "sys/auth/userpass", json!({ "type": "userpass" })).await;
        self.root(post.clone(), "auth/userpass/users/ada", json!({ "password": "of-ada" })).await;
        let mounts = self.root(Method::GET, "sys/auth", Value::Null).await;
        let accessor = &mounts["userpass/"]["accessor"];
        let ada = self.root(post.clone(), "identity/entity", json!({ "name": "ada", "metadata": { "tenant": "acme" } })).await;
        let alias = json!({ "name": "ada", "canonical_id": ada["id"], "mount_accessor": accessor });
        self.root(post.clone(), "identity/entity-alias", alias).await;
        let group = json!({ "name": "staff", "member_entity_ids": [ada["id"]], "policies": ["tokens"] });
        self.root(post.clone(), "identity/group", group).await;
        let policy = "path \"identity/oidc/token/*\" { capabilities = [\"read\"] }";
        self.root(post.clone(), "sys/policies/acl/tokens", json!({ "policy": policy })).await;
        let key = json!({ "algorithm": algorithm, "allowed_client_ids": ["*"], "verification_ttl": "1h" });
        self.root(post.clone(), "identity/oidc/key/yett", key).await;
        let template = r#"{"groups":{{identity.entity.groups.names}},"tenant":{{identity.entity.metadata.tenant}}}"#;
        let role = json!({ "key": "yett", "ttl": "10m", "client_id": audience, "template": template });
        self.root(post, "identity/oidc/role/yett", role).await;
    }

    /// Its `iss`.
    pub(crate) fn issuer(&self) -> String {
        format!("{}/v1/identity/oidc", self.url)
    }

    /// A token of `ada`, who signs in for it.
    pub(crate) async fn token(&self) -> String {
        let login =
            self.send("", Method::POST, "auth/userpass/login/ada", json!({ "password": "of-ada" })).await.expect("a login");
        let login: Value = serde_json::from_slice(&login.body).expect("JSON");
        let session = login["auth"]["client_token"].as_str().unwrap_or_else(|| panic!("{login}"));
        let token = self.ask(session, Method::GET, "identity/oidc/token/yett", Value::Null).await;
        token["token"].as_str().unwrap_or_else(|| panic!("{token}")).to_owned()
    }

    /// A new key signs from now on; the old one is published for as long as `verification`: `0s` withdraws it at once.
    pub(crate) async fn rotate(&self, verification: &str) {
        self.root(Method::POST, "identity/oidc/key/yett/rotate", json!({ "verification_ttl": verification })).await;
    }

    /// Stops it in its tracks, so that it answers nobody; or lets it go on.
    pub(crate) fn pause(&self, paused: bool) {
        let id = self.child.id().expect("a process").to_string();
        let signal = if paused { "-STOP" } else { "-CONT" };
        let done = std::process::Command::new("kill").args([signal, &id]).status().expect("kill");
        assert!(done.success(), "kill {signal} {id}: {done}");
    }

    async fn send(&self, token: &str, method: Method, path: &str, body: Value) -> Option<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut ask = Ask::json(body).method(method).at(format!("/v1/{path}"));
        if !token.is_empty() {
            let name = http::HeaderName::from_static("x-vault-token");
            ask = ask.secret(name, &Secret::new(token.to_owned())).expect("a token");
        }
        http(&self.url).send(ask).await.ok()
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    socket.local_addr().expect("an address").port()
}
