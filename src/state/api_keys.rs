//! API keys. The secret is shown once (`key_text.rs`); a keyed hash of it is kept.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{constant_time, hmac};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Pool, Row as _, Sqlite};

use super::key_text::{mint, parse};
use super::switches::{self, Switches};
use super::{StoreError, open, wipe_journal};
use crate::master_key::{MasterKey, hex};
use crate::seal::{Key, Label};
use crate::secret::Secret;

/// Version of the tables.
pub(super) const VERSION: i64 = 1;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS api_keys (
    id       TEXT NOT NULL PRIMARY KEY,
    subject  TEXT NOT NULL,
    groups   TEXT NOT NULL,
    tenant   TEXT,
    hash     BLOB NOT NULL,
    created  TEXT NOT NULL,
    expires  TEXT,
    revoked  TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;";

/// The use of the master key that wraps what hashes API keys.
const WRAP: &str = "api-key wrap";

/// A key as it is kept. The secret is not in it.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The public part of the key.
    pub id: Arc<str>,
    /// Who the caller is then.
    pub subject: Arc<str>,
    /// Their groups, for bindings.
    pub groups: Vec<String>,
    /// Their tenant.
    pub tenant: Option<Arc<str>>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    hash: [u8; 32],
}

/// Whether a key is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStatus {
    /// It is accepted.
    Active,
    /// It has run out.
    Expired,
    /// It was revoked.
    Revoked,
}

/// What a key is made from.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Who the caller is then.
    pub subject: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Their tenant.
    pub tenant: Option<String>,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
}

/// Why a key operation failed.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No key has that id.
    #[error("no key has the id `{0}`")]
    NotFound(String),
    /// A key that is refused must not come back with a new secret.
    #[error("the key `{0}` has run out or was revoked; create a new one")]
    NotActive(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All keys, in memory and in `state.db`.
#[derive(Debug)]
pub struct ApiKeys {
    pool: Pool<Sqlite>,
    hasher: hmac::Key,
    keys: ArcSwap<HashMap<Arc<str>, Arc<ApiKey>>>,
}

impl ApiKey {
    /// Names the state that it is in, for records: SHA-256 of everything that is kept of it. The hash of its secret is a part of that, so
    /// nobody can guess from it whose key it is.
    pub fn digest(&self) -> String {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let (created, expires, revoked) = (self.created.to_string(), time(self.expires), time(self.revoked));
        let (groups, tenant) = (self.groups.join("\n"), self.tenant.as_deref().unwrap_or_default());
        let mut all = Vec::new();
        for part in [&*self.id, &self.subject, &groups, tenant, &created, &expires, &revoked] {
            // With their lengths, so that no two states are one text.
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part.as_bytes());
        }
        all.extend_from_slice(&self.hash);
        hex(digest(&SHA256, &all).as_ref())
    }

    /// The same key, refused from `now` on if it is not already.
    #[must_use]
    pub fn revoked_at(&self, now: Timestamp) -> Self {
        Self { revoked: self.revoked.or(Some(now)), ..self.clone() }
    }

    /// Whether it is good at `now`.
    pub fn status(&self, now: Timestamp) -> KeyStatus {
        if self.revoked.is_some() {
            KeyStatus::Revoked
        } else if self.expires.is_some_and(|expires| now >= expires) {
            KeyStatus::Expired
        } else {
            KeyStatus::Active
        }
    }
}

impl ApiKeys {
    /// Opens `data_dir/state.db` and loads keys and switches from it.
    pub async fn open(data_dir: &Path, master: &MasterKey) -> Result<(Self, Switches), StoreError> {
        let pool = open(&data_dir.join("state.db"), VERSION, SCHEMA).await?;
        let hasher = hmac::Key::new(hmac::HMAC_SHA256, hasher(&pool, master).await?.expose());
        sqlx::raw_sql(switches::SCHEMA).execute(&pool).await?;
        let rows = sqlx::query("SELECT id, subject, groups, tenant, hash, created, expires, revoked FROM api_keys")
            .fetch_all(&pool)
            .await?;
        let keys = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let keys = keys.into_iter().map(|key| (Arc::clone(&key.id), Arc::new(key))).collect();
        let switches = Switches::load(pool.clone()).await?;
        Ok((Self { pool, hasher, keys: ArcSwap::from_pointee(keys) }, switches))
    }

