//! Copies of heads with somebody else (`audit.copies`): what they show when the whole host was put back or its log written anew.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;

use super::rollback::{copy, restore};
use crate::cli::http::send;
use crate::cli::process::{Home, METRICS_TOKEN, Serving, eventually};

const LOG: &str = "cli.localhost/audit/r1";

fn home(copies: &str) -> Home {
    let home = Home::new("127.0.0.1:9".parse().unwrap());
    home.edit("origin: cli.localhost", &format!("origin: cli.localhost, copies: [{copies}]"));
    home
}

/// A home whose heads are copied each second into the folder `kept`.
fn kept() -> Home {
    let home = home("{ name: worm, folder: kept, every: 1s }");
    fs::create_dir(home.path("kept")).unwrap();
    home
}

fn run_once(home: &Home) {
    assert_eq!(home.serve_quietly().terminate().0, Some(0));
}

/// Copies in the order of their sizes.
fn copies(home: &Home) -> Vec<PathBuf> {
    let days = fs::read_dir(home.path("kept").join(LOG)).into_iter().flatten().map(|day| day.unwrap().path());
    let mut copies: Vec<_> = days.flat_map(|day| fs::read_dir(day).unwrap().map(|file| file.unwrap().path())).collect();
    copies.sort_by_key(|path| path.file_name().unwrap().to_owned());
    copies
}

fn metric(serving: &Serving, sample: &str) -> Option<f64> {
    let authorization = format!("Bearer {METRICS_TOKEN}");
    let metrics = send(serving.health, "GET /metrics", &[("Authorization", &authorization)], "").body;
    metrics.lines().find_map(|line| line.strip_prefix(sample)?.trim().parse().ok())
}

#[test]
fn a_folder_of_somebody_else_keeps_heads_that_anchor_the_log_to_its_last_record() {
    let home = kept();
    run_once(&home);
    let copies = copies(&home);
    let last = fs::read_to_string(copies.last().unwrap()).unwrap();
    assert_eq!(
        last,
        fs::read_to_string(home.path("data/audit/cli.localhost/r1/checkpoint")).unwrap(),
        "the newest head, as it is"
    );
    let verified = home.run(&["audit", "verify", "data", "--pin", "kept"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.out, verified.err);
    // A pin of nothing confirms nothing.
    fs::create_dir(home.path("empty")).unwrap();
    let verified = home.run(&["audit", "verify", "data", "--pin", "empty"]);
    assert_eq!(verified.code, Some(4), "{}{}", verified.out, verified.err);
}

#[test]
fn aud_012_a_whole_host_put_back_to_yesterday_is_refused_by_its_copies_and_named_by_verify() {
    let home = kept();
    run_once(&home);
    copy(&home.path("data"), &home.path("old-data"));
    run_once(&home);
    // Log, head store and vault go back together: inside the folder all is well.
    restore(&home.path("old-data"), &home.path("data"));
    home.done(&["audit", "verify", "data", "--accept-unanchored"]);
    let before = copies(&home);
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    for word in ["`worm`", "an old copy was put back", "audit.replica"] {
        assert!(refused.err.contains(word), "no `{word}`:\n{}", refused.err);
    }
    assert_eq!(copies(&home), before, "a refused start left a copy behind");
    restore(&home.path("old-data"), &home.path("data"));
    let verified = home.run(&["audit", "verify", "data", "--pin", "kept"]);
    assert_eq!(verified.code, Some(1), "{}", verified.out);
}

#[test]
fn a_log_written_anew_from_its_first_record_on_is_refused_by_its_copies() {
    let home = kept();
    run_once(&home);
    fs::remove_dir_all(home.path("data")).unwrap();
    // Longer than the log was, with keys of its own.
    home.edit("folder: kept", "folder: elsewhere");
    fs::create_dir(home.path("elsewhere")).unwrap();
    run_once(&home);
    run_once(&home);
    run_once(&home);
    home.edit("folder: elsewhere", "folder: kept");
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("another history"), "{}", refused.err);
}

#[test]
fn a_folder_that_is_not_mounted_forbids_the_start_and_one_that_vanishes_is_told_counted_and_made_up_for() {
    let home = kept();
    fs::rename(home.path("kept"), home.path("away")).unwrap();
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("kept` cannot be used"), "{}", refused.err);

    fs::rename(home.path("away"), home.path("kept")).unwrap();
    let serving = home.serve_quietly();
    home.tell_operator(&serving);
    let size = |serving: &Serving| metric(serving, "yett_audit_copy_records{copy=\"worm\"}");
    let before = eventually("the first copy", || size(&serving).filter(|size| *size > 0.0));
    fs::rename(home.path("kept"), home.path("away")).unwrap();
    home.done(&["kill", "--config", "operator.yaml", "--all"]);
    let failures = || metric(&serving, "yett_audit_copy_failures_total{copy=\"worm\"}").filter(|failures| *failures > 0.0);
    eventually("the failure", failures);
    assert!(!home.path("kept").exists(), "it was made in the place of a mount");
    fs::rename(home.path("away"), home.path("kept")).unwrap();
    eventually("the head that was missed", || size(&serving).filter(|size| *size > before));
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("are not copied").count(), 1, "told once: {log}");
    assert!(log.contains("are copied again"), "{log}");
    assert_eq!(home.run(&["audit", "verify", "data", "--pin", "kept"]).code, Some(0));
}

