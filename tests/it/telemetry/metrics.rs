//! `/metrics` of a gateway that has something to tell.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use yett::telemetry::{Exposition, Metrics};

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection};
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";

/// A gateway that has met every kind of metric it has.
async fn busy() -> (Gateway, Upstream) {
    let upstream = Upstream::start().await;
    upstream.on_tool("search", Reply::text("her number is 536-22-8726"));
    upstream.on_tool("stream", Reply::stream([Step::text("one"), Step::Cut]));
    let gateway = Gateway::start()
        .servers([("crm", &upstream)])
        .policy(crate::support::gateway::POLICY)
        .policy("version: 1\ndlp: { rules: [{ name: us-ssn, detect: [us_ssn], sensitivity: restricted, action: mask }] }\n")
        .config_extra("accept_risks: [open_metrics]")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    for tool in ["echo", "search", "stream"] {
        assert_eq!(client.call(tool, json!({})).await.status, 200, "{tool}");
    }
    let stranger = gateway.key("eve", &["nobody"]).await;
    gateway.modern("crm", &stranger).call("echo", json!({})).await;
    assert_eq!(gateway.post("crm").body("{}").send().await.status, 401);
    gateway.legacy("crm", &key).await;
    assert!(gateway.raw(b"GET / HTTP/1.1\nHost: a\n\n").await.contains("400"));
    (gateway, upstream)
}

async fn scrape(health: SocketAddr, accept: &str) -> Answer {
    let mut connection = Connection::open(health).await;
    let accept = if accept.is_empty() { String::new() } else { format!("Accept: {accept}\r\n") };
    connection.send(format!("GET /metrics HTTP/1.1\r\nHost: {health}\r\n{accept}\r\n").as_bytes()).await;
    connection.answer().await.expect("an answer")
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.clone()).expect("text")
}

/// The classic text.
pub(super) async fn scrape_text(health: SocketAddr) -> String {
    text(&scrape(health, "").await)
}

/// The value of a sample, by its name with labels.
pub(super) fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn promtool_accepts_the_classic_text() {
    let (gateway, _upstream) = busy().await;
    let answer = scrape(gateway.running.health, "").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, which scripts/parts installs");
    promtool.stdin.take().expect("a pipe").write_all(&answer.body).expect("promtool reads");
    let said = promtool.wait_with_output().expect("promtool ends");
    let words = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && words.is_empty(), "{}: {words}\n{}", said.status, text(&answer));
}

#[tokio::test]
async fn openmetrics_is_given_to_those_who_ask() {
    let (gateway, _upstream) = busy().await;
    let answer = scrape(gateway.running.health, OPEN_METRICS).await;
    assert_eq!(answer.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    let text = text(&answer);
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1);
    assert!(text.contains("# TYPE yett_calls counter\n"), "{text}");
    assert!(text.contains("# UNIT yett_call_duration_seconds seconds\n"), "{text}");
}

#[tokio::test]
async fn every_metric_has_a_help_text_and_counts_what_it_says() {
    let (gateway, upstream) = busy().await;
    let metrics = text(&scrape(gateway.running.health, "").await);
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
        let described = [name, base].iter().any(|name| metrics.contains(&format!("# HELP {name} ")));
        assert!(described, "`{name}` has no help text");
    }
    for (name, value) in [
        (r#"yett_calls_total{server="crm",method="tools/call",outcome="ok"}"#, 3.0),
        (r#"yett_calls_total{server="crm",method="unread",outcome="unauthenticated"}"#, 1.0),
        (r#"yett_findings_total{layer="dlp",kind="us_ssn",action="mask"}"#, 1.0),
        (r#"yett_build_info{version="0.1.0"}"#, 1.0),
        (r#"yett_upstream_duration_seconds_count{server="crm"}"#, 5.0),
        ("yett_audit_failed", 0.0),
        ("yett_calls_in_flight", 0.0),
        ("yett_sessions", 1.0),
        ("yett_ready", 1.0),
    ] {
        assert_eq!(sample(&metrics, name), Some(value), "{name} in\n{metrics}");
    }
    let at_least = |name: &str, least: f64| {
        let value = sample(&metrics, name).unwrap_or(-1.0);
        assert!(value >= least, "{name} is {value}, not at least {least}");
    };
    at_least(r#"yett_call_duration_seconds_count{server="crm"}"#, 6.0);
    at_least("yett_tasks", 3.0);
    at_least("process_resident_memory_bytes", 1e6);
    at_least("process_open_fds", 10.0);
    at_least("process_max_fds", 100.0);
    // After 2020, and before now.
    at_least("process_start_time_seconds", 1.6e9);
    drop(upstream);
}

#[tokio::test]
async fn what_is_going_on_is_shown_while_it_goes_on() {
    let upstream = Upstream::start().await;
    let gate = crate::support::reply::Gate::default();
    upstream.on_tool("slow", Reply::text("done").after(&gate));
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra("accept_risks: [open_metrics]").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = gateway.modern("crm", &key);
    let call = client.call("slow", json!({}));
    let look = async {
        upstream.wait_for("tools/call").await;
        let text = text(&scrape(gateway.running.health, "").await);
        gate.open();
        text
    };
    let (answer, metrics) = tokio::join!(call, look);
    assert_eq!(answer.status, 200);
    assert_eq!(sample(&metrics, "yett_calls_in_flight"), Some(1.0), "{metrics}");
    assert_eq!(sample(&metrics, "yett_connections"), Some(1.0), "{metrics}");
}

/// Both ways: what is shown is explained, and what is explained is shown.
#[tokio::test]
async fn operators_can_look_up_every_metric() {
    let (gateway, _upstream) = busy().await;
    let metrics = text(&scrape(gateway.running.health, "").await);
    // What only an issuer's keys, a full server, processes, streams, witnesses, copies, exports and TLS show.
    let rare = Metrics::new();
    rare.jwks_refresh("corp", Some(jiff::Timestamp::UNIX_EPOCH));
    rare.issuer_discovery("corp", true);
    rare.introspects("corp");
    rare.upstream_refused("crm", "queue_full");
    rare.limit_refused("per-caller");
    rare.process_ended("files", "stopped");
    rare.process_fault("files", "too_large");
    rare.stream_fault("crm", "foreign_id");
    rare.question_unheard("crm", "nobody_waits");
    rare.credential_echoed("crm");
    rare.account_events_of("mail");
    rare.secret("health.metrics_token", Some(jiff::Timestamp::UNIX_EPOCH), false);
    rare.witness_cosigned("audit-dept", 1);
    rare.witness_claims("audit-dept", false);
    rare.head_copied("worm", 1);
    rare.alerted("probing", "high");
    rare.exported("siem", 1);
    rare.export_lost("siem", 1);
    rare.export_failed("siem", "unreachable");
    rare.export_lags("siem", 1, 1);
    rare.tls_in_force("public", jiff::Timestamp::UNIX_EPOCH, Some(jiff::Timestamp::UNIX_EPOCH));
    let metrics = format!("{metrics}{}", rare.render(Exposition::Classic));
    let shown: BTreeSet<&str> = metrics.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next()).collect();
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let manual = fs::read_to_string(manual).expect("docs/operations.md");
    let rows = manual.lines().skip_while(|line| !line.starts_with("| metric |")).skip(2).take_while(|line| line.starts_with('|'));
    let explained: BTreeSet<&str> =
        rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    assert!(shown.len() > 12, "{metrics}");
    assert_eq!(shown, explained, "the metrics of /metrics and the table of docs/operations.md");
}
