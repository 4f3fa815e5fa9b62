//! One MCP server under seven names, the gateway in front of it, and official clients that walk through the rows of a table.

use std::cell::RefCell;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::super::client::Client;
use super::super::process::Running;
use super::super::upstream::Upstream;
use super::callers::Caller;
use super::row::{Row, Seen, Step};
use crate::cli::process::{Home, Serving, made};
use crate::support::token::Issuer;

const CONFIG: &str = include_str!("yett.yaml");
const POLICY: &str = include_str!("policy.yaml");
const ACME: &str = include_str!("acme.yaml");
const DRAFT: &str = include_str!("draft.yaml");

/// A folder with the configuration and the policy, whose `tests:` end with `tests`.
pub(super) fn home(upstream: &str, tests: &str, issuers: &[Issuer]) -> Home {
    let home = Home::new("127.0.0.1:9".parse().unwrap());
    std::fs::remove_file(home.path("policies/access.yaml")).unwrap();
    home.write("yett.yaml", &CONFIG.replace("UPSTREAM", upstream));
    home.write("policies/policy.yaml", &format!("{POLICY}{tests}"));
    home.write("policies/acme.yaml", ACME);
    home.write("policies/draft.yaml", DRAFT);
    for issuer in issuers {
        home.write(&format!("{}.jwks.json", issuer.name), &issuer.key_set().to_string());
    }
    home
}

pub(super) fn issuers() -> [Issuer; 2] {
    [Issuer::new("corp"), Issuer::new("partner")]
}

/// A gateway that serves.
pub(super) struct Stage {
    pub(super) upstream: Upstream,
    pub(super) home: Home,
    serving: Serving,
    issuers: [Issuer; 2],
    keys: HashMap<&'static str, String>,
    /// What the log must say of the calls so far: method, effect, what decided, and which rule in shadow.
    expected: RefCell<Vec<[String; 4]>>,
}

impl Stage {
    pub(super) fn start() -> Self {
        Self::with_module(None)
    }

    /// With a Rego module beside the policy.
    pub(super) fn with_module(module: Option<&str>) -> Self {
        let (upstream, issuers) = (Upstream::fixture(), issuers());
        let home = home(&upstream.url, "", &issuers);
        if let Some(module) = module {
            home.write("policies/module.rego", module);
        }
        let key = |name| {
            let out = home.done(&["keys", "--offline", "--json", "create", "--subject", name]);
            (name, made(&out).1)
        };
        let keys = ["robot", "robin"].map(key).into();
        let serving = home.serve_quietly();
        home.tell_operator(&serving);
        Self { upstream, home, serving, issuers, keys, expected: RefCell::default() }
    }

    /// Each client takes the steps of each row, rows that follow each other with one caller and server in one session.
    pub(super) fn show(&self, clients: &[Client], rows: &[Row]) {
        for client in clients {
            self.show_to(&[*client], "", rows);
        }
    }

