//! What auditors are given: `yett evidence`, who did what, who may do what.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use yett::audit::Filter;
use yett::state::Switch;

use crate::cli::process::{Finished, command, finish};
use crate::peers::parts;
use crate::support::client::Client;
use crate::support::gateway::{Folder, Gateway, POLICY};
use crate::support::reply::Reply;
use crate::support::server::{Upstream, tool};

/// A period with everything in it.
const ALWAYS: [&str; 4] = ["--from", "2000-01-01", "--to", "2100-01-01"];

fn policy() -> String {
    format!("{POLICY}rules: [{{ name: no-deletion, deny: {{ servers: [crm], tools: [delete_customer] }} }}]\n")
}

fn yett(folder: &Folder, arguments: &[&str]) -> Finished {
    finish(command(folder.path()).args(arguments))
}

fn done(finished: Finished) -> String {
    assert_eq!(finished.code, Some(0), "{}{}", finished.out, finished.err);
    finished.out
}

/// Makes a pack; what the command tells of it.
fn make(folder: &Folder, out: &str, more: &[&str]) -> Value {
    let made = yett(folder, &[&["evidence"], &ALWAYS[..], &["--out", out, "--json"], more].concat());
    serde_json::from_str(&done(made)).unwrap()
}

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

fn value(pack: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(pack.join(name)).unwrap()).unwrap()
}

/// Three calls that pass, one that fails, two that a rule refuses, one of nobody, one that is stopped; a reload, a switch, three acts on keys.
async fn ordinary_day() -> Folder {
    let crm = Upstream::start().await;
    crm.set_tools(["search", "broken", "delete_customer"].map(tool));
    crm.on_tool("search", Reply::text("found"));
    crm.on_tool("broken", Reply::error(-32000, "out of order"));
    let gateway = Gateway::start().policy(&policy()).servers([("crm", &crm)]).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    for number in 0..3 {
        assert_eq!(ada.call("search", json!({ "text": number.to_string() })).await.status, 200);
    }
    ada.call("broken", json!({})).await;
    for _ in 0..2 {
        ada.call("delete_customer", json!({})).await;
    }
    let nobody = Client::modern(gateway.address, "crm", "yett_nobody");
    assert_eq!(nobody.call("search", json!({})).await.status, 401);
    let operations = gateway.running.operations();
    let stop = Switch::Server("crm".to_owned());
    operations.switch_for(&stop, true, "drill", "admin").await.unwrap();
    assert_eq!(ada.call("search", json!({})).await.status, 503);
    operations.set_switch(&stop, false, "admin").await.unwrap();
    gateway.key("eve", &[]).await;
    let eve = operations.keys().into_iter().find(|key| &*key.subject == "eve").unwrap();
    operations.revoke_key(&eve.id, "admin").await.unwrap();
    fs::write(gateway.data().parent().unwrap().join("policies/0.yaml"), policy() + "# another\n").unwrap();
    assert!(gateway.running.reload("signal").await.unwrap().changed);
    gateway.stop_and_verify().await
}

