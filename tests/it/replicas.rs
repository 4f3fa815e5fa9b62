//! Gateways that share their state in a real `PostgreSQL`.

use std::time::Duration;

use serde_json::json;
use yett::admin::Order;
use yett::state::{NewKey, Rotation, Switch};
use yett::vault::Identity;

use crate::support::eventually;
use crate::support::gateway::{Builder, Gateway};
use crate::support::postgres::Postgres;
use crate::support::server::Upstream;

/// A replica with a log of its own.
fn replica(name: &str, database: &Postgres, crm: &Upstream) -> Builder {
    Gateway::start().servers([("crm", crm)]).config_extra(&format!(
        "state: {{ url: \"{}\" }}\nmaster_key: 0123456789abcdef0123456789abcdef\n\
         audit: {{ origin: test.localhost, replica: {name}, refusals: {{ per_peer: 100000, total: 100000 }} }}",
        database.url()
    ))
}

fn staff(subject: &str) -> NewKey {
    NewKey { subject: subject.to_owned(), groups: vec!["staff".to_owned()], ..NewKey::default() }
}

async fn status(gateway: &Gateway, secret: &str) -> u16 {
    gateway.modern("crm", secret).call("echo", json!({})).await.status
}

/// Waits until a secret is answered so.
async fn becomes(gateway: &Gateway, secret: &str, wanted: u16) {
    let poll = async {
        while status(gateway, secret).await != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    crate::support::within(&format!("{wanted}"), poll).await;
}

#[tokio::test]
async fn what_one_replica_changes_holds_at_the_others_and_without_the_database_calls_go_on() {
    let (mut database, crm) = (Postgres::start().await, Upstream::start().await);
    // Both find it empty: one of them makes the tables, the other waits.
    let (one, two) = tokio::join!(replica("r1", &database, &crm), replica("r2", &database, &crm));
    assert_eq!(database.sql("yett", "SELECT version FROM yett_schema"), "6");

    // Made at one, good at the other; rotated there, with both secrets good here.
    let operations = one.running.operations();
    let (key, first) =
        operations.create_key(NewKey { servers: Some(vec!["crm".into()]), ..staff("ada") }, "admin").await.unwrap();
    becomes(&two, first.expose(), 200).await;
    let rotation = Rotation { overlap: Duration::from_hours(1), expires: None };
    let (_, second) = two.running.operations().rotate_key(&key.id, rotation, "admin").await.unwrap();
    becomes(&one, second.expose(), 200).await;
    assert_eq!(status(&one, first.expose()).await, 200);
    let listed = two.running.operations().keys();
    assert!(listed[0].former.as_ref().is_some_and(|(kept, _)| kept.last_use().is_some()), "{listed:#?}");

    // A stop at one stops the other, and so does a revocation.
    operations.set_switch(&Switch::Server("crm".into()), true, "admin").await.unwrap();
    becomes(&two, second.expose(), 503).await;
    two.running.operations().set_switch(&Switch::Server("crm".into()), false, "admin").await.unwrap();
    becomes(&one, second.expose(), 200).await;
    let (bob, bobs) = operations.create_key(staff("bob"), "admin").await.unwrap();
    becomes(&two, bobs.expose(), 200).await;
    operations.revoke_key(&bob.id, "admin").await.unwrap();
    becomes(&two, bobs.expose(), 401).await;

    // Without the database what is in memory holds, readiness tells, and nothing is made that could not be kept.
    one.metric_is("yett_state_reachable", 1.0).await;
    database.stop();
    one.metric_is("yett_state_reachable", 0.0).await;
    let ready = one.health("/readyz").await;
    let told = String::from_utf8_lossy(&ready.body).into_owned();
    assert!(ready.status == 200 && told.contains("warning: the state store cannot be reached"), "{told}");
    assert_eq!(status(&one, second.expose()).await, 200);
    assert!(operations.create_key(staff("eve"), "admin").await.is_err());
    // Orders to stop hold at once here, and everywhere once the database is back.
    assert!(operations.revoke_key(&key.id, "admin").await.is_err(), "the operator is told that it is not stored");
    assert_eq!(status(&one, second.expose()).await, 401);
    assert!(operations.set_switch(&Switch::All, true, "admin").await.is_err());
    assert_eq!(status(&two, second.expose()).await, 200, "nobody could tell it");
    database.run().await;
    becomes(&two, second.expose(), 401).await;
    eventually("the stop has come to the other", || (two.running.operations().switches() == ["all"]).then_some(())).await;
    one.metric_is("yett_state_reachable", 1.0).await;
    assert_eq!(status(&one, second.expose()).await, 401, "a revocation was forgotten");

    // The heads of both logs are where they were left.
    let (one, two) = (one.stop_and_verify().await, two.stop_and_verify().await);
    let one = one.start().await;
    assert_eq!(one.running.operations().switches(), ["all"]);
    one.stop_and_verify().await;
    drop(two);
}

#[tokio::test]
async fn mcp_077_a_stop_of_any_kind_holds_at_every_replica_within_a_second_and_an_unknown_one_stops_everything() {
    let (database, crm) = (Postgres::start().await, Upstream::start().await);
    let one = replica("r1", &database, &crm).await;
    let two = replica("r2", &database, &crm).await;
    let secret = one.tenant_key("ada", "acme").await;
    becomes(&two, &secret, 200).await;
    let operations = one.running.operations();
    for name in ["all", "server:crm", "tool:crm/echo", "principal:api-key/ada", "tenant:api-key/acme"] {
        let switch = Switch::from_name(name);
        operations.switch_for(&switch, true, "drill", "admin").await.unwrap();
        let asked = tokio::time::Instant::now();
        becomes(&two, &secret, 503).await;
        assert!(asked.elapsed() < Duration::from_secs(1), "{name}: {:?}", asked.elapsed());
        assert_eq!(two.running.operations().stops()[0].1.reason, "drill");
        two.running.operations().set_switch(&switch, false, "admin").await.unwrap();
        becomes(&one, &secret, 200).await;
    }
    // What a newer release wrote.
    database.sql("yett", "INSERT INTO kill_switches (target) VALUES ('client:laptop'); UPDATE changes SET n = n + 1");
    becomes(&one, &secret, 503).await;
    becomes(&two, &secret, 503).await;
    operations.set_switch(&Switch::from_name("client:laptop"), false, "admin").await.unwrap();
    becomes(&two, &secret, 200).await;

    // Who is erased is nobody to be stopped, here as there.
    operations.switch_for(&Switch::from_name("principal:api-key/ada"), true, "drill", "admin").await.unwrap();
    let order = Order {
        who: Identity { issuer: "api-key".into(), subject: "ada".into() },
        basis: "art. 17".into(),
        approver: "dpo".into(),
        requester: "admin".into(),
    };
    operations.privacy().erase(&order).await.unwrap();
    assert!(operations.stops().is_empty());
    assert_eq!(database.sql("yett", "SELECT COUNT(*) FROM kill_switches"), "0");
    eventually("the other forgets", || two.running.operations().stops().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_database_of_a_newer_release_or_another_log_is_refused_and_its_url_is_told_to_nobody() {
    let (mut database, crm) = (Postgres::start().await, Upstream::start().await);
    let gateway = replica("r1", &database, &crm).await;
    let (_, secret) = gateway.running.operations().create_key(staff("ada"), "admin").await.unwrap();
    let folder = gateway.stop_and_verify().await;
    // Two with one name would write one log: the second one's does not continue what stands there.
    let twin = replica("r1", &database, &crm).try_start().await.err().expect("a second r1 starts");
    assert!(twin.contains("RolledBack"), "{twin}");

    let gateway = folder.start().await;
    assert_eq!(status(&gateway, secret.expose()).await, 200, "keys survive a restart");
    let folder = gateway.stop_and_verify().await;
    database.sql("yett", "UPDATE yett_schema SET version = 99");
    let newer = folder.try_start().await.err().expect("a newer store is used");
    assert!(newer.contains("Newer") && newer.contains("99"), "{newer}");
    database.stop();
    let url = database.url().replace("yett@", "yett:hunter2@");
    let away = Gateway::start().servers([("crm", &crm)]);
    let away = away.config_extra(&format!("state: {{ url: \"{url}\" }}\nmaster_key: 0123456789abcdef0123456789abcdef"));
    let away = away.try_start().await.err().expect("it starts without its database");
    assert!(away.contains("the database of state.url") && !away.contains("hunter2"), "{away}");
}
