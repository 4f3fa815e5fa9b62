//! Files of lines: every record once, in each format, by the schemas that others have published.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Stage, all, lines, log, times};
use crate::peers::parts;
use crate::support::{eventually, within};

const SINKS: &str = "{ name: raw, type: file, path: raw.jsonl, format: native }, { name: ocsf, type: file, path: ocsf.jsonl }, \
                     { name: ecs, type: file, path: ecs.jsonl, format: ecs }, { name: cef, type: file, path: out.cef, format: cef }, \
                     { name: pseudonyms, type: file, path: pseudonyms.jsonl, identities: false }";

fn run(mut command: Command, arguments: &[&Path]) -> Value {
    let output = command.args(arguments).output().unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/parts"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn every_record_is_in_the_files_once_in_every_format_and_each_is_what_its_published_schema_says() {
    let stage = Stage::with(SINKS).await;
    stage.ordinary_day().await;
    stage.delivered(&["raw", "ocsf", "ecs", "cef", "pseudonyms"]).await;
    let path = stage.gateway.data().parent().unwrap().to_owned();
    let records = log(&stage.gateway.records(&all()));

    // The log as it is.
    let raw = lines(&path.join("raw.jsonl"));
    let own: Vec<&String> = raw.iter().filter(|line| line.contains("\"i\":")).collect();
    assert_eq!(own.len(), records.len());
    assert!(own.iter().zip(records.values()).all(|(line, record)| serde_json::from_str::<Value>(line).unwrap() == *record));
    assert!(times(&raw).values().all(|times| *times == 1));
    let began: Vec<&Value> =
        records.values().filter(|record| record["what"]["act"] == "sink").map(|record| &record["what"]).collect();
    assert_eq!(began.len(), 5, "that each began is on record");
    assert_eq!(*began[1], json!({ "act": "sink", "format": "ocsf", "identities": "resolved", "target": "ocsf", "type": "file" }));

    let checked = run(parts::siem_python("ocsf.py"), &[&path.join("ocsf.jsonl")]);
    assert_eq!(checked["wrong"], json!([]), "{checked}");
    let classes: Vec<&str> = checked["counts"].as_object().unwrap().keys().map(String::as_str).collect();
    for class in ["2004", "2006", "3002", "3004", "6002", "6003"] {
        assert!(classes.contains(&class), "no event of class {class}: {checked}");
    }
    let checked = run(parts::siem_node("ecs.mjs"), &[&path.join("ecs.jsonl")]);
    assert_eq!(checked["wrong"], json!([]), "{checked}");

    let cef = lines(&path.join("out.cef"));
    assert!(cef.iter().all(|line| line.starts_with("CEF:0|Yett|Yett|")), "{cef:?}");
    let denied = cef.iter().find(|line| line.contains(" reason=unknown_target "));
    let denied = denied.unwrap_or_else(|| panic!("{cef:?}"));
    assert!(
        denied.contains(" request=delete_customer requestMethod=tools/call ")
            && denied.contains(" suser=ada ")
            && denied.contains("|3|rt="),
        "{denied}"
    );
    for index in records.keys() {
        assert!(
            cef.iter().any(|line| line.contains(&format!(" externalId=test.localhost/audit/r1/{index} "))),
            "no record {index}"
        );
    }

    // What an analyst asks for.
    let asked = run(parts::siem_python("query.py"), &[&path.join("ocsf.jsonl")]);
    assert_eq!(asked["denied_by_user"], json!([["ada", 2]]), "one by policy, one by a kill switch: {asked}");
    assert_eq!(asked["tools"], json!([["page", 1], ["search", 1]]), "{asked}");
    assert_eq!(asked["alerts"], json!([["Data Security Finding", 1], ["Detection Finding", 1]]), "{asked}");
    assert_eq!(asked["gaps"], json!([[0]]), "{asked}");

    let pseudonyms = fs::read_to_string(path.join("pseudonyms.jsonl")).unwrap();
    assert!(!pseudonyms.contains("\"ada\""), "who they are was not to be told");
    assert!(fs::read_to_string(path.join("ocsf.jsonl")).unwrap().contains("\"name\":\"ada\""));
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_gateway_that_starts_again_goes_on_where_its_sink_stands() {
    let stage = Stage::with("{ type: file, path: raw.jsonl, format: native }").await;
    stage.ordinary_day().await;
    stage.delivered(&["file"]).await;
    let folder = stage.gateway.stop().await;
    let stopped = log(&folder.records(&all()));
    let gateway = folder.start().await;
    let path = gateway.data().parent().unwrap().join("raw.jsonl");
    let found = eventually("the records of both runs", || {
        let (found, records) = (times(&lines(&path)), log(&gateway.records(&all())));
        (records.len() > stopped.len() && found.keys().eq(records.keys())).then_some(found)
    })
    .await;
    // What was delivered while the first run ended may come again, and nothing before that.
    let twice: Vec<_> = found.iter().filter(|(_, times)| **times > 1).map(|(index, _)| *index).collect();
    assert!(twice.iter().all(|index| *index + 2 > u64::try_from(stopped.len()).unwrap()), "{twice:?} of {}", stopped.len());
    gateway.stop().await;
}

#[tokio::test]
async fn a_sink_that_cannot_be_written_is_told_costs_no_call_and_gets_everything_once_it_can() {
    let stage = Stage::with("{ type: file, path: missing/raw.jsonl, format: native }").await;
    stage.ordinary_day().await;
    let failing = async {
        while stage.gateway.metric("yett_export_failures_total{sink=\"file\",reason=\"file\"}").await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    within("failures that are counted", failing).await;
    let ready = stage.gateway.health("/readyz").await;
    assert_eq!(ready.status, 200, "a copy is no reason to refuse calls");
    let said = String::from_utf8(ready.body).unwrap();
    assert!(said.contains("warning: records do not reach the sink `file`; they wait in the log\n"), "{said}");
    assert!(stage.gateway.metric("yett_export_lag_records{sink=\"file\"}").await > 8.0);
    let root = stage.gateway.data().parent().unwrap().to_owned();
    fs::create_dir(root.join("missing")).unwrap();
    stage.delivered(&["file"]).await;
    let found = times(&lines(&root.join("missing/raw.jsonl")));
    assert_eq!(found.into_keys().collect::<Vec<_>>(), log(&stage.gateway.records(&all())).into_keys().collect::<Vec<_>>());
    stage.gateway.stop().await;
}
