//! `yett audit erase`, `hold` and `expire`: what the log keeps, and what no file keeps.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::http::call;
use super::process::{Finished, Home, Serving};

const SUBJECT: &str = "ada.lovelace@example.com";

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

fn audit(home: &Home, arguments: &[&str]) -> Finished {
    let all: Vec<_> = ["audit"].iter().chain(arguments).copied().collect();
    home.run(&all)
}

/// `audit ACTION` about [`SUBJECT`] on the running gateway.
fn online(home: &Home, action: &str, more: &[&str]) -> Finished {
    about(home, action, &[&["--config", "operator.yaml"], more].concat())
}

fn about(home: &Home, action: &str, more: &[&str]) -> Finished {
    let fixed = [action, "--subject", "api-key", SUBJECT, "--basis", "GDPR 17(1)(b), case 4711", "--approver", "dpo"];
    audit(home, &[&fixed, more].concat())
}

fn done(finished: Finished) -> String {
    assert_eq!(finished.code, Some(0), "{}{}", finished.out, finished.err);
    finished.out
}

/// A gateway with a key of [`SUBJECT`] that has called once, and the key.
fn with_a_caller() -> (Home, Serving, String) {
    let home = home();
    let (_, secret) = home.key_offline(SUBJECT);
    let serving = home.serve();
    home.tell_operator(&serving);
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200);
    (home, serving, secret)
}

fn of_kind(home: &Home, kind: &str) -> Vec<Value> {
    home.records().into_iter().filter(|record| record["kind"] == kind).collect()
}

/// The pseudonym under which the call stands in the log.
fn pseudonym(home: &Home) -> String {
    let decisions = of_kind(home, "call.decision");
    decisions[0]["who"]["sub"].as_str().unwrap().to_owned()
}

fn assert_nowhere(home: &Home, wanted: &[u8]) {
    for (path, bytes) in home.data_files() {
        assert!(!bytes.windows(wanted.len()).any(|part| part == wanted), "{} holds it", path.display());
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn prv_001_an_erased_subject_is_in_no_file_and_the_log_still_verifies() {
    let (home, serving, secret) = with_a_caller();
    let name = pseudonym(&home);
    let before = home.records();
    let out = done(online(&home, "erase", &["--requester", "ticket-9"]));
    assert!(out.contains(&name), "{out}");

    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 401, "the API key is part of the identity");
    let records = of_kind(&home, "erasure");
    assert_eq!(records.len(), 1);
    let what = &records[0]["what"];
    assert_eq!(
        [&what["act"], &what["approver"], &what["basis"], &what["requester"]],
        ["erase", "dpo", "GDPR 17(1)(b), case 4711", "ticket-9"]
    );
    assert_eq!(what["subs"], serde_json::json!([name]));
    assert_nowhere(&home, SUBJECT.as_bytes());
    assert_nowhere(&home, b"lovelace");

    assert_eq!(online(&home, "erase", &[]).code, Some(2), "nobody of that name is left");
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains(SUBJECT), "the log lines name who was erased");
    assert_nowhere(&home, SUBJECT.as_bytes());
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
    assert_eq!(home.records()[..before.len()], before, "leaves stay as they were");
}

#[test]
fn prv_001_a_restored_backup_does_not_bring_anybody_back() {
    let (home, serving, _) = with_a_caller();
    serving.terminate();
    let backup = home.path("backup");
    copy(&home.path("data"), &backup);
    done(about(&home, "erase", &["--offline"]));
    assert_nowhere(&home, SUBJECT.as_bytes());

    // The databases of yesterday; the log of today, which nobody can turn back.
    copy(&backup, &home.path("data"));
    assert!(home.data_files().iter().any(|(_, bytes)| bytes.windows(SUBJECT.len()).any(|part| part == SUBJECT.as_bytes())));
    let serving = home.serve();
    assert_nowhere(&home, SUBJECT.as_bytes());
    home.tell_operator(&serving);
    assert_eq!(online(&home, "erase", &[]).code, Some(2), "there is nobody to erase");
    serving.terminate();
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
}

