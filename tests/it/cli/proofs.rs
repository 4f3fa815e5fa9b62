//! `yett audit prove`, `check-receipt`, `verify-note`, `compare`, `bundle` and `repair`.

use std::fs;
use std::net::SocketAddr;

use serde_json::Value;
use yett::tlog::{Checkpoint, Hash, ProofFile};

use super::http::call;
use super::process::{Home, eventually};

const LOG: &str = "data/audit/cli.localhost/r1";

/// A stopped gateway that ran more than once, and the lines of its log.
fn with_a_log() -> (Home, Vec<String>) {
    let home = Home::new("127.0.0.1:9".parse::<SocketAddr>().unwrap());
    let (_, secret) = home.key_offline("ada");
    for _ in 0..2 {
        let serving = home.serve_quietly();
        for _ in 0..20 {
            call(serving.listener, "mail", &secret, "delete_mail");
        }
        assert_eq!(serving.terminate().0, Some(0));
    }
    let lines = lines(&home);
    (home, lines)
}

fn lines(home: &Home) -> Vec<String> {
    let text = fs::read_to_string(home.path(LOG).join("seg/0000000000000.jsonl")).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The verifier key of epoch 0, as `verify` tells an auditor.
fn first_key(home: &Home) -> String {
    let report = home.done(&["audit", "verify", "data", "--json", "--accept-unanchored"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    report["logs"][0]["key"].as_str().unwrap().to_owned()
}

#[test]
fn aud_040_a_proof_made_here_is_checked_there_and_no_changed_one_passes() {
    let (home, lines) = with_a_log();
    let key = first_key(&home);
    for index in [0, 7, lines.len() - 1] {
        let number = index.to_string();
        home.done(&["audit", "prove", "data", &number, "-o", "record.tlog-proof", "--epochs", "epochs"]);
        let proof = fs::read_to_string(home.path("record.tlog-proof")).unwrap();
        assert_eq!(home.done(&["audit", "prove", LOG, &number]), proof);
        home.write("record", &format!("{}\n", lines[index]));
        let check = |record: &str, proof: &str, key: &str| {
            home.run(&["audit", "check-receipt", record, proof, "--key", key, "--epochs", "epochs"])
        };
        for record in ["record", lines[index].as_str()] {
            let checked = check(record, "record.tlog-proof", &key);
            assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
            assert!(checked.out.contains("cli.localhost/audit/r1"), "{}", checked.out);
        }
        home.write("policy", &format!("log {key}\nquorum none\n"));
        home.done(&["audit", "check-receipt", "record", "record.tlog-proof", "--policy", "policy", "--epochs", "epochs"]);

        // An implementation that we did not write takes it too.
        let read = ProofFile::parse(proof.as_bytes()).unwrap();
        let head = Checkpoint::parse(read.checkpoint.unverified_text()).unwrap();
        let theirs = |hash: &Hash| tlog_tiles::Hash(*hash.as_bytes());
        let (path, leaf) = (read.hashes.iter().map(theirs).collect::<Vec<_>>(), Hash::leaf(lines[index].as_bytes()));
        assert!(tlog_tiles::check_record(&path, head.size, theirs(&head.root), read.index, theirs(&leaf)).is_ok());

        let hashes: Vec<&str> = proof.lines().skip(2).take_while(|line| !line.is_empty()).collect();
        let (hash, size) = (hashes[0], lines.len());
        let mut other = hash.to_owned();
        other.replace_range(..1, if hash.starts_with('A') { "B" } else { "A" });
        let changed = [
            proof.replacen(hash, &other, 1),
            proof.replacen(&format!("{hash}\n"), "", 1),
            proof.replacen(hash, &format!("{hash}\n{hash}"), 1),
            proof.replacen(&format!("index {index}"), &format!("index {}", index ^ 1), 1),
            proof.replacen(&format!("index {index}"), &format!("index {size}"), 1),
            proof.replacen("tlog-proof@v1", "tlog-proof@v2", 1),
        ];
        for (case, text) in changed.iter().enumerate() {
            assert_ne!(*text, proof, "{case}");
            home.write("changed", text);
            let checked = check("record", "changed", &key);
            assert_eq!((checked.code, checked.out.as_str()), (Some(1), ""), "{case}: {}", checked.err);
        }
        let edited = lines[index].replacen("\"v\":1", "\"v\":1,\"z\":1", 1);
        assert_eq!(check(&edited, "record.tlog-proof", &key).code, Some(1));
        let (name, rest) = key.split_once('+').unwrap();
        let (_, public) = rest.split_once('+').unwrap();
        assert_eq!(check("record", "record.tlog-proof", &format!("{name}+00000000+{public}")).code, Some(2));
        assert_eq!(check("record", "nowhere", &key).code, Some(2));
        let unsaid = home.run(&["audit", "check-receipt", "record", "record.tlog-proof"]);
        assert_eq!(unsaid.code, Some(2), "whom to believe must be said: {}", unsaid.err);
    }
    let beyond = home.run(&["audit", "prove", "data", &lines.len().to_string()]);
    assert_eq!((beyond.code, beyond.out.as_str()), (Some(2), ""), "{}", beyond.err);
    assert_eq!(home.run(&["audit", "prove", "policies", "0"]).code, Some(2));
}

#[test]
fn aud_034_every_malformed_note_is_refused_with_a_reason_of_its_own() {
    let (home, _) = with_a_log();
    let key = first_key(&home);
    let heads = fs::read_to_string(home.path(LOG).join("checkpoints/0000000000000.notes")).unwrap();
    // The first head, which the first key has signed.
    let (text, signature) = heads.split_once("\n\n").unwrap();
    let signature = signature.lines().next().unwrap();
    let good = format!("{text}\n\n{signature}\n");
    let (origin, rest) = text.split_once('\n').unwrap();
    let (size, root) = rest.split_once('\n').unwrap();
    let verify = |note: &[u8], key: &str| {
        fs::write(home.path("note"), note).unwrap();
        home.run(&["audit", "verify-note", "note", "--key", key])
    };
    let verified = verify(good.as_bytes(), &key);
    assert_eq!(verified.code, Some(0), "{}", verified.err);
    assert!(verified.out.contains(origin) && verified.out.contains(root), "{}", verified.out);

    let mut unreadable = signature.to_owned();
    unreadable.insert(signature.len() - 1, '!');
    let bad: Vec<Vec<u8>> = [
        good.replace('\n', "\r\n"),
        good.replace("\n\n", "\n"),
        good.replacen(root, &format!("\u{1}{root}"), 1),
        good.replacen(&format!("\n{size}\n"), &format!("\n0{size}\n"), 1),
        good.replacen(signature, &unreadable, 1),
        good.replacen(root, &format!("{root}\nmore"), 1),
        good.replacen(&format!("\n{size}\n"), "\n999\n", 1),
        good.trim_end().to_owned(),
        good.replacen('\u{2014}', "-", 1),
        format!("{text}\n\n"),
        format!("{text}\n\n{}", format!("{signature}\n").repeat(101)),
        "x".repeat((1 << 20) + 1),
    ]
    .into_iter()
    .map(String::into_bytes)
    .chain([[good.as_bytes(), b"\xff\n"].concat()])
    .collect();
    let mut reasons = Vec::new();
    for (case, note) in bad.iter().enumerate() {
        let refused = verify(note, &key);
        assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "case {case}: {}", refused.err);
        assert!(refused.err.starts_with("error: "), "case {case}: {}", refused.err);
        reasons.push(refused.err);
    }
    let told = reasons.len();
    reasons.sort();
    reasons.dedup();
    // A changed text is one reason, whether it is still a head or not: its signature does not hold.
    assert!(reasons.len() + 2 >= told && reasons.len() >= 10, "{reasons:#?}");
    let newest = fs::read(home.path(LOG).join("checkpoint")).unwrap();
    assert_eq!(verify(&newest, &key).code, Some(1), "signed by another epoch");
    assert_eq!(home.run(&["audit", "verify-note", "nowhere", "--key", &key]).code, Some(2));
}

#[test]
fn aud_042_copies_that_went_on_differently_are_a_fork_with_evidence() {
    let (home, lines) = with_a_log();
    let copy = |to: &str| {
        let copied = std::process::Command::new("cp").args(["-r"]).arg(home.path(LOG)).arg(home.path(to)).status().unwrap();
        assert!(copied.success());
    };
    copy("old");
    let same = home.done(&["audit", "compare", "old", "data"]);
    assert!(same.contains(&format!("first {} records", lines.len())), "{same}");
    let _ = home.key_offline("bob");
    home.done(&["audit", "compare", "data", "old"]);
    home.done(&["audit", "compare", "data", "old/checkpoint"]);
    let behind = home.run(&["audit", "compare", "old", &format!("{LOG}/checkpoint")]);
    assert_eq!(behind.code, Some(1), "{}{}", behind.out, behind.err);
    assert!(behind.out.contains("behind"), "{}", behind.out);
    let undecided = home.run(&["audit", "compare", "old/checkpoint", &format!("{LOG}/checkpoint")]);
    assert_eq!(undecided.code, Some(2), "{}", undecided.out);

    // The same state goes on twice.
    copy("new");
    fs::remove_dir_all(home.path(LOG)).unwrap();
    fs::rename(home.path("old"), home.path(LOG)).unwrap();
    // Who wants the fork must take away what remembers the newest head.
    for file in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = fs::remove_file(home.path("data").join(file));
    }
    let _ = home.key_offline("eve");
    let forked = home.run(&["audit", "compare", "data", "new", "-o", "evidence"]);
    assert_eq!(forked.code, Some(1), "{}{}", forked.out, forked.err);
    assert!(forked.out.contains("forked"), "{}", forked.out);
    let evidence = fs::read_to_string(home.path("evidence")).unwrap();
    assert_eq!(evidence.matches("cli.localhost/audit/r1\n").count(), 2, "{evidence}");
}

#[test]
fn a_bundle_is_a_directory_that_verify_takes() {
    let (home, lines) = with_a_log();
    home.done(&["audit", "bundle", "data", "--from", "5", "--to", "9", "-o", "bundle"]);
    let verified = home.run(&["audit", "verify", "bundle", "--json"]);
    assert_eq!(verified.code, Some(5), "{}", verified.out);
    let report: Value = serde_json::from_str(&verified.out).unwrap();
    let log = &report["logs"][0];
    assert_eq!((&log["first"], &log["fault"], &log["unchecked_heads"]), (&5.into(), &Value::Null, &0.into()), "{log}");
    assert_eq!(log["key"], first_key(&home), "{log}");
    assert!(log["records"].as_u64().unwrap() >= 5, "{log}");
    let text = fs::read_to_string(home.path("bundle/seg/0000000000005.jsonl")).unwrap();
    assert_eq!(text.lines().next(), Some(lines[5].as_str()));

    let again = home.run(&["audit", "bundle", "data", "--from", "5", "--to", "9", "-o", "bundle"]);
    assert_eq!(again.code, Some(2), "it must not mix with what is there: {}", again.err);
    fs::write(home.path("bundle/seg/0000000000005.jsonl"), text.replacen("\"v\":1", "\"v\":1,\"z\":1", 1)).unwrap();
    assert_eq!(home.run(&["audit", "verify", "bundle"]).code, Some(1));
}

#[test]
fn aud_029_a_running_gateway_writes_tiles_and_repair_makes_them_again() {
    let home = Home::new("127.0.0.1:9".parse::<SocketAddr>().unwrap());
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve_quietly();
    for _ in 0..270 {
        call(serving.listener, "mail", &secret, "delete_mail");
    }
    let tile = home.path(LOG).join("tile/0/000");
    let good = eventually("a tile is written", || fs::read(&tile).ok());
    assert_eq!(good.len(), 8_192);
    assert_eq!(serving.terminate().0, Some(0));
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);

    let mut bad = good.clone();
    bad[77] ^= 4;
    fs::write(&tile, bad).unwrap();
    let damaged = home.run(&["audit", "verify", "data", "--accept-unanchored"]);
    assert_eq!(damaged.code, Some(2), "{}", damaged.out);
    assert!(damaged.out.contains("derived data is damaged"), "{}", damaged.out);
    home.done(&["audit", "prove", "data", "100"]);
    assert!(home.done(&["audit", "repair", "data"]).starts_with("1 tiles"));
    assert_eq!(fs::read(&tile).unwrap(), good);
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);

    let segment = home.path(LOG).join("seg/0000000000000.jsonl");
    let text = fs::read_to_string(&segment).unwrap();
    fs::write(&segment, text.replacen("\"deny\"", "\"den1\"", 1)).unwrap();
    let refused = home.run(&["audit", "repair", "data"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), ""), "{}", refused.err);
    assert_eq!(fs::read(&tile).unwrap(), good, "tiles of a log that was changed are left alone");
}
