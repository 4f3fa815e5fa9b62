//! Profiles: what a credential says of its holder, as far as decisions look at it, so that a decision can be made again.
//!
//! A record holds the name of a profile alone. The name is a keyed hash under the key of the caller's month, so that nobody can test a
//! guess against it without that key; the profile is sealed under the same, and goes with it. What is the same is stored once a month.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aws_lc_rs::hmac;
use parking_lot::RwLock;
use sqlx::sqlite::SqliteRow;
use sqlx::{Pool, Row as _, Sqlite};

use super::content::MonthKey;
use super::tree::{Root, joined, month_label, split};
use super::{Month, Pseudonym, Vault, VaultError};
use crate::master_key::hex;
use crate::seal::{Key, Label, SealError};
use crate::secret::Secret;

/// Names remembered in memory. Beyond this the memory is emptied and fills again.
const REMEMBERED: usize = 50_000;

/// Bytes of the keyed hash that are the name.
const NAME: usize = 16;

/// Names of profiles that are known to be stored.
#[derive(Debug, Default)]
pub(super) struct Profiles(RwLock<HashSet<Arc<str>>>);

impl Profiles {
    pub(super) fn forget(&self) {
        self.0.write().clear();
    }
}

impl Vault {
    /// Keeps what is said of a caller, durably, and gives its name for records. Fails closed, as [`Vault::pseudonym`] does.
    pub async fn profile(&self, whose: &Pseudonym, said: &[(&str, &str)]) -> Result<Arc<str>, VaultError> {
        let parts: Vec<&str> = said.iter().flat_map(|(what, value)| [*what, *value]).collect();
        let text = joined(&parts);
        let seals = Key::new(whose.keys.secret.clone())?;
        let named = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seals.derived("profiles").expose()), &text);
        let name: Arc<str> = hex(named.as_ref().get(..NAME).unwrap_or_default()).into();
        let erasures = self.erasures.load(Ordering::Acquire);
        if self.profiles.0.read().contains(&name) {
            return Ok(name);
        }
        // Looked for before anything is locked: after a restart every caller's first message comes here.
        let exists = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM profiles WHERE name = ?)");
        if exists.bind(&*name).fetch_one(&self.pool).await? {
            self.remember(&name, erasures);
            return Ok(name);
        }
        let MonthKey { caller, month, .. } = &*whose.keys;
        let sealed = seals.seal(&label(caller, *month, &name), &text)?;
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        // Only where the key still is: what nobody could open would stay behind for ever.
        sqlx::query(
            "INSERT INTO profiles (name, caller, month, sealed)
             SELECT ?, caller, month, ? FROM months WHERE caller = ? AND month = ? ON CONFLICT DO NOTHING",
        )
        .bind(&*name)
        .bind(sealed)
        .bind(caller)
        .bind(month.to_string())
        .execute(&mut *work)
        .await?;
        let stored: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM profiles WHERE name = ?)")
            .bind(&*name)
            .fetch_one(&mut *work)
            .await?;
        work.commit().await?;
        if !stored {
            return Err(VaultError::Erased);
        }
        self.remember(&name, erasures);
        Ok(name)
    }

    /// Whoever was erased meanwhile must not be remembered by what was stored before.
    fn remember(&self, name: &Arc<str>, erasures: u64) {
        let mut known = self.profiles.0.write();
        if erasures == self.erasures.load(Ordering::Acquire) {
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(Arc::clone(name));
        }
    }
}

