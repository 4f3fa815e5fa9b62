//! API keys in their store.

use super::*;

fn new_key() -> NewKey {
    NewKey { subject: "ada".into(), groups: vec!["sales".into()], tenant: None, expires: None }
}

async fn store(dir: &Path) -> ApiKeys {
    let master = MasterKey::open(None, dir).unwrap();
    ApiKeys::open(dir, &master).await.unwrap().0
}

#[tokio::test]
async fn a_key_verifies_and_no_neighbour_of_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let (key, secret) = keys.create(new_key(), Timestamp::UNIX_EPOCH).await.unwrap();
    let token = secret.expose();
    assert_eq!(keys.verify(token).unwrap().id, key.id);
    for (place, _) in token.char_indices() {
        let mut other = token.clone().into_bytes();
        other[place] = if other[place] == b'x' { b'y' } else { b'x' };
        assert!(keys.verify(std::str::from_utf8(&other).unwrap()).is_none(), "byte {place}");
    }
    assert!(keys.verify("").is_none());
    assert!(keys.verify("yett__").is_none());
}

#[tokio::test]
async fn keys_survive_a_restart_without_their_secret() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let (key, secret) = keys.create(new_key(), Timestamp::UNIX_EPOCH).await.unwrap();
    keys.close().await;
    let keys = store(dir.path()).await;
    assert_eq!(keys.verify(secret.expose()).unwrap().groups, ["sales"]);
    let random = secret.expose().rsplit('_').next().unwrap().as_bytes();
    for name in ["state.db", "state.db-wal"] {
        let bytes = std::fs::read(dir.path().join(name)).unwrap_or_default();
        assert!(!bytes.windows(random.len()).any(|window| window == random), "the secret stands in {name}");
    }
    keys.revoke(&key.id, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(keys.verify(secret.expose()).unwrap().status(Timestamp::UNIX_EPOCH), KeyStatus::Revoked);
}

#[tokio::test]
async fn rotation_keeps_the_caller_and_stops_the_old_secret() {
    let dir = tempfile::tempdir().unwrap();
    let keys = store(dir.path()).await;
    let now = Timestamp::UNIX_EPOCH;
    let (key, old) = keys.create(new_key(), now).await.unwrap();
    let (heir, new) = keys.successor(&key.id, now).unwrap();
    assert!(keys.verify(new.expose()).is_none(), "it is good before it is put in place");
    keys.replace(&key.id, &heir, now).await.unwrap();
    assert_eq!(keys.verify(old.expose()).unwrap().status(now), KeyStatus::Revoked);
    assert_eq!(keys.verify(new.expose()).unwrap().subject, "ada".into());
}
