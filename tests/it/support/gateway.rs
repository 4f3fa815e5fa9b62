//! The gateway, started as an operator starts it: files in a folder, every port chosen by the system.

use std::fs;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;
use yett::audit::{self, Filter};
use yett::config::Replies;
use yett::state::NewKey;

use super::client::Client;
use super::clock::TestClock;
use super::eventually;
use super::http::{Answer, Connection, Post};
use super::server::Upstream;
use super::token::Issuer;

/// Group `staff` may do everything on every server; everybody else has no grant.
pub(crate) const POLICY: &str = r#"version: 1
roles:
  all:
    allow:
      - { servers: ["*"], tools: ["*"], prompts: ["*"], resources: ["file:///**"] }
bindings:
  - { role: all, groups: [staff] }
"#;

/// A running gateway with the server names it was given.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) running: yett::gateway::Gateway,
    folder: Folder,
}

/// The folder of a gateway that has stopped, or not started yet.
pub(crate) struct Folder {
    place: TempDir,
    clock: Arc<TestClock>,
    replies: Replies,
}

/// Collects the files of a gateway.
pub(crate) struct Builder {
    folder: Folder,
    policies: Vec<String>,
    extra: String,
    listener: String,
    servers: Vec<(String, String)>,
    issuers: Vec<String>,
    identity: String,
}

impl Gateway {
    pub(crate) fn start() -> Builder {
        Builder {
            folder: Folder { place: tempfile::tempdir().expect("a folder"), clock: Arc::default(), replies: Replies::default() },
            policies: Vec::new(),
            extra: String::new(),
            listener: String::new(),
            servers: Vec::new(),
            issuers: Vec::new(),
            identity: String::new(),
        }
    }

    /// The route of a server, which is also the audience of its tokens.
    pub(crate) fn url(&self, server: &str) -> String {
        format!("http://{}/mcp/{server}", self.address)
    }

    /// Makes an API key.
    pub(crate) async fn key(&self, subject: &str, groups: &[&str]) -> String {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        let new = NewKey { subject: subject.to_owned(), groups, ..NewKey::default() };
        let (_, secret) = self.running.operations().create_key(new, "admin").await.expect("a key");
        secret.expose().clone()
    }

    /// A client of the current revision.
    pub(crate) fn modern(&self, server: &str, token: &str) -> Client {
        Client::modern(self.address, server, token)
    }

    /// A client of 2025-11-25, after its handshake.
    pub(crate) async fn legacy(&self, server: &str, token: &str) -> Client {
        Client::legacy(self.address, server, token, "2025-11-25").await
    }

    /// A POST to the server's route, to be bent and sent.
    pub(crate) fn post(&self, server: &str) -> Post {
        Post::to(self.address, &format!("/mcp/{server}"))
    }

