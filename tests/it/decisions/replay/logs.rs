//! Logs as they are after months: in several segments, some of them compressed, and written under several policies.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;
use yett::audit::Filter;

use super::{counts, replay};
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

const DAY: i64 = 86_400;

/// By its arguments, and by the time at which it was asked.
const POLICY: &str = "version: 1
roles: { staff: { allow: [{ servers: [crm], tools: [\"*\"] }] } }
bindings: [{ role: staff, groups: [staff] }]
rules:
  - { name: big, deny: { servers: [crm], tools: [add] }, when: 'arguments.a > 10' }
  - { name: half, deny: { servers: [crm], tools: [half] }, when: 'now.getMilliseconds() < 500' }
";

/// Asks three things some times; how many.
async fn ask(client: &Client, times: usize) -> u64 {
    for number in 0..times {
        client.call("add", json!({ "a": number, "b": 1 })).await;
        client.call("half", json!({})).await;
        client.call("echo", json!({ "text": "x" })).await;
    }
    3 * times as u64
}

fn segments(data: &Path) -> Vec<String> {
    let names = fs::read_dir(data.join("audit/test.localhost/r1/seg")).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_log_in_several_segments_compressed_and_not_is_replayed_from_its_first_decision_to_its_last() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &upstream, "capture: full").policy(POLICY).await;
    let key = gateway.key("ada", &["staff"]).await;
    let mut count = ask(&gateway.modern("crm", &key), 14).await;
    for _ in 0..2 {
        // What is older than a day is sealed.
        gateway.clock.advance(DAY + 3_600);
        count += ask(&gateway.modern("crm", &key), 14).await;
    }
    let folder = gateway.data().parent().unwrap().to_owned();
    let data = gateway.data();
    assert!(segments(&data).len() >= 3, "{:?}", segments(&data));
    let (output, plain) = replay(&folder, &[]).await;
    assert_eq!((output.status.code(), counts(&plain)), (Some(0), [count, 0, 0]), "{plain:#}");

    // A start finds sealed segments and compresses them, the newest never.
    let gateway = gateway.stop_and_verify().await.start().await;
    let is_compressed = |name: &String| name.ends_with(".jsonl.zst");
    eventually("compressed segments", || {
        let names = segments(&data);
        names.iter().all(|name| is_compressed(name) || Some(name) == names.last()).then_some(())
    })
    .await;
    assert!(!is_compressed(segments(&data).last().unwrap()));
    count += ask(&gateway.modern("crm", &key), 2).await;
    let (output, told) = replay(&folder, &[]).await;
    assert_eq!((output.status.code(), counts(&told)), (Some(0), [count, 0, 0]), "{told:#}");

    let draft = POLICY.replace("arguments.a > 10", "arguments.a > 12");
    fs::create_dir(folder.join("draft")).unwrap();
    fs::write(folder.join("draft/0.yaml"), draft).unwrap();
    let (output, told) = replay(&folder, &["--policies", "draft"]).await;
    // 11 and 12, in each of three segments.
    assert_eq!((output.status.code(), counts(&told)), (Some(1), [count - 6, 0, 6]), "{told:#}");
    let stopped = gateway.stop_and_verify().await;

    // A segment that is none is not passed over in silence.
    let first = data.join("audit/test.localhost/r1/seg").join(&segments(&data)[0]);
    let whole = fs::read(&first).unwrap();
    fs::write(&first, &whole[..whole.len() / 2]).unwrap();
    let (output, told) = replay(stopped.path(), &[]).await;
    let [same, ..] = counts(&told);
    assert!(output.status.code() == Some(2) && same < count, "{told:#}");
}

#[tokio::test]
async fn records_of_before_and_after_a_reload_are_all_judged_by_one_policy() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &upstream, "capture: full").policy(POLICY).await;
    let client = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let asked = ask(&client, 14).await;
    let folder = gateway.data().parent().unwrap().to_owned();
    let later = POLICY.replace("arguments.a > 10", "arguments.a > 12").replace("tools: [half]", "tools: [echo]");
    fs::create_dir(folder.join("before")).unwrap();
    fs::copy(folder.join("policies/0.yaml"), folder.join("before/0.yaml")).unwrap();
    fs::write(folder.join("policies/0.yaml"), &later).unwrap();
    assert!(gateway.running.reload("signal").await.unwrap().changed);
    assert_eq!(ask(&client, 14).await, asked);

    let records = |kind: &str| gateway.records(&Filter { kinds: vec![kind.to_owned()], ..Filter::default() });
    let decisions = records("call.decision");
    let mut policies: Vec<_> = decisions.iter().map(|record| record["dec"]["policy"].to_string()).collect();
    policies.dedup();
    assert_eq!((policies.len(), decisions.len() as u64), (2, 2 * asked));
    let changed = records("policy.change")[0]["t"].as_str().unwrap().to_owned();

    // Of each part its own policy changes nothing.
    for (bound, more) in [("--until", &["--policies", "before"][..]), ("--since", &[])] {
        let (output, told) = replay(&folder, &[&[bound, &changed], more].concat()).await;
        assert_eq!((output.status.code(), counts(&told)), (Some(0), [asked, 0, 0]), "{told:#}");
    }
    // Of what the other has decided exactly what the two say differently: that is known of each record by itself.
    let early = |record: &Value| record["dec"]["policy"] == decisions[0]["dec"]["policy"];
    let denied = |name: &str, is_early: bool| {
        let of = decisions.iter().filter(|record| early(record) == is_early && record["what"]["name"] == name);
        of.filter(|record| record["dec"]["effect"] == "deny").count() as u64
    };
    let is_in_first_half = |record: &Value| {
        let call: Uuid = record["call"].as_str().unwrap().parse().unwrap();
        let (_, nanos) = call.get_timestamp().unwrap().to_unix();
        nanos < 500_000_000
    };
    let echoes =
        decisions.iter().filter(|record| early(record) && record["what"]["name"] == "echo" && is_in_first_half(record)).count()
            as u64;
    let (_, told) = replay(&folder, &[]).await;
    let expected = 2 + denied("half", true) + echoes;
    assert_eq!(counts(&told), [2 * asked - expected, 0, expected], "{told:#}");
    let halves =
        decisions.iter().filter(|record| !early(record) && record["what"]["name"] == "half" && is_in_first_half(record)).count()
            as u64;
    let (_, told) = replay(&folder, &["--policies", "before"]).await;
    let expected = 2 + denied("echo", false) + halves;
    assert_eq!(counts(&told), [2 * asked - expected, 0, expected], "{told:#}");
    gateway.stop_and_verify().await;
}
