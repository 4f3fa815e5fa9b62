//! Secrets in files.

use std::fs;

use yett::audit::Filter;

use super::{FIRST, SECOND, acts, asked, in_force, metrics, metrics_token, ready, recorded, said};
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;

#[tokio::test]
async fn a_secret_in_a_file_is_used_when_it_changes_and_its_last_value_while_the_file_is_gone() {
    let crm = Upstream::start().await;
    let builder = Gateway::start().servers([("crm", &crm)]).config_extra(&metrics_token("${file:token}", "stale: 1h"));
    let file = builder.folder().join("token");
    fs::write(&file, FIRST).unwrap();
    let gateway = builder.await;
    assert_eq!((metrics(&gateway, FIRST).await, metrics(&gateway, SECOND).await), (200, 401));

    fs::write(&file, SECOND).unwrap();
    in_force(&gateway, SECOND).await;
    assert_eq!(metrics(&gateway, FIRST).await, 401, "the old one is good no more");
    recorded(&gateway, "secret.changed").await;

    fs::remove_file(&file).unwrap();
    said(&gateway, "the secret of `health.metrics_token` is the last one that was read").await;
    assert_eq!(ready(&gateway).await.0, 200, "a gateway that has the last value serves");
    assert_eq!(metrics(&gateway, SECOND).await, 200);

    // Two words are no token, and do not become one.
    fs::write(&file, "two words\n").unwrap();
    gateway.running.reload("signal").await.unwrap_err();
    assert_eq!(metrics(&gateway, SECOND).await, 200);
    fs::write(&file, FIRST).unwrap();
    in_force(&gateway, FIRST).await;
    assert!(!ready(&gateway).await.1.contains("metrics_token"));
    let log = format!("{:?}", gateway.records(&Filter::default()));
    assert!(!log.contains(FIRST) && !log.contains(SECOND), "a value stands in the log");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_reload_uses_rotated_secrets_and_is_not_refused_for_them() {
    let crm = Upstream::start().await;
    let extra = metrics_token("${file:token}", "stale: 1h").replace("refresh: 1s", "refresh: 1h");
    let builder = Gateway::start().servers([("crm", &crm)]).config_extra(&extra);
    let file = builder.folder().join("token");
    fs::write(&file, FIRST).unwrap();
    let gateway = builder.await;
    fs::write(&file, SECOND).unwrap();
    assert_eq!(metrics(&gateway, SECOND).await, 401, "nobody has looked yet");
    let reloaded = gateway.running.reload("signal").await.unwrap();
    assert!(!reloaded.changed, "a secret is no part of the rules: {reloaded:?}");
    assert_eq!((metrics(&gateway, FIRST).await, metrics(&gateway, SECOND).await), (401, 200));
    assert_eq!(acts(&gateway), [("secret.changed".to_owned(), "health.metrics_token".to_owned())]);
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_for_too_long_is_withdrawn_and_comes_back() {
    let crm = Upstream::start().await;
    let builder = Gateway::start().servers([("crm", &crm)]).config_extra(&metrics_token("${file:token}", "stale: 1s"));
    let file = builder.folder().join("token");
    fs::write(&file, FIRST).unwrap();
    let gateway = builder.await;
    fs::remove_file(&file).unwrap();
    recorded(&gateway, "secret.withdrawn").await;
    assert_eq!(metrics(&gateway, FIRST).await, 401);
    let (status, text) = ready(&gateway).await;
    assert!(status == 200 && text.contains("the secret of `health.metrics_token` is missing"), "{status} {text}");
    fs::write(&file, FIRST).unwrap();
    in_force(&gateway, FIRST).await;
}

#[tokio::test]
async fn a_secret_older_than_it_may_be_is_recorded_once_and_counted_as_due() {
    let crm = Upstream::start().await;
    let extra = metrics_token("${file:token}", "max_ages: { health.metrics_token: 30d }");
    let builder = Gateway::start().servers([("crm", &crm)]).config_extra(&extra);
    let file = builder.folder().join("token");
    fs::write(&file, FIRST).unwrap();
    let gateway = builder.await;
    let counted = async |due: u8| {
        let body = String::from_utf8(asked(&gateway, FIRST).await.body).unwrap();
        let sample = format!("yett_secret_rotation_due{{setting=\"health.metrics_token\"}} {due}");
        assert!(body.contains(&sample), "{body}");
    };
    counted(0).await;
    gateway.clock.advance(31 * 24 * 3600);
    recorded(&gateway, "secret.rotation_due").await;
    counted(1).await;
    fs::write(&file, SECOND).unwrap();
    in_force(&gateway, SECOND).await;
    assert_eq!(acts(&gateway).iter().filter(|(act, _)| act == "secret.rotation_due").count(), 1, "told once a day");
}
