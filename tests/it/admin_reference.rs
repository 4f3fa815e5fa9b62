//! The admin API as it is described: every route, and what the main ones answer.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::http::{Reply, send};
use crate::cli::process::{Home, Serving};
use crate::cli::upstream::Upstream;

const METHODS: [&str; 4] = ["get", "post", "put", "delete"];

/// A gateway whose operator has its token, and the document that it serves.
struct Stage {
    home: Home,
    serving: Serving,
    token: String,
    document: Value,
}

impl Stage {
    fn start() -> Self {
        let upstream = Upstream::start();
        let home = Home::new(upstream.address);
        home.edit("audit: { origin: cli.localhost }", "audit: { origin: cli.localhost, index: true }");
        let serving = home.serve_quietly();
        let token = format!("Bearer {}", fs::read_to_string(home.path("data/admin.token")).unwrap().trim());
        let mut stage = Self { home, serving, token, document: Value::Null };
        let served = stage.ask("GET", "/v1/openapi.json", "");
        assert_eq!((served.status, served.header("content-type")), (200, Some("application/json")));
        stage.document = served.json();
        stage
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Reply {
        let headers = [("Authorization", self.token.as_str()), ("Content-Type", "application/json")];
        send(self.serving.admin, &format!("{method} {path}"), &headers, body)
    }

    /// The answer to this, which has to be one that the document describes.
    fn described(&self, method: &str, path: &str, described: &str, body: &Value) -> (u16, Value) {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let reply = self.ask(method, path, &text);
        let operation = &self.document["paths"][described][method.to_lowercase()];
        let answer = &operation["responses"][reply.status.to_string()];
        assert!(answer.is_object(), "{method} {path}: {} is not described: {}", reply.status, reply.body);
        self.fits(&answer["content"]["application/json"]["schema"], &reply.json(), path);
        if let Some(schema) = operation.pointer("/requestBody/content/application~1json/schema")
            && reply.status < 300
        {
            self.fits(schema, body, path);
        }
        (reply.status, reply.json())
    }

    fn fits(&self, schema: &Value, value: &Value, what: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let found: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(found.is_empty(), "{what}: {value}\n{found:#?}");
    }
}

/// `METHOD path` of every route in the source.
fn routes() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin")) {
        let text = fs::read_to_string(path).unwrap();
        for part in text.split(".route(\"").skip(1) {
            let (path, rest) = part.split_once('"').unwrap();
            // Up to the bracket that closes `.route(`.
            let mut depth = 1;
            let handlers: String = rest
                .chars()
                .take_while(|c| {
                    depth += i32::from(*c == '(') - i32::from(*c == ')');
                    depth > 0
                })
                .collect();
            for method in METHODS {
                if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                    found.insert(format!("{method} {path}"));
                }
            }
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn every_route_is_described_and_everything_described_is_a_route() {
    let stage = Stage::start();
    assert_eq!(stage.document["openapi"].as_str().map(|version| version.starts_with("3.1.")), Some(true));
    let paths = stage.document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}")))
        .collect();
    let mut routes = routes();
    // The page is the document for people.
    assert!(routes.remove("get /docs"));
    assert_eq!(described, routes);
    assert!(described.len() > 20);
    let mut names = BTreeSet::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(names.insert(operation["operationId"].as_str().unwrap()), "{method} {path}: a name twice");
            assert!(operation["summary"].is_string() && operation["responses"]["401"].is_object(), "{method} {path}");
            // What is no route is 404 without a body of ours.
            let filled =
                ["{id}", "{name}", "{server}", "{tool}"].iter().fold(path.clone(), |path, name| path.replace(name, "none"));
            let reply = stage.ask(&method.to_uppercase(), &filled, "{}");
            assert!(
                reply.status != 405 && (reply.status != 404 || reply.json()["error"].is_string()),
                "{method} {path}: {reply:?}"
            );
        }
    }
    assert_eq!(stage.ask("GET", "/v1/nothing", "").status, 404);
}