#[tokio::test]
async fn cmp_001_every_figure_of_a_pack_is_what_has_happened() {
    let folder = ordinary_day().await;
    let made = make(&folder, "pack", &[]);
    let pack = folder.path().join("pack");
    assert_eq!((&made["verdict"], &made["log"]), (&json!("unanchored"), &json!("test.localhost/audit/r1")));

    let calls = value(&pack, "calls.json");
    let figures = ["messages", "allowed", "tool_calls", "errors", "records"].map(|name| calls[name].as_u64().unwrap());
    let records = folder.records(&Filter::default());
    assert_eq!(figures, [8, 4, 7, 1, records.len() as u64], "{calls:#}");
    let denied = &calls["denied"];
    assert_eq!((&denied["total"], &denied["counted_together"]), (&json!(4), &json!(0)));
    assert_eq!(denied["by_reason"], json!({ "killed": 1, "unauthenticated": 1, "unknown_target": 2 }));
    assert_eq!(calls["outcomes"]["by_status"], json!({ "error": 1, "ok": 3 }));
    let crm = &calls["servers"]["crm"];
    assert_eq!((&crm["allowed"], &crm["denied"]["total"], &crm["errors"]), (&json!(4), &json!(4), &json!(1)), "{crm:#}");
    let uptime = &calls["uptime"];
    assert_eq!(["starts", "stops", "crashes"].map(|name| uptime[name].as_u64().unwrap()), [1, 1, 0]);
    assert!(uptime["up_ms"].as_i64() <= uptime["observed_ms"].as_i64() && uptime["down_ms"] == 0, "{uptime:#}");

    let history = value(&pack, "policy-history.json");
    let reload = records.iter().find(|record| record["kind"] == "policy.change").unwrap();
    let told = history["changes"]["listed"].as_array().unwrap();
    let told = told.iter().find(|change| change["act"] == "reload").unwrap();
    for member in ["before", "after", "by"] {
        assert_eq!(told[member], reload["what"][member], "{told}");
    }
    assert_eq!((&history["at_end"]["policy"], &told["record"]), (&reload["what"]["after"], &reload["i"]));
    let actions = value(&pack, "admin-actions.json");
    let figures = ["keys", "switches", "reloads", "approvals", "erasures"].map(|name| actions[name].as_u64().unwrap());
    assert_eq!(figures, [3, 2, 1, 0, 0], "{actions:#}");
    let keys = value(&pack, "keys.json");
    assert_eq!((keys["api_keys"].as_array().unwrap().len(), &keys["api_keys_in_use"]), (2, &json!(1)), "{keys:#}");
    assert_eq!(value(&pack, "alerts.json")["total"], 0);
    let matrix = value(&pack, "access-matrix.json");
    assert_eq!((&matrix["policy"], &matrix["in_force"]["same"]), (&reload["what"]["after"], &json!(true)));
    // What was called is in it, though the policy names it by a pattern alone.
    let search = matrix["tools"].as_array().unwrap().iter().find(|row| row["tool"] == "search").unwrap();
    assert_eq!(search["callers"]["group staff"]["rule"], "role:all", "{search:#}");

    let report = folder.report();
    let manifest = value(&pack, "manifest.json");
    assert_eq!(manifest["log"]["size"].as_u64(), report.logs[0].head, "{manifest:#}");
    assert_eq!(manifest["log"]["root"].as_str(), report.logs[0].root.as_deref());
    for row in value(&pack, "mapping.json")["rows"].as_array().unwrap() {
        for figure in row["supports"].as_array().unwrap() {
            let found = value(&pack, figure["file"].as_str().unwrap());
            assert_eq!(found.pointer(figure["figure"].as_str().unwrap()), Some(&figure["value"]), "{figure}");
        }
    }
    let page = fs::read_to_string(pack.join("report.html")).unwrap();
    assert!(page.contains(manifest["log"]["root"].as_str().unwrap()), "{page}");
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"), "{page}");

    make(&folder, "again", &[]);
    assert_eq!(files(&pack), files(&folder.path().join("again")), "the same log and period gave another pack");
}

#[tokio::test]
async fn cmp_001_a_pack_that_was_changed_in_any_file_is_bad() {
    let folder = ordinary_day().await;
    let key = make(&folder, "pack", &[])["key"].as_str().unwrap().to_owned();
    let log_key = folder.report().logs[0].key.clone().unwrap();
    let pack = folder.path().join("pack");
    let check = |key: &str| yett(&folder, &["evidence", "check", "pack", "--key", key, "--log-key", &log_key]);
    let good = done(check(&key));
    assert!(good.starts_with("good: 11 files about "), "{good}");
    assert_eq!(yett(&folder, &["evidence", "check", "pack", "--key", &key]).code, Some(0));
    assert_eq!(check(&log_key).code, Some(1), "the log's key has not signed it");
    let other_log = yett(&folder, &["evidence", "check", "pack", "--key", &key, "--log-key", &key]);
    assert_eq!(other_log.code, Some(1), "{}", other_log.out);
    assert_eq!(yett(&folder, &["evidence", "check", "nowhere", "--key", &key]).code, Some(2));
    assert_eq!(yett(&folder, &["evidence", "check", "pack"]).code, Some(2));

    let originals = files(&pack);
    assert_eq!(originals.len(), 13, "{:?}", originals.keys());
    for (name, bytes) in &originals {
        let path = pack.join(name);
        let mut changed = bytes.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        for bad in [Some(changed), Some([bytes.as_slice(), b"\n"].concat()), Some(Vec::new()), None] {
            match &bad {
                Some(bad) => fs::write(&path, bad).unwrap(),
                None => fs::remove_file(&path).unwrap(),
            }
            let checked = check(&key);
            assert_eq!(checked.code, Some(1), "{name} {:?}: {}{}", bad.map(|bad| bad.len()), checked.out, checked.err);
            assert!(checked.out.contains("bad: "), "{name}: {}", checked.out);
        }
        fs::write(&path, bytes).unwrap();
    }
    fs::write(pack.join("more.json"), "{}").unwrap();
    let more = check(&key);
    assert!(more.code == Some(1) && more.out.contains("`more.json` is not in the manifest"), "{}", more.out);
    fs::remove_file(pack.join("more.json")).unwrap();
    fs::create_dir(pack.join("folder")).unwrap();
    assert_eq!(check(&key).code, Some(1), "a folder is no file of a pack");
    fs::remove_dir(pack.join("folder")).unwrap();
    done(check(&key));
}

