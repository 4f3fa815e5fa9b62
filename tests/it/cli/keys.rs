//! `yett keys`: on a running gateway and on a stopped one.

use super::http::call;
use super::process::{Finished, Home, Serving, made};

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

/// Whether the gateway takes this secret for a caller's.
fn works(serving: &Serving, secret: &str) -> bool {
    match call(serving.listener, "crm", secret, "unknown").status {
        200 => true,
        401 => false,
        other => panic!("neither known nor unknown: {other}"),
    }
}

fn online(home: &Home, arguments: &[&str]) -> Finished {
    let all: Vec<_> = ["keys", "--config", "operator.yaml"].iter().chain(arguments).copied().collect();
    home.run(&all)
}

/// The statuses that `keys list` shows, by id.
fn listed(out: &str) -> Vec<(String, String)> {
    let list: serde_json::Value = serde_json::from_str(out).unwrap();
    let text = |key: &serde_json::Value, name: &str| key[name].as_str().unwrap().to_owned();
    list["keys"].as_array().unwrap().iter().map(|key| (text(key, "id"), text(key, "status"))).collect()
}

/// What nobody may find again once it was shown.
fn assert_nowhere(home: &Home, log: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!log.contains(secret), "a secret is in the log");
        // The secret part alone, without the id that is public.
        let part = secret.rsplit('_').next().unwrap();
        assert!(part.len() > 20, "`{part}` is no secret");
        for (path, bytes) in home.data_files() {
            let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
            assert!(!found, "a secret is in {}", path.display());
        }
        assert!(!log.contains(part), "part of a secret is in the log");
    }
}

