//! `yett audit verify` and `yett audit show`.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;

use super::http::{call, send};
use super::process::Home;

/// A stopped gateway whose log holds one refusal of each kind below, and the call id of the last.
fn with_a_log() -> (Home, String) {
    let home = Home::new("127.0.0.1:9".parse::<SocketAddr>().unwrap());
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve();
    send(serving.listener, "POST /mcp/crm", &[], "{}");
    call(serving.listener, "mail", &secret, "delete_mail");
    let allowed = call(serving.listener, "crm", &secret, "get_customer");
    let id = allowed.header("yett-call").expect("every answer names its record").to_owned();
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    (home, id)
}

fn shown(home: &Home, filters: &[&str]) -> Vec<Value> {
    let arguments: Vec<_> = ["audit", "show", "data", "--json"].iter().chain(filters).copied().collect();
    home.done(&arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn kinds(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["kind"].as_str().unwrap()).collect()
}

#[test]
fn an_intact_log_is_unanchored_until_somebody_accepts_that() {
    let (home, _) = with_a_log();
    for path in ["data", "data/audit", "data/audit/cli.localhost/r1"] {
        let verified = home.run(&["audit", "verify", path]);
        assert_eq!(verified.code, Some(3), "{path}: {}{}", verified.out, verified.err);
        assert!(verified.out.contains("unanchored"), "{}", verified.out);
        home.done(&["audit", "verify", path, "--accept-unanchored"]);
    }
    let json = home.done(&["audit", "verify", "data", "--json", "--accept-unanchored"]);
    let report: Value = serde_json::from_str(&json).unwrap();
    assert!(report.to_string().contains("unanchored"), "{report}");
}

#[test]
fn verifying_writes_nothing() {
    let (home, _) = with_a_log();
    let before = home.data_files();
    home.run(&["audit", "verify", "data"]);
    home.run(&["audit", "show", "data"]);
    assert_eq!(home.data_files(), before);
}

#[test]
fn a_flipped_byte_is_told_with_its_record() {
    let (home, id) = with_a_log();
    let segment = home.path("data/audit/cli.localhost/r1/seg/0000000000000.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    for (index, line) in good.lines().enumerate() {
        let at = good.find(line).unwrap() + line.find("\"kind\":\"").unwrap() + 8;
        let mut bytes = good.clone().into_bytes();
        bytes[at] ^= 1;
        fs::write(&segment, &bytes).unwrap();
        let verified = home.run(&["audit", "verify", "data", "--accept-unanchored"]);
        assert_eq!(verified.code, Some(1), "record {index}: {}", verified.out);
        assert!(verified.out.contains(&format!("tampered: record {index}:")), "record {index}: {}", verified.out);
    }
    fs::write(&segment, good.replace(&id, &id.replace('0', "1"))).unwrap();
    assert_eq!(home.run(&["audit", "verify", "data"]).code, Some(1));
    fs::write(&segment, &good).unwrap();
    assert_eq!(home.run(&["audit", "verify", "data"]).code, Some(3), "the restored log is intact again");
}

#[test]
fn a_log_without_its_end_is_tampered_with() {
    let (home, _) = with_a_log();
    let segment = home.path("data/audit/cli.localhost/r1/seg/0000000000000.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    let (kept, _) = good.trim_end().rsplit_once('\n').unwrap();
    fs::write(&segment, format!("{kept}\n")).unwrap();
    let verified = home.run(&["audit", "verify", "data"]);
    assert_eq!(verified.code, Some(1), "{}", verified.out);
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "a gateway goes on writing a log that was cut: {}", refused.err);
}

#[test]
fn what_is_not_there_ends_with_four() {
    let (home, _) = with_a_log();
    for path in ["nowhere", "policies", "yett.yaml"] {
        let verified = home.run(&["audit", "verify", path]);
        assert_eq!((verified.code, verified.out.as_str()), (Some(4), ""), "{path}: {}", verified.err);
        assert!(verified.err.starts_with("error: "), "{path}: {}", verified.err);
    }
    assert_eq!(home.run(&["audit", "show", "nowhere"]).code, Some(2));
}

#[test]
fn filters_select_records() {
    let (home, id) = with_a_log();
    let all = shown(&home, &[]);
    assert_eq!(all, home.records());
    assert_eq!(
        kinds(&all),
        [
            "key.rotate",
            "admin",
            "stop",
            "key.rotate",
            "start",
            "call.decision",
            "call.decision",
            "call.decision",
            "call.outcome",
            "stop"
        ],
        "{all:#?}"
    );
    assert_eq!(
        kinds(&shown(&home, &["--kind", "call"])),
        ["call.decision"; 3].into_iter().chain(["call.outcome"]).collect::<Vec<_>>()
    );
    assert_eq!(kinds(&shown(&home, &["--kind", "admin", "--kind", "stop"])), ["admin", "stop", "stop"]);
    assert_eq!(kinds(&shown(&home, &["--call", &id])), ["call.decision", "call.outcome"]);
    assert_eq!(shown(&home, &["--server", "mail"]), all[6..7]);
    assert_eq!(shown(&home, &["--effect", "deny"]), all[5..7]);
    assert_eq!(shown(&home, &["--effect", "allow"]), all[7..8]);
    assert_eq!(shown(&home, &["--limit", "2"]), all[..2]);
    assert_eq!(shown(&home, &["--tail", "1"]), all[9..]);
    assert_eq!(shown(&home, &["--kind", "call.outcome", "--effect", "deny"]), [Value::Null; 0]);
    let middle = all[5]["t"].as_str().unwrap();
    let (before, after) = (shown(&home, &["--to", middle]), shown(&home, &["--from", middle]));
    assert_eq!([before.len(), after.len()].iter().sum::<usize>(), all.len());
    assert!(after.contains(&all[5]) && !before.contains(&all[5]), "`--from` is inclusive, `--to` is not");
    assert_eq!(home.run(&["audit", "show", "data", "--from", "yesterday"]).code, Some(2));
}

#[test]
fn records_are_lines_for_people_by_default() {
    let (home, _) = with_a_log();
    let text = home.done(&["audit", "show", "data", "--effect", "deny", "--server", "mail"]);
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains(" call.decision deny tools/call mail/delete_mail "), "{text}");
    assert!(text.contains("dec.reason=unknown_target"), "{text}");
}