#[tokio::test]
async fn no_pack_is_made_of_another_period_twice_or_of_a_log_that_was_changed() {
    let folder = ordinary_day().await;
    let early = ["evidence", "--from", "2000-01-01", "--to", "2000-02-01", "--out", "early"];
    let early = yett(&folder, &early);
    assert!(early.code == Some(2) && early.err.contains("no record"), "{}", early.err);
    for dates in [["2026-02-01", "2026-01-01"], ["yesterday", "2026-01-01"], ["2026-01-01T00:00", "2026-02-01"]] {
        let refused = yett(&folder, &["evidence", "--from", dates[0], "--to", dates[1], "--out", "none"]);
        assert_eq!(refused.code, Some(2), "{dates:?}: {}", refused.err);
    }
    // With a key in a file no secret of the gateway is needed, nor its data folder.
    fs::write(folder.path().join("seed"), [7; 32]).unwrap();
    let by_file = make(&folder, "by-file", &["--key", "seed", "--audit", "data/audit"]);
    let key = by_file["key"].as_str().unwrap();
    done(yett(&folder, &["evidence", "check", "by-file", "--key", key]));
    assert_ne!(Some(key), make(&folder, "by-master", &[])["key"].as_str());
    let twice = yett(&folder, &[&["evidence"], &ALWAYS[..], &["--out", "by-file"]].concat());
    assert!(twice.code == Some(2) && twice.err.contains("exists already"), "{}", twice.err);

    let segment = folder.data().join("audit/test.localhost/r1/seg/0000000000000.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, good.replacen("\"effect\":\"deny\"", "\"effect\":\"none\"", 1)).unwrap();
    let bad = yett(&folder, &[&["evidence"], &ALWAYS[..], &["--out", "bad"]].concat());
    assert!(bad.code == Some(1) && bad.err.contains("does not verify"), "{}{}", bad.out, bad.err);
    assert!(!folder.path().join("bad").exists());
}

#[tokio::test]
async fn cmp_002_who_used_which_tool_on_which_record_is_complete_and_comes_out_of_a_bundle_again() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &crm, "capture: full").await;
    let (ada, bob) = (gateway.key("ada", &["staff"]).await, gateway.key("bob", &["staff"]).await);
    let (ada, bob) = (gateway.modern("crm", &ada), gateway.modern("crm", &bob));
    let mut used = BTreeMap::new();
    for number in 0..6 {
        let record = json!({ "id": format!("c-{}", number % 3) });
        bob.call("get_customer", record.clone()).await;
        let tool = if number % 2 == 0 { "get_customer" } else { "list_orders" };
        used.insert(ada.call(tool, record.clone()).await.call(), (tool, record));
    }
    let folder = gateway.stop_and_verify().await;

    let since = ["--from", "2000-01-01T00:00:00Z", "--kind", "call.decision"];
    let show = [&["audit", "show", "data", "--offline", "--json", "--subject", "api-key", "ada"], &since[..]].concat();
    let shown = done(yett(&folder, &show));
    let shown: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let found = shown.iter().map(|record| record["call"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found, used.keys().cloned().collect::<BTreeSet<_>>(), "all and only what ada has asked");
    for decision in &shown {
        let call = decision["call"].as_str().unwrap();
        let (tool, record) = &used[call];
        assert_eq!(decision["what"]["name"], *tool);
        let content = done(yett(&folder, &["audit", "show", "data", "--offline", "--content", call]));
        assert_eq!(serde_json::from_str::<Value>(&content).unwrap(), *record);
    }

    let last = (folder.records(&Filter::default()).len() - 1).to_string();
    done(yett(&folder, &["audit", "bundle", "data", "--from", "0", "--to", &last, "-o", "bundle"]));
    let bundle = folder.path().join("bundle");
    let verified = parts::reference("verify_log.py").arg(&bundle).output().unwrap();
    assert_eq!(verified.status.code(), Some(3), "{}", String::from_utf8_lossy(&verified.stdout));
    let principal = shown[0]["who"]["sub"].as_str().unwrap();
    let again = [
        &["audit", "search", "bundle", "--json", "--oldest", "--limit", "1000", "--index", "bundle.db"],
        &["--kind", "call.decision", "--principal", principal][..],
    ];
    let again: Value = serde_json::from_str(&done(yett(&folder, &again.concat()))).unwrap();
    let listed = |records: &[Value], index: &str, tool: &str| {
        let row = |record: &Value| (record[index].clone(), record["call"].clone(), record.pointer(tool).cloned());
        records.iter().map(row).collect::<Vec<_>>()
    };
    assert_eq!(listed(again["records"].as_array().unwrap(), "index", "/name"), listed(&shown, "i", "/what/name"));
}

