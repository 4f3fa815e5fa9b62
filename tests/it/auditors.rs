//! An auditor of one tenant: what they find, what they do not, and what they may not ask.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use yett::audit::Filter;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection};
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;
use crate::support::token::Issuer;

const CORP: &str = "11111111111111111111111111111111";
const PARTNER: &str = "22222222222222222222222222222222";
const KEYS: &str = "33333333333333333333333333333333";

const POLICY: &str = "version: 1
roles:
  user: { allow: [{ servers: [crm, mail], tools: [get, put] }] }
bindings:
  - { role: user, issuers: [corp, partner, api-key] }
dlp:
  rules:
    - { name: us-ssn, detect: [us_ssn], direction: [request], action: mask }
";

/// Ports and index are the harness's; the file `corp.token` holds the first token.
const CONFIG: &str = r#"admin:
  address: "127.0.0.1:0"
  auditors:
    - { name: acme, tenant: corp/acme, token: "${file:corp.token}" }
    - { name: partners, tenant: partner/acme, token: "22222222222222222222222222222222" }
    - { name: keys, tenant: api-key/acme, token: "33333333333333333333333333333333" }
audit: { origin: test.localhost, index: true, refusals: { per_peer: 100000, total: 100000 } }
"#;

/// A GET with these lines in its head.
async fn ask(gateway: &Gateway, request: &str, lines: &str) -> Answer {
    let address = gateway.running.admin;
    let mut connection = Connection::open(address).await;
    let head = format!("{request} HTTP/1.1\r\nHost: {address}\r\n{lines}Content-Length: 0\r\nConnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await;
    connection.answer().await.unwrap()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

fn admin(gateway: &Gateway) -> String {
    fs::read_to_string(gateway.data().join("admin.token")).unwrap().trim().to_owned()
}

async fn search(gateway: &Gateway, token: &str, query: &str) -> Value {
    let answer = ask(gateway, &format!("GET /v1/audit/search?{query}"), &bearer(token)).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

fn places(records: &[Value], member: &str) -> Vec<u64> {
    records.iter().map(|record| record[member].as_u64().unwrap()).collect()
}

async fn found(gateway: &Gateway, token: &str, query: &str) -> Vec<u64> {
    places(search(gateway, token, query).await["records"].as_array().unwrap(), "index")
}

/// What of the whole log is of callers of this tenant by that issuer's word, read without any index.
fn own<'a>(log: &'a [Value], issuer: &str) -> Vec<&'a Value> {
    let names = |record: &&Value| record["who"]["iss"] == *issuer && record["who"]["tenant"] == "acme";
    let calls: BTreeSet<_> = log.iter().filter(names).map(|record| record["call"].as_str().unwrap()).collect();
    log.iter().filter(|record| record["call"].as_str().is_some_and(|call| calls.contains(call))).collect()
}

fn text<'a>(record: &'a Value, path: &str) -> Option<&'a str> {
    record.pointer(path).and_then(Value::as_str)
}

struct Stage {
    gateway: Gateway,
    log: Vec<Value>,
}

impl Stage {
    fn builder(crm: &Upstream) -> (crate::support::gateway::Builder, Issuer, Issuer) {
        let (corp, partner) = (Issuer::new("corp"), Issuer::new("partner"));
        let claims = "claims: { groups: groups, tenant: tid }";
        let builder = Gateway::start().policy(POLICY).issuer_with(&corp, claims).issuer_with(&partner, claims);
        let builder = builder.servers([("crm", crm), ("mail", crm)]).config_extra(CONFIG);
        fs::write(builder.folder().join("corp.token"), CORP).unwrap();
        (builder, corp, partner)
    }

