//! The log and its witnesses, each a process of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use tokio::time::{Duration, Instant};
use yett::tlog::{Note, Policy, VerifierKey};

use super::rollback::{copy, restore};
use crate::cli::http::{call, get, send};
use crate::cli::process::{Home, METRICS_TOKEN, Serving, command, eventually};

const AUDIT: &str = "audit: { origin: cli.localhost";

/// A `yett witness`. Dropping it kills it; its folder stays.
pub(crate) struct Witness {
    child: Child,
    key: VerifierKey,
    address: SocketAddr,
}

impl Witness {
    /// In the folder `witness` of a home, for the log whose first key that is.
    pub(crate) fn start(home: &Home, listen: &str, log: &str) -> Self {
        let mut command = command(&home.path(""));
        command.args(["witness", "--listen", listen, "--data", "witness", "--name", "witness.example", "--log", log]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut key = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut key).unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = lines.find_map(|line| Some(line.ok()?).filter(|line| line.contains("witnessing"))).unwrap();
        // Whoever writes to a pipe that nobody reads waits.
        std::thread::spawn(move || lines.for_each(drop));
        let address = said.split("\"address\":\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        Self { child, key: key.trim().parse().unwrap(), address: address.parse().unwrap() }
    }

    pub(super) fn policy(&self) -> String {
        format!("witness w1 {} http://{}/\nquorum w1\n", self.key, self.address)
    }

    /// Stops it; its address is free again.
    fn stop(mut self) -> String {
        assert!(std::process::Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it did not end in order");
        self.address.to_string()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A home whose log has two epochs and no witness yet; and the first key of the log.
pub(super) fn home() -> (Home, String, String) {
    let home = Home::new("127.0.0.1:9".parse().unwrap());
    let (_, secret) = home.key_offline("ada");
    run_once(&home);
    let key = home.records()[0]["epoch"]["ed25519"].as_str().unwrap().to_owned();
    (home, key, secret)
}

/// Adds the witness to the configuration.
pub(crate) fn attach(home: &Home, witness: &Witness, more: &str) {
    home.write("witnesses.policy", &witness.policy());
    home.edit(AUDIT, &format!("audit: {{ witness: {{ policy: witnesses.policy{more} }}, origin: cli.localhost"));
}

pub(crate) fn run_once(home: &Home) {
    assert_eq!(home.serve_quietly().terminate().0, Some(0));
}

/// The value of a sample, as it is written; 0 if it is not there.
pub(super) fn metric(serving: &Serving, name: &str) -> String {
    let reply = send(serving.health, "GET /metrics", &[("Authorization", &format!("Bearer {METRICS_TOKEN}"))], "");
    let value = reply.body.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or("0").to_owned()
}

pub(crate) fn count(serving: &Serving, name: &str) -> usize {
    metric(serving, name).parse().unwrap()
}

fn cosigned(serving: &Serving) -> usize {
    count(serving, "yett_audit_witness_cosigned_records{witness=\"w1\"}")
}

/// The notes of `witnessed/`.
fn notes(home: &Home) -> Vec<Note> {
    let mut notes = Vec::new();
    for file in fs::read_dir(home.path("data/audit/cli.localhost/r1/witnessed")).unwrap() {
        let text = fs::read_to_string(file.unwrap().path()).unwrap();
        let parts: Vec<_> = text.split_terminator("\n\n").collect();
        // Text and signatures of each, by turns.
        notes.extend(parts.chunks(2).map(|note| Note::parse(format!("{}\n\n{}\n", note[0], note[1]).as_bytes()).unwrap()));
    }
    notes
}

fn assert_refused(home: &Home, words: &[&str]) {
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    for word in words.iter().chain(&["witness `w1`", "audit.replica"]) {
        assert!(refused.err.contains(word), "no `{word}`:\n{}", refused.err);
    }
    assert!(!refused.err.contains("\"serving\""), "{}", refused.err);
}

#[test]
fn a_witness_follows_the_log_over_every_change_of_keys_and_is_kept_as_proof() {
    let (home, first, _) = home();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    attach(&home, &witness, "");
    for _ in 0..3 {
        run_once(&home);
    }
    let serving = home.serve_quietly();
    let began = Instant::now();
    eventually("the head of this run", || (cosigned(&serving) >= home.records().len()).then_some(()));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(count(&serving, "yett_audit_witness_lag_records"), 0);
    assert_eq!(serving.terminate().0, Some(0));

    let records = home.records();
    let epochs = records.iter().filter(|record| record["kind"] == "key.rotate");
    let keys: Vec<VerifierKey> = epochs.map(|record| record["epoch"]["ed25519"].as_str().unwrap().parse().unwrap()).collect();
    let policy = Policy::parse(witness.policy().as_bytes()).unwrap();
    let keys: Vec<&VerifierKey> = keys.iter().collect();
    let sizes: Vec<u64> = notes(&home).iter().map(|note| policy.verify(note, &keys).unwrap().checkpoint.size).collect();
    assert!(sizes.is_sorted(), "{sizes:?}");
    assert_eq!(sizes.last(), Some(&(records.len() as u64)), "the `stop` record is not under a cosigned head");
    home.write("auditor.policy", &format!("log {first}\n{}", witness.policy()));
    let verified = home.run(&["audit", "verify", "--policy", "auditor.policy", "data"]);
    assert_eq!(verified.code, Some(0), "verified and anchored: {}", verified.out);

    // It has ended in order, and knows after a restart what it knew.
    let address = witness.stop();
    let _witness = Witness::start(&home, &address, &first);
    run_once(&home);
    assert!(notes(&home).len() > sizes.len());
}

#[test]
fn aud_012_a_whole_data_directory_put_back_is_refused_when_a_witness_knows_more() {
    let (home, first, _) = home();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    attach(&home, &witness, "");
    run_once(&home);
    copy(&home.path("data"), &home.path("old"));
    run_once(&home);
    restore(&home.path("old"), &home.path("data"));
    assert_refused(&home, &["an old copy was put back"]);
    // Each try has written a few records: the answer stays the same when they are more than the witness knows.
    for _ in 0..8 {
        let refused = home.run(&["serve"]);
        assert_eq!(refused.code, Some(2), "{}", refused.err);
        assert!(refused.err.contains("audit.replica"), "{}", refused.err);
    }

    // Nor does it help to begin anew under the old name.
    fs::remove_dir_all(home.path("data")).unwrap();
    assert_refused(&home, &["another audit log is known by this name"]);

    // The remedy; a witness that does not know the new log yet is waited for.
    home.edit("origin: cli.localhost", "replica: r2, origin: cli.localhost");
    let serving = home.serve_quietly();
    assert_eq!(get(serving.health, "/readyz").status, 200);
    assert!(serving.terminate().1.contains("a witness did not cosign"));
}

#[test]
fn aud_012_of_two_hosts_with_copies_of_one_log_one_is_frozen() {
    let (home, first, secret) = home();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    attach(&home, &witness, "");
    run_once(&home);
    let other = Home::new("127.0.0.1:9".parse().unwrap());
    attach(&other, &witness, "");
    restore(&home.path("data"), &other.path("data"));

    // Neither is seen while it starts.
    let address = witness.stop();
    let serving = [home.serve_quietly(), other.serve_quietly()];
    let _witness = Witness::start(&home, &address, &first);
    let reason = |serving: &Serving| get(serving.health, "/readyz").body;
    let frozen = eventually("one to be frozen", || serving.iter().position(|one| reason(one).contains("frozen")));
    let (frozen, going_on) = (&serving[frozen], &serving[1 - frozen]);
    assert_eq!(call(frozen.listener, "crm", &secret, "get_customer").status, 503);
    assert_eq!(call(going_on.listener, "crm", &secret, "get_customer").status, 200);
    let ends = serving.map(|one| one.terminate().1);
    assert_eq!(ends.iter().filter(|log| log.contains("audit.replica")).count(), 1, "{ends:?}");
}

#[test]
fn aud_043_without_a_witness_calls_go_on_and_it_catches_up_within_ten_seconds_of_its_return() {
    let (home, first, secret) = home();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    attach(&home, &witness, "");
    run_once(&home);
    let address = witness.stop();
    // Epochs come and go meanwhile.
    run_once(&home);
    let serving = home.serve_quietly();
    assert_eq!(get(serving.health, "/readyz").status, 200);
    eventually("failures to be counted", || {
        (count(&serving, "yett_audit_witness_failures_total{witness=\"w1\"}") >= 3).then_some(())
    });
    for _ in 0..5 {
        assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200);
    }
    assert!(count(&serving, "yett_audit_witness_lag_records") >= 10);
    assert!(metric(&serving, "yett_audit_witness_lag_seconds").parse::<f64>().unwrap() > 0.0);

    let witness = Witness::start(&home, &address, &first);
    let began = Instant::now();
    eventually("it to catch up", || (count(&serving, "yett_audit_witness_lag_records") == 0).then_some(()));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert!(cosigned(&serving) >= home.records().len());
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0));
    assert_eq!(log.matches("a witness did not cosign").count(), 1, "told once, not at each try: {log}");
    assert_eq!(home.run(&["audit", "verify", "--accept-unanchored", "data"]).code, Some(0), "records were lost");
    drop(witness);
}

#[test]
fn aud_043_in_strict_mode_no_call_begins_before_a_quorum_has_answered() {
    let (home, first, secret) = home();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    attach(&home, &witness, ", mode: strict, max_lag: 15s");
    let address = witness.stop();
    let serving = home.serve_quietly();
    let ready = get(serving.health, "/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("witnesses"), "{}", ready.body);
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 503);

    let witness = Witness::start(&home, &address, &first);
    eventually("it to be ready", || (get(serving.health, "/readyz").status == 200).then_some(()));
    assert_eq!(call(serving.listener, "crm", &secret, "get_customer").status, 200);
    assert_eq!(serving.terminate().0, Some(0));
    drop(witness);
}

#[test]
fn the_witness_speaks_http_as_the_protocol_says() {
    let (home, first, _) = home();
    let witness = Witness::start(&home, "127.0.0.1:0", &first);
    assert_eq!(get(witness.address, "/healthz").body, "ok\n");
    assert_eq!(send(witness.address, "POST /add-checkpoint", &[], "old x\n").status, 400);
    assert_eq!(send(witness.address, "GET /add-checkpoint", &[], "").status, 405);
    assert_eq!(send(witness.address, "POST /next-key", &[], "").status, 400);
    let head = fs::read_to_string(home.path("data/audit/cli.localhost/r1/checkpoint")).unwrap();
    let unknown =
        send(witness.address, "POST /add-checkpoint", &[], &format!("old 0\n\n{}", head.replace("cli.local", "x.local")));
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let unsigned = send(witness.address, "POST /add-checkpoint", &[], &format!("old 0\n\n{head}"));
    assert_eq!(unsigned.status, 403, "signed by a key of a later epoch: {unsigned:?}");
    let heads = fs::read_to_string(home.path("data/audit/cli.localhost/r1/checkpoints/0000000000000.notes")).unwrap();
    let (text, rest) = heads.split_once("\n\n").unwrap();
    let oldest = format!("{text}\n\n{}\n", rest.split_once("\n\n").unwrap().0);
    let good = send(witness.address, "POST /add-checkpoint", &[], &format!("old 0\n\n{oldest}"));
    assert!(good.status == 200 && good.body.starts_with("\u{2014} witness.example "), "{good:?}");
    let again = send(witness.address, "POST /add-checkpoint", &[], &format!("old 0\n\n{oldest}"));
    assert_eq!((again.status, again.header("content-type")), (409, Some("text/x.tlog.size")), "{again:?}");
    let large = "x".repeat(600 * 1024);
    assert_eq!(send(witness.address, "POST /add-checkpoint", &[], &large).status, 413);

    let second = home.run(&["witness", "--listen", "127.0.0.1:0", "--data", "witness"]);
    assert!(second.code == Some(2) && second.err.contains("another process holds the lock"), "{second:?}");
}
