//! API keys in their store.

use std::path::Path;

use jiff::SignedDuration;

use super::*;
use crate::state::look_at_keys;

const DAY: i64 = 86_400;

fn new_key() -> NewKey {
    NewKey { subject: "ada".into(), groups: vec!["sales".into()], ..NewKey::default() }
}

async fn store(dir: &Path) -> ApiKeys {
    let master = MasterKey::open(None, dir).unwrap();
    ApiKeys::open(dir, &master).await.unwrap().0
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_second(number * DAY).unwrap()
}

/// How a secret is judged at a time.
fn judged(keys: &ApiKeys, secret: &Secret<String>, now: Timestamp) -> Option<Result<Shown, KeyRefusal>> {
    keys.verify(secret.expose()).map(|presented| keys.judge(&presented, now))
}

#[tokio::test]
async fn a_key_verifies_and_no_neighbour_of_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let (key, secret) = keys.create(new_key(), day(0)).await.unwrap();
    let token = secret.expose();
    assert_eq!(keys.verify(token).unwrap().key.id, key.id);
    for (place, _) in token.char_indices() {
        let mut other = token.clone().into_bytes();
        other[place] = if other[place] == b'x' { b'y' } else { b'x' };
        assert!(keys.verify(std::str::from_utf8(&other).unwrap()).is_none(), "byte {place}");
    }
    assert!(keys.verify("").is_none());
    assert!(keys.verify("yett__").is_none());
    assert!(keys.verify(&mint(&key.id).unwrap()).is_none(), "a secret of chance under a known id");
}

#[tokio::test]
async fn keys_survive_a_restart_without_their_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let new = NewKey { roles: vec!["r".into()], servers: Some(vec!["crm".into(), "mail".into()]), ..new_key() };
    let (key, old) = keys.create(new, day(0)).await.unwrap();
    let rotation = Rotation { overlap: Duration::from_hours(24), expires: Some(day(30)) };
    let (rotated, secret) = keys.rotated(&key.id, rotation, day(1)).unwrap();
    keys.replace(&rotated).await.unwrap();
    for (secret, second) in [(&old, 100), (&secret, 200), (&secret, 150)] {
        keys.note_use(&keys.verify(secret.expose()).unwrap(), Timestamp::from_millisecond(second * 1000 + 7).unwrap());
    }
    keys.store_uses().await.unwrap();
    keys.close().await;

    let keys = store(dir.path()).await;
    let found = keys.find(&key.id).unwrap();
    assert_eq!((&found.groups, &found.roles), (&vec!["sales".to_owned()], &vec!["r".to_owned()]));
    assert_eq!(found.servers.as_deref(), Some(&["crm".to_owned(), "mail".to_owned()][..]));
    assert_eq!((found.created, found.secret.made, found.expires), (day(0), day(1), Some(day(30))));
    assert_eq!(found.digest(), rotated.digest(), "nothing that records rely on is lost");
    let (former, until) = found.former.as_ref().unwrap();
    assert_eq!(*until, day(2));
    let second = |second| Some(Timestamp::from_second(second).unwrap());
    assert_eq!([former.last_use(), found.secret.last_use()], [second(100), second(200)]);
    assert_eq!(judged(&keys, &old, day(1)), Some(Ok(Shown::Former)));
    for secret in [&old, &secret] {
        let random = secret.expose().rsplit('_').next().unwrap().as_bytes();
        for name in ["state.db", "state.db-wal"] {
            let bytes = std::fs::read(dir.path().join(name)).unwrap_or_default();
            assert!(!bytes.windows(random.len()).any(|window| window == random), "a secret stands in {name}");
        }
    }
    assert_eq!(look_at_keys(dir.path()).await.unwrap().unwrap()[0].digest(), found.digest(), "beside a running gateway");
}

#[tokio::test]
async fn of_a_rotated_key_the_old_secret_is_good_for_the_overlap_and_revocation_ends_both() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let (key, first) = keys.create(new_key(), day(0)).await.unwrap();
    let rotation = Rotation { overlap: Duration::from_hours(48), expires: None };
    let (rotated, second) = keys.rotated(&key.id, rotation, day(1)).unwrap();
    assert!(keys.verify(second.expose()).is_none(), "it is good before it is put in place");
    keys.replace(&rotated).await.unwrap();
    assert_eq!((&rotated.id, &rotated.subject), (&key.id, &key.subject), "it is the same caller");
    let almost = day(3) - SignedDuration::from_secs(1);
    assert_eq!(
        [judged(&keys, &first, almost), judged(&keys, &second, almost)],
        [Some(Ok(Shown::Former)), Some(Ok(Shown::Current))]
    );
    assert_eq!(judged(&keys, &first, day(3)), Some(Err(KeyRefusal::Replaced)), "the overlap is over");
    assert_eq!(judged(&keys, &second, day(3)), Some(Ok(Shown::Current)));

    // Of a key that is rotated again, no more than two secrets are good.
    let (again, third) = keys.rotated(&key.id, Rotation { overlap: Duration::from_hours(1), expires: None }, day(1)).unwrap();
    assert!(matches!(keys.replace(&rotated).await, Err(KeyError::Changed(_))), "what was made of an older state is refused");
    keys.replace(&again).await.unwrap();
    assert!(keys.verify(first.expose()).is_none());
    assert_eq!(judged(&keys, &second, day(1)), Some(Ok(Shown::Former)));
    keys.revoke(&key.id, day(1)).await.unwrap();
    for secret in [&second, &third] {
        assert_eq!(judged(&keys, secret, day(1)), Some(Err(KeyRefusal::Revoked)));
    }
    assert!(matches!(keys.rotated(&key.id, Rotation::default(), day(1)), Err(KeyError::NotActive(_))));
}