#[test]
fn prv_001_a_new_log_beside_a_vault_that_is_older_is_read_from_its_first_record() {
    let (home, serving, _) = with_a_caller();
    serving.terminate();
    copy(&home.path("data"), &home.path("backup"));
    fs::remove_dir_all(home.path("data/audit")).unwrap();
    let refused = about(&home, "erase", &["--offline"]);
    assert!(refused.code == Some(2) && refused.err.contains("another `audit.replica`"), "{}", refused.err);
    home.edit("origin: cli.localhost", "origin: cli.localhost, replica: r2");
    done(about(&home, "erase", &["--offline"]));
    copy(&home.path("backup"), &home.path("data"));
    home.serve().terminate();
    assert_nowhere(&home, SUBJECT.as_bytes());
}

#[test]
fn prv_001_killed_at_any_moment_an_erasure_has_happened_or_not_even_begun() {
    let mut recorded = 0;
    // The last are late enough on a machine that has other things to do.
    for pause in [0, 5, 10, 15, 20, 40, 160, 640] {
        let home = home();
        home.key_offline(SUBJECT);
        let serving = home.serve_quietly();
        home.tell_operator(&serving);
        std::thread::scope(|scope| {
            let erasing = scope.spawn(|| online(&home, "erase", &[]));
            std::thread::sleep(std::time::Duration::from_millis(pause));
            serving.signal("KILL");
            let told = erasing.join().unwrap().code == Some(0);
            serving.wait();
            let is_recorded = of_kind(&home, "erasure").len() == 1;
            assert!(is_recorded || !told, "told, and not recorded");
            home.serve_quietly().terminate();
            if is_recorded {
                assert_nowhere(&home, SUBJECT.as_bytes());
                recorded += 1;
            } else {
                done(about(&home, "erase", &["--offline"]));
            }
        });
    }
    assert!(recorded > 0, "no round was late enough to say anything");
}

#[test]
fn prv_005_a_legal_hold_refuses_erasure_until_it_is_released() {
    let (home, serving, secret) = with_a_caller();
    let name = pseudonym(&home);
    done(online(&home, "hold", &[]));
    let refused = online(&home, "erase", &[]);
    assert!(refused.code == Some(2) && refused.err.contains("legal hold"), "{}{}", refused.out, refused.err);
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200, "everything is as it was");
    let refusal = &of_kind(&home, "erasure")[0]["what"];
    assert_eq!([&refusal["act"], &refusal["reason"]], ["refuse", "hold"]);
    assert_eq!(refusal["subs"], serde_json::json!([name]));

    // A restart keeps it.
    serving.terminate();
    let serving = home.serve();
    home.tell_operator(&serving);
    assert_eq!(online(&home, "erase", &[]).code, Some(2));
    done(online(&home, "hold", &["--release"]));
    done(online(&home, "erase", &[]));
    let acts: Vec<_> = of_kind(&home, "hold").iter().map(|record| record["what"]["act"].clone()).collect();
    assert_eq!(acts, ["hold", "release"]);
    serving.terminate();
    assert_nowhere(&home, SUBJECT.as_bytes());
}

#[test]
fn an_operators_words_cannot_carry_the_identity_into_the_log() {
    let (home, serving, _) = with_a_caller();
    for words in ["asked by Ada.Lovelace@example.com", "", "two\nlines", &"x".repeat(257)] {
        let arguments =
            ["erase", "--config", "operator.yaml", "--subject", "api-key", SUBJECT, "--basis", words, "--approver", "dpo"];
        let refused = audit(&home, &arguments);
        assert_eq!(refused.code, Some(2), "{words:?}: {}", refused.out);
    }
    assert_eq!(of_kind(&home, "erasure"), [Value::Null; 0]);
    serving.terminate();
}

#[test]
fn nothing_expires_before_its_time_and_the_command_says_so() {
    let (home, serving, _) = with_a_caller();
    let out = done(audit(&home, &["expire", "--config", "operator.yaml"]));
    assert!(out.contains("nothing is old enough"), "{out}");
    serving.terminate();
    assert_eq!(of_kind(&home, "erasure"), [Value::Null; 0]);
}

