//! What retention removes, and what it does not: by the policy, by an operator, by hand, and by a clock that is wrong.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::{Value, json};
use yett::admin::{Operations, Order, PrivacyError, PruneOrder, Stores};
use yett::audit::{Disk, Draft, Filter, Kind, Log, Options, catch_up};
use yett::clock::{Clock, SystemClock};
use yett::master_key::{EPOCH_KEYS, MasterKey};
use yett::state::ApiKeys;
use yett::vault::{Identity, Vault};

use crate::cli::process::Home;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

const DAY: i64 = 86_400;

#[derive(Debug)]
struct Then(Mutex<Timestamp>);

impl Clock for Then {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// Puts a log into a data directory that was written from `since` on, a run a day, about a caller `subject`; its segments are small.
fn write_log(data: &Path, origin: &str, since: Timestamp, runs: i64, subject: &str) {
    fs::create_dir_all(data).unwrap();
    let clock = Arc::new(Then(Mutex::new(since)));
    for run in 0..runs {
        let seal = MasterKey::open(None, data).unwrap().sealing(EPOCH_KEYS).unwrap();
        let options = Options { segment_bytes: 20_000, ..Options::new(data.join("audit"), origin, "r1", seal) };
        let (log, _) = Log::open(options, Arc::new(Disk), Arc::clone(&clock) as Arc<_>).unwrap();
        for call in 0..200 {
            let mut decision = Draft::new(Kind::CallDecision);
            decision.text("call", &format!("c-{run}-{call}")).object("dec", |dec| {
                dec.text("effect", "deny");
            });
            decision.object("who", |who| {
                who.text("sub", subject);
            });
            let receipt = log.append(decision);
            // Not all in one batch, which is in one segment.
            if call % 25 == 24 {
                receipt.wait().unwrap();
            }
        }
        log.append_last(Draft::new(Kind::Stop)).wait().unwrap();
        log.close();
        let mut now = clock.0.lock();
        *now = now.checked_add(SignedDuration::from_secs(DAY)).unwrap();
    }
    catch_up(&data.join("audit").join(origin).join("r1")).unwrap();
}

fn segments(log: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(log.join("seg")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.contains("tmp"));
    names.sort();
    names
}

fn first_of(segment: &str) -> u64 {
    segment.split('.').next().unwrap().parse().unwrap()
}

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

fn report(home: &Home) -> (Option<i32>, Value) {
    let verified = home.run(&["audit", "verify", "--json", "data"]);
    (verified.code, serde_json::from_str(&verified.out).unwrap())
}

#[test]
fn aud_062_after_pruning_by_policy_verify_names_range_and_record_and_after_one_more_segment_is_removed_it_is_tampered() {
    let home = home();
    write_log(&home.path("data"), "cli.localhost", "2018-03-01T12:00:00Z".parse().unwrap(), 6, "p-1");
    let log = home.path("data/audit/cli.localhost/r1");
    // The policy: what was written on the last two of six days stays.
    let kept = Timestamp::now().duration_since("2018-03-05T00:00:00Z".parse().unwrap()).as_hours() / 24;
    home.edit("audit: { origin", &format!("audit: {{ retention: {kept}d, origin"));
    let before = segments(&log);
    let lines = home.records();

    // A dry run tells and changes nothing.
    let told = home.done(&["audit", "prune", "--offline"]);
    assert!(told.contains("would be removed") && told.contains("from 2018-03-01T12:00:00.000000Z to 2018-03-0"), "{told}");
    assert!(segments(&log).starts_with(&before));
    let younger = home.run(&["audit", "prune", "--offline", "--before", "2026-01-01T00:00:00Z", "--apply"]);
    assert_eq!(younger.code, Some(2), "{}", younger.out);
    assert!(younger.err.contains("`audit.retention` keeps everything from"), "{}", younger.err);
    let some = home.done(&["audit", "prune", "--offline", "--before", "2018-03-02T12:00:00Z"]);
    assert!(segments(&log).starts_with(&before));

    let told = home.done(&["audit", "prune", "--offline", "--apply"]);
    let left = segments(&log);
    assert!(left.len() < before.len() / 2 && !left.contains(&before[0]), "{left:?}");
    assert_ne!(told, some);
    let (code, found) = report(&home);
    let found = &found["logs"][0];
    assert_eq!((code, &found["verdict"]), (Some(2), &json!("gaps")), "{found}");
    let first: u64 = first_of(&left[0]);
    assert_eq!((&found["first"], &found["pruned"]), (&json!(first), &json!(first)));
    // Some segments at a time, each with a record of its own: together they say all of it.
    let said = home.done(&["audit", "show", "--json", "--kind", "prune", "data"]);
    let (mut from, gaps) = (0, found["gaps"]["listed"].as_array().unwrap());
    assert_eq!(said.lines().count(), gaps.len());
    for (line, gap) in said.lines().zip(gaps) {
        let said: Value = serde_json::from_str(line).unwrap();
        let what = &said["what"];
        assert_eq!((&what["reason"], &what["requester"], &what["from"]), (&json!("policy"), &json!("admin"), &json!(from)));
        let to = what["to"].as_u64().unwrap();
        assert_eq!(gap["meaning"], format!("records {from} to {} were pruned, as this record says", to - 1));
        assert_eq!(gap["index"], said["i"]);
        assert!(told.contains(&said["i"].to_string()), "{told}");
        from = to;
    }
    assert_eq!(from, first);

    // Proofs for what was kept, and for what was not: whoever has its bytes can still show them.
    let key = found["key"].as_str().unwrap();
    for index in [first, first + 7, 3] {
        let (name, text) = (index.to_string(), lines[usize::try_from(index).unwrap()].to_string());
        home.done(&["audit", "prove", "data", &name, "-o", "proof", "--epochs", "epochs"]);
        home.write("record", &text);
        home.done(&["audit", "check-receipt", "record", "proof", "--key", key, "--epochs", "epochs"]);
    }
    // It is continued.
    assert_eq!(home.serve_quietly().terminate().0, Some(0));
    assert_eq!(report(&home).0, Some(2));
    assert_eq!(first_of(&segments(&log)[0]), first_of(&left[0]));

    let left = segments(&log);
    fs::remove_file(log.join("seg").join(&left[0])).unwrap();
    let (code, found) = report(&home);
    let found = &found["logs"][0];
    assert_eq!((code, &found["fault"]["index"]), (Some(1), &json!(first)), "{found}");
    assert!(found["fault"]["meaning"].as_str().unwrap().contains("no `prune` record under a head covers them"), "{found}");
}

#[test]
fn a_running_gateway_compresses_and_prunes_by_itself_and_serves_meanwhile() {
    let home = home();
    write_log(&home.path("data"), "cli.localhost", "2018-03-01T12:00:00Z".parse().unwrap(), 3, "p-1");
    let log = home.path("data/audit/cli.localhost/r1");
    home.edit("audit: { origin", "audit: { retention: 30d, origin");
    let before = segments(&log);
    let serving = home.serve_quietly();
    for _ in 0..600 {
        if segments(&log).len() < before.len() / 2 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    home.tell_operator(&serving);
    let told = home.done(&["audit", "prune", "--config", "operator.yaml", "--apply"]);
    assert!(told.contains("the two newest segments always stay") || told.contains("full tiles"), "{told}");
    assert_eq!(serving.terminate().0, Some(0));
    let left = segments(&log);
    assert!(left.len() < before.len() / 2, "{left:?}");
    let (code, found) = report(&home);
    assert_eq!(code, Some(2), "{found}");
    let said = home.done(&["audit", "show", "--json", "--kind", "prune", "data"]);
    assert!(said.lines().next().unwrap().contains("\"requester\":\"retention\""), "{said}");
}

#[tokio::test]
async fn aud_027_a_clock_that_jumps_ahead_and_returns_prunes_nothing() {
    let upstream = Upstream::start().await;
    // The one key of this test is used ten years after it was made.
    let old_keys = "identity: { api_keys: { max_age: 36525d } }\n";
    let gateway = Gateway::start().servers([("crm", &upstream)]).config_extra(old_keys);
    let now = Timestamp::now().checked_sub(SignedDuration::from_secs(20 * DAY)).unwrap();
    let data = gateway.folder().join("data");
    // It waits for the disk, which a thread of the runtime must not.
    tokio::task::spawn_blocking(move || write_log(&data, "test.localhost", now, 5, "p-1")).await.unwrap();
    let log = gateway.folder().join("data/audit/test.localhost/r1");
    let gateway = gateway.await;
    let key = gateway.key("ada", &["staff"]).await;
    let privacy = gateway.running.operations().privacy();

    gateway.clock.advance(3_653 * DAY);
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    gateway.ended(&answer.call()).await;
    assert!(!privacy.prune_in_time().await.unwrap());
    let order = |apply| PruneOrder { before: None, from: None, apply, trust_clock: false, requester: "operator".into() };
    for apply in [false, true] {
        let refused = privacy.prune(&order(apply)).await;
        assert!(matches!(refused, Err(PrivacyError::Clock)), "{refused:?}");
    }
    gateway.clock.advance(-3_653 * DAY);
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    gateway.ended(&answer.call()).await;
    assert!(!privacy.prune_in_time().await.unwrap());
    let nothing = privacy.prune(&order(true)).await.unwrap();
    assert!(nothing.removal.is_none(), "{nothing:?}");
    assert_eq!(first_of(&segments(&log)[0]), 0, "the oldest segment is gone");

    let records = gateway.records(&Filter::default());
    let of_kind = |kind: &str| records.iter().filter(|record| record["kind"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!(of_kind("clock.step").len(), 2);
    let told: Vec<_> = of_kind("prune").iter().map(|record| record["what"].clone()).collect();
    assert_eq!(told, [json!({ "act": "refuse", "reason": "clock", "requester": "operator" })]);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_054_an_operators_word_for_the_clock_is_a_record_before_anything_is_done_by_it() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &upstream)]).await;
    let privacy = gateway.running.operations().privacy();
    gateway.clock.advance(40 * DAY);
    // Nothing is old enough, and the word counts from now on all the same.
    let order = PruneOrder { before: None, from: None, apply: false, trust_clock: true, requester: "ops".into() };
    assert!(privacy.prune(&order).await.unwrap().removal.is_none());
    gateway.clock.advance(40 * DAY);
    assert_eq!(privacy.expire(true, "dpo").await.unwrap(), None);
    let acts = gateway.records(&Filter { kinds: vec!["admin".into()], ..Filter::default() });
    let acts: Vec<_> = acts.iter().map(|record| &record["what"]).filter(|what| what["act"] == "clock.trust").collect();
    let act = |requester: &str| json!({ "act": "clock.trust", "requester": requester, "target": "clock" });
    assert_eq!(acts, [&act("ops"), &act("dpo")]);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_054_without_a_log_nothing_is_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let (data, now) = (dir.path().to_owned(), Timestamp::now());
    let since = now.checked_sub(SignedDuration::from_secs(20 * DAY)).unwrap();
    // It waits for the disk, which a thread of the runtime must not.
    let opening = tokio::task::spawn_blocking(move || {
        write_log(&data, "test.localhost", since, 5, "p-1");
        let seal = MasterKey::open(None, &data).unwrap().sealing(EPOCH_KEYS).unwrap();
        let options = Options::new(data.join("audit"), "test.localhost", "r1", seal);
        Log::open(options, Arc::new(Disk), Arc::new(SystemClock)).unwrap().0
    });
    let log = Arc::new(opening.await.unwrap());
    let master = MasterKey::open(None, dir.path()).unwrap();
    let (keys, switches) = ApiKeys::open(dir.path(), &master).await.unwrap();
    let vault = Arc::new(Vault::open(dir.path(), &master).await.unwrap());
    let (keys, switches, keep) = (Arc::new(keys), Arc::new(switches), Duration::from_hours(24));
    let logs = dir.path().join("audit");
    let stores = Stores { log: Arc::clone(&log), keys, switches, vault, logs: logs.clone(), keep, keep_log: keep };
    let operations = Operations::open(stores, Arc::new(SystemClock)).await.unwrap();
    let privacy = operations.privacy();
    let order = |apply| PruneOrder { before: None, from: None, apply, trust_clock: false, requester: "operator".into() };
    assert!(privacy.prune(&order(false)).await.unwrap().removal.is_some(), "there is nothing to prune");

    let before = segments(&logs.join("test.localhost/r1"));
    tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    let refused = privacy.prune(&order(true)).await;
    assert!(matches!(refused, Err(PrivacyError::NotRecorded(_))), "{refused:?}");
    assert_eq!(segments(&logs.join("test.localhost/r1")), before);
}

#[tokio::test]
async fn a_legal_hold_keeps_the_records_of_somebody_until_it_is_lifted() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start()
        .servers([("crm", &upstream)])
        .config_extra("audit: { origin: test.localhost, retention: 30d, vault: { keep: 2557d } }")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let answer = gateway.modern("crm", &key).call("echo", json!({})).await;
    let name = gateway.ended(&answer.call()).await[0]["who"]["sub"].as_str().unwrap().to_owned();
    let who = || Identity { issuer: "api-key".into(), subject: "ada".into() };
    let hold = || Order { who: who(), basis: "case 7".into(), approver: "dpo".into(), requester: "test".into() };
    gateway.running.operations().privacy().hold(&hold(), true).await.unwrap();
    // Some days of records, each with segments of its own, and then a month.
    let mut folder = gateway.stop_and_verify().await;
    for _ in 0..4 {
        let gateway = folder.start().await;
        let ada = gateway.modern("crm", &key);
        for _ in 0..80 {
            ada.call("echo", json!({})).await;
        }
        let clock = Arc::clone(&gateway.clock);
        folder = gateway.stop_and_verify().await;
        clock.advance(2 * DAY);
    }
    let gateway = folder.start().await;
    let log = gateway.data().join("audit/test.localhost/r1");
    eventually("the tiles are not made", || fs::metadata(log.join("tile/0/001")).ok()).await;
    gateway.clock.advance(32 * DAY);
    let privacy = gateway.running.operations().privacy();
    let order = |trust_clock| PruneOrder { before: None, from: None, apply: true, trust_clock, requester: "operator".into() };
    assert!(matches!(privacy.prune(&order(false)).await, Err(PrivacyError::Clock)), "in no time");
    let refused = privacy.prune(&order(true)).await.unwrap();
    assert!(refused.removal.is_none() && refused.record.is_none(), "{refused:?}");
    assert!(refused.stopped.to_string().contains(&format!("is about {name}, who is under a legal hold")), "{}", refused.stopped);
    let told = gateway.records(&Filter { kinds: vec!["prune".into()], ..Filter::default() });
    assert_eq!(told.last().unwrap()["what"]["reason"], "hold", "{told:?}");

    privacy.hold(&hold(), false).await.unwrap();
    let pruned = privacy.prune(&order(false)).await.unwrap();
    assert!(pruned.removal.is_some_and(|removal| removal.segments > 1), "{:?}", pruned.stopped);
    // The order to hold and to release is still to be read.
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("yett_audit_segment_failures 0"), "{metrics}");
    let folder = gateway.stop().await;
    assert_eq!(folder.report().verdict().as_str(), "gaps", "{}", folder.report().to_json());
    folder.start().await.stop().await;
}