    /// Keeps keys good under another master key: what hashes them stays, and is stored under the new one. It may be repeated.
    pub async fn rotate_master(data_dir: &Path, old: &MasterKey, new: &MasterKey) -> Result<(), StoreError> {
        let pool = open(&data_dir.join("state.db"), VERSION, SCHEMA).await?;
        let bytes = match hasher(&pool, new).await {
            Ok(_) if sealed_hasher(&pool).await?.is_some() => return Ok(()),
            _ => hasher(&pool, old).await?,
        };
        let sealed = Key::new(new.derive_bytes(WRAP))?.seal(&Label::new("the hasher of API keys", &[]), bytes.expose())?;
        sqlx::query("INSERT INTO facts (name, value) VALUES ('api-key', ?) ON CONFLICT DO UPDATE SET value = excluded.value")
            .bind(sealed)
            .execute(&pool)
            .await?;
        wipe_journal(&pool).await?;
        pool.close().await;
        Ok(())
    }

    /// The key that `token` is, if it is one of ours and its secret is right, whatever its status.
    ///
    /// An unknown id costs the same hash as a known one, and the compare takes the same time wherever it differs.
    pub fn verify(&self, token: &str) -> Option<Arc<ApiKey>> {
        let id = parse(token)?;
        let keys = self.keys.load();
        let key = keys.get(id);
        let hash = hmac::sign(&self.hasher, token.as_bytes());
        let expected = key.map_or([0; 32], |key| key.hash);
        let equal = constant_time::verify_slices_are_equal(hash.as_ref(), &expected).is_ok();
        key.filter(|_| equal).map(Arc::clone)
    }

    /// Makes a key and adds it. The returned secret is the only copy there will ever be.
    pub async fn create(&self, new: NewKey, now: Timestamp) -> Result<(Arc<ApiKey>, Secret<String>), StoreError> {
        let (key, secret) = self.make(new, now)?;
        self.add(&key).await?;
        Ok((key, secret))
    }

    /// Makes a key that nothing knows yet, so that it can be recorded before it is good for anything.
    pub fn make(&self, new: NewKey, now: Timestamp) -> Result<(Arc<ApiKey>, Secret<String>), StoreError> {
        let (id, token) = mint().ok_or(StoreError::Random)?;
        let hash = self.hash(&token);
        let key = ApiKey {
            id: id.into(),
            subject: new.subject.into(),
            groups: new.groups,
            tenant: new.tenant.map(Into::into),
            created: now,
            expires: new.expires,
            revoked: None,
            hash,
        };
        Ok((Arc::new(key), Secret::new(token)))
    }

    /// Accepts a key from now on.
    pub async fn add(&self, key: &Arc<ApiKey>) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO api_keys (id, subject, groups, tenant, hash, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(&*key.id)
            .bind(&*key.subject)
            .bind(key.groups.join("\n"))
            .bind(key.tenant.as_deref())
            .bind(key.hash.as_slice())
            .bind(key.created.to_string())
            .bind(key.expires.map(|time| time.to_string()))
            .execute(&self.pool)
            .await?;
        self.put(key);
        Ok(())
    }

    /// Makes a key for the caller of another one, in whose place [`ApiKeys::replace`] puts it.
    pub fn successor(&self, id: &str, now: Timestamp) -> Result<(Arc<ApiKey>, Secret<String>), KeyError> {
        let old = self.find(id)?;
        if old.status(now) != KeyStatus::Active {
            return Err(KeyError::NotActive(id.to_owned()));
        }
        let new = NewKey {
            subject: old.subject.to_string(),
            groups: old.groups.clone(),
            tenant: old.tenant.as_deref().map(str::to_owned),
            expires: old.expires,
        };
        Ok(self.make(new, now)?)
    }

    /// Accepts a key in the place of another, which stops at once. (An overlap comes with identity.)
    pub async fn replace(&self, id: &str, new: &Arc<ApiKey>, now: Timestamp) -> Result<(), KeyError> {
        self.add(new).await?;
        self.revoke(id, now).await?;
        Ok(())
    }

    /// Refuses a key from now on. In memory first, so that it holds even if the store fails, which the error then says.
    pub async fn revoke(&self, id: &str, now: Timestamp) -> Result<Arc<ApiKey>, KeyError> {
        let key = Arc::new(self.find(id)?.revoked_at(now));
        self.put(&key);
        sqlx::query("UPDATE api_keys SET revoked = ? WHERE id = ?")
            .bind(key.revoked.map(|time| time.to_string()))
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(StoreError::from)?;
        Ok(key)
    }