#[test]
fn answers_are_what_the_document_says() {
    let stage = Stage::start();
    let (_, made) = stage.described(
        "POST",
        "/v1/keys",
        "/v1/keys",
        &json!({ "subject": "ada", "groups": ["sales"], "servers": ["crm"], "requester": "op" }),
    );
    let id = made["key"]["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.described("POST", "/v1/keys", "/v1/keys", &json!({ "subject": "ada", "servers": ["nobody"] })).0, 400);
    assert_eq!(stage.described("GET", "/v1/keys", "/v1/keys", &Value::Null).0, 200);
    assert_eq!(
        stage.described("POST", &format!("/v1/keys/{id}/rotate"), "/v1/keys/{id}/rotate", &json!({ "overlap": 60 })).0,
        201
    );
    assert_eq!(stage.described("GET", "/v1/keys", "/v1/keys", &Value::Null).0, 200);
    assert_eq!(stage.described("POST", "/v1/keys/none/rotate", "/v1/keys/{id}/rotate", &json!({})).0, 404);
    assert_eq!(stage.described("DELETE", &format!("/v1/keys/{id}?requester=op"), "/v1/keys/{id}", &Value::Null).0, 200);
    assert_eq!(stage.described("DELETE", "/v1/keys/none?by=me", "/v1/keys/{id}", &Value::Null).0, 400);
    assert_eq!(stage.described("PUT", "/v1/switches/server:crm?reason=why", "/v1/switches/{name}", &Value::Null).0, 200);
    assert_eq!(stage.described("GET", "/v1/switches", "/v1/switches", &Value::Null).0, 200);
    assert_eq!(stage.described("PUT", "/v1/switches/server:crn", "/v1/switches/{name}", &Value::Null).0, 404);
    assert_eq!(stage.described("DELETE", "/v1/switches/server:crm", "/v1/switches/{name}", &Value::Null).0, 200);
    let (quarantine, of_tool) = ("/v1/quarantine", "/v1/quarantine/{server}/{tool}");
    let definition = format!("?definition={}&requester=op", "a".repeat(64));
    assert_eq!(stage.described("PUT", &format!("{quarantine}/crm/x{definition}"), of_tool, &Value::Null).0, 400, "no reason");
    assert_eq!(stage.described("PUT", &format!("{quarantine}/crn/x{definition}&reason=r"), of_tool, &Value::Null).0, 404);
    assert_eq!(stage.described("PUT", &format!("{quarantine}/crm/a%2Fb{definition}&reason=r"), of_tool, &Value::Null).0, 200);
    let (status, listed) = stage.described("GET", quarantine, quarantine, &Value::Null);
    assert_eq!((status, &listed["approvals"][0]["tool"], &listed["withheld"]), (200, &json!("a/b"), &json!([])));
    assert_eq!(stage.described("DELETE", &format!("{quarantine}/crm/x{definition}"), of_tool, &Value::Null).0, 404);
    assert_eq!(stage.described("DELETE", &format!("{quarantine}/crm/a%2Fb{definition}"), of_tool, &Value::Null).0, 200);
    assert_eq!(stage.described("GET", &format!("{quarantine}?server=crm"), quarantine, &Value::Null).0, 200);
    assert_eq!(stage.described("GET", &format!("{quarantine}?tool=x"), quarantine, &Value::Null).0, 400);
    let (of_server, of_tool) = ("/v1/withheld/{server}", "/v1/withheld/{server}/{tool}");
    for (path, described, status) in [
        ("/v1/withheld/crm", of_server, 400),
        ("/v1/withheld/crm?reason=r", of_server, 404),
        ("/v1/withheld/crm?reason=r&definition=00000000", of_server, 400),
        ("/v1/withheld/crm/x?requester=op", of_tool, 400),
        ("/v1/withheld/crm/x?requester=op&reason=r", of_tool, 404),
        ("/v1/withheld/crm/x?requester=op&reason=r&definition=00000000", of_tool, 404),
    ] {
        assert_eq!(stage.described("DELETE", path, described, &Value::Null).0, status, "{path}");
    }
    assert_eq!(stage.described("POST", "/v1/reload", "/v1/reload", &Value::Null).0, 200);
    stage.home.write("policies/access.yaml", "version: 2\n");
    assert_eq!(stage.described("POST", "/v1/reload", "/v1/reload", &Value::Null).0, 422);
    assert_eq!(stage.described("GET", "/v1/audit/search?limit=2&count=true", "/v1/audit/search", &Value::Null).0, 200);
    assert_eq!(stage.described("GET", "/v1/audit/search?colour=red", "/v1/audit/search", &Value::Null).0, 400);
    assert_eq!(stage.described("POST", "/v1/audit/prune", "/v1/audit/prune", &json!({ "trust_clock": true })).0, 200);
    assert_eq!(stage.described("GET", "/v1/accounts", "/v1/accounts", &Value::Null).0, 200);
    assert_eq!(stage.described("DELETE", "/v1/accounts/none", "/v1/accounts/{id}", &Value::Null).0, 404);
    assert_eq!(stage.described("POST", "/v1/vault/expire", "/v1/vault/expire", &json!({ "trust_clock": true })).0, 200);
    assert_eq!(stage.described("POST", "/v1/vault/reveal", "/v1/vault/reveal", &json!({ "pseudonyms": [] })).0, 200);
    let nobody = json!({ "issuer": "api-key", "subject": "nobody" });
    assert_eq!(stage.described("POST", "/v1/vault/pseudonyms", "/v1/vault/pseudonyms", &nobody).0, 200);
    assert_eq!(stage.described("POST", "/v1/vault/export", "/v1/vault/export", &nobody).0, 404);
    let order = json!({ "issuer": "api-key", "subject": "nobody", "basis": "they asked", "approver": "dpo" });
    assert_eq!(stage.described("POST", "/v1/vault/erase", "/v1/vault/erase", &order).0, 404);
    // What is not described is not taken.
    let more = json!({ "subject": "ada", "colour": "red" });
    assert_eq!(stage.described("POST", "/v1/keys", "/v1/keys", &more).0, 422);
    assert_eq!(stage.described("POST", "/v1/keys", "/v1/keys", &json!("no object")).0, 422);
    let headers = [("Authorization", stage.token.as_str())];
    let untyped = send(stage.serving.admin, "POST /v1/keys", &headers, "{}");
    assert!(untyped.status == 415 && untyped.json()["error"].is_string(), "{untyped:?}");
}

#[test]
fn nothing_of_it_is_told_without_the_token_and_the_page_brings_nothing_from_elsewhere() {
    let stage = Stage::start();
    for path in ["/docs", "/v1/openapi.json", "/", "/anything"] {
        assert_eq!(send(stage.serving.admin, &format!("GET {path}"), &[], "").status, 401, "{path}");
    }
    let page = stage.ask("GET", "/docs", "");
    assert_eq!(page.status, 200);
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    for banned in ["<script", "<link", "<img", "src=", "http://", "https://", "@import", "url("] {
        assert!(!page.body.contains(banned), "the page holds {banned}");
    }
    for path in stage.document["paths"].as_object().unwrap().keys() {
        assert!(page.body.contains(path.as_str()), "{path} is not on the page");
    }
    // The same without a gateway.
    assert_eq!(stage.home.done(&["schema", "admin", "--html"]), page.body);
    let printed: Value = serde_json::from_str(&stage.home.done(&["schema", "admin"])).unwrap();
    assert_eq!(printed, stage.document);
    assert_eq!(stage.home.run(&["schema", "config", "--html"]).code, Some(2));
}