    /// A gateway that callers of every kind have called, in every way, one between the other.
    async fn set(crm: &Upstream) -> Self {
        for tool in ["get", "put"] {
            crm.on_tool(tool, Reply::stream([Step::text("done")]));
        }
        let (builder, corp, partner) = Self::builder(crm);
        let gateway = builder.await;
        let by = |issuer: &Issuer, server: &str, subject: &str, tenant: Option<&str>| {
            let token = issuer.token(&gateway, server, subject, &["users"]);
            tenant.map_or_else(|| token.clone(), |tenant| token.clone().claim("tid", tenant)).signed()
        };
        let key = gateway.tenant_key("ada", "acme").await;
        let mut sessions = Vec::new();
        for server in ["crm", "mail"] {
            let callers = [
                by(&corp, server, "ada", Some("acme")),
                by(&partner, server, "ada", Some("acme")),
                by(&corp, server, "gus", Some("globex")),
                by(&corp, server, "nob", None),
                key.clone(),
            ];
            for token in &callers {
                let client = gateway.legacy(server, token).await;
                client.call("get", json!({ "text": "my number is 536-22-1234" })).await;
                sessions.push(client);
            }
            let tools: &[&str] = if server == "crm" { &["get", "put", "drop"] } else { &["put"] };
            for tool in tools {
                for token in &callers {
                    let client = gateway.modern(server, token);
                    // One trace for all of them, as of one agent that calls for many.
                    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": tool, "arguments": {} }));
                    let post = client.post(&message);
                    post.also("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").send().await;
                }
            }
        }
        gateway.modern("crm", "nobody-knows-this").call("get", json!({})).await;
        for client in &sessions {
            client.end().await;
        }
        // Each is a record, but for the searches that follow all that is compared.
        let log = gateway.records(&Filter::default());
        Self { gateway, log }
    }

    fn own(&self, issuer: &str, wanted: impl Fn(&Value) -> bool) -> Vec<u64> {
        let records: Vec<_> = own(&self.log, issuer).into_iter().filter(|record| wanted(record)).cloned().collect();
        places(&records, "i")
    }
}