#[test]
fn a_link_in_the_folder_leads_no_copy_out_of_it_and_nothing_into_it() {
    let home = kept();
    run_once(&home);
    let day = copies(&home)[0].parent().unwrap().to_owned();
    let copy = copies(&home).pop().unwrap();
    fs::rename(&copy, home.path("moved")).unwrap();
    symlink(home.path("moved"), &copy).unwrap();
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    assert!(refused.err.contains("it is a symbolic link"), "{}", refused.err);

    fs::remove_dir_all(home.path("kept").join(LOG)).unwrap();
    let serving = home.serve_quietly();
    home.tell_operator(&serving);
    eventually("the first copy", || copies(&home).pop());
    fs::create_dir(home.path("elsewhere")).unwrap();
    // Unless a copy is just being made.
    eventually("the link", || {
        let _ = fs::remove_dir_all(&day);
        symlink(home.path("elsewhere"), &day).ok()
    });
    home.done(&["kill", "--config", "operator.yaml", "--all"]);
    eventually("the failure", || {
        metric(&serving, "yett_audit_copy_failures_total{copy=\"worm\"}").filter(|failures| *failures > 0.0)
    });
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(fs::read_dir(home.path("elsewhere")).unwrap().count(), 0, "a copy went through the link");
}

#[test]
fn another_head_in_the_place_of_ours_freezes_the_log() {
    let home = kept();
    let serving = home.serve_quietly();
    let first = eventually("the first copy", || copies(&home).pop());
    let text = fs::read_to_string(&first).unwrap();
    let size: u64 = text.lines().nth(1).unwrap().parse().unwrap();
    // Whatever size comes next, another head is there already.
    for size in size + 1..size + 20 {
        let (name, root) = (text.lines().next().unwrap(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        let head = format!("{name}\n{size}\n{root}\n\n\u{2014} {name} AAAAAAAA\n");
        fs::write(first.with_file_name(format!("{size:013}.note")), head).unwrap();
    }
    home.tell_operator(&serving);
    home.done(&["kill", "--config", "operator.yaml", "--all"]);
    eventually("not ready", || {
        let reply = send(serving.health, "GET /readyz", &[], "");
        (reply.status == 503 && reply.body.contains("frozen")).then_some(())
    });
    let (_, log) = serving.terminate();
    assert!(log.contains("`worm`"), "{log}");
}

/// What a collector has received: heads and bodies.
type Received = Arc<Mutex<Vec<(String, String)>>>;

/// A collector that refuses the first request.
fn collector() -> (u16, Received) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, received) = (socket.local_addr().unwrap().port(), Received::default());
    let keep = Arc::clone(&received);
    thread::spawn(move || {
        for stream in socket.incoming() {
            let (mut stream, mut text) = (stream.unwrap(), Vec::new());
            let (head, body) = loop {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).unwrap();
                text.extend_from_slice(&buffer[..read]);
                let whole = String::from_utf8_lossy(&text).into_owned();
                let Some((head, body)) = whole.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                if body.len() >= length.parse().unwrap() {
                    break (head.to_owned(), body.to_owned());
                }
            };
            let status = if keep.lock().is_empty() { "500 No" } else { "204 No Content" };
            keep.lock().push((head, body));
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").unwrap();
        }
    });
    (port, received)
}

#[test]
fn a_collector_is_sent_each_head_with_its_token_and_asked_again_after_it_has_refused() {
    let (port, received) = collector();
    let home =
        home(&format!("{{ name: soc, url: \"http://127.0.0.1:{port}/heads\", bearer: \"${{file:soc.token}}\", every: 1s }}"));
    home.write("soc.token", "soc-token-0123456789");
    let serving = home.serve_quietly();
    eventually("a second try", || (received.lock().len() >= 2).then_some(()));
    assert_eq!(metric(&serving, "yett_audit_copy_failures_total{copy=\"soc\"}"), Some(1.0));
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("soc-token-0123456789"), "{log}");
    let received = received.lock();
    for (head, _) in &*received {
        assert!(head.starts_with("POST /heads HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer soc-token-0123456789"), "{head}");
    }
    home.write("last.note", &received.last().unwrap().1);
    let verified = home.run(&["audit", "verify", "data", "--pin", "last.note"]);
    assert_eq!(verified.code, Some(0), "the last head counts the last record: {}{}", verified.out, verified.err);
}