/// The profile of that name; `None` when it is gone.
pub(super) async fn find(name: &str, root: &Root, pool: &Pool<Sqlite>) -> Result<Option<Vec<(String, String)>>, VaultError> {
    let row = sqlx::query(
        "SELECT sealed, callers.id, tenant, months.month, key FROM profiles
         JOIN callers ON profiles.caller = callers.id
         JOIN months ON months.caller = profiles.caller AND months.month = profiles.month WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let sealed: Vec<u8> = row.try_get(0)?;
    let (keys, caller, month) = month_of(&row, 1, root, pool).await?;
    let text = Key::new(keys)?.open(&label(&caller, month, name), &sealed)?;
    let broken = || SealError::Broken("a profile");
    let mut parts = split(text.expose()).ok_or_else(broken)?.into_iter();
    let mut said = Vec::new();
    while let Some(what) = parts.next() {
        said.push((what, parts.next().ok_or_else(broken)?));
    }
    Ok(Some(said))
}

/// From columns `callers.id, tenant, month, key`, of which the first is number `at`: the key of what was said in that month, whose and of
/// when.
pub(super) async fn month_of(
    row: &SqliteRow,
    at: usize,
    root: &Root,
    pool: &Pool<Sqlite>,
) -> Result<(Secret<Vec<u8>>, Vec<u8>, Month), VaultError> {
    let (caller, tenant, month): (Vec<u8>, Vec<u8>, String) = (row.try_get(at)?, row.try_get(at + 1)?, row.try_get(at + 2)?);
    let month = month.parse().map_err(|_form| SealError::Broken("a month"))?;
    let wrapped: Vec<u8> = row.try_get(at + 3)?;
    let key = root.tenant(&tenant, pool).await?.unwrapped(&month_label(&caller, month), &wrapped)?;
    Ok((key.derived("content"), caller, month))
}

fn label(caller: &[u8], month: Month, name: &str) -> Label {
    Label::new("a profile", &[caller, month.to_string().as_bytes(), name.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::super::{Applied, Caller, Change, Reader};
    use super::*;
    use crate::master_key::MasterKey;

    const SAID: [(&str, &str); 3] = [("issuer", "corp"), ("group", "sales-of-merger"), ("group", "")];

    fn at(time: &str) -> jiff::Timestamp {
        time.parse().unwrap()
    }

    #[tokio::test]
    async fn a_profile_is_stored_once_a_month_and_read_beside_whoever_writes() {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::open(None, dir.path()).unwrap();
        let vault = Vault::open(dir.path(), &master).await.unwrap();
        let whose = |subject: &'static str, time: &'static str| {
            let vault = &vault;
            async move { vault.pseudonym(Caller { issuer: "corp", subject, tenant: None }, at(time)).await.unwrap() }
        };
        let (ada, bob) = (whose("ada", "2026-11-21T00:00:00Z").await, whose("bob", "2026-11-21T00:00:00Z").await);
        let name = vault.profile(&ada, &SAID).await.unwrap();
        assert_eq!(vault.profile(&ada, &SAID).await.unwrap(), name);
        vault.profiles.forget();
        assert_eq!(vault.profile(&ada, &SAID).await.unwrap(), name, "found again where memory has forgotten it");
        assert_ne!(vault.profile(&bob, &SAID).await.unwrap(), name, "another caller's key");
        assert_ne!(vault.profile(&ada, &SAID[..2]).await.unwrap(), name);
        let later = whose("ada", "2026-12-01T00:00:00Z").await;
        assert_ne!(vault.profile(&later, &SAID).await.unwrap(), name, "another month's key");

        let reader = Reader::open(dir.path(), &master).await.unwrap();
        let said = reader.profile(&name).await.unwrap().unwrap();
        assert_eq!(said.iter().map(|(what, value)| (&**what, &**value)).collect::<Vec<_>>(), SAID);
        assert_eq!(reader.profile("00").await.unwrap(), None);
        vault.close().await;
        let alone = Reader::open(dir.path(), &master).await.unwrap();
        assert!(alone.profile(&name).await.unwrap().is_some(), "where nobody writes");
    }

    #[tokio::test]
    async fn prv_001_profiles_go_with_their_caller_and_with_their_month() {
        let dir = tempfile::tempdir().unwrap();
        let master = MasterKey::open(None, dir.path()).unwrap();
        let vault = Vault::open(dir.path(), &master).await.unwrap();
        let caller = Caller { issuer: "corp", subject: "ada", tenant: None };
        let old = vault.pseudonym(caller, at("2026-10-21T00:00:00Z")).await.unwrap();
        let ada = vault.pseudonym(caller, at("2026-11-21T00:00:00Z")).await.unwrap();
        let (first, second) = (vault.profile(&old, &SAID).await.unwrap(), vault.profile(&ada, &SAID).await.unwrap());
        let reader = Reader::open(dir.path(), &master).await.unwrap();
        let applied = |next| Applied { log: "gw/audit/r1", next };
        vault.apply(&Change::Expire(Month::of(at("2026-10-21T00:00:00Z"))), applied(1)).await.unwrap();
        assert!(reader.profile(&first).await.unwrap().is_none());
        assert!(reader.profile(&second).await.unwrap().is_some());
        vault.apply(&Change::Erase(vec![ada.name.to_string()]), applied(2)).await.unwrap();
        assert!(reader.profile(&second).await.unwrap().is_none());
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM profiles").fetch_one(&vault.pool).await.unwrap();
        assert_eq!(rows, 0);
        assert!(matches!(vault.profile(&ada, &SAID).await, Err(VaultError::Erased)), "nothing is kept under a key that is gone");
    }
}