#[test]
fn prv_012_files_and_directories_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let (home, serving, _) = with_a_caller();
    done(online(&home, "erase", &[]));
    let mut open = vec![home.path("data")];
    while let Some(path) = open.pop() {
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", path.display());
        if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    serving.terminate();
}

#[test]
fn who_is_behind_a_pseudonym_is_told_while_the_vault_knows_and_each_look_is_a_record() {
    let (home, serving, _) = with_a_caller();
    let name = pseudonym(&home);
    let show = |more: &[&str]| {
        let fixed = ["show", "data", "--config", "operator.yaml", "--kind", "call.decision"];
        done(audit(&home, &[&fixed, more].concat()))
    };
    assert!(!show(&[]).contains(SUBJECT));
    assert_eq!(of_kind(&home, "vault.read"), [Value::Null; 0], "reading the log alone asks no vault");
    let shown = show(&["--reveal"]);
    assert!(shown.trim_end().ends_with(&format!(" {name}=api-key/{SUBJECT}")), "{shown}");
    let json: Value = serde_json::from_str(show(&["--reveal", "--json"]).trim()).unwrap();
    assert_eq!(json["revealed"][&name]["subject"], SUBJECT, "{json}");
    assert_eq!(json["record"], of_kind(&home, "call.decision")[0]);
    let reads = of_kind(&home, "vault.read");
    assert_eq!(reads.len(), 2);
    assert_eq!(reads[0]["what"], serde_json::json!({ "act": "reveal", "requester": "admin", "subs": [name] }));

    done(online(&home, "erase", &[]));
    assert!(!show(&["--reveal"]).contains("lovelace"), "nobody is behind it any more");
    serving.terminate();
}

#[test]
fn all_and_only_the_records_of_a_subject_are_selected() {
    let (home, serving, secret) = with_a_caller();
    let other = super::process::made(&home.done(&[
        "keys",
        "--config",
        "operator.yaml",
        "--json",
        "create",
        "--subject",
        "bob",
        "--group",
        "sales",
    ]));
    call(serving.listener, "crm", &other.1, "get_customer");
    call(serving.listener, "mail", &secret, "delete_mail");
    let name = pseudonym(&home);
    let arguments = ["show", "data", "--config", "operator.yaml", "--json", "--subject", "api-key", SUBJECT];
    let shown = done(audit(&home, &arguments));
    let shown: Vec<Value> = shown.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = shown.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["admin", "call.decision", "call.outcome", "call.decision", "vault.read"], "{shown:#?}");
    let calls: Vec<_> = shown.iter().filter(|record| record["who"]["sub"] == *name).map(|record| &record["call"]).collect();
    assert!(calls.contains(&&shown[2]["call"]), "the outcome belongs to a decision of theirs");
    assert_eq!(of_kind(&home, "call.outcome").len(), 2, "somebody else's is there and not shown");
    serving.terminate();
}

#[test]
fn prv_005_a_vault_from_before_the_hold_learns_of_it_from_the_log() {
    let (home, serving, _) = with_a_caller();
    serving.terminate();
    copy(&home.path("data"), &home.path("backup"));
    done(about(&home, "hold", &["--offline"]));
    copy(&home.path("backup"), &home.path("data"));
    let refused = about(&home, "erase", &["--offline"]);
    assert!(refused.code == Some(2) && refused.err.contains("legal hold"), "{}{}", refused.out, refused.err);
}

