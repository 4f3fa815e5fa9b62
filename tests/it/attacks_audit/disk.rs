//! Disks that fail, fill up, become read-only or slow under the real binary.

use std::collections::HashSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use super::trace;
use crate::cli::http::{Reply, call, get, try_call};
use crate::cli::process::{Home, Serving, eventually};
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

    fn try_call(&self, serving: &Serving) -> Option<Reply> {
        try_call(serving.listener, "crm", &self.secret, "get_customer")
    }

    /// Calls until one is not answered with a result; returns the ids of those that were, and the last answer.
    fn call_until_refused(&self, serving: &Serving) -> (Vec<String>, Option<Reply>) {
        let mut told = Vec::new();
        loop {
            match self.try_call(serving) {
                Some(reply) if reply.status == 200 => told.push(reply.header("yett-call").unwrap().to_owned()),
                other => return (told, other),
            }
            assert!(told.len() < 100_000, "nothing fails");
        }
    }

    /// Every result that was told has both records, and the server saw no call without a decision.
    fn assert_complete(&self, told: &[String]) {
        let records = self.home.records();
        let calls = |kind: &str| -> HashSet<&str> {
            records.iter().filter(|record| record["kind"] == kind).filter_map(|record| record["call"].as_str()).collect()
        };
        let (decisions, outcomes) = (calls("call.decision"), calls("call.outcome"));
        for call in told {
            assert!(
                decisions.contains(call.as_str()) && outcomes.contains(call.as_str()),
                "a told result without a record: {call}"
            );
        }
        for call in self.upstream.calls() {
            assert!(decisions.contains(call.as_str()), "the server received {call}, which has no decision");
        }
    }
}

/// Starts again, stops in order, and verifies.
fn assert_goes_on(scene: &Scene) {
    let serving = scene.home.serve();
    assert_eq!(scene.try_call(&serving).unwrap().status, 200);
    assert_eq!(serving.terminate().0, Some(0));
    let verified = scene.home.run(&["audit", "verify", "data", "--accept-unanchored"]);
    assert!(matches!(verified.code, Some(0 | 2)), "{:?}\n{}", verified.code, verified.out);
}

#[test]
fn aud_020_after_a_failed_sync_nothing_of_its_batch_is_told_and_the_process_ends() {
    let scene = Scene::new();
    let serving = trace::serve(&scene.home, &["-e", "inject=fdatasync:error=EIO:when=40"]);
    let (told, refused) = scene.call_until_refused(&serving);
    if let Some(refused) = refused {
        assert_eq!((refused.status, refused.error_code()), (503, Some(-31503)), "{refused:?}");
    }
    let (code, log) = serving.wait();
    assert!(code.is_some_and(|code| code != 0), "it ended with {code:?}");
    assert!(log.contains("the audit log cannot be written"), "the operator is not told why:\n{log}");
    let calls = trace::read(&scene.home);
    let failed = calls.iter().find(|call| call.name == "fdatasync" && call.arguments.contains("EIO")).expect("a failed sync");
    let again =
        calls.iter().filter(|call| call.name == "fdatasync" && call.arguments.contains("/seg/") && call.began > failed.ended);
    assert_eq!(again.count(), 0, "a sync that failed was asked again");
    assert!(!told.is_empty());
    scene.assert_complete(&told);
    assert_goes_on(&scene);
}

#[test]
fn aud_023_on_a_log_that_became_read_only_nothing_is_sent_and_the_process_ends() {
    let scene = Scene::new();
    // Every write from the 60th on: a file system that was remounted read-only after an error of its own.
    let serving = trace::serve(&scene.home, &["-e", "inject=pwrite64:error=EROFS:when=60+"]);
    let (told, refused) = scene.call_until_refused(&serving);
    if let Some(refused) = refused {
        assert_eq!((refused.status, refused.error_code()), (503, Some(-31503)), "{refused:?}");
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
    }
    let (code, log) = serving.wait();
    assert!(code.is_some_and(|code| code != 0), "it ended with {code:?}");
    assert!(log.contains("Read-only file system"), "the operator is not told why:\n{log}");
    assert!(!told.is_empty());
    scene.assert_complete(&told);
    assert_goes_on(&scene);
}

