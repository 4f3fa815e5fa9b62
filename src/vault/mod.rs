//! `vault.db`: what may be erased. Who is behind a pseudonym and what is said of them, the keys of commitments, captured content, tokens
//! and their values.
//!
//! What passes through: every caller's first message of a month, on its way to a name in the log. What it guarantees: an identity
//! is stored encrypted and nowhere in plain; what finds it is a keyed hash; nothing here can be read or tested without the master
//! key; what was erased is gone from the file and its write-ahead log when [`Vault::apply`] returns; later messages hit memory and
//! no database.
//!
//! ```text
//! master key ─ tenant key ─┬─ identity (issuer, subject)              found by HMAC(master, issuer || subject)
//!                          ├─ key of (tenant, purpose) ─ tokens        see `tokens.rs`
//!                          └─ key of (caller, month) ─┬─ commitments
//!                                                     ├─ captured content
//!                                                     └─ profiles           see `profiles.rs`
//! ```
//!
//! Keys are random and stored wrapped under their parent (AES-256-GCM, bound to what they are and whose), so that destroying one
//! row destroys all below it (SECURITY.md 2.8). A pseudonym is random, new each year, and another one in each tenant.
//!
//! Limits: whoever holds the master key and `vault.db` reads all of it. SQLite overwrites what it deletes; copies that a file
//! system, a disk or a backup keeps are beyond it. Calls under way when their caller is erased end under the old name.

mod change;
mod content;
mod digests;
mod migrate;
mod month;
mod people;
mod profiles;
mod reader;
mod rotate;
mod token_keys;
mod tokens;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::RwLock;
use sqlx::{Pool, Row as _, Sqlite};

pub use change::{Applied, Change};
pub use content::{Content, Place as ContentPlace};
pub use digests::Digests;
pub use month::{Month, NotAMonth};
pub use people::{Identity, Person};
pub use reader::Reader;
pub use rotate::rotate_master;
pub use tokens::{Answer, Ask, Token, Wanted, canonical_token};

use crate::master_key::{Committer, MasterKey, hex, random_bytes};
use crate::seal::{Key, SealError};
use crate::state::{StoreError, open, wipe_journal};
use content::{MonthKey, Waiting};
use profiles::Profiles;
use tokens::Remembered;
use tree::{Lookup, Root, Tenants};

/// Callers remembered in memory. Beyond this the memory is emptied and fills again from the database.
const REMEMBERED: usize = 50_000;

