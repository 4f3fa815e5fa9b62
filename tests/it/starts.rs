//! Starts under bad conditions, and with the least configuration: it serves as it should, or not at all.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::net::TcpListener;

use serde_json::json;
use sqlx::Connection as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use yett::config::{self, Durability};

use crate::cli::http::{call, get};
use crate::cli::process::Home;
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

fn home() -> Home {
    Home::new("127.0.0.1:9".parse().unwrap())
}

/// The start is refused with 2, the operator reads all of `words`, and nothing was served or recorded.
fn assert_refused(home: &Home, words: &[&str]) {
    let refused = home.run(&["serve"]);
    assert_eq!(refused.code, Some(2), "{}", refused.err);
    for word in words {
        assert!(refused.err.contains(word), "no word of `{word}`:\n{}", refused.err);
    }
    assert!(!refused.err.contains("\"serving\""), "{}", refused.err);
    assert!(!refused.err.contains("panicked"), "{}", refused.err);
}

/// The databases, and how a start that one of them stops begins.
const DATABASES: [(&str, &str); 2] = [("no state", "state.db"), ("no vault", "vault.db")];

async fn open(home: &Home, database: &str) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(home.path("data").join(database));
    SqliteConnection::connect_with(&options).await.unwrap()
}

#[tokio::test]
async fn avl_024_a_database_that_another_process_holds_stops_the_start() {
    for (what, database) in DATABASES {
        let home = home();
        home.key_offline("ada");
        let mut held = open(&home, database).await;
        // All of it, so that not even a reader gets in.
        sqlx::raw_sql("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE mine (x); COMMIT")
            .execute(&mut held)
            .await
            .unwrap();
        assert_refused(&home, &[what, database, "locked"]);
        held.close().await.unwrap();
        assert_eq!(home.serve().terminate().0, Some(0), "{database}: it does not start once the lock is gone");
    }
}

#[tokio::test]
async fn avl_024_a_database_of_a_newer_release_is_left_alone() {
    for (what, database) in DATABASES {
        let home = home();
        home.key_offline("ada");
        let mut newer = open(&home, database).await;
        sqlx::raw_sql("PRAGMA user_version = 9; PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut newer).await.unwrap();
        newer.close().await.unwrap();
        let before = fs::read(home.path("data").join(database)).unwrap();
        assert_refused(&home, &[what, database, "version 9", "knows"]);
        assert_eq!(fs::read(home.path("data").join(database)).unwrap(), before, "{database} was changed");
    }
}

#[test]
fn avl_024_a_database_that_is_none_stops_the_start() {
    for (what, database) in DATABASES {
        let home = home();
        home.key_offline("ada");
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(home.path("data").join(format!("{database}{end}")));
        }
        fs::write(home.path("data").join(database), "this is no database, and has never been one".repeat(100)).unwrap();
        assert_refused(&home, &[what, database]);
    }
}

#[test]
fn avl_024_a_server_that_is_down_does_not_keep_others_from_being_served() {
    let home = home();
    let (_, secret) = home.key_offline("ada");
    let serving = home.serve();
    assert_eq!(get(serving.health, "/readyz").status, 200);
    let failed = call(serving.listener, "crm", &secret, "get_customer");
    assert_eq!((failed.status, failed.error_code()), (200, Some(-31502)), "{failed:?}");
    let stranger = call(serving.listener, "crm", "nobody", "get_customer");
    assert_eq!(stranger.status, 401, "it serves in a weaker mode");
    assert_eq!(serving.terminate().0, Some(0));
}

#[test]
fn avl_024_a_port_that_is_taken_is_told_whichever_it_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (from, what) in [
        ("listeners: [{ name: local, address: \"127.0.0.1:0\"", "(local)"),
        ("admin: { address: \"127.0.0.1:0\"", "cannot listen on"),
        ("health: { address: \"127.0.0.1:0\"", "(health)"),
    ] {
        let home = home();
        home.edit(from, &from.replace("127.0.0.1:0", &address));
        assert_refused(&home, &[what, &address]);
        assert!(
            !home.path("data/audit/cli.localhost/r1/seg").exists()
                || home.records().iter().all(|record| record["kind"] == "key.rotate"),
            "{what}: a start was recorded"
        );
    }
}

#[test]
fn avl_024_a_folder_that_cannot_be_made_or_a_key_that_is_none_stops_the_start() {
    let unwritable = home();
    unwritable.edit("policies: policies/", "data_dir: /proc/self/yett\npolicies: policies/");
    assert_refused(&unwritable, &["cannot make the data directory `/proc/self/yett`"]);

    let in_the_way = home();
    in_the_way.write("data", "a file, not a folder");
    assert_refused(&in_the_way, &["data"]);

    let damaged = home();
    damaged.key_offline("ada");
    fs::write(damaged.path("data/master.key"), "short").unwrap();
    assert_refused(&damaged, &["master key"]);
}

#[tokio::test]
async fn avl_026_the_shortest_configuration_is_a_safe_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    fs::write(folder.path().join("policies/p.yaml"), "version: 1\n").unwrap();
    let shortest = "version: 1\nlisteners: [ { name: l, address: 'ADDRESS' } ]\nservers: { crm: { url: 'http://127.0.0.1:2/mcp' } }\n\
                    policies: policies\n";
    let config = config::load_str(&shortest.replace("ADDRESS", "127.0.0.1:1"), folder.path()).unwrap().config;
    assert!(config.admin.ip().is_loopback() && config.health.address.ip().is_loopback());
    assert_eq!(config.audit.durability, Durability::Strict);
    assert!(config.accept_risks.is_empty() && config.health.metrics_token.is_none());
    assert!(
        config.identity.issuers.is_empty() && config.identity.api_keys.enabled,
        "nobody but holders of keys, of which there are none"
    );
    assert!(config.servers[0].auth.is_none());
    assert!(config.servers[0].limits.concurrency > 0 && config.servers[0].breaker.failures > 0, "something is unbounded");
    let Err(report) = config::load_str(&shortest.replace("ADDRESS", "0.0.0.0:1"), folder.path()) else {
        panic!("off loopback without TLS, and nobody has said so")
    };
    assert!(report.to_string().contains("TLS"), "{report}");

    // And run: nobody gets in without a key, nobody does anything without a grant, nobody reads the metrics, all is on record.
    let crm = Upstream::start().await;
    let gateway = Gateway::start().policy("version: 1\n").servers([("crm", &crm)]).config_extra("accept_risks: []").await;
    assert!(gateway.address.ip().is_loopback());
    let stranger = gateway.modern("crm", "nobody").call("echo", json!({})).await;
    assert_eq!(stranger.status, 401, "{stranger:?}");
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let refused = [ada.call("echo", json!({})).await, ada.list_tools().await];
    for answer in &refused {
        assert_eq!(answer.status, 404, "{answer:?}");
    }
    assert_eq!(crm.count(), 0, "a server was reached");
    assert_eq!(gateway.denials().len(), 3);
    let start = gateway.records(&yett::audit::Filter { kinds: vec!["start".to_owned()], ..Default::default() });
    assert_eq!(start[0]["mode"], "strict", "{start:?}");
    let metrics = tokio::task::spawn_blocking({
        let health = gateway.running.health;
        move || get(health, "/metrics").status
    });
    assert_eq!(metrics.await.unwrap(), 401);
    gateway.stop_and_verify().await;
}