    /// The ids of all keys of a caller.
    pub fn of_subject(&self, subject: &str) -> Vec<Arc<str>> {
        let keys = self.keys.load();
        let mut ids: Vec<_> = keys.values().filter(|key| &*key.subject == subject).map(|key| Arc::clone(&key.id)).collect();
        ids.sort();
        ids
    }

    /// How far a log has been applied: the index of the first record that may order an erasure which was not done here.
    pub async fn applied(&self, log: &str) -> Result<Option<u64>, StoreError> {
        let found: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT value FROM facts WHERE name = ?").bind(applied(log)).fetch_optional(&self.pool).await?;
        Ok(found.and_then(|text| str::from_utf8(&text).ok()?.parse().ok()))
    }

    /// Notes that nothing before record `next` of a log orders an erasure that was not done here.
    pub async fn advance(&self, log: &str, next: u64) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")
            .bind(applied(log))
            .bind(next.to_string().as_bytes())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Whether there is no key: then no record can order one's erasure.
    pub fn is_empty(&self) -> bool {
        self.keys.load().is_empty()
    }

    /// Removes keys with everything that is known of them, from memory first. What is not there is no error.
    pub async fn erase(&self, ids: &[impl AsRef<str>]) -> Result<(), StoreError> {
        self.keys.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            for id in ids {
                keys.remove(id.as_ref());
            }
            keys
        });
        for id in ids {
            sqlx::query("DELETE FROM api_keys WHERE id = ?").bind(id.as_ref()).execute(&self.pool).await?;
        }
        self.wipe().await
    }

    /// Cuts the journal to nothing; see [`ApiKeys::erase`].
    pub async fn wipe(&self) -> Result<(), StoreError> {
        wipe_journal(&self.pool).await
    }

    /// All keys, oldest first.
    pub fn list(&self) -> Vec<Arc<ApiKey>> {
        let mut keys: Vec<_> = self.keys.load().values().cloned().collect();
        keys.sort_by(|a, b| a.created.cmp(&b.created).then_with(|| a.id.cmp(&b.id)));
        keys
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The key with that id.
    pub fn find(&self, id: &str) -> Result<Arc<ApiKey>, KeyError> {
        self.keys.load().get(id).cloned().ok_or_else(|| KeyError::NotFound(id.to_owned()))
    }

    fn put(&self, key: &Arc<ApiKey>) {
        self.keys.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            keys.insert(Arc::clone(&key.id), Arc::clone(key));
            keys
        });
    }

    fn hash(&self, token: &str) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.hasher, token.as_bytes()).as_ref());
        hash
    }
}

/// The fact that says how far a log has been applied.
fn applied(log: &str) -> String {
    format!("applied {log}")
}

/// What hashes API keys: made from the master key, or from the first one there was, then stored under the present one. Secrets are
/// not stored, so nothing could hash them again.
async fn hasher(pool: &Pool<Sqlite>, master: &MasterKey) -> Result<Secret<Vec<u8>>, StoreError> {
    match sealed_hasher(pool).await? {
        None => Ok(master.derive_bytes("api-key")),
        Some(sealed) => Ok(Key::new(master.derive_bytes(WRAP))?.open(&Label::new("the hasher of API keys", &[]), &sealed)?),
    }
}

async fn sealed_hasher(pool: &Pool<Sqlite>) -> Result<Option<Vec<u8>>, StoreError> {
    Ok(sqlx::query_scalar("SELECT value FROM facts WHERE name = 'api-key'").fetch_optional(pool).await?)
}

fn read(row: &SqliteRow) -> Result<ApiKey, StoreError> {
    let time = |index: usize| -> Result<Option<Timestamp>, sqlx::Error> {
        let text: Option<String> = row.try_get(index)?;
        text.map(|text| text.parse().map_err(|error: jiff::Error| sqlx::Error::Decode(Box::new(error)))).transpose()
    };
    let hash: Vec<u8> = row.try_get("hash")?;
    let hash = <[u8; 32]>::try_from(hash.as_slice()).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(ApiKey {
        id: row.try_get::<String, _>("id")?.into(),
        subject: row.try_get::<String, _>("subject")?.into(),
        groups: row.try_get::<String, _>("groups")?.lines().map(str::to_owned).collect(),
        tenant: row.try_get::<Option<String>, _>("tenant")?.map(Into::into),
        created: time(5)?.unwrap_or(Timestamp::UNIX_EPOCH),
        expires: time(6)?,
        revoked: time(7)?,
        hash,
    })
}

#[cfg(test)]
#[path = "api_keys_tests.rs"]
mod tests;
