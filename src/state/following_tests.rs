//! What changes here while all of the store is read into memory holds from then on, without a gap until the next look.

use std::path::Path;
use std::pin::pin;

use jiff::Timestamp;

use super::*;
use crate::master_key::MasterKey;
use crate::state::{Approval, Definition, NewKey, Switch};

async fn open(dir: &Path) -> (ApiKeys, Switches) {
    ApiKeys::open(dir, &MasterKey::open(None, dir).unwrap()).await.unwrap()
}

/// Who comes first to the store.
#[derive(Clone, Copy)]
enum First {
    Change,
    Read,
}

/// Both at once, in each other's way.
async fn at_once<C>(
    first: First,
    keys: &ApiKeys,
    change: impl Future<Output = C>,
    read: impl Future<Output = Result<(), StoreError>>,
) -> C {
    let (mut change, mut read) = (pin!(change), pin!(read));
    let others = keys.store().turn().await;
    let wait = Duration::from_millis(100);
    for is_read in [matches!(first, First::Read), matches!(first, First::Change)] {
        if is_read {
            assert!(tokio::time::timeout(wait, &mut read).await.is_err(), "what stands in the store is read in its turn");
        } else {
            assert!(tokio::time::timeout(wait, &mut change).await.is_err(), "it waits for its turn");
        }
    }
    drop(others);
    let (changed, read) = tokio::join!(change, read);
    read.unwrap();
    changed
}

#[tokio::test]
async fn a_stop_and_its_end_outlast_what_was_being_read() {
    for first in [First::Change, First::Read] {
        let dir = tempfile::tempdir().unwrap();
        let (keys, switches) = open(dir.path()).await;
        let (all, crm) = (Switch::from_name("all"), Switch::from_name("server:crm"));
        let stop = switches.prepare(&all, "drill");
        at_once(first, &keys, switches.set(&all, Some(stop)), switches.reload()).await.unwrap();
        assert_eq!(switches.list(), ["all"]);
        at_once(first, &keys, switches.set(&all, None), switches.reload()).await.unwrap();
        assert_eq!(switches.list(), [""; 0]);
        // Of two at once the last one is stored, whoever comes first.
        let stop = |reason| switches.set(&crm, Some(switches.prepare(&crm, reason)));
        let both = Box::pin(async { tokio::join!(stop("first"), stop("last")) });
        let (one, other) = at_once(first, &keys, both, switches.reload()).await;
        one.and(other).unwrap();
        switches.reload().await.unwrap();
        assert_eq!(switches.stops_on(), [(crm.clone(), switches.prepare(&crm, "last"))]);
    }
}

#[tokio::test]
async fn who_is_erased_is_not_brought_back_by_what_was_being_read() {
    for first in [First::Change, First::Read] {
        let dir = tempfile::tempdir().unwrap();
        let (keys, switches) = open(dir.path()).await;
        let ada = Switch::from_name("principal:api-key/ada");
        switches.set(&ada, Some(switches.prepare(&ada, "drill"))).await.unwrap();
        let (key, _) = keys.create(NewKey { subject: "ada".into(), ..NewKey::default() }, Timestamp::now()).await.unwrap();
        let stops = switches.of_subject("api-key", "ada");
        at_once(first, &keys, switches.erase(&stops), switches.reload()).await.unwrap();
        at_once(first, &keys, keys.erase(&[&*key.id]), keys.reload()).await.unwrap();
        assert_eq!((switches.list(), keys.list().len()), (Vec::new(), 0));
    }
}

#[tokio::test]
async fn a_key_stays_revoked_whatever_was_being_read_or_put_in_its_place() {
    for first in [First::Change, First::Read] {
        let dir = tempfile::tempdir().unwrap();
        let (keys, _switches) = open(dir.path()).await;
        let now = Timestamp::now();
        let new = || NewKey { subject: "ada".into(), ..NewKey::default() };
        let (key, _) = at_once(first, &keys, keys.create(new(), now), keys.reload()).await.unwrap();
        assert_eq!(keys.find(&key.id).unwrap().revoked, None, "what is new is there");
        at_once(first, &keys, keys.revoke(&key.id, now), keys.reload()).await.unwrap();
        assert!(keys.find(&key.id).unwrap().revoked.is_some());
        // It is revoked while another secret is about to take the place of its own.
        let (key, _) = keys.create(new(), now).await.unwrap();
        let (rotated, secret) =
            keys.rotated(&key.id, crate::state::Rotation { overlap: Duration::ZERO, expires: None }, now).unwrap();
        let both = Box::pin(async { tokio::join!(keys.replace(&rotated), keys.revoke(&key.id, now)) });
        let (replaced, revoked) = at_once(first, &keys, both, keys.reload()).await;
        replaced.unwrap();
        revoked.unwrap();
        for _ in 0..2 {
            let key = keys.find(&key.id).unwrap();
            assert!(key.revoked.is_some() && keys.verify(secret.expose()).is_some_and(|shown| keys.judge(&shown, now).is_err()));
            keys.reload().await.unwrap();
        }
    }
}

#[tokio::test]
async fn an_approval_and_its_end_outlast_what_was_being_read() {
    for first in [First::Change, First::Read] {
        let dir = tempfile::tempdir().unwrap();
        let (keys, _switches) = open(dir.path()).await;
        let approvals = keys.approvals();
        let definition = Definition { server: "crm".into(), tool: "notes".into(), hash: "0".repeat(64) };
        let approval = Approval { by: "ops".into(), reason: "read".into(), at: Timestamp::now() };
        at_once(first, &keys, approvals.approve(definition.clone(), approval), approvals.reload()).await.unwrap();
        assert!(approvals.approves(&definition));
        at_once(first, &keys, approvals.revoke(&definition), approvals.reload()).await.unwrap();
        assert!(!approvals.approves(&definition));
    }
}

#[tokio::test]
async fn what_was_stored_and_nobody_heard_of_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, switches) = open(dir.path()).await;
    let (keys, switches) = (Arc::new(keys), Arc::new(switches));
    let following = Following::new(Arc::clone(&keys), Arc::clone(&switches));
    following.look().await.unwrap();
    let store = || sqlx::query("INSERT INTO kill_switches (target, reason, id) VALUES ('all', 'drill', '')");
    store().execute(keys.store().pool()).await.unwrap();
    following.look().await.unwrap();
    assert_eq!(switches.list(), [""; 0], "nobody else changes what one process has");
    // Whoever asked for a change went away.
    drop(keys.store().turn().await);
    following.look().await.unwrap();
    assert_eq!(switches.list(), ["all"]);
    assert_eq!(keys.store().doubts(), following.settled.load(Ordering::Acquire));
}

#[tokio::test]
async fn keys_whose_erasure_has_failed_stay_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (keys, switches) = open(dir.path()).await;
    let (keys, switches) = (Arc::new(keys), Arc::new(switches));
    let following = Following::new(Arc::clone(&keys), switches);
    let (key, _) = keys.create(NewKey { subject: "ada".into(), ..NewKey::default() }, Timestamp::now()).await.unwrap();
    sqlx::raw_sql("ALTER TABLE api_keys RENAME TO gone").execute(keys.store().pool()).await.unwrap();
    keys.erase(&[&*key.id]).await.unwrap_err();
    sqlx::raw_sql("ALTER TABLE gone RENAME TO api_keys").execute(keys.store().pool()).await.unwrap();
    following.look().await.unwrap();
    assert_eq!(keys.list().len(), 0);
}