#[test]
fn of_several_logs_the_worst_is_told_whatever_the_order() {
    let (home, _) = with_a_log();
    let logs = home.path("data/audit/cli.localhost");
    let copied = std::process::Command::new("cp").arg("-a").arg(logs.join("r1")).arg(logs.join("r0")).status().unwrap();
    assert!(copied.success());
    let verify = || home.run(&["audit", "verify", "data", "--accept-unanchored"]);
    let good = verify();
    assert_eq!(good.code, Some(0), "{}", good.out);
    assert!(good.out.contains("its directory is that of the log `cli.localhost/audit/r0`"), "{}", good.out);
    assert_eq!(good.out.matches("its directory").count(), 1, "{}", good.out);

    // A directory in the place of the segments' list cannot be read as one: neither root nor anybody else can.
    for broken in ["r0", "r1"] {
        let (seg, aside) = (logs.join(broken).join("seg"), logs.join(broken).join("aside"));
        fs::rename(&seg, &aside).unwrap();
        fs::write(&seg, "no directory").unwrap();
        let unread = verify();
        assert_eq!(unread.code, Some(4), "{broken}: {}", unread.out);
        assert!(unread.out.contains("unreadable: cannot read") && unread.out.contains("unanchored"), "{}", unread.out);
        let json = home.run(&["audit", "verify", "data", "--json"]);
        assert_eq!(serde_json::from_str::<Value>(&json.out).unwrap()["exit"], 4, "{}", json.out);

        let other = logs.join(if broken == "r0" { "r1" } else { "r0" }).join("seg/0000000000000.jsonl");
        let text = fs::read(&other).unwrap();
        fs::write(&other, &text[..text.len() / 2]).unwrap();
        assert_eq!(verify().code, Some(1), "what was tampered with is worse than what cannot be read");
        fs::write(&other, &text).unwrap();
        fs::remove_file(&seg).unwrap();
        fs::rename(&aside, &seg).unwrap();
    }
    assert_eq!(verify().code, Some(0));
}

#[test]
fn a_copy_of_the_newest_head_that_is_another_is_told() {
    let (home, _) = with_a_log();
    let log = home.path("data/audit/cli.localhost/r1");
    let copy = log.join("checkpoint");
    let good = fs::read_to_string(&copy).unwrap();
    let told = || home.done(&["audit", "verify", "data", "--accept-unanchored"]);
    assert!(!told().contains("`checkpoint`"), "{}", told());
    let heads = fs::read_to_string(log.join("checkpoints/0000000000000.notes")).unwrap();
    let (text, rest) = heads.split_once("\n\n").unwrap();
    let first = format!("{text}\n\n{}\n", rest.split_once("\n\n").unwrap().0);
    for (shown, words) in [
        (first, "`checkpoint` shows 1 records"),
        (good.replace("\n\n", "\nmore\n\n"), "is no head"),
        (good.replace("r1\n1", "r1\n9"), "is not the newest head"),
        (String::new(), "is no head"),
    ] {
        fs::write(&copy, shown).unwrap();
        assert!(told().contains(words), "no `{words}`: {}", told());
    }
    fs::write(&copy, good).unwrap();
    assert!(!told().contains("`checkpoint`"));
}