#[tokio::test]
async fn an_auditor_finds_the_decisions_and_outcomes_of_their_tenant_and_nothing_of_anybody_else_by_any_filter() {
    let crm = Upstream::start().await;
    let stage = Stage::set(&crm).await;
    let gateway = &stage.gateway;
    for (issuer, token) in [("corp", CORP), ("partner", PARTNER), ("api-key", KEYS)] {
        let expected = stage.own(issuer, |_| true);
        assert_eq!(found(gateway, token, "order=oldest&limit=1000").await, expected, "{issuer}");
        let kinds: BTreeSet<_> = own(&stage.log, issuer).iter().map(|record| text(record, "/kind").unwrap()).collect();
        assert!(kinds.contains("call.decision") && kinds.contains("call.outcome"), "{kinds:?}");

        // Every value that stands anywhere in the log, as a filter: theirs find what is theirs, others' nothing.
        for (filter, path) in [
            ("principal", "/who/sub"),
            ("issuer", "/who/iss"),
            ("tenant", "/who/tenant"),
            ("server", "/what/server"),
            ("tool", "/what/name"),
            ("effect", "/dec/effect"),
            ("rule", "/dec/rule"),
            ("call", "/call"),
            ("kind", "/kind"),
            ("finding", "/dec/findings/0/rule"),
        ] {
            let values: BTreeSet<_> = stage.log.iter().filter_map(|record| text(record, path)).collect();
            assert!(!values.is_empty(), "nothing has {filter}");
            for value in values {
                let expected = stage.own(issuer, |record| text(record, path) == Some(value));
                let query = format!("{filter}={}&order=oldest&limit=1000&count=true", value.replace(':', "%3A"));
                let answer = search(gateway, token, &query).await;
                assert_eq!(places(answer["records"].as_array().unwrap(), "index"), expected, "{issuer}: {query}");
                assert_eq!(answer["count"]["records"], expected.len(), "{issuer}: {query}");
            }
        }
        // Stories are of whole calls.
        for (filter, path) in [("session", "/sess"), ("trace", "/trace")] {
            let values: BTreeSet<_> = stage.log.iter().filter_map(|record| text(record, path)).collect();
            for value in values {
                let of = |record: &&Value| text(record, path) == Some(value);
                let calls: BTreeSet<_> = stage.log.iter().filter(of).filter_map(|record| text(record, "/call")).collect();
                let expected = stage.own(issuer, |record| text(record, "/call").is_some_and(|call| calls.contains(call)));
                let query = format!("{filter}={value}&order=oldest&limit=1000");
                assert_eq!(found(gateway, token, &query).await, expected, "{issuer}: {query}");
            }
        }
    }
    let shared = found(gateway, CORP, "trace=0af7651916cd43dd8448eb211c80319c").await;
    assert!(
        !shared.is_empty()
            && shared.len() < found(gateway, &admin(gateway), "trace=0af7651916cd43dd8448eb211c80319c").await.len()
    );
    // What differs from their own finds nothing, alone or with more.
    for query in ["tenant=globex", "issuer=partner", "tenant=acme&issuer=partner", "tenant=globex&issuer=corp&kind=call.decision"]
    {
        assert_eq!(found(gateway, CORP, query).await, <[u64; 0]>::default(), "{query}");
        assert!(!found(gateway, &admin(gateway), query).await.is_empty(), "nobody finds anything by {query}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn pages_and_counts_of_an_auditor_tell_of_their_own_records_alone() {
    let crm = Upstream::start().await;
    let stage = Stage::set(&crm).await;
    let gateway = &stage.gateway;
    let all = stage.own("corp", |_| true);
    for (order, expected) in [("oldest", all.clone()), ("newest", all.iter().rev().copied().collect())] {
        let (mut seen, mut after) = (Vec::<u64>::new(), String::new());
        loop {
            let page = search(gateway, CORP, &format!("order={order}&limit=3&count=true{after}")).await;
            let records = places(page["records"].as_array().unwrap(), "index");
            assert_eq!(page["count"], json!({ "records": all.len(), "stand_for": all.len() }));
            // Not how much there is of others.
            assert_eq!((&page["indexed"], &page["log"], &page["behind"]), (&Value::Null, &Value::Null, &json!(false)), "{page}");
            seen.extend(&records);
            let Some(next) = page["next"].as_u64() else { break };
            assert_eq!(records.last(), Some(&next), "a place that is another's");
            after = format!("&after={next}");
        }
        assert_eq!(seen, expected, "{order}");
    }
    // From any place on, theirs or not, and beyond the end.
    for after in (0..stage.log.len() as u64).step_by(7).chain([u64::MAX]) {
        let expected: Vec<u64> = all.iter().copied().filter(|place| *place > after).collect();
        assert_eq!(found(gateway, CORP, &format!("order=oldest&limit=1000&after={after}")).await, expected, "{after}");
    }
    for (query, expected) in
        [("since=1h", all.len()), ("until=1h", 0), ("since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z", 0)]
    {
        assert_eq!(found(gateway, CORP, &format!("limit=1000&{query}")).await.len(), expected, "{query}");
    }
    let page = search(gateway, &admin(gateway), "limit=1").await;
    assert!(page["indexed"].is_u64() && page.get("behind").is_none(), "{page}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn each_search_of_an_auditor_is_a_record_with_their_name_and_none_of_theirs() {
    let crm = Upstream::start().await;
    let stage = Stage::set(&crm).await;
    let gateway = &stage.gateway;
    let before = gateway.records(&Filter::default()).len();
    search(gateway, CORP, "tenant=globex&limit=2").await;
    search(gateway, PARTNER, "limit=2").await;
    let records = gateway.records(&Filter::default()).split_off(before);
    let told: Vec<_> = records.iter().filter(|record| record["kind"] == "admin").map(|record| record["what"].clone()).collect();
    let search_by = |by: &str, found: u64, requester: &str| json!({ "act": "audit.search", "by": by, "found": found, "requester": requester, "target": "test.localhost/audit/r1" });
    assert_eq!(told, [search_by("limit,tenant", 0, "auditor:acme"), search_by("limit", 2, "auditor:partners")]);
    for token in [CORP, PARTNER] {
        assert_eq!(found(gateway, token, "kind=admin").await, <[u64; 0]>::default(), "operators' acts are shown");
    }
    // A question that cannot be asked is none.
    let count = gateway.records(&Filter::default()).len();
    assert_eq!(ask(gateway, "GET /v1/audit/search?colour=red", &bearer(CORP)).await.status, 400);
    assert_eq!(gateway.records(&Filter::default()).len(), count);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_auditor_may_search_and_read_the_reference_and_everything_else_is_closed_and_on_record() {
    let crm = Upstream::start().await;
    let (builder, ..) = Stage::builder(&crm);
    let gateway = builder.await;
    let document: Value = serde_json::from_str(yett::admin::openapi()).unwrap();
    let mut open = Vec::new();
    let mut closed = 0_u64;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let path = ["{id}", "{server}", "{tool}"]
                .iter()
                .fold(path.replace("{name}", "all"), |path, name| path.replace(name, "none"));
            let request = format!("{} {path}", method.to_uppercase());
            let answer = ask(&gateway, &request, &bearer(CORP)).await;
            if answer.status == 200 {
                open.push(request);
                assert_eq!(operation["security"], json!([{ "adminToken": [] }, { "auditorToken": [] }]));
                assert_eq!(operation["responses"]["403"], Value::Null);
                continue;
            }
            closed += 1;
            let error = json!({ "error": "an auditor may search the audit log, and nothing else" });
            assert_eq!((answer.status, answer.json()), (403, error), "{request}");
            assert_eq!(operation["security"], Value::Null, "{request} is described as open");
            assert!(operation["responses"]["403"].is_object(), "{request}");
        }
    }
    assert_eq!(open, ["GET /v1/audit/search", "GET /v1/openapi.json"]);
    assert!(closed > 20, "only {closed} were asked");
    // What is in no table, and other ways to say what is.
    for request in [
        "GET /docs",
        "GET /",
        "GET /v1/nothing",
        "POST /v1/audit/search",
        "DELETE /v1/audit/search",
        "PATCH /v1/openapi.json",
        "GET /v1/audit/search/",
        "GET //v1/audit/search",
        "GET /v1/audit%2Fsearch",
        "GET /v1/audit/search;x",
        "GET /v1/keys?/v1/audit/search",
        "GET /v1/audit/search/../../keys",
    ] {
        let status = ask(&gateway, request, &bearer(CORP)).await.status;
        // Some are refused before anybody looks at a token.
        assert!([400, 403].contains(&status), "{request}: {status}");
        closed += u64::from(status == 403);
    }
    assert_eq!(gateway.admin("GET", "/v1/switches").await["on"], json!([]), "an auditor has stopped something");
    let folder = gateway.stop_and_verify().await;
    let records = folder.records(&Filter { kinds: vec!["admin".to_owned(), "killswitch".to_owned()], ..Filter::default() });
    let refused: Vec<_> = records.iter().map(|record| &record["what"]).filter(|what| what["act"] == "access.refuse").collect();
    assert!(refused.iter().all(|what| what["requester"] == "auditor:acme" && what["target"] == "admin"), "{refused:#?}");
    let sum: u64 = refused.iter().map(|what| what["n"].as_u64().unwrap()).sum();
    assert_eq!(sum, closed, "{refused:#?}");
    let others: Vec<_> =
        records.iter().filter_map(|record| text(record, "/what/act")).filter(|act| *act != "access.refuse").collect();
    assert!(others.iter().all(|act| *act == "audit.search"), "{others:?}");
}

#[tokio::test]
async fn what_is_no_whole_token_of_an_auditor_is_401_and_told_nothing() {
    let crm = Upstream::start().await;
    let (builder, ..) = Stage::builder(&crm);
    let gateway = builder.await;
    let (cut, long) = (CORP.get(..31).unwrap(), format!("{CORP}1"));
    for lines in [
        String::new(),
        bearer("wrong"),
        bearer(cut),
        bearer(&long),
        bearer(&format!(" {CORP}")),
        bearer(&format!("{CORP} {PARTNER}")),
        bearer(&format!("{CORP},{PARTNER}")),
        bearer(CORP) + &bearer(CORP),
        bearer(CORP) + &bearer(PARTNER),
        bearer(CORP) + &bearer(&admin(&gateway)),
        format!("Authorization: bearer {CORP}\r\n"),
        format!("Authorization: Basic {CORP}\r\n"),
        format!("Authorization: {CORP}\r\n"),
        format!("Proxy-Authorization: Bearer {CORP}\r\n"),
    ] {
        let answer = ask(&gateway, "GET /v1/audit/search", &lines).await;
        assert_eq!(answer.status, 401, "{lines:?}: {answer:?}");
        assert_eq!(answer.json(), json!({ "error": "the admin API needs the token in `admin.token`, or an auditor's" }));
    }
    assert_eq!(ask(&gateway, &format!("GET /v1/audit/search?access_token={CORP}"), "").await.status, 401);
    let folder = gateway.stop_and_verify().await;
    let acts = folder.records(&Filter { kinds: vec!["admin".to_owned()], ..Filter::default() });
    assert!(acts.iter().all(|record| record["what"]["act"] == "login.refuse"), "{acts:#?}");
    assert_eq!(acts.iter().map(|record| record["what"]["n"].as_u64().unwrap()).sum::<u64>(), 15);
}

#[tokio::test]
async fn a_token_that_is_changed_behind_its_reference_ends_the_one_before_and_one_of_two_is_nobodys() {
    let crm = Upstream::start().await;
    let (builder, ..) = Stage::builder(&crm);
    let file = builder.folder().join("corp.token");
    let gateway = builder.await;
    let status = async |token: &str| ask(&gateway, "GET /v1/audit/search", &bearer(token)).await.status;
    assert_eq!(status(CORP).await, 200);
    let other = "4".repeat(40);
    for (written, expected) in [
        (other.as_str(), [401, 200, 200]),
        // Another auditor's: neither of the two can be told from the other.
        (PARTNER, [401, 401, 401]),
        // Too short: the last good one stays, and it is still another's.
        ("short", [401, 401, 401]),
        (CORP, [200, 401, 200]),
    ] {
        fs::write(&file, written).unwrap();
        // Reads secrets again, whatever it says of the configuration: a short one it refuses.
        let reloaded = gateway.running.reload("signal").await;
        assert_eq!(reloaded.is_err(), ["short", PARTNER].contains(&written), "{reloaded:?}");
        assert_eq!([status(CORP).await, status(&other).await, status(PARTNER).await], expected, "{written}");
        assert_eq!(status(&admin(&gateway)).await, 200, "{written}: operators are locked out");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_gateway_does_not_start_with_an_auditor_who_has_the_token_of_the_operators() {
    let crm = Upstream::start().await;
    let (builder, ..) = Stage::builder(&crm);
    let folder = builder.await.stop_and_verify().await;
    let token = fs::read_to_string(folder.data().join("admin.token")).unwrap();
    fs::write(folder.path().join("corp.token"), token).unwrap();
    let refused = folder.try_start().await.err().unwrap();
    assert!(refused.contains("SameToken(\"acme\")"), "{refused}");
}

#[tokio::test]
async fn auditors_are_read_at_a_start_and_a_reload_says_so() {
    let crm = Upstream::start().await;
    let (builder, ..) = Stage::builder(&crm);
    let gateway = builder.await;
    let file = gateway.data().parent().unwrap().join("yett.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("tenant: corp/acme", "tenant: corp/globex")).unwrap();
    let refused = gateway.running.reload("admin").await.unwrap_err();
    assert_eq!(refused.to_string(), "a restart is needed for what was changed in: admin.auditors");
    gateway.stop_and_verify().await;
}
