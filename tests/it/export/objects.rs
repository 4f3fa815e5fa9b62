//! Object storage with object lock: moto's S3, which is silent for a while again and again, and a gateway that is restarted.

use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::{Stage, Sufferer, all, log, times};
use crate::peers::parts;
use crate::support::moto::Moto;

impl Sufferer for Moto {
    /// What it holds is in its memory alone, so it is not killed: it hangs, and nobody gets an answer.
    async fn kill(&mut self) {
        self.signal(Signal::STOP);
    }

    async fn restart(&mut self) {
        self.signal(Signal::CONT);
    }
}

/// The SDK of AWS.
fn sdk(arguments: &[&str]) -> String {
    let script = parts::repository().join("tests/siem/objects.py");
    let done = Command::new(parts::identity("python")).arg("-B").arg(script).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn sink(moto: &Moto) -> String {
    format!(
        "{{ type: s3, url: \"{}/evidence/yett\", region: eu-central-1, access_key: test, secret_key: test, format: native, \
         lock: compliance, retain: 365d, every: 1s, size: 64KiB }}",
        moto.url()
    )
}

/// What an auditor finds.
fn found(moto: &Moto) -> Vec<String> {
    sdk(&["check", &moto.url(), "evidence", "yett/"]).lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn objects_are_whole_locked_and_without_a_gap_whatever_the_store_goes_through() {
    let mut moto = Moto::start().await;
    sdk(&["make", &moto.url(), "evidence", "locked"]);
    let stage = Stage::with(&sink(&moto)).await;
    stage.ordinary_day().await;
    stage.call_while_it_suffers(&mut moto, 8).await;
    // What waits for an object's worth is put when the gateway stops, and it goes on from there.
    let folder = stage.gateway.stop_and_verify().await;
    let gateway = folder.start().await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    for _ in 0..20 {
        ada.call("search", serde_json::json!({ "q": "grace" })).await;
    }
    gateway.metric_is("yett_export_lag_records{sink=\"s3\"}", 0.0).await;
    let folder = gateway.stop_and_verify().await;
    let records = log(&folder.records(&all()));
    let lines = found(&moto);
    let times = times(&lines);
    assert_eq!(times.keys().collect::<Vec<_>>(), records.keys().collect::<Vec<_>>());
    for line in &lines {
        let said: Value = serde_json::from_str(line).unwrap();
        if let Some(index) = said["i"].as_u64() {
            assert_eq!(said, records[&index]);
        }
    }
}

#[tokio::test]
async fn a_bucket_without_object_lock_takes_nothing_and_that_is_told() {
    let moto = Moto::start().await;
    sdk(&["make", &moto.url(), "evidence", "plain"]);
    let stage = Stage::with(&sink(&moto)).await;
    stage.ada.call("search", serde_json::json!({ "q": "grace" })).await;
    let refused = "yett_export_failures_total{sink=\"s3\",reason=\"refused\"}";
    let told = async {
        while stage.gateway.metric(refused).await < 2.0 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    crate::support::within("refusals that are counted", told).await;
    stage.gateway.stop().await;
}