#[test]
fn keys_live_and_die_on_a_running_gateway_and_their_secrets_are_nowhere() {
    let home = home();
    let serving = home.serve();
    home.tell_operator(&serving);

    let create = online(&home, &["create", "--json", "--subject", "ada", "--group", "sales", "--expires", "90d"]);
    assert_eq!(create.code, Some(0), "{}", create.err);
    let (id, first) = made(&create.out);
    assert!(first.starts_with(&format!("yett_{id}_")), "{first}");
    assert!(works(&serving, &first), "a new key is refused");

    let list = online(&home, &["list", "--json"]);
    assert_eq!(listed(&list.out), [(id.clone(), "active".to_owned())]);
    let shown = online(&home, &["list"]);
    assert!(shown.out.contains(&id) && shown.out.contains("ada") && shown.out.contains("sales"), "{}", shown.out);
    assert!(!list.out.contains(&first) && !shown.out.contains(&first), "a secret is shown twice");

    let rotate = online(&home, &["rotate", "--json", &id]);
    let (same, second) = made(&rotate.out);
    assert_eq!(same, id, "a rotated key is the same key");
    assert!(!works(&serving, &first), "the old secret still works");
    assert!(works(&serving, &second), "the new secret is refused");
    let (_, third) = made(&online(&home, &["rotate", "--json", &id, "--overlap", "24h"]).out);
    assert_eq!([works(&serving, &second), works(&serving, &third)], [true, true], "both are good for the overlap");
    let shown: serde_json::Value = serde_json::from_str(&online(&home, &["list", "--json"]).out).unwrap();
    let key = &shown["keys"][0];
    assert!(key["last_used"].is_string() && key["former_secret"]["last_used"].is_string(), "{key}");
    let shown = online(&home, &["list"]);
    assert!(shown.out.contains("its former secret is good until"), "{}", shown.out);
    let too_long = online(&home, &["rotate", &id, "--overlap", "91d"]);
    assert!(too_long.code == Some(2) && too_long.err.contains("up to `90d`"), "{}", too_long.err);

    let revoke = online(&home, &["revoke", &id]);
    assert_eq!(revoke.code, Some(0), "{}", revoke.err);
    assert_eq!([works(&serving, &second), works(&serving, &third)], [false, false], "a revoked key works");
    let all = listed(&online(&home, &["list", "--json"]).out);
    assert_eq!(all, [(id.clone(), "revoked".to_owned())]);
    let gone = online(&home, &["rotate", &id]);
    assert!(gone.code == Some(2) && gone.err.contains("was revoked"), "{}", gone.err);

    let unknown = online(&home, &["revoke", "nosuchkey"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.err);
    let odd = online(&home, &["revoke", "../switches/all"]);
    assert!(odd.code == Some(2) && odd.err.contains("is not a key id"), "{}", odd.err);

    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_nowhere(&home, &log, &[&first, &second, &third]);
    let records = home.records();
    let acts: Vec<_> = records.iter().filter(|record| record["kind"] == "admin").map(|record| &record["what"]).collect();
    let told: Vec<_> = acts.iter().map(|act| (act["act"].as_str().unwrap(), act["target"].as_str().unwrap())).collect();
    let told: Vec<_> = told.into_iter().filter(|(act, _)| *act != "login.refuse").collect();
    let expected = ["key.create", "key.rotate", "key.rotate", "key.revoke"].map(|act| (act, &*id));
    assert_eq!(told, expected, "each act is one record about its key");
    assert_eq!([&acts[1]["overlap"], &acts[2]["overlap"]], [0, 86_400], "{acts:#?}");
}

#[test]
fn keys_live_and_die_on_a_stopped_gateway_too() {
    let home = home();
    let (id, first) = home.key_offline("ada");
    let (other, kept) = home.key_offline("bob");
    let (_, second) = made(&home.done(&["keys", "--offline", "--json", "rotate", &id, "--overlap", "1h"]));
    home.done(&["keys", "--offline", "revoke", &other]);
    assert_eq!(home.run(&["keys", "--offline", "revoke", "nosuchkey"]).code, Some(2));
    let statuses = listed(&home.done(&["keys", "--offline", "--json", "list"]));
    let expected = [(id, "active"), (other, "revoked")].map(|(id, status)| (id, status.to_owned()));
    assert_eq!(statuses, expected, "oldest first");

    let serving = home.serve();
    assert_eq!([works(&serving, &first), works(&serving, &second), works(&serving, &kept)], [true, true, false]);
    let (_, log) = serving.terminate();
    assert_nowhere(&home, &log, &[&first, &second, &kept]);
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
    let records = home.records();
    assert!(records.iter().all(|record| record["kind"] != "recovery"), "a command looks like a crash: {records:#?}");
}

#[test]
fn a_secret_alone_is_on_standard_output() {
    let home = home();
    let made = home.run(&["keys", "--offline", "create", "--subject", "ada"]);
    assert_eq!(made.code, Some(0), "{}", made.err);
    assert_eq!(made.out.lines().count(), 1, "a script would take more than the secret: {}", made.out);
    assert!(made.out.starts_with("yett_") && !made.err.contains(made.out.trim()), "{}", made.err);
}

#[test]
fn a_key_for_a_server_that_is_not_there_is_not_made_and_check_tells_which_are_due() {
    let home = home();
    let create = |more: &[&str]| {
        let all: Vec<_> = ["keys", "--offline", "--json", "create", "--subject", "ada"].iter().chain(more).copied().collect();
        home.run(&all)
    };
    let refused = create(&["--server", "crn"]);
    assert!(refused.code == Some(2) && refused.err.contains("no server is called `crn`"), "{}", refused.err);
    let key = create(&["--server", "crm", "--role", "operator", "--expires", "12h"]).out;
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let key = &key["key"];
    assert_eq!((&key["servers"][0], &key["roles"][0], &key["status"]), (&"crm".into(), &"operator".into(), &"due".into()));
    assert_eq!(create(&[]).code, Some(0));

    let check = home.run(&["check"]);
    let warning = format!("the API key `{}` is refused from ", key["id"].as_str().unwrap());
    assert!(check.code == Some(0) && check.err.contains(&warning), "{}", check.err);
    assert_eq!(check.err.matches("the API key `").count(), 1, "of a key of today nothing is said: {}", check.err);
    let json = home.run(&["check", "--json"]).out;
    assert!(json.contains(&warning), "{json}");
}

#[test]
fn an_expired_key_is_refused() {
    let home = home();
    let expires = "2020-01-01T00:00:00Z";
    let out = home.done(&["keys", "--offline", "--json", "create", "--subject", "ada", "--group", "sales", "--expires", expires]);
    let (_, secret) = made(&out);
    let serving = home.serve();
    assert!(!works(&serving, &secret), "an expired key works");
    let bad = home.run(&["keys", "--offline", "create", "--subject", "ada", "--expires", "soon"]);
    assert_eq!(bad.code, Some(2), "{}", bad.out);
}

#[test]
fn without_a_gateway_the_commands_say_what_to_do() {
    let home = home();
    let serving = home.serve();
    home.tell_operator(&serving);
    serving.terminate();
    let refused = online(&home, &["list"]);
    assert_eq!(refused.code, Some(2), "{}", refused.out);
    assert!(refused.err.contains("--offline"), "{}", refused.err);
}

#[test]
fn aud_054_who_comes_to_the_admin_api_without_its_token_is_recorded_once_a_second() {
    let home = home();
    let serving = home.serve();
    for token in ["wrong", "wrong too"] {
        for _ in 0..5 {
            let refused = super::http::send(serving.admin, "GET /v1/keys", &[("Authorization", &format!("Bearer {token}"))], "");
            assert_eq!(refused.status, 401);
        }
    }
    let told = || -> Vec<u64> {
        let records = home.records();
        let refused = records.iter().filter(|record| record["what"]["act"] == "login.refuse");
        refused.map(|record| record["what"]["n"].as_u64().unwrap()).collect()
    };
    assert_eq!(told()[0], 1, "the first is on disk before it is answered");
    assert_eq!(serving.terminate().0, Some(0));
    let told = told();
    assert_eq!(told.iter().sum::<u64>(), 10, "{told:?}");
    assert!(told.len() < 6, "{told:?}");
}