#[test]
fn aud_024_on_a_disk_that_syncs_in_half_a_second_calls_beyond_two_batches_are_refused_and_none_is_lost() {
    const CLIENTS: usize = 900;
    let scene = Scene::new();
    scene.home.edit("name: local, ", "name: local, limits: { connections_per_peer: 1000 }, ");
    let serving = trace::serve(&scene.home, &["-e", "inject=fdatasync:delay_exit=500000"]);
    let before = resident(&serving);
    let (told, refused) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                for _ in 0..3 {
                    let reply = scene.try_call(&serving).expect("an answer");
                    match reply.status {
                        200 => told.lock().push(reply.header("yett-call").unwrap().to_owned()),
                        _ => refused.lock().push(reply),
                    }
                }
            });
        }
    });
    let grown = resident(&serving).saturating_sub(before);
    assert!(grown < 64 * 1024, "memory grew by {grown} KiB");
    let (told, refused) = (told.into_inner(), refused.into_inner());
    for reply in &refused {
        assert_eq!((reply.status, reply.error_code()), (503, Some(-31503)), "{reply:?}");
        assert!(reply.header("retry-after").is_some(), "{reply:?}");
    }
    assert!(!refused.is_empty() && told.len() > 100, "{} told, {} refused", told.len(), refused.len());
    assert_eq!(serving.terminate().0, Some(0));
    scene.assert_complete(&told);
    // Records of one batch carry one time.
    let records = scene.home.records();
    let mut batches: Vec<(&str, usize)> = Vec::new();
    for record in &records {
        let time = record["t"].as_str().unwrap();
        match batches.last_mut() {
            Some((last, count)) if *last == time => *count += 1,
            _ => batches.push((time, 1)),
        }
    }
    let largest = batches.iter().map(|(_, count)| *count).max().unwrap();
    assert!(largest > 50, "one slow sync covers {largest} records at most");
    let verified = scene.home.run(&["audit", "verify", "data", "--accept-unanchored"]);
    assert_eq!(verified.code, Some(0), "{}", verified.out);
}

/// Kibibytes that a process holds in memory.
fn resident(serving: &Serving) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", serving.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Fills a volume to its last byte.
fn fill(file: &Path) {
    let mut filler = fs::File::create(file).unwrap();
    let block = vec![1; 4096];
    while filler.write_all(&block).is_ok() {}
}

#[test]
fn aud_021_on_a_full_volume_calls_in_flight_are_recorded_and_new_ones_refused_until_there_is_space() {
    let scene = Scene::new();
    // A volume of its own, seen by the gateway alone; it goes with the process.
    let script = format!(
        "cp -a data/audit kept && rm kept/*/*/reserve && mount -t tmpfs -o size=16m tmpfs data/audit && cp -a kept/. data/audit && exec {} serve",
        env!("CARGO_BIN_EXE_yett")
    );
    let serving = Serving::start(trace::under(&scene.home, "unshare").args(["--mount", "--map-root-user", "sh", "-c", &script]));
    let volume = PathBuf::from(format!("/proc/{}/root{}", serving.id(), scene.home.path("data/audit").display()));
    assert_eq!(scene.try_call(&serving).unwrap().status, 200);

    scene.upstream.hold();
    let before = scene.upstream.received().len();
    let in_flight: Vec<JoinHandle<Reply>> = (0..20)
        .map(|_| {
            let (listener, secret) = (serving.listener, scene.secret.clone());
            thread::spawn(move || call(listener, "crm", &secret, "get_customer"))
        })
        .collect();
    eventually("the server has the calls", || (scene.upstream.received().len() == before + 20).then_some(()));
    fill(&volume.join("filler"));
    // The room that was made ahead lasts for a while: refused calls use it up.
    let refused = eventually("a call is refused for want of space", || {
        let reply = call(serving.listener, "crm", &scene.secret, "delete_customer");
        (reply.status == 503).then_some(reply)
    });
    assert_eq!(refused.error_code(), Some(-31503), "{refused:?}");
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    assert_eq!(scene.try_call(&serving).unwrap().status, 503);
    assert_eq!(scene.upstream.received().len(), before + 20, "a call was sent that cannot be recorded");
    assert_eq!(get(serving.health, "/readyz").status, 503);

    scene.upstream.release();
    for call in in_flight {
        let reply = call.join().unwrap();
        assert_eq!(reply.json()["result"]["content"][0]["text"], "done", "a call in flight was lost: {reply:?}");
    }
    assert_eq!(scene.try_call(&serving).unwrap().status, 503, "still full");
    fs::remove_file(volume.join("filler")).unwrap();
    eventually("calls are served again", || (scene.try_call(&serving).unwrap().status == 200).then_some(()));
    eventually("ready again", || (get(serving.health, "/readyz").status == 200).then_some(()));

    // The volume goes with the gateway, so its log is copied away while it rests.
    let copied =
        std::process::Command::new("cp").args(["-r", &volume.display().to_string()]).arg(scene.home.path("copy")).status();
    assert!(copied.unwrap().success());
    let verified = scene.home.run(&["audit", "verify", "copy", "--accept-unanchored"]);
    assert_eq!(verified.code, Some(0), "{}", verified.out);
    let shown = scene.home.done(&["audit", "show", "copy", "--kind", "call.outcome"]);
    assert_eq!(shown.lines().count(), 22, "an outcome is missing:\n{shown}");
    assert_eq!(serving.terminate().0, Some(0));
}
