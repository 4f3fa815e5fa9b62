//! Collectors behind HTTP: one that takes signed lines, and one that speaks as Splunk's does.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Stage, all, log, times};

/// What arrived.
#[derive(Clone, Debug, Default)]
struct Request {
    target: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

type Requests = Arc<Mutex<Vec<Request>>>;

/// Answers each request as `answer` says, which is told how many came before.
fn collector(answer: impl Fn(usize, &Request) -> (u16, String) + Send + 'static) -> (SocketAddr, Requests) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, requests) = (socket.local_addr().unwrap(), Requests::default());
    let kept = Arc::clone(&requests);
    thread::spawn(move || {
        for stream in socket.incoming() {
            let Some((mut stream, request)) = read(stream.unwrap()) else { continue };
            let before = kept.lock().len();
            let (status, body) = answer(before, &request);
            kept.lock().push(request);
            let _ = write!(
                stream,
                "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (address, requests)
}

fn read(stream: TcpStream) -> Option<(TcpStream, Request)> {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut request = Request { target: line.split(' ').nth(1)?.to_owned(), ..Request::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        request.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = request.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    request.body = vec![0; length];
    reader.read_exact(&mut request.body).ok()?;
    Some((stream, request))
}

fn lines_of(requests: &[Request]) -> Vec<String> {
    let text: String = requests.iter().map(|request| String::from_utf8(request.body.clone()).unwrap()).collect();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn a_collector_gets_every_record_signed_in_order_and_again_until_it_has_taken_it() {
    // Busy twice, then too small for more than four lines at once.
    let (address, requests) = collector(|before, request| match before {
        0 | 1 => (503, String::new()),
        _ if request.body.split(|byte| *byte == b'\n').count() > 5 => (413, String::new()),
        _ => (200, String::new()),
    });
    let sink =
        format!("{{ type: http, url: \"http://{address}/in\", format: native, bearer: tell-me, sign: a-key-of-the-test }}");
    let stage = Stage::with(&sink).await;
    stage.ordinary_day().await;
    let exported = async {
        while requests.lock().len() < 6 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stage.delivered(&["http"]).await;
    };
    crate::support::within("everything to arrive", exported).await;
    let records = log(&stage.gateway.records(&all()));
    let requests = requests.lock().clone();
    for request in &requests {
        assert_eq!((request.target.as_str(), request.headers["authorization"].as_str()), ("/in", "Bearer tell-me"));
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a-key-of-the-test");
        let head = format!("{}.{}.", request.headers["webhook-id"], request.headers["webhook-timestamp"]);
        let signature = request.headers["webhook-signature"].strip_prefix("v1,").unwrap();
        let signed = [head.as_bytes(), &request.body].concat();
        hmac::verify(&key, &signed, &STANDARD.decode(signature).unwrap()).unwrap();
    }
    assert_eq!(requests[0].body, requests[1].body, "what was refused comes again");
    let taken: Vec<Request> =
        requests[2..].iter().filter(|request| lines_of(&[(*request).clone()]).len() <= 4).cloned().collect();
    let found = times(&lines_of(&taken));
    assert_eq!(found.keys().collect::<Vec<_>>(), records.keys().collect::<Vec<_>>());
    assert!(found.values().all(|times| *times == 1), "{found:?}");
    let indices: Vec<u64> =
        lines_of(&taken).iter().filter_map(|line| serde_json::from_str::<Value>(line).unwrap()["i"].as_u64()).collect();
    assert!(indices.is_sorted(), "{indices:?}");
    stage.gateway.stop().await;
}

#[tokio::test]
async fn a_webhook_gets_alerts_alone_one_a_request_signed_and_what_it_took_does_not_come_again() {
    // Two are taken, the third is not, twice.
    let (address, requests) =
        collector(|before, _| if matches!(before, 2 | 3) { (500, String::new()) } else { (200, "{}".into()) });
    let key = format!("whsec_{}", STANDARD.encode(b"a key of twenty-four byt"));
    let sink = format!("{{ type: http, name: on-call, records: alerts, url: \"http://{address}/hook\", sign: \"{key}\" }}");
    let stage = Stage::with_alerts(&sink, "  - { name: calls, calls: 1/1m, again: 1s, severity: high }\n").await;
    for _ in 0..4 {
        stage.ada.call("search", json!({ "q": "grace" })).await;
        stage.ada.call("search", json!({ "q": "grace" })).await;
        tokio::time::sleep(std::time::Duration::from_millis(2_500)).await;
    }
    let alerts = || {
        let records = stage.gateway.records(&all());
        records.into_iter().filter(|record| record["kind"] == "alert").collect::<Vec<_>>()
    };
    crate::support::eventually("four alerts", || (alerts().len() >= 4).then_some(())).await;
    let expected: Vec<Value> = alerts().iter().map(|alert| alert["i"].clone()).collect();
    let taken = || {
        let requests = requests.lock().clone();
        let taken = requests.into_iter().enumerate().filter(|(number, _)| !matches!(number, 2 | 3));
        taken.map(|(_, request)| request).collect::<Vec<_>>()
    };
    crate::support::eventually("each to be taken", || (taken().len() >= expected.len()).then_some(())).await;
    let mut sequence = Vec::new();
    for request in taken() {
        assert_eq!(request.headers["content-type"], "application/json");
        let event: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!((&event["class_uid"], &event["severity"]), (&json!(2004), &json!("High")));
        assert_eq!(event["finding_info"]["analytic"]["name"], "calls");
        assert_eq!(event["metadata"]["uid"], request.headers["webhook-id"].as_str());
        let head = format!("{}.{}.", request.headers["webhook-id"], request.headers["webhook-timestamp"]);
        let signature = request.headers["webhook-signature"].strip_prefix("v1,").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"a key of twenty-four byt");
        hmac::verify(&key, &[head.as_bytes(), &request.body].concat(), &STANDARD.decode(signature).unwrap()).unwrap();
        sequence.push(event["metadata"]["sequence"].clone());
    }
    assert_eq!(sequence, expected, "each once, in order");
    stage.gateway.stop().await;
}

#[tokio::test]
async fn how_far_a_sink_is_behind_is_told_while_it_is_away() {
    // Of one whose connections break, and of one that holds records back.
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sinks = format!(
        "{{ type: syslog, url: \"tcp://{gone}\" }}, {{ type: s3, url: \"http://{gone}/bucket\", region: x, access_key: a, secret_key: b, every: 1s }}"
    );
    let stage = Stage::with(&sinks).await;
    stage.ada.call("search", json!({ "q": "grace" })).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    for sink in ["syslog", "s3"] {
        let metric = async |name: &str| stage.gateway.metric(&format!("{name}{{sink=\"{sink}\"}}")).await;
        for _ in 0..5 {
            assert!(metric("yett_export_lag_seconds").await >= 2.0, "{sink}");
            assert!(metric("yett_export_lag_records").await >= 2.0, "{sink}");
            assert!(metric("yett_export_records_total").await < 1.0, "{sink}");
            let ready = String::from_utf8(stage.gateway.health("/readyz").await.body).unwrap();
            assert!(ready.contains(&format!("records do not reach the sink `{sink}`")), "{ready}");
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
    stage.gateway.stop().await;
}

#[tokio::test]
async fn an_answer_that_was_kept_back_is_denied_in_every_event_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    let stage = Stage::of(&format!("{{ type: file, path: {} }}", path.display()), "injection: { results: block }\n").await;
    stage.ada.call("page", json!({})).await;
    stage.delivered(&["file"]).await;
    let events: Vec<Value> = super::lines(&path).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about: Vec<&Value> = events
        .iter()
        .filter(|event| {
            event["metadata"]["event_code"] == "call.outcome" && event["api"]["response"]["error"] != Value::Null
                || event["class_uid"] == 2004
        })
        .collect();
    assert!(about.len() >= 2, "{events:#?}");
    for event in about {
        assert_eq!((&event["action"], &event["disposition"]), (&json!("Denied"), &json!("Blocked")), "{event:#}");
    }
    stage.gateway.stop().await;
}

#[tokio::test]
async fn splunk_has_a_record_once_an_indexer_says_so_and_gets_it_again_where_none_does() {
    // The first batch is taken and its indexer never says a word; then the collector forgets it (code 7: no such channel).
    let (address, requests) = collector(|before, request| {
        if request.target.starts_with("/services/collector/ack?channel=") {
            return match before {
                0..=2 => (200, json!({ "acks": { "0": false } }).to_string()),
                3 => (400, json!({ "text": "Invalid data channel", "code": 11 }).to_string()),
                _ => {
                    let asked: Value = serde_json::from_slice(&request.body).unwrap();
                    let id = asked["acks"][0].as_u64().unwrap().to_string();
                    (200, json!({ "acks": { id: true } }).to_string())
                }
            };
        }
        (200, json!({ "text": "Success", "code": 0, "ackId": before }).to_string())
    });
    let stage = Stage::with(&format!("{{ type: splunk, url: \"http://{address}\", bearer: a-token }}")).await;
    stage.ordinary_day().await;
    let exported = async {
        while requests.lock().len() < 6 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        stage.delivered(&["splunk"]).await;
    };
    crate::support::within("everything to arrive", exported).await;
    let records = log(&stage.gateway.records(&all()));
    let requests = requests.lock().clone();
    assert!(requests.iter().all(|request| request.headers["authorization"] == "Splunk a-token"), "{requests:?}");
    assert!(requests.iter().all(|request| request.headers["x-splunk-request-channel"].len() == 36), "{requests:?}");
    let sent: Vec<&Request> = requests.iter().filter(|request| request.target == "/services/collector/event").collect();
    assert_eq!(sent[0].body, sent[1].body, "what no indexer has comes again");
    let mut indices = Vec::new();
    for request in &sent[1..] {
        for event in serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>() {
            let event = event.unwrap();
            assert_eq!((&event["source"], &event["sourcetype"]), (&json!("yett"), &json!("yett:audit")));
            let uid = event["fields"]["uid"].as_str().unwrap();
            assert_eq!(uid, event["event"]["metadata"]["uid"]);
            assert!(event["time"].as_f64().unwrap() > 1.7e9, "{event}");
            if let Ok(index) = uid.trim_start_matches("test.localhost/audit/r1/").parse::<u64>() {
                indices.push(index);
            }
        }
    }
    assert_eq!(indices, records.into_keys().collect::<Vec<_>>(), "each once, in order");
    stage.gateway.stop().await;
}