    /// Sends bytes, and reads what comes until the gateway closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        String::from_utf8_lossy(&connection.rest().await).into_owned()
    }

    /// Sends bytes, and reads one answer.
    pub(crate) async fn raw_answer(&self, bytes: &[u8]) -> Answer {
        let mut connection = self.connect().await;
        connection.send(bytes).await;
        connection.answer().await.expect("an answer")
    }

    /// A GET of the health listener. `/metrics` is open if the configuration says so.
    pub(crate) async fn health(&self, path: &str) -> Answer {
        let address = self.running.health;
        let mut connection = Connection::open(address).await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes()).await;
        connection.answer().await.expect("an answer")
    }

    /// What Prometheus would read.
    pub(crate) async fn metrics(&self) -> String {
        let answer = self.health("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        String::from_utf8(answer.body).expect("text")
    }

    /// What the admin API answers, with the token that is its own.
    pub(crate) async fn admin(&self, method: &str, target: &str) -> Value {
        let address = self.running.admin;
        let token = fs::read_to_string(self.data().join("admin.token")).expect("a token");
        let mut connection = Connection::open(address).await;
        let token = token.trim();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        connection.send(head.as_bytes()).await;
        connection.answer().await.expect("an answer").json()
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await
    }

    /// The records that the filter selects, as they are on disk now.
    pub(crate) fn records(&self, filter: &Filter) -> Vec<Value> {
        self.folder.records(filter)
    }

    /// The records of one call; see `Answer::call`.
    pub(crate) fn records_of(&self, call: &str) -> Vec<Value> {
        self.records(&Filter { call: Some(call.to_owned()), ..Filter::default() })
    }

    /// Every refusal on disk now.
    pub(crate) fn denials(&self) -> Vec<Value> {
        self.records(&Filter { effect: Some("deny".to_owned()), ..Filter::default() })
    }

    /// Waits for the records of a call that ends by itself: its decision and its outcome.
    pub(crate) async fn ended(&self, call: &str) -> Vec<Value> {
        eventually("the outcome of the call", || Some(self.records_of(call)).filter(|records| records.len() >= 2)).await
    }

    /// What `/metrics` says of this sample, such as `yett_connections`; zero if it is not there. Needs the risk `open_metrics`.
    pub(crate) async fn metric(&self, sample: &str) -> f64 {
        let mut connection = Connection::open(self.running.health).await;
        connection.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
        let answer = connection.answer().await.expect("metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// Waits until a sample has this value.
    pub(crate) async fn metric_is(&self, sample: &str, value: f64) {
        let poll = async {
            while (self.metric(sample).await - value).abs() > f64::EPSILON {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        super::within(&format!("`{sample}` to be {value}"), poll).await;
    }

    /// Makes an API key of a tenant.
    pub(crate) async fn tenant_key(&self, subject: &str, tenant: &str) -> String {
        let groups = vec!["staff".to_owned()];
        let new = NewKey { subject: subject.to_owned(), groups, tenant: Some(tenant.to_owned()), ..NewKey::default() };
        let (_, secret) = self.running.operations().create_key(new, "admin").await.expect("a key");
        secret.expose().clone()
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.data()
    }

    /// Stops; the folder stays until it is dropped.
    pub(crate) async fn stop(self) -> Folder {
        assert!(self.running.stop().await, "the gateway did not end within its drain time");
        self.folder
    }

    /// Stops, and checks that the log is whole.
    pub(crate) async fn stop_and_verify(self) -> Folder {
        let folder = self.stop().await;
        folder.verify();
        folder
    }
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Starts the gateway of this folder again.
    pub(crate) async fn start(self) -> Gateway {
        self.try_start().await.unwrap_or_else(|error| panic!("the gateway does not start: {error}"))
    }

    pub(crate) async fn try_start(self) -> Result<Gateway, String> {
        let mut loaded = yett::config::load(&self.path().join("yett.yaml")).map_err(|report| report.to_string())?;
        crate::schema::fits(self.path());
        // This process is a test.
        loaded.config.launcher = env!("CARGO_BIN_EXE_yett").into();
        loaded.config.replies = self.replies;
        let clock = Arc::clone(&self.clock);
        let running = yett::gateway::Gateway::start(loaded.config, Arc::clone(&clock) as Arc<_>).await;
        let running = running.map_err(|error| format!("{error:?}"))?;
        Ok(Gateway { address: running.addresses[0], clock, running, folder: self })
    }

    /// What `audit verify` says.
    pub(crate) fn report(&self) -> audit::Report {
        audit::verify(&self.data().join("audit")).expect("a log")
    }

    /// The log is whole, and no call in it is open.
    pub(crate) fn verify(&self) {
        let report = self.report();
        assert_eq!(report.verdict().as_str(), "unanchored", "{}", report.to_json());
        let open: u64 = report.logs.iter().map(|log| log.open_calls).sum();
        assert_eq!(open, 0, "calls without an outcome: {}", report.to_json());
    }

    pub(crate) fn records(&self, filter: &Filter) -> Vec<Value> {
        let mut found = Vec::new();
        audit::show(&self.data().join("audit"), filter, &mut |shown| {
            found.push(shown.value().clone());
            ControlFlow::Continue(())
        })
        .expect("a log");
        found
    }
}

impl Builder {
    /// Memory for large replies.
    pub(crate) fn replies(mut self, replies: Replies) -> Self {
        self.folder.replies = replies;
        self
    }

    /// A policy file, in the place of [`POLICY`]. Given twice, there are two files.
    pub(crate) fn policy(mut self, yaml: &str) -> Self {
        self.policies.push(yaml.to_owned());
        self
    }

    /// Another file beside the policy files, such as a list of words.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join("policies").join(name);
        path.parent().map(fs::create_dir_all).transpose().expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    /// A Rego module beside the policy files.
    pub(crate) fn module(self, name: &str, text: &str) -> Self {
        let policies = self.folder.path().join("policies");
        fs::create_dir_all(&policies).expect("a folder");
        fs::write(policies.join(name), text).expect("a module");
        self
    }

    /// More top-level keys of `yett.yaml`. One that the harness writes too takes its place.
    pub(crate) fn config_extra(mut self, yaml: &str) -> Self {
        self.extra.push_str(yaml.trim_end());
        self.extra.push('\n');
        self
    }

    /// More keys of the listener, in flow style: `limits: { body: 1KiB }`.
    pub(crate) fn listener_extra(mut self, yaml: &str) -> Self {
        self.listener.push_str(", ");
        self.listener.push_str(yaml);
        self
    }

    /// Names the servers.
    pub(crate) fn servers<'a>(mut self, servers: impl IntoIterator<Item = (&'a str, &'a Upstream)>) -> Self {
        for (name, upstream) in servers {
            self = self.server(name, upstream, "");
        }
        self
    }

    /// Names a server, with more of its keys in flow style: `classification: restricted`.
    pub(crate) fn server(self, name: &str, upstream: &Upstream, extra: &str) -> Self {
        self.server_at(name, upstream.address, extra)
    }

    /// A server at an address where there may be nobody.
    pub(crate) fn server_at(mut self, name: &str, address: SocketAddr, extra: &str) -> Self {
        let comma = if extra.is_empty() { "" } else { ", " };
        self.servers.push((name.to_owned(), format!("{{ url: \"http://{address}/mcp\"{comma}{extra} }}")));
        self
    }

    /// A server as it stands in the configuration, in flow style: `{ stdio: { command: [...] } }`.
    pub(crate) fn server_written(mut self, name: &str, yaml: &str) -> Self {
        self.servers.push((name.to_owned(), yaml.to_owned()));
        self
    }

    /// Trusts an issuer of tokens; its key set is written into the folder.
    pub(crate) fn issuer(self, issuer: &Issuer) -> Self {
        self.issuer_with(issuer, "")
    }

    /// The same with more of its keys in flow style: `max_lifetime: 30d`.
    pub(crate) fn issuer_with(self, issuer: &Issuer, extra: &str) -> Self {
        let file = format!("{}.jwks.json", issuer.name);
        fs::write(self.folder.path().join(&file), issuer.key_set().to_string()).expect("a key set");
        self.issuer_at(issuer, &format!("jwks_file: {file}"), extra)
    }

    /// An issuer whose keys are where `keys` says: `jwks_url: http://...`. A key that stands in `extra` as well is taken from there.
    pub(crate) fn issuer_at(mut self, issuer: &Issuer, keys: &str, extra: &str) -> Self {
        let standard = [("algorithms", "[RS256, ES256, EdDSA]"), ("claims", "{ subject: sub, groups: groups }")];
        let standard = standard.iter().filter(|(key, _)| !extra.contains(&format!("{key}:")));
        let standard = standard.map(|(key, value)| format!(", {key}: {value}")).collect::<Vec<_>>().concat();
        let comma = if extra.is_empty() { "" } else { ", " };
        self.issuers.push(format!("{{ name: {}, issuer: \"{}\", {keys}{standard}{comma}{extra} }}", issuer.name, issuer.url));
        self
    }

    /// An issuer as it stands in the configuration, in flow style.
    pub(crate) fn issuer_written(mut self, yaml: &str) -> Self {
        self.issuers.push(yaml.to_owned());
        self
    }

    /// More keys of `identity`, in flow style: `regions: { corp: eu }`.
    pub(crate) fn identity_extra(mut self, yaml: &str) -> Self {
        self.identity.push_str(", ");
        self.identity.push_str(yaml);
        self
    }

    /// The folder, to put files into before the start.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts, or says why not.
    pub(crate) async fn try_start(self) -> Result<Gateway, String> {
        self.write();
        self.folder.try_start().await
    }

    fn write(&self) {
        let folder = self.folder.path();
        let policies = folder.join("policies");
        fs::create_dir_all(&policies).expect("a folder");
        let standard = [POLICY.to_owned()];
        let files = if self.policies.is_empty() { &standard[..] } else { &self.policies };
        for (number, text) in files.iter().enumerate() {
            fs::write(policies.join(format!("{number}.yaml")), text).expect("a policy");
        }
        let servers: Vec<_> = self.servers.iter().map(|(name, server)| format!("\n  {name}: {server}")).collect();
        let mut lines = vec![
            ("version", "1".to_owned()),
            ("listeners", format!("[{{ name: test, address: \"127.0.0.1:0\"{} }}]", self.listener)),
            ("admin", "{ address: \"127.0.0.1:0\" }".to_owned()),
            ("health", "{ address: \"127.0.0.1:0\" }".to_owned()),
            ("accept_risks", "[open_metrics]".to_owned()),
            // Tests of single refusals make many of them; those of floods say what a flood is.
            ("audit", "{ origin: test.localhost, refusals: { per_peer: 100000, total: 100000 } }".to_owned()),
            ("shutdown", "{ delay: 0s, drain: 10s }".to_owned()),
            ("data_dir", "data".to_owned()),
            ("policies", "policies/".to_owned()),
            ("servers", servers.concat()),
        ];
        if !self.issuers.is_empty() || !self.identity.is_empty() {
            lines.push(("identity", format!("{{ issuers: [{}]{} }}", self.issuers.join(", "), self.identity)));
        }
        lines.retain(|(key, _)| !self.extra.lines().any(|line| line.starts_with(&format!("{key}:"))));
        let lines: Vec<_> = lines.iter().map(|(key, value)| format!("{key}: {value}\n")).collect();
        fs::write(folder.join("yett.yaml"), lines.concat() + &self.extra).expect("a configuration");
    }
}

impl IntoFuture for Builder {
    type Output = Gateway;
    type IntoFuture = Pin<Box<dyn Future<Output = Gateway>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.try_start().await.unwrap_or_else(|error| panic!("the gateway does not start: {error}")) })
    }
}