#[tokio::test]
async fn a_secret_grows_too_old_and_its_key_is_good_again_once_it_is_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let aging = Aging { max_age: Duration::from_hours(24 * 10), warn_before: Duration::from_hours(24 * 3) };
    let keys = store(dir.path()).await.aging_by(aging);
    let (key, secret) = keys.create(new_key(), day(0)).await.unwrap();
    let status = |now| keys.find(&key.id).unwrap().status(now, aging);
    let almost = day(7) - SignedDuration::from_secs(1);
    assert_eq!(
        [almost, day(7), day(9), day(10)].map(status),
        [KeyStatus::Active, KeyStatus::Due, KeyStatus::Due, KeyStatus::TooOld]
    );
    assert_eq!(judged(&keys, &secret, day(10)), Some(Err(KeyRefusal::TooOld)));
    assert_eq!(keys.ages(day(8)), Ages { due: 1, too_old: 0, next: Some(day(10)) });
    assert_eq!(keys.ages(day(10)), Ages { due: 0, too_old: 1, next: None });

    // An overlap lets nothing live for longer.
    let (rotated, _) = keys.rotated(&key.id, Rotation { overlap: Duration::from_hours(24 * 5), expires: None }, day(9)).unwrap();
    keys.replace(&rotated).await.unwrap();
    assert_eq!([day(9), day(12)].map(status), [KeyStatus::Active; 2]);
    assert_eq!(judged(&keys, &secret, day(10)), Some(Err(KeyRefusal::TooOld)));

    // What has an end of its own is warned of as well, and is not rotated once it is over.
    let (short, _) = keys.create(NewKey { expires: Some(day(5)), ..new_key() }, day(0)).await.unwrap();
    assert_eq!((short.status(day(1), aging), short.status(day(2), aging)), (KeyStatus::Active, KeyStatus::Due));
    assert_eq!(short.status(day(5), aging), KeyStatus::Expired);
    assert!(matches!(keys.rotated(&short.id, Rotation::default(), day(5)), Err(KeyError::NotActive(_))));
}

#[tokio::test]
async fn a_key_is_warned_of_once_a_day_and_a_restart_does_not_repeat_it() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let (key, _) = keys.create(new_key(), day(0)).await.unwrap();
    let warned = async |keys: &ApiKeys, now| keys.warnings(now).await.unwrap().len();
    assert_eq!([warned(&keys, day(75)).await, warned(&keys, day(76)).await, warned(&keys, day(76)).await], [0, 1, 0]);
    keys.close().await;
    let keys = store(dir.path()).await;
    let (soon, next) = (day(77) - SignedDuration::from_secs(2), day(77));
    assert_eq!([warned(&keys, soon).await, warned(&keys, next).await, warned(&keys, next).await], [0, 1, 0]);
    let (rotated, _) = keys.rotated(&key.id, Rotation::default(), next).unwrap();
    keys.replace(&rotated).await.unwrap();
    assert_eq!([warned(&keys, day(78)).await, warned(&keys, day(77 + 76)).await], [0, 1]);
}

#[tokio::test]
async fn a_store_of_version_1_is_brought_to_the_newest_and_its_keys_stay_good() {
    let dir = tempfile::tempdir().unwrap();
    let master = MasterKey::open(None, dir.path()).unwrap();
    let token = mint("abcdefghijkl").unwrap();
    let hasher = hmac::Key::new(hmac::HMAC_SHA256, master.derive_bytes("api-key").expose());
    let file = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("state.db")).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(file.clone()).await.unwrap();
    // As the first release left it, interrupted before the last of its tables.
    let old = "CREATE TABLE api_keys (id TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL, groups TEXT NOT NULL, tenant TEXT, \
               hash BLOB NOT NULL, created TEXT NOT NULL, expires TEXT, revoked TEXT) STRICT, WITHOUT ROWID; \
               CREATE TABLE facts (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID; \
               PRAGMA user_version = 1";
    sqlx::raw_sql(old).execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO api_keys (id, subject, groups, hash, created) VALUES ('abcdefghijkl', 'ada', 'sales', $1, $2)")
        .bind(hmac::sign(&hasher, token.as_bytes()).as_ref())
        .bind(day(3).to_string())
        .execute(&pool)
        .await
        .unwrap();
    assert!(look_at_keys(dir.path()).await.unwrap().is_none(), "whoever only looks changes nothing");
    pool.close().await;

    for _ in 0..2 {
        let (keys, switches) = ApiKeys::open(dir.path(), &master).await.unwrap();
        let presented = keys.verify(&token).expect("the old key is good");
        assert_eq!(keys.judge(&presented, day(3)), Ok(Shown::Current));
        assert_eq!((presented.key.secret.made, presented.key.created), (day(3), day(3)));
        assert_eq!((&presented.key.servers, switches.list().len()), (&None, 0));
        keys.close().await;
    }

    let pool = sqlx::SqlitePool::connect_with(file).await.unwrap();
    sqlx::raw_sql("PRAGMA user_version = 99").execute(&pool).await.unwrap();
    pool.close().await;
    let newer = ApiKeys::open(dir.path(), &master).await.unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 99, .. }), "{newer}");
}
