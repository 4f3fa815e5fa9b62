//! `yett audit search`.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::http::{call, send};
use super::process::Home;

/// A stopped gateway that has refused two messages and allowed one, whose id is told.
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

fn search(home: &Home, filters: &[&str]) -> Value {
    let arguments: Vec<_> = ["audit", "search", "data", "--json"].iter().chain(filters).copied().collect();
    serde_json::from_str(&home.done(&arguments)).unwrap()
}

fn kinds(found: &Value) -> Vec<&str> {
    found["records"].as_array().unwrap().iter().map(|record| record["kind"].as_str().unwrap()).collect()
}

#[test]
fn the_newest_come_first_a_page_at_a_time() {
    let (home, _) = with_a_log();
    let all = search(&home, &["--oldest"]);
    let stored = home.records();
    assert_eq!(kinds(&all), stored.iter().map(|record| record["kind"].as_str().unwrap()).collect::<Vec<_>>());
    assert_eq!((all["indexed"].as_u64(), all["log"].as_u64()), (Some(stored.len() as u64), Some(stored.len() as u64)));
    let page = search(&home, &["--limit", "3"]);
    assert_eq!(kinds(&page), ["stop", "call.outcome", "call.decision"]);
    let next = page["next"].to_string();
    let rest = search(&home, &["--after", &next]);
    assert_eq!(kinds(&rest).len(), stored.len() - 3);
    assert_eq!(rest["next"], Value::Null);
    let paged = home.run(&["audit", "search", "data", "--limit", "3"]);
    assert_eq!(paged.out.lines().count(), 3, "{}", paged.out);
    assert_eq!(paged.err, format!("there are more: --after {next}\n"));
}

#[test]
fn filters_select_and_count() {
    let (home, id) = with_a_log();
    assert_eq!(kinds(&search(&home, &["--server", "mail"])), ["call.decision"]);
    assert_eq!(kinds(&search(&home, &["--effect", "deny", "--since", "1h"])).len(), 2);
    assert_eq!(kinds(&search(&home, &["--effect", "deny", "--until", "1h"])).len(), 0);
    assert_eq!(kinds(&search(&home, &["--tool", "get_customer", "--rule", "role:analyst"])), ["call.decision"]);
    assert_eq!(kinds(&search(&home, &["--call", &id])), ["call.decision", "call.outcome"]);
    assert_eq!(kinds(&search(&home, &["--kind", "admin", "--kind", "start"])), ["start", "admin"]);
    assert_eq!(home.done(&["audit", "search", "data", "--effect", "deny", "--count"]), "2 records, 2 messages\n");
    let line = home.done(&["audit", "search", "data", "--server", "mail"]);
    assert!(line.contains(" call.decision deny tools/call mail/delete_mail reason=unknown_target "), "{line}");
}

#[test]
fn a_call_is_told_as_a_story() {
    let (home, id) = with_a_log();
    let story = home.done(&["audit", "search", "data", "--call", &id]);
    let lines: Vec<_> = story.lines().collect();
    assert_eq!(lines.len(), 4, "{story}");
    assert!(lines[0].starts_with("from 20") && lines[0].ends_with("2 records of 1 calls"), "{story}");
    assert!(lines[1].starts_with(&format!("call {id} principal=")), "{story}");
    assert!(lines[2].contains("+0.000 ms  #") && lines[2].contains("decision  allow tools/call crm/get_customer"), "{story}");
    assert!(lines[3].contains("outcome   upstream_failed") && lines[3].contains(" after="), "{story}");
}

#[test]
fn a_live_log_is_searched_beside_its_gateway() {
    let home = Home::new("127.0.0.1:9".parse::<SocketAddr>().unwrap());
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve_quietly();
    for number in 1..=20 {
        let id = call(serving.listener, "crm", &secret, "get_customer").header("yett-call").unwrap().to_owned();
        assert_eq!(kinds(&search(&home, &["--call", &id])).len(), 2);
        assert_eq!(kinds(&search(&home, &["--kind", "call.decision"])).len(), number);
    }
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("index"), "the gateway and the command were in each other's way: {log}");
    assert_eq!(kinds(&search(&home, &["--kind", "call.decision"])).len(), 20);
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
}

#[test]
fn what_cannot_be_searched_ends_with_two_and_a_reason() {
    let (home, _) = with_a_log();
    for (arguments, reason) in [
        (&["audit", "search", "nowhere"][..], "cannot read"),
        (&["audit", "search", "policies"], "no audit log"),
        (&["audit", "search", "data", "--since", "yesterday"], "2h"),
        (&["audit", "search", "data", "--limit", "0"], "1 to 1,000"),
        (&["audit", "search", "data", "--after", "\u{1b}[2J"], "--after \\u{1b}[2J"),
    ] {
        let refused = home.run(arguments);
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{arguments:?}: {}", refused.err);
        assert!(refused.err.contains(reason) && !refused.err.contains('\u{1b}'), "{arguments:?}: {}", refused.err);
    }
    fs::create_dir_all(home.path("data/audit/cli.localhost/r2/seg")).unwrap();
    let several = home.run(&["audit", "search", "data"]);
    assert_eq!(several.code, Some(2));
    assert!(several.err.contains("cli.localhost/r1") && several.err.contains("cli.localhost/r2"), "{}", several.err);
}

#[test]
fn a_log_that_cannot_be_written_to_is_searched_with_an_index_elsewhere() {
    let (home, id) = with_a_log();
    let log = home.path("data/audit/cli.localhost/r1");
    for entry in fs::read_dir(&log).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("index.db") {
            fs::remove_file(path).unwrap();
        }
    }
    // Also for root, who may write everywhere: a directory in its place.
    fs::create_dir(log.join("index.db")).unwrap();
    let before = home.data_files();
    let refused = home.run(&["audit", "search", "data"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.err.contains("--index FILE"), "{}", refused.err);
    assert_eq!(kinds(&search(&home, &["--call", &id, "--index", "elsewhere.db"])).len(), 2);
    assert_eq!(home.data_files(), before, "something was written to the log's folder");
    let mode = fs::metadata(home.path("elsewhere.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_made_up_log_cannot_write_to_the_terminal() {
    let (home, _) = with_a_log();
    let segment = home.path("data/audit/cli.localhost/r1/seg/0000000000000.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, good.replace("delete_mail", "\\u001b[2J\u{202e}\u{9b}31m")).unwrap();
    for arguments in
        [&["audit", "search", "data"][..], &["audit", "search", "data", "--json"], &["audit", "search", "data", "--oldest"]]
    {
        let finished = home.run(arguments);
        assert_eq!(finished.code, Some(0), "{}", finished.err);
        assert!(finished.out.contains("2J"), "{}", finished.out);
        for line in finished.out.lines().chain(finished.err.lines()) {
            assert!(!line.contains(|c: char| c.is_control() || c == '\u{202e}'), "{arguments:?}: {line:?}");
        }
        assert!(finished.out.contains("\"damaged\":") || finished.err.contains("damaged at record"), "{}", finished.err);
    }
}
