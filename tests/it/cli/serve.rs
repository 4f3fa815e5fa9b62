//! `yett serve`, `yett healthcheck`, `yett demo`: start, probes, signals.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::http::{get, send, try_send};
use super::process::{Home, METRICS_TOKEN};

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

#[test]
fn the_demo_shows_what_it_says() {
    let shown = home().run(&["demo"]);
    assert_eq!(shown.code, Some(0), "{}\n{}", shown.out, shown.err);
    assert!(!shown.out.contains("FAIL"), "{}", shown.out);
    for step in ["no credential", "delete_customer", "get_weather", "[us_ssn]", "yett audit verify"] {
        assert!(shown.out.contains(step), "`{step}` is not shown:\n{}", shown.out);
    }
}

#[test]
fn a_serving_gateway_is_alive_and_ready() {
    let home = home();
    let serving = home.serve();
    assert_eq!(get(serving.health, "/healthz").status, 200);
    let ready = get(serving.health, "/readyz");
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\naudit: strict\n"));
    assert_eq!(get(serving.health, "/admin").status, 404);
    home.tell_operator(&serving);
    home.done(&["healthcheck", "--config", "operator.yaml"]);
    home.done(&["healthcheck", "--address", &serving.health.to_string()]);

    let health = serving.health;
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(try_send(health, "GET /healthz", &[], "").is_none(), "something still answers");
    let gone = home.run(&["healthcheck", "--config", "operator.yaml"]);
    assert_ne!(gone.code, Some(0), "a gateway that is gone is healthy: {}", gone.out);
}

#[test]
fn metrics_are_for_those_with_the_token() {
    let home = home();
    let serving = home.serve();
    send(serving.listener, "POST /mcp/crm", &[], "{}");
    for wrong in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", METRICS_TOKEN)]] {
        let refused = send(serving.health, "GET /metrics", wrong, "");
        assert_eq!(refused.status, 401, "{wrong:?}");
        assert!(!refused.body.contains("yett_"), "{}", refused.body);
    }
    let authorization = format!("Bearer {METRICS_TOKEN}");
    let accept = ("Accept", "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1");
    let shown = send(serving.health, "GET /metrics", &[("Authorization", &authorization), accept], "");
    assert_eq!(shown.status, 200);
    assert!(shown.header("content-type").unwrap().starts_with("application/openmetrics-text"), "{shown:?}");
    let counted = r#"yett_calls_total{server="crm",method="unread",outcome="unauthenticated"} 1"#;
    assert!(shown.body.lines().any(|line| line == counted), "no line `{counted}` in\n{}", shown.body);
    assert!(shown.body.ends_with("# EOF\n"), "{}", shown.body);
}

#[test]
fn sigterm_ends_it_with_zero_and_a_stop_record() {
    let home = home();
    for signal in ["TERM", "INT"] {
        let serving = home.serve();
        serving.signal(signal);
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "after SIG{signal}:\n{log}");
    }
    let kinds: Vec<_> = home.records().iter().map(|record| record["kind"].clone()).collect();
    assert_eq!(kinds, ["key.rotate", "start", "stop", "key.rotate", "start", "stop"]);
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
}

#[test]
fn a_second_gateway_on_the_same_data_is_refused() {
    let home = home();
    let serving = home.serve();
    let second = home.run(&["serve"]);
    assert_eq!(second.code, Some(2), "{}", second.err);
    assert!(second.err.contains("another process holds the lock"), "{}", second.err);
    assert_eq!(get(serving.health, "/readyz").status, 200, "the first one suffers");
    // Nor may a command that wants the log for itself.
    let offline = home.run(&["keys", "--offline", "create", "--subject", "eve"]);
    assert_eq!((offline.code, offline.out.as_str()), (Some(2), ""), "{}", offline.err);
    serving.terminate();
    assert_eq!(home.records().len(), 3, "the refused ones left records");
}

#[test]
fn a_taken_port_is_told_with_its_name() {
    let home = home();
    let serving = home.serve();
    let other = Home::new("127.0.0.1:9".parse().unwrap());
    other.edit("local, address: \"127.0.0.1:0\"", &format!("local, address: \"{}\"", serving.listener));
    let refused = other.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains(&format!("cannot listen on {} (local)", serving.listener)), "{}", refused.err);
}

#[test]
fn what_the_gateway_keeps_is_readable_by_its_owner_alone() {
    let home = home();
    home.key_offline("ada");
    for (path, _) in home.data_files() {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
    }
}

#[test]
fn the_admin_api_is_closed_without_its_token() {
    let home = home();
    let serving = home.serve();
    let body = json!({ "subject": "eve" }).to_string();
    let paths =
        ["GET /v1/keys", "POST /v1/keys", "DELETE /v1/keys/x", "PUT /v1/switches/all", "GET /v1/switches", "GET /nowhere"];
    for line in paths {
        for headers in [&[][..], &[("Authorization", "Bearer wrong")], &[("Authorization", "Bearer")]] {
            // A GET with a body is refused as one, by anybody.
            let body = if line.starts_with("GET") { "" } else { body.as_str() };
            let refused = send(serving.admin, line, headers, body);
            assert_eq!(refused.status, 401, "`{line}` with {headers:?}: {}", refused.body);
        }
    }
    let token = std::fs::read_to_string(home.path("data/admin.token")).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    let listed = send(serving.admin, "GET /v1/keys", &[("Authorization", &authorization)], "");
    assert_eq!((listed.status, listed.json()), (200, json!({ "keys": [] })));
    let switches = send(serving.admin, "GET /v1/switches", &[("Authorization", &authorization)], "");
    assert_eq!(switches.json(), json!({ "on": [], "switches": [] }), "a refused order was obeyed");
    let (_, log) = serving.terminate();
    assert!(!log.contains(token.trim()), "the admin token is in the log");
}
