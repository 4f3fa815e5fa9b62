//! How a gateway ends, in order and otherwise, and what its log says of that: the real binary, its signals, a full disk.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::thread::{self, JoinHandle};

use serde_json::Value;

use crate::cli::http::{Reply, call, try_call, try_send};
use crate::cli::process::{Home, Serving, command, eventually};
use crate::cli::upstream::Upstream;

struct Scene {
    home: Home,
    upstream: Upstream,
    secret: String,
}

impl Scene {
    fn new() -> Self {
        let upstream = Upstream::start();
        let home = Home::new(upstream.address);
        let (_, secret) = home.key_offline("ada");
        Self { home, upstream, secret }
    }

    fn call(&self, serving: &Serving) -> Reply {
        call(serving.listener, "crm", &self.secret, "get_customer")
    }

    /// A call that its server has received and does not answer yet; `None` when the gateway goes away without an answer.
    fn open_call(&self, serving: &Serving) -> JoinHandle<Option<Reply>> {
        self.upstream.hold();
        let before = self.upstream.received().len();
        let (listener, secret) = (serving.listener, self.secret.clone());
        let open = thread::spawn(move || try_call(listener, "crm", &secret, "get_customer"));
        eventually("the server has the call", || (self.upstream.received().len() > before).then_some(()));
        open
    }

    /// Kinds of the records, or the effect or status of a call's.
    /// All but those that announce keys: there is one at the beginning of each run.
    fn records(&self) -> Vec<Value> {
        self.home.records().into_iter().filter(|record| record["kind"] != "key.rotate").collect()
    }

    fn story(&self) -> Vec<String> {
        let word = |record: &Value| {
            let told = [&record["dec"]["effect"], &record["out"]["status"], &record["kind"]];
            told.into_iter().find_map(Value::as_str).unwrap().to_owned()
        };
        self.records().iter().map(word).collect()
    }

    fn assert_intact(&self) {
        self.home.done(&["audit", "verify", "data", "--accept-unanchored"]);
    }
}

fn answers(serving: &Serving, path: &str) -> Option<u16> {
    try_send(serving.health, &format!("GET {path}"), &[], "").map(|reply| reply.status)
}

#[test]
fn a_call_in_flight_is_finished_before_the_gateway_ends() {
    let scene = Scene::new();
    let serving = scene.home.serve();
    let open = scene.open_call(&serving);
    serving.signal("TERM");
    eventually("new connections are refused", || TcpStream::connect(serving.listener).err());
    scene.upstream.release();
    let reply = open.join().unwrap().expect("the call in flight was cut off");
    assert_eq!(reply.json()["result"]["content"][0]["text"], "done", "{reply:?}");
    let (code, log) = serving.wait();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(scene.story(), ["admin", "stop", "start", "allow", "ok", "stop"]);
    scene.assert_intact();
}

#[test]
fn an_idle_client_does_not_hold_up_the_end() {
    let scene = Scene::new();
    let serving = scene.home.serve();
    let idle = TcpStream::connect(serving.listener).unwrap();
    assert_eq!(scene.call(&serving).status, 200);
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    drop(idle);
}

#[test]
fn a_call_that_outlasts_the_drain_time_is_cut_off_with_an_outcome() {
    let scene = Scene::new();
    scene.home.edit("drain: 20s", "drain: 500ms");
    let serving = scene.home.serve();
    let open = scene.open_call(&serving);
    serving.terminate();
    let told = open.join().unwrap().expect("the caller is told nothing");
    assert_eq!((told.status, told.error_code()), (503, Some(-31503)), "{told:?}");
    let story = scene.story();
    assert_eq!(story[..4], ["admin", "stop", "start", "allow"], "{story:?}");
    assert!(story.len() == 6 && story[5] == "stop", "the call has no outcome, or stop is not last: {story:?}");
    scene.assert_intact();
}

#[test]
fn a_gateway_that_is_told_to_stop_is_not_ready_while_it_still_serves() {
    let scene = Scene::new();
    scene.home.edit("delay: 0s", "delay: 5m");
    let serving = scene.home.serve();
    assert_eq!(answers(&serving, "/readyz"), Some(200));
    serving.signal("TERM");
    eventually("not ready", || (answers(&serving, "/readyz") == Some(503)).then_some(()));
    assert_eq!(answers(&serving, "/healthz"), Some(200), "not ready is not dead");
    assert_eq!(scene.call(&serving).status, 200, "balancers still send calls");
    serving.signal("TERM");
    let (code, log) = serving.wait();
    assert_eq!(code, Some(2), "a second signal ends at once, and that is no clean end: {log}");
}

