//! Accounts in a store of their own.

use super::*;
use crate::state::ApiKeys;

fn whose(subject: &str, server: &str) -> Whose {
    let [issuer, tenant] = ["corp", ""].map(str::to_owned);
    Whose { issuer, subject: subject.to_owned(), tenant, server: server.to_owned() }
}

fn tokens(access: &str, refresh: Option<&str>) -> Tokens {
    let secret = |text: &str| Secret::new(text.to_owned());
    Tokens { access: secret(access), refresh: refresh.map(secret), expires: Some(Timestamp::from_second(1_000).unwrap()) }
}

fn master(byte: u8) -> MasterKey {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), [byte; 32]).unwrap();
    MasterKey::read(file.path()).unwrap()
}

async fn opened(folder: &std::path::Path, byte: u8) -> Result<(ApiKeys, std::sync::Arc<Accounts>), StoreError> {
    let (keys, _) = ApiKeys::open(folder, &master(byte)).await?;
    let accounts = std::sync::Arc::clone(keys.accounts());
    Ok((keys, accounts))
}

#[tokio::test]
async fn an_account_is_its_callers_at_its_server_alone_and_one_takes_the_place_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (_keys, accounts) = opened(folder.path(), 1).await.unwrap();
    let now = Timestamp::from_second(500).unwrap();
    let first = accounts.make((&whose("ada", "mail"), "bond"), vec!["mail.read".to_owned()], now).await.unwrap();
    accounts.put(&first, &tokens("access-1", Some("refresh-1"))).await.unwrap();
    let (found, kept) = accounts.find(&whose("ada", "mail")).await.unwrap().unwrap();
    assert_eq!(found, first);
    assert_eq!((kept.access.expose().as_str(), kept.refresh.unwrap().expose().as_str()), ("access-1", "refresh-1"));
    assert_eq!(kept.expires.unwrap().as_second(), 1_000);
    let elsewhere = Whose { tenant: "acme".to_owned(), ..whose("ada", "mail") };
    for other in [whose("eve", "mail"), whose("ada", "crm"), elsewhere] {
        assert!(accounts.find(&other).await.unwrap().is_none(), "{other:?}");
    }
    let second = accounts.make((&whose("ada", "mail"), "bond"), Vec::new(), now).await.unwrap();
    accounts.put(&second, &tokens("access-2", None)).await.unwrap();
    assert_eq!(accounts.list().await.unwrap(), std::slice::from_ref(&second));
    assert_eq!((&second.id, second.version), (&first.id, 1), "the same one anew");
    let (_, taken) = accounts.take(&second.id, None).await.unwrap().unwrap();
    assert_eq!(taken.access.expose(), "access-2");
    assert!(accounts.take(&second.id, None).await.unwrap().is_none());
    assert!(accounts.find(&whose("ada", "mail")).await.unwrap().is_none());
    let stored = std::fs::read(folder.path().join("state.db")).unwrap();
    assert!(!stored.windows(8).any(|window| window == b"access-2" || window == b"refresh-"));
}

#[tokio::test]
async fn tokens_are_renewed_by_one_at_a_time_and_never_after_they_were_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let (_keys, accounts) = opened(folder.path(), 1).await.unwrap();
    let now = Timestamp::from_second(500).unwrap();
    let account = accounts.make((&whose("ada", "mail"), "bond"), Vec::new(), now).await.unwrap();
    accounts.put(&account, &tokens("access-1", Some("refresh-1"))).await.unwrap();
    assert!(accounts.lease(&account, now).await.unwrap());
    assert!(!accounts.lease(&account, now).await.unwrap(), "somebody holds it");
    let later = now.checked_add(LEASE + SignedDuration::from_secs(1)).unwrap();
    assert!(accounts.lease(&account, later).await.unwrap(), "whoever held it is gone");
    assert!(accounts.renew(&account, &tokens("access-2", Some("refresh-2")), later).await.unwrap());
    assert!(!accounts.renew(&account, &tokens("access-3", Some("refresh-3")), later).await.unwrap(), "an older version");
    let (found, kept) = accounts.find(&whose("ada", "mail")).await.unwrap().unwrap();
    assert_eq!((found.version, found.renewed, kept.access.expose().as_str()), (1, Some(later), "access-2"));
    assert!(accounts.lease(&found, later).await.unwrap());
    accounts.give_back(&found).await.unwrap();
    assert!(accounts.lease(&found, later).await.unwrap());
    assert!(accounts.take(&found.id, Some(0)).await.unwrap().is_none(), "an older version");
    assert!(accounts.take(&found.id, Some(1)).await.unwrap().is_some());
    assert!(!accounts.renew(&found, &tokens("access-3", None), later).await.unwrap(), "it is gone, and stays gone");
    assert!(accounts.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_row_of_another_caller_or_master_key_opens_nothing_and_a_rotation_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, accounts) = opened(folder.path(), 1).await.unwrap();
    let now = Timestamp::from_second(500).unwrap();
    let account = accounts.make((&whose("ada", "mail"), "bond"), Vec::new(), now).await.unwrap();
    accounts.put(&account, &tokens("access-1", None)).await.unwrap();
    sqlx::query("UPDATE accounts SET subject = 'eve'").execute(keys.store().pool()).await.unwrap();
    assert!(matches!(accounts.find(&whose("eve", "mail")).await, Err(StoreError::Sealed(_))));
    sqlx::query("UPDATE accounts SET subject = 'ada'").execute(keys.store().pool()).await.unwrap();
    keys.close().await;
    assert!(opened(folder.path(), 2).await.is_err());
    for _ in 0..2 {
        ApiKeys::rotate_master(folder.path(), &master(1), &master(2)).await.unwrap();
    }
    let (_keys, accounts) = opened(folder.path(), 2).await.unwrap();
    let (_, kept) = accounts.find(&whose("ada", "mail")).await.unwrap().unwrap();
    assert_eq!(kept.access.expose(), "access-1");
}