    /// The clients take turns at sessions, under subjects and OAuth clients that end so.
    pub(super) fn show_to(&self, clients: &[Client], turn: &str, rows: &[Row]) {
        let place = |row: &Row| (row.caller, row.step.target().0);
        for (walk, client) in rows.chunk_by(|one, next| place(one) == place(next)).zip(clients.iter().cycle()) {
            let (caller, server) = place(&walk[0]);
            let steps: Vec<Value> = walk.iter().map(|row| row.step.for_client()).chain([json!({ "method": "close" })]).collect();
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), json!(steps).to_string()).unwrap();
            let more = ["--calls", file.path().to_str().unwrap(), "--answer"];
            let transcript = client.walk(&self.url(server), Some(&self.bearer(caller, server, turn)), "call", &more);
            for (index, row) in walk.iter().enumerate() {
                // A client whose handshake is refused sees nothing else.
                let seen = transcript.get(index + 1).filter(|_| transcript[0]["ok"] == true).unwrap_or(&transcript[0]);
                row.assert_seen(&client.to_string(), client.has_session(), seen);
                self.expected.borrow_mut().extend(on_record(row, client.has_session()));
            }
        }
    }

    /// Begins a call of somebody with the role `metered`, as a process to be killed.
    pub(super) fn begin(&self, client: Client, caller: &str, turn: &str, step: Step) -> Running {
        let (server, tool) = step.target();
        let more = ["--tool", tool, "--args", step.arguments().unwrap()];
        self.expected.borrow_mut().push([step.method(), "allow", "role:metered", ""].map(str::to_owned));
        client.begin_to_be_killed(&self.url(server), &self.bearer(caller, server, turn), "call", &more)
    }

    /// `yett kill ...`, `yett unkill ...` at the running gateway.
    pub(super) fn operate(&self, command: &str, target: &[&str]) {
        self.home.done(&[&[command, "--config", "operator.yaml"], target].concat());
    }

    /// Stops the gateway: its log has each decision that the rows name, in order, and the server has heard of what was allowed alone.
    pub(super) fn end(self) {
        let (code, log) = self.serving.terminate();
        assert_eq!(code, Some(0), "{log}");
        let records = self.home.records();
        let got: Vec<_> = records.iter().filter(|record| record["kind"] == "call.decision").filter_map(recorded).collect();
        let expected = self.expected.into_inner();
        assert_eq!(got, expected, "method, effect, ground and shadow of each use on record");
        let allowed: Vec<&str> = expected.iter().filter(|one| one[1] == "allow").map(|one| one[0].as_str()).collect();
        let seen = self.upstream.seen_through_gateway();
        let arrived: Vec<&str> = seen.iter().filter_map(|entry| use_of(entry["method"].as_str()?)).collect();
        assert_eq!(arrived, allowed, "uses that reached the server, and those that the log says were allowed");
    }

    fn url(&self, server: &str) -> String {
        format!("http://{}/mcp/{server}", self.serving.listener)
    }

    fn bearer(&self, caller: &str, server: &str, turn: &str) -> String {
        let caller = Caller::named(caller);
        if caller.has_key() {
            return self.keys[caller.name].clone();
        }
        caller.token(&self.issuers, &self.url(server), turn)
    }
}

/// What the log must say of a row, unless the caller did not get to where it is decided.
fn on_record(row: &Row, has_session: bool) -> Vec<[String; 4]> {
    let Some(method) = use_of(row.step.method()) else { return Vec::new() };
    let (effect, shadow) = match row.seen {
        Seen::OverInSession if !has_session => return vec![[method, "allow", "role:metered", ""].map(str::to_owned)],
        Seen::NoServer | Seen::Stopped | Seen::Lists(_) => return Vec::new(),
        Seen::Passes | Seen::AsksFirst | Seen::AsksInVain | Seen::ReachesServer => ("allow", ""),
        Seen::PassesBeside(rule) => ("allow", rule),
        Seen::Unknown
        | Seen::NoMethod
        | Seen::Refused(_)
        | Seen::LacksScope
        | Seen::Told(_)
        | Seen::Invalid(_)
        | Seen::Over(_)
        | Seen::OverInSession => ("deny", ""),
    };
    // Without sessions a client answers a question by the same call, once more.
    let times = if matches!(row.seen, Seen::AsksFirst) && !has_session { 2 } else { 1 };
    vec![[method, effect, row.by, shadow].map(str::to_owned); times]
}

/// The same out of the log.
fn recorded(record: &Value) -> Option<[String; 4]> {
    let method = use_of(record["what"]["method"].as_str()?)?;
    let dec = &record["dec"];
    let is_elsewhere = ["killed", "no_such_path"].iter().any(|reason| dec["reason"] == *reason);
    if is_elsewhere {
        return None;
    }
    let findings = dec["findings"].as_array().into_iter().flatten();
    let shadow = findings.filter(|finding| finding["action"] == "shadow").find_map(|finding| finding["rule"].as_str());
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some([method.to_owned(), word(&dec["effect"]), word(&dec["rule"]), shadow.unwrap_or_default().to_owned()])
}

/// What a record calls a method by which something is used: those of extensions it does not name.
fn use_of(method: &str) -> Option<&str> {
    match method {
        "tools/call" | "prompts/get" | "resources/read" | "other" => Some(method),
        _ => method.starts_with("vendor/").then_some("other"),
    }
}
