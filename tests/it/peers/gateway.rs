//! The gateway: the program itself, with a configuration and a policy such as an operator writes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::process::{Announces, Running};
use super::upstream::Upstream;

/// `yett serve` in front of one server, and a key for its only caller.
pub(crate) struct Gateway {
    /// Its endpoint for that server.
    pub(crate) url: String,
    /// The caller's API key.
    pub(crate) key: String,
    process: Running,
    folder: TempDir,
}

/// Everything that a gateway needs before it starts, in a folder.
pub(crate) struct Prepared {
    /// The caller's API key.
    pub(crate) key: String,
    folder: TempDir,
}

impl Gateway {
    /// Starts it with a policy, whose bindings name the group `agents`.
    pub(super) fn start(upstream: &Upstream, policy: &str) -> Self {
        Prepared::new(upstream.name, &upstream.url, policy, "").serve(upstream.name)
    }

    /// Stops it as an operator does, and leaves its log.
    pub(crate) fn stop(self) -> AuditLog {
        let status = self.process.terminate();
        assert!(status.success(), "`yett serve` did not stop cleanly: {status}");
        AuditLog { folder: self.folder }
    }
}

impl Prepared {
    /// For a server of that name and URL, with a policy whose bindings name the group `agents`, and what else the listener is told.
    pub(crate) fn new(server: &str, url: &str, policy: &str, listener: &str) -> Self {
        let transport = if url.ends_with("/sse") { "sse" } else { "http" };
        let servers = format!("  {server}: {{ url: \"{url}\", transport: {transport}, classification: restricted }}\n");
        Self::with_servers(&servers, policy, listener)
    }

    /// The same for servers as they stand in the configuration.
    pub(crate) fn with_servers(servers: &str, policy: &str, listener: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/policy.yaml"), policy).unwrap();
        let config = folder.path().join("yett.yaml");
        fs::write(&config, configuration(servers, listener)).unwrap();
        Self { key: key(&folder, "ada"), folder }
    }

    /// The API key of one more caller.
    pub(crate) fn key_of(&self, subject: &str) -> String {
        key(&self.folder, subject)
    }

    /// The folder, which goes with its owner.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the gateway in front of that server.
    pub(crate) fn serve(self, server: &str) -> Gateway {
        let config = self.folder.path().join("yett.yaml");
        let mut serve = Command::new(env!("CARGO_BIN_EXE_yett"));
        let (process, address) =
            Running::announcing(serve.args(["serve", "--config"]).arg(config), Announces::Stderr, listening_address);
        Gateway { url: format!("http://{address}/mcp/{server}"), key: self.key, process, folder: self.folder }
    }
}

/// The audit log of a gateway that has stopped.
pub(crate) struct AuditLog {
    folder: TempDir,
}

impl AuditLog {
    /// Every record.
    pub(crate) fn records(&self) -> Vec<Value> {
        let shown = yett(&["audit", "show", "--json", &self.path()]);
        assert!(shown.status.success(), "`yett audit show`: {}", String::from_utf8_lossy(&shown.stderr));
        String::from_utf8(shown.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The verdict: exit code and report of `yett audit verify`.
    pub(crate) fn verify(&self) -> (i32, Value) {
        let verified = yett(&["audit", "verify", "--json", &self.path()]);
        (verified.status.code().unwrap(), serde_json::from_slice(&verified.stdout).unwrap())
    }

    /// Its only segment.
    pub(super) fn segment(&self) -> PathBuf {
        let log = self.folder.path().join("data/audit/test.localhost/r1/seg");
        let mut files = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
        let (first, second) = (files.next(), files.next());
        assert!(second.is_none(), "more than one segment in `{}`", log.display());
        first.unwrap_or_else(|| panic!("no segment in `{}`", log.display()))
    }

    fn path(&self) -> String {
        self.folder.path().join("data").to_str().unwrap().to_owned()
    }
}

fn key(folder: &TempDir, subject: &str) -> String {
    let config = folder.path().join("yett.yaml");
    let config = config.to_str().unwrap();
    let made = yett(&["keys", "--config", config, "--offline", "--json", "create", "--subject", subject, "--group", "agents"]);
    assert!(made.status.success(), "no key: {}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    made["secret"].as_str().unwrap().to_owned()
}

fn configuration(servers: &str, listener: &str) -> String {
    format!(
        "version: 1
listeners: [{{ name: test, address: \"127.0.0.1:0\"{listener} }}]
admin: {{ address: \"127.0.0.1:0\" }}
health: {{ address: \"127.0.0.1:0\" }}
audit: {{ origin: test.localhost }}
shutdown: {{ delay: 0s, drain: 10s }}
servers:
{servers}policies: policies/
"
    )
}

/// `{"message":"serving","listeners":"[127.0.0.1:44917]",...}`
fn listening_address(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let listeners = line["listeners"].as_str().filter(|_| line["message"] == "serving")?;
    Some(listeners.trim_matches(['[', ']']).to_owned())
}

fn yett(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_yett")).args(arguments).output().unwrap()
}