/// The tools of every server where access is sampled.
const TOOLS: [&str; 6] = ["get_one", "list_all", "put_one", "set_name", "purge", "send"];

const SERVERS: [&str; 3] = ["crm", "files", "mail"];

const ACCESS: &str = r#"version: 1
roles:
  reader: { allow: [{ servers: [crm, files], tools: [get_one, list_all] }] }
  writer: { inherits: [reader], allow: [{ servers: [crm], tools: [put_one, "set_*"] }] }
  mailer: { allow: [{ servers: [mail], tools: ["*"] }] }
  root: { allow: [{ servers: ["*"], tools: ["*"] }] }
bindings:
  - { role: reader, issuers: [api-key], subjects: [ada, bob] }
  - { role: writer, issuers: [api-key], subjects: [bob, eve] }
  - { role: mailer, issuers: [api-key], subjects: [eve, dan] }
  - { role: root, groups: [admins] }
rules:
  - { name: nobody-purges, deny: { servers: ["*"], tools: [purge] } }
  - { name: mail-is-not-written, deny: { servers: [mail], tools: [put_one] } }
"#;

/// The next number of a generator that begins the same every time (`SplitMix64`), below `most`.
fn next(seed: &mut u64, most: usize) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from((z ^ (z >> 31)) % most as u64).unwrap()
}

#[tokio::test]
async fn cmp_007_the_access_matrix_matches_1000_sampled_live_decisions() {
    let upstream = Upstream::start().await;
    let operations = TOOLS.map(|tool| format!("{tool}: {{ operation: write }}")).join(", ");
    let mut builder = Gateway::start().policy(ACCESS);
    for server in SERVERS {
        builder = builder.server(server, &upstream, &format!("tools: {{ {operations} }}"));
    }
    let gateway = builder.await;
    let mut callers = Vec::new();
    for subject in ["ada", "bob", "eve", "dan", "nobody"] {
        callers.push((format!("issuer api-key, subject {subject}"), gateway.key(subject, &[]).await));
    }
    callers.push(("group admins".to_owned(), gateway.key("root", &["admins"]).await));
    let (mut seed, mut asked) = (7, BTreeMap::new());
    for number in 0..1_000 {
        let (who, key) = &callers[next(&mut seed, callers.len())];
        let (server, tool) = (SERVERS[next(&mut seed, SERVERS.len())], TOOLS[next(&mut seed, TOOLS.len())]);
        // No call is like another: those would be refused for being too many.
        let call = gateway.modern(server, key).call(tool, json!({ "text": number.to_string() })).await.call();
        asked.insert(call, (who.clone(), server, tool));
    }
    let folder = gateway.stop_and_verify().await;
    make(&folder, "pack", &[]);
    let matrix = value(&folder.path().join("pack"), "access-matrix.json");
    let rows = matrix["tools"].as_array().unwrap();
    assert_eq!(rows.len(), SERVERS.len() * TOOLS.len(), "{matrix:#}");

    let decisions = folder.records(&Filter { kinds: vec!["call.decision".to_owned()], ..Filter::default() });
    let mut decided = BTreeMap::<(String, Option<String>), u32>::new();
    for decision in decisions {
        let (who, server, tool) = &asked[decision["call"].as_str().unwrap()];
        let row = rows.iter().find(|row| row["server"] == *server && row["tool"] == *tool).unwrap();
        let cell = row["callers"].get(who);
        let expected = cell.map_or((json!("deny"), Value::Null), |cell| (cell["effect"].clone(), cell["rule"].clone()));
        let live = (decision["dec"]["effect"].clone(), decision["dec"]["rule"].clone());
        assert_eq!(live, expected, "{who}: {server}/{tool}: {decision}");
        let (effect, rule) = (live.0.as_str().unwrap().to_owned(), live.1.as_str().map(str::to_owned));
        *decided.entry((effect, rule)).or_default() += 1;
    }
    assert_eq!(decided.values().sum::<u32>(), 1_000);
    for rule in ["role:reader", "role:writer", "role:mailer", "role:root", "rule:nobody-purges", "rule:mail-is-not-written"] {
        assert!(decided.keys().any(|(_, by)| by.as_deref() == Some(rule)), "nothing was decided by {rule}: {decided:?}");
    }
}