/// Version of the tables. Version 1 held identities and keys in plain; version 2 knew no tokens, so that a build of that time would
/// pass over orders to forget one; version 3 no profiles, which would stay behind.
const VERSION: i64 = 4;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS facts (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tenants (
    id     BLOB NOT NULL PRIMARY KEY,
    lookup BLOB NOT NULL UNIQUE,
    name   BLOB NOT NULL,
    key    BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS callers (
    id       BLOB NOT NULL PRIMARY KEY,
    lookup   BLOB NOT NULL,
    tenant   BLOB NOT NULL,
    identity BLOB NOT NULL,
    UNIQUE (lookup, tenant)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pseudonyms (
    name   TEXT NOT NULL PRIMARY KEY,
    caller BLOB NOT NULL,
    year   INTEGER NOT NULL,
    UNIQUE (caller, year)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS months (
    caller BLOB NOT NULL,
    month  TEXT NOT NULL,
    key    BLOB NOT NULL,
    PRIMARY KEY (caller, month)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS months_by_age ON months (month);
CREATE TABLE IF NOT EXISTS content (
    call   BLOB NOT NULL,
    kind   TEXT NOT NULL,
    log    TEXT NOT NULL,
    caller BLOB NOT NULL,
    month  TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (call, kind)
) STRICT;
CREATE INDEX IF NOT EXISTS content_by_key ON content (caller, month);
CREATE TABLE IF NOT EXISTS profiles (
    name   TEXT NOT NULL PRIMARY KEY,
    caller BLOB NOT NULL,
    month  TEXT NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS profiles_by_key ON profiles (caller, month);
CREATE TABLE IF NOT EXISTS tokens (
    id       BLOB NOT NULL PRIMARY KEY,
    tenant   BLOB NOT NULL,
    purpose  TEXT NOT NULL,
    by_token BLOB NOT NULL UNIQUE,
    by_value BLOB NOT NULL UNIQUE,
    sealed   BLOB NOT NULL,
    month    TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_by_age ON tokens (month);
CREATE TABLE IF NOT EXISTS holds (lookup BLOB NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS applied (log TEXT NOT NULL PRIMARY KEY, next INTEGER NOT NULL) STRICT, WITHOUT ROWID;";

/// Why the vault cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It was made under another master key.
    #[error("`vault.db` was made under another master key; if a rotation was interrupted, run it again")]
    OtherKey,
    /// Something in it does not open under the key it belongs to: it was changed by somebody.
    #[error("`vault.db` was changed")]
    Sealed(#[from] SealError),
    /// The key it needs was destroyed meanwhile.
    #[error("the caller was erased meanwhile, or the month has expired")]
    Erased,
    /// Of that shape there are too few left.
    #[error("no free token was found: of this kind of value, this tenant has used up most of them")]
    NoToken,
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

impl From<sqlx::Error> for VaultError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Who a caller is in the log, this month.
#[derive(Clone, Debug)]
pub struct Pseudonym {
    /// The name in records.
    pub name: Arc<str>,
    /// Makes the commitments of this month.
    pub committer: Committer,
    month: Month,
    keys: Arc<MonthKey>,
    /// How often somebody had been erased when this was looked up, and how often by now.
    erasures: u64,
    erasures_now: Arc<AtomicU64>,
}

impl Pseudonym {
    /// Whether it still holds at `now`: the month is the same, and nobody was erased since. (Somebody else, mostly. Erasures are rare,
    /// and looking again costs no database.)
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.erasures == self.erasures_now.load(Ordering::Acquire) && self.month == Month::of(now)
    }

    /// Whether both were looked up in the same month, and nobody was erased between.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.keys, &other.keys) && self.erasures == other.erasures
    }

    /// A pseudonym without a vault, for tests of layers.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str, now: Timestamp) -> Self {
        let (committer, month) = (Committer::new(name.as_bytes()), Month::of(now));
        let keys = Arc::new(MonthKey { caller: Vec::new(), month, secret: crate::secret::Secret::new(vec![0; 32]) });
        Self { name: name.into(), committer, month, keys, erasures: 0, erasures_now: Arc::default() }
    }
}

/// Whom a credential names.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The issuer's configured name.
    pub issuer: &'a str,
    /// What the issuer calls them.
    pub subject: &'a str,
    /// Their tenant; the word is the issuer's.
    pub tenant: Option<&'a str>,
}

/// Tenant, issuer and subject.
type Place = (Option<Box<str>>, Box<str>, Box<str>);

/// What is remembered of a caller.
#[derive(Clone, Debug)]
struct Known {
    name: Arc<str>,
    committer: Committer,
    keys: Arc<MonthKey>,
}

/// The store.
#[derive(Debug)]
pub struct Vault {
    pool: Pool<Sqlite>,
    root: Root,
    tenants: Tenants,
    known: RwLock<HashMap<Place, Known>>,
    erasures: Arc<AtomicU64>,
    waiting: Waiting,
    profiles: Profiles,
    remembered: Remembered,
    digests: Digests,
}

impl Vault {
    /// What makes hashes of values.
    pub fn digests(&self) -> &Digests {
        &self.digests
    }

    /// Opens `data_dir/vault.db` under the master key it was made with.
    pub async fn open(data_dir: &Path, master: &MasterKey) -> Result<Self, VaultError> {
        let root = Root::new(master)?;
        let pool = open(&data_dir.join("vault.db"), VERSION, SCHEMA).await?;
        root.check(&pool).await?;
        let vault = Self {
            pool,
            root,
            tenants: Tenants::default(),
            known: RwLock::default(),
            digests: Digests::new(master),
            erasures: Arc::default(),
            waiting: Waiting::default(),
            profiles: Profiles::default(),
            remembered: Remembered::default(),
        };
        vault.migrate().await?;
        Ok(vault)
    }

    /// The pseudonym of a caller at `now`, made at first sight. Fails closed: without a pseudonym nothing can be recorded.
    pub async fn pseudonym(&self, caller: Caller<'_>, now: Timestamp) -> Result<Pseudonym, VaultError> {
        let place = (caller.tenant.map(Box::from), Box::from(caller.issuer), Box::from(caller.subject));
        let month = Month::of(now);
        loop {
            let erasures = self.erasures.load(Ordering::Acquire);
            if let Some(known) = self.known.read().get(&place).filter(|known| known.keys.month == month) {
                return Ok(self.named(known.clone(), erasures));
            }
            let found = self.load_or_make(caller, month).await?;
            let mut known = self.known.write();
            // Whoever was erased while this was read must not come back by what was read before.
            if erasures != self.erasures.load(Ordering::Acquire) {
                continue;
            }
            if known.len() >= REMEMBERED {
                known.clear();
            }
            known.insert(place, found.clone());
            return Ok(self.named(found, erasures));
        }
    }

    fn named(&self, known: Known, erasures: u64) -> Pseudonym {
        let Known { name, committer, keys } = known;
        Pseudonym { name, committer, month: keys.month, keys, erasures, erasures_now: Arc::clone(&self.erasures) }
    }

    /// Forgets what memory holds of these pseudonyms, and makes everybody who holds any look again.
    fn forget(&self, is_erased: impl Fn(&str, Month) -> bool) {
        let mut known = self.known.write();
        known.retain(|_, known| !is_erased(&known.name, known.keys.month));
        self.erasures.fetch_add(1, Ordering::AcqRel);
        self.profiles.forget();
    }

    async fn load_or_make(&self, caller: Caller<'_>, month: Month) -> Result<Known, VaultError> {
        // One transaction, so that two calls of one new caller agree. A call that is given up rolls back.
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let tenant = self.tenants.of(caller, &self.root, &mut work).await?;
        let lookup = self.root.lookup(Lookup::Caller, &[caller.issuer, caller.subject]);
        let found = sqlx::query_scalar::<_, Vec<u8>>("SELECT id FROM callers WHERE lookup = ? AND tenant = ?")
            .bind(lookup.as_slice())
            .bind(&*tenant.id)
            .fetch_optional(&mut *work)
            .await?;
        let id = match found {
            Some(id) => id,
            None => people::insert(&tenant, caller, &lookup, &mut work).await?,
        };
        let name = name_of(&id, month, None, &mut work).await?;
        let wrapped = sqlx::query_scalar::<_, Vec<u8>>("SELECT key FROM months WHERE caller = ? AND month = ?")
            .bind(&id)
            .bind(month.to_string())
            .fetch_optional(&mut *work)
            .await?;
        let key = match wrapped {
            Some(wrapped) => tenant.key.unwrapped(&tree::month_label(&id, month), &wrapped)?,
            None => insert_month(&tenant.key, &id, month, Key::generate()?, &mut work).await?,
        };
        work.commit().await?;
        self.tenants.remember(caller, tenant);
        let keys = Arc::new(MonthKey { caller: id, month, secret: key.derived("content") });
        Ok(Known { name: name.into(), committer: Committer::new(key.bytes()), keys })
    }

    /// Cuts the journal to nothing. What a change deletes is gone with it; this is for one that could not, since another process was
    /// reading the file, and for a process that was killed.
    pub async fn wipe(&self) -> Result<(), VaultError> {
        Ok(wipe_journal(&self.pool).await?)
    }

    /// Closes the database, folding its write-ahead log back into it.
    pub async fn close(&self) {
        self.waiting.finish().await;
        self.pool.close().await;
    }
}

/// The pseudonym of a caller in the year of `month`, made if there is none: `wanted`, or one of chance.
async fn name_of(id: &[u8], month: Month, wanted: Option<String>, work: &mut Work) -> Result<String, VaultError> {
    let known = sqlx::query("SELECT name FROM pseudonyms WHERE caller = ? AND year = ?")
        .bind(id)
        .bind(month.year())
        .fetch_optional(&mut **work)
        .await?;
    if let Some(row) = known {
        return Ok(row.try_get(0)?);
    }
    let name = match wanted {
        Some(name) => name,
        None => hex(&random_bytes::<8>().ok_or(VaultError::Random)?),
    };
    sqlx::query("INSERT INTO pseudonyms (name, caller, year) VALUES (?, ?, ?)")
        .bind(&name)
        .bind(id)
        .bind(month.year())
        .execute(&mut **work)
        .await?;
    Ok(name)
}

/// Stores the key of a caller's month.
async fn insert_month(tenant: &Key, id: &[u8], month: Month, key: Key, work: &mut Work) -> Result<Key, VaultError> {
    sqlx::query("INSERT INTO months (caller, month, key) VALUES (?, ?, ?)")
        .bind(id)
        .bind(month.to_string())
        .bind(tenant.wrap(&tree::month_label(id, month), &key)?)
        .execute(&mut **work)
        .await?;
    Ok(key)
}

/// A transaction under way.
type Work = sqlx::Transaction<'static, Sqlite>;