#[test]
fn captured_arguments_are_shown_while_their_caller_exists_and_only_if_they_are_what_the_record_names() {
    let home = home();
    home.edit("crm: {", "crm: { capture: full,");
    let (_, secret) = home.key_offline(SUBJECT);
    let serving = home.serve();
    home.tell_operator(&serving);
    let id = call(serving.listener, "crm", &secret, "get_customer").header("yett-call").unwrap().to_owned();
    let content = ["show", "data", "--config", "operator.yaml", "--content", &id];
    assert_eq!(done(audit(&home, &content)).trim(), "{}", "the arguments, byte by byte");
    assert_eq!(of_kind(&home, "vault.read")[0]["what"]["of"], *id);

    // Another call's record is made to name it: what the vault holds is not believed.
    let log = home.path("elsewhere/cli.localhost/r1/seg");
    fs::create_dir_all(&log).unwrap();
    let decision = of_kind(&home, "call.decision").remove(0);
    let hash = decision["what"]["content"].as_str().unwrap();
    fs::write(log.join("0000000000000.jsonl"), decision.to_string().replace(hash, &"0".repeat(64)) + "\n").unwrap();
    let other = audit(&home, &["show", "elsewhere", "--config", "operator.yaml", "--content", &id]);
    assert!(other.code == Some(1) && other.out.is_empty(), "{}{}", other.out, other.err);

    done(online(&home, "erase", &[]));
    let gone = audit(&home, &content);
    assert!(gone.code == Some(1) && gone.out.is_empty() && gone.err.contains("holds nothing"), "{}{}", gone.out, gone.err);
    serving.terminate();
}

#[test]
fn a_new_master_key_changes_nothing_for_callers_and_the_log() {
    let (home, serving, secret) = with_a_caller();
    let name = pseudonym(&home);
    fs::write(home.path("new.key"), [9; 32]).unwrap();
    let running = home.run(&["keys", "--config", "operator.yaml", "rotate-master", "--new", "new.key", "--offline"]);
    assert_eq!(running.code, Some(2), "the gateway runs: {}", running.out);
    serving.terminate();
    let before = fs::read(home.path("data/master.key")).unwrap();
    home.done(&["keys", "rotate-master", "--new", "new.key", "--offline"]);
    assert_eq!(fs::read(home.path("data/master.key")).unwrap(), [9; 32]);

    let serving = home.serve();
    home.tell_operator(&serving);
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200, "API keys still work");
    let subjects: Vec<_> = of_kind(&home, "call.decision").iter().map(|record| record["who"]["sub"].clone()).collect();
    assert_eq!(subjects, [&*name, &*name], "the caller is who it was");
    done(online(&home, "erase", &[]));
    serving.terminate();
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
    let acts = of_kind(&home, "admin");
    assert!(acts.iter().any(|record| record["what"]["act"] == "master.rotate"), "{acts:#?}");

    // Interrupted before `master.key` was replaced: the start says what to do, and a second run does it.
    fs::write(home.path("data/master.key"), before).unwrap();
    let refused = home.run(&["serve"]);
    assert!(refused.code == Some(2) && refused.err.contains("run it again"), "{}", refused.err);
    home.done(&["keys", "rotate-master", "--new", "new.key", "--offline"]);
    assert_eq!(home.serve().terminate().0, Some(0));
}

#[test]
fn an_erased_key_does_not_come_back_with_an_older_copy_of_its_store_alone() {
    let (home, serving, secret) = with_a_caller();
    serving.terminate();
    let (store, kept) = (home.path("data/state.db"), home.path("state.db.kept"));
    fs::copy(&store, &kept).unwrap();
    done(about(&home, "erase", &["--offline"]));
    for name in ["data/state.db-wal", "data/state.db-shm"] {
        let _ = fs::remove_file(home.path(name));
    }
    fs::copy(&kept, &store).unwrap();
    let serving = home.serve();
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 401, "an erased key is good again");
    serving.terminate();
    assert!(!fs::read(&store).unwrap().windows(SUBJECT.len()).any(|part| part == SUBJECT.as_bytes()));
    fs::remove_file(kept).unwrap();
    home.serve().terminate();
    assert_nowhere(&home, SUBJECT.as_bytes());
}

