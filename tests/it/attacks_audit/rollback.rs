//! A log that was put back, or that somebody else writes: what the head store sees, without any witness.

use std::fs;
use std::path::Path;
use std::process::Command;

use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::time::{Duration, Instant};

use crate::cli::http::get;
use crate::cli::process::{Finished, Home, eventually};
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

/// Copies a folder as `cp -a` does.
pub(super) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status().unwrap();
    assert!(copied.success());
}

/// Puts the copy at `old` in the place of `path`.
pub(super) fn restore(old: &Path, path: &Path) {
    let _ = fs::remove_dir_all(path);
    let _ = fs::remove_file(path);
    copy(old, path);
}

/// One run that serves and ends in order.
fn run_once(home: &Home) {
    assert_eq!(home.serve_quietly().terminate().0, Some(0));
}

fn assert_refused(refused: &Finished) {
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    for word in ["an old copy was put back", "state.db", "audit.replica"] {
        assert!(refused.err.contains(word), "no `{word}`:\n{}", refused.err);
    }
}

#[test]
fn aud_012_an_audit_directory_put_back_alone_is_refused_without_any_witness_and_left_as_it_is() {
    let home = home();
    run_once(&home);
    copy(&home.path("data/audit"), &home.path("old-audit"));
    let old = home.records();
    run_once(&home);
    assert!(home.records().len() > old.len());
    restore(&home.path("old-audit"), &home.path("data/audit"));
    assert_refused(&home.run(&["serve"]));
    assert_refused(&home.run(&["keys", "--offline", "create", "--subject", "ada"]));
    assert_eq!(home.records(), old, "evidence was changed");

    // Gone altogether is the oldest copy of all.
    fs::remove_dir_all(home.path("data/audit")).unwrap();
    assert_refused(&home.run(&["serve"]));

    // The remedy that the message names.
    home.edit("audit: { origin: cli.localhost", "audit: { replica: r2, origin: cli.localhost");
    run_once(&home);
}

#[test]
fn aud_012_what_was_written_offline_is_remembered_too() {
    let home = home();
    home.key_offline("ada");
    copy(&home.path("data/audit"), &home.path("old-audit"));
    home.key_offline("eve");
    restore(&home.path("old-audit"), &home.path("data/audit"));
    assert_refused(&home.run(&["serve"]));
}

#[test]
fn aud_013_a_second_process_ends_within_two_seconds_and_the_first_keeps_serving() {
    let home = home();
    let serving = home.serve_quietly();
    let began = Instant::now();
    let second = home.run(&["serve"]);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(second.code, Some(2), "{}", second.err);
    assert!(second.err.contains("another process holds the lock") && second.err.contains("r1/lock"), "{}", second.err);
    // Longer than it takes the first one to see that somebody touched its head store.
    let swapped = Instant::now() + Duration::from_secs(2);
    eventually("the next swap", || (Instant::now() > swapped).then_some(()));
    assert_eq!(get(serving.health, "/readyz").status, 200);
    assert_eq!(serving.terminate().0, Some(0));
    assert_eq!(home.run(&["audit", "verify", "--accept-unanchored", "data"]).code, Some(0));
}

#[tokio::test]
async fn aud_013_a_writer_that_the_lock_did_not_see_freezes_the_log() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    assert_eq!(ada.call("echo", serde_json::json!({})).await.status, 200);
    let before = crm.count();

    let options = SqliteConnectOptions::new().filename(gateway.data().join("state.db")).busy_timeout(Duration::from_secs(5));
    let mut store = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql("UPDATE heads SET size = size + 1000").execute(&mut store).await.unwrap();
    let frozen = async {
        loop {
            // Each of these is a record, and so a new head.
            let answer = ada.call("echo", serde_json::json!({})).await;
            if answer.status == 503 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    crate::support::within("the log to be frozen", frozen).await;
    let reached = crm.count();
    assert!(reached >= before);
    let ready = gateway.health("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(String::from_utf8_lossy(&ready.body).contains("frozen"), "{ready:?}");
    for _ in 0..3 {
        assert_eq!(ada.call("echo", serde_json::json!({})).await.status, 503);
    }
    assert_eq!(crm.count(), reached, "a call was forwarded");
}