#[test]
fn after_a_kill_the_open_call_has_an_outcome_and_the_log_says_what_happened() {
    let scene = Scene::new();
    let first = scene.home.serve();
    assert_eq!(scene.call(&first).status, 200);
    let open = scene.open_call(&first);
    first.signal("KILL");
    assert_eq!(first.wait().0, None);
    assert!(open.join().unwrap().is_none(), "somebody answered for a dead process");
    assert_eq!(scene.story(), ["admin", "stop", "start", "allow", "ok", "allow"]);

    scene.upstream.release();
    let second = scene.home.serve();
    assert_eq!(scene.call(&second).status, 200, "the second life serves");
    assert_eq!(second.terminate().0, Some(0));
    let records = scene.records();
    let story = scene.story();
    assert_eq!(story[5..], ["allow", "recovery", "unknown", "start", "allow", "ok", "stop"], "{records:#?}");
    assert_eq!(records[7]["call"], records[5]["call"], "the outcome is another call's");
    assert_eq!(records[6]["recovery"]["open"], 1, "{}", records[6]);
    scene.assert_intact();
}

#[test]
fn a_clean_end_leaves_nothing_to_recover() {
    let scene = Scene::new();
    for _ in 0..2 {
        let serving = scene.home.serve();
        assert_eq!(scene.call(&serving).status, 200);
        assert_eq!(serving.terminate().0, Some(0));
    }
    assert_eq!(scene.story(), ["admin", "stop", "start", "allow", "ok", "stop", "start", "allow", "ok", "stop"]);
}

/// `yett serve` whose files cannot grow beyond 1,152 KiB (or twice that, where `ulimit -f` counts in kilobytes): the reserve fits,
/// and so does the first room of a segment.
fn serve_on_a_small_disk(home: &Home) -> Serving {
    let yett = command(&home.path("."));
    let mut shell = Command::new("sh");
    // The signal would end the process where a full disk gives an error.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 2304; exec \"$0\" serve"]).arg(yett.get_program());
    Serving::start(shell.env_clear().current_dir(home.path(".")))
}

#[test]
fn a_log_that_cannot_grow_refuses_calls_and_ends_the_gateway() {
    let scene = Scene::new();
    scene.home.edit("origin: cli.localhost", "origin: cli.localhost, reserve: 1MiB");
    let serving = serve_on_a_small_disk(&scene.home);
    let mut answered = Vec::new();
    let refused = loop {
        assert!(answered.len() < 10_000, "the disk never fills");
        // None: the process has ended before it answered.
        let Some(reply) = try_call(serving.listener, "crm", &scene.secret, "get_customer") else { break None };
        if reply.status != 200 {
            break Some(reply);
        }
        assert_eq!(reply.json()["result"]["content"][0]["text"], "done", "{reply:?}");
        answered.push(reply.header("yett-call").unwrap().to_owned());
    };
    let refused = refused.expect("the call that could not be recorded got no answer");
    assert_eq!((refused.status, refused.error_code()), (503, Some(-31503)), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    let (code, log) = serving.wait();
    assert!(code.is_some_and(|code| code != 0), "it ended with {code:?}:\n{log}");
    assert!(log.contains("the audit log cannot be written"), "the operator is not told why:\n{log}");

    // Everybody who got a result is in the log, and the server saw no call that is not.
    let text = fs::read_to_string(scene.home.path("data/audit/cli.localhost/r1/seg/0000000000000.jsonl")).unwrap();
    for call in &answered {
        assert_eq!(text.matches(call.as_str()).count(), 2, "a result without both records: {call}");
    }
    let decided = text.lines().filter(|line| line.contains("\"effect\":\"allow\"") && line.ends_with('}')).count();
    assert!(scene.upstream.received().len() <= decided, "the server saw a call that is not in the log");
    let verified = scene.home.run(&["audit", "verify", "data"]);
    assert!(matches!(verified.code, Some(2 | 3 | 5)), "{:?} {}", verified.code, verified.out);

    // With room again it goes on, and says that it was away.
    let serving = scene.home.serve();
    assert_eq!(scene.call(&serving).status, 200);
    assert_eq!(serving.terminate().0, Some(0));
    assert!(scene.story().contains(&"recovery".to_owned()), "{:?}", scene.story());
    let verified = scene.home.run(&["audit", "verify", "data"]);
    assert!(matches!(verified.code, Some(2 | 3)), "{:?} {}", verified.code, verified.out);
}

#[test]
fn without_a_place_for_its_log_the_gateway_does_not_start() {
    let scene = Scene::new();
    fs::remove_dir_all(scene.home.path("data/audit")).unwrap();
    fs::write(scene.home.path("data/audit"), "no directory").unwrap();
    let refused = scene.home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("audit"), "{}", refused.err);
}

#[test]
fn a_log_that_was_changed_while_nobody_looked_is_not_continued() {
    let scene = Scene::new();
    let serving = scene.home.serve();
    assert_eq!(scene.call(&serving).status, 200);
    serving.terminate();
    let segment = scene.home.path("data/audit/cli.localhost/r1/seg/0000000000000.jsonl");
    let good = fs::read_to_string(&segment).unwrap();
    let bad = good.replacen("\"effect\":\"allow\"", "\"effect\":\"blame\"", 1);
    assert_ne!(good, bad);
    fs::write(&segment, &bad).unwrap();
    let refused = scene.home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert_eq!(fs::read_to_string(&segment).unwrap(), bad, "a refused start changes nothing");
}