/// The lines of a file of an export.
fn exported(home: &Home, out: &str) -> Vec<String> {
    let text = fs::read_to_string(home.path(out).join("cli.localhost/r1/records.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn prv_008_all_and_only_the_records_of_a_subject_are_exported_each_with_a_proof_and_that_is_recorded() {
    let (home, serving, secret) = with_a_caller();
    let create = ["keys", "--config", "operator.yaml", "--json", "create", "--subject", "bob", "--group", "sales"];
    let other = super::process::made(&home.done(&create)).1;
    call(serving.listener, "crm", &other, "get_customer");
    call(serving.listener, "mail", &secret, "delete_mail");
    let name = pseudonym(&home);
    let told = done(audit(
        &home,
        &["export", "--subject", "api-key", SUBJECT, "--out", "given", "--requester", "dsar-7", "--config", "operator.yaml"],
    ));
    assert!(told.starts_with("4 records in"), "{told}");

    let stored = fs::read_to_string(home.path("data/audit/cli.localhost/r1/seg/0000000000000.jsonl")).unwrap();
    let stored: Vec<&str> = stored.trim_end_matches('\0').lines().collect();
    let given = exported(&home, "given");
    let values: Vec<Value> = given.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = values.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["admin", "call.decision", "call.outcome", "call.decision"], "{values:#?}");
    let export = of_kind(&home, "export").pop().unwrap();
    let left = stored.iter().filter(|line| line.contains(&name) && !given.iter().any(|given| given == *line));
    assert_eq!(left.count(), 1, "only the record of the export itself, which no head of it can count, is left out");
    assert_eq!((&export["what"]["n"], &export["what"]["requester"]), (&4.into(), &"dsar-7".into()), "{export}");
    assert_eq!(export["what"]["subs"], serde_json::json!([name]));

    let subject: Value = serde_json::from_slice(&fs::read(home.path("given/subject.json")).unwrap()).unwrap();
    assert_eq!((&subject["subject"], &subject["pseudonyms"]), (&SUBJECT.into(), &serde_json::json!([name])));
    assert_eq!((&subject["logs"][0]["root"], &subject["logs"][0]["size"]), (&export["what"]["root"], &export["what"]["size"]));
    let key = serde_json::from_str::<Value>(stored[0]).unwrap()["epoch"]["ed25519"].as_str().unwrap().to_owned();
    let place = home.path("given/cli.localhost/r1");
    let epochs = place.join("epochs").display().to_string();
    for (line, record) in given.iter().zip(&values) {
        assert!(stored.contains(&line.as_str()), "not as it is stored: {line}");
        let proof = place.join(format!("proofs/{:013}.tlog-proof", record["i"].as_u64().unwrap()));
        let proof = proof.display().to_string();
        home.done(&["audit", "check-receipt", line, &proof, "--key", &key, "--epochs", &epochs]);
        let forged = line.replace(&name, "0000000000000000");
        if forged != *line {
            let bad = home.run(&["audit", "check-receipt", &forged, &proof, "--key", &key, "--epochs", &epochs]);
            assert_eq!(bad.code, Some(1), "{}{}", bad.out, bad.err);
        }
    }
    assert_eq!(fs::read_dir(place.join("proofs")).unwrap().count(), given.len());

    // Nobody else's, and nobody's.
    let refuse = |subject: &str, out: &str| {
        let refused = audit(&home, &["export", "--subject", "api-key", subject, "--out", out, "--config", "operator.yaml"]);
        assert_eq!(refused.code, Some(2), "{subject}: {}{}", refused.out, refused.err);
        assert!(!home.path(out).exists(), "{subject}");
        refused.err
    };
    assert!(refuse("eve", "nobody").contains("nothing is known"));
    let again = audit(&home, &["export", "--subject", "api-key", SUBJECT, "--out", "given", "--config", "operator.yaml"]);
    assert!(again.code == Some(2) && again.err.contains("exists already"), "{}", again.err);
    serving.terminate();
    home.done(&["audit", "export", "--subject", "api-key", SUBJECT, "--out", "offline", "--offline"]);
    assert_eq!(exported(&home, "offline")[..4], given, "and what has come since");
    done(about(&home, "erase", &["--offline"]));
    let erased = audit(&home, &["export", "--subject", "api-key", SUBJECT, "--out", "gone", "--offline"]);
    assert!(erased.code == Some(2) && !home.path("gone").exists(), "{}{}", erased.out, erased.err);
    let left = fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(left.filter(|name| name.contains(".part")).count(), 0, "something half made is left");
}
