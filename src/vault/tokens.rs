//! Tokens: what stands in place of a value where a policy says `tokenize`, and the way back.
//!
//! ```text
//! tenant key ─┬─ what tokens are found by
//!             └─ key of (tenant, purpose) ─┬─ what values are found by
//!                                          └─ value and token, sealed
//! ```
//!
//! A token is random and not made from its value: once its row is gone, nothing can test a guess against it, whoever holds the keys.
//! It stands for one value of one tenant and purpose, and no two values of a tenant have the same one. The file shows neither tokens
//! nor values: both are found by keyed hashes. Which tokens a message needs is asked at once, and the answers are remembered; what
//! was forgotten is in no memory when [`Vault::apply`] returns.
//!
//! How a token looks is not known here: whoever asks for one brings the function that draws it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use parking_lot::RwLock;

use super::token_keys::{Hash, Keys, hash, list};
use super::tree::{Tenant, joined, new_id};
use super::{Caller, Month, Vault, VaultError, Work};
use crate::master_key::hex;
use crate::secret::Secret;

/// Tokens by the keyed hash under which their rows are found.
type Rows = HashMap<Hash, Arc<Token>>;

/// Rows remembered in memory. Beyond this the memory is emptied and fills again.
const REMEMBERED: usize = 20_000;

/// How often a token is drawn before it is given up: whoever needs more has used up most tokens of that shape.
const DRAWS: usize = 64;

/// What a layer wants to know of one text.
#[derive(Clone)]
pub struct Ask {
    /// The text as a token, as [`canonical_token`] writes it.
    pub token: String,
    /// The token that is wanted for it if it is none itself.
    pub wanted: Option<Wanted>,
}

/// A value that needs a token.
#[derive(Clone)]
pub struct Wanted {
    /// Of which purpose.
    pub purpose: Arc<str>,
    /// What kind of value it is; the same text of another kind is another value.
    pub kind: &'static str,
    /// The value without what differs between spellings of it.
    pub normal: String,
    /// The value as it is to come back.
    pub value: Secret<String>,
    /// Draws a token for such a value at random; `None` when the system has no randomness.
    pub draw: fn(kind: &'static str, normal: &str) -> Option<String>,
}

/// What is known of one text.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is a token.
    Token(Arc<Token>),
    /// It is a value, and this is its token.
    Value(Arc<Token>),
    /// Neither, and no token was wanted.
    Unknown,
}

/// A token and its value.
#[derive(Debug)]
pub struct Token {
    pub(super) id: Vec<u8>,
    /// Its purpose.
    pub purpose: Arc<str>,
    /// The token, as [`canonical_token`] writes it.
    pub token: Secret<String>,
    /// The value.
    pub value: Secret<String>,
    pub(super) month: Month,
}

impl Token {
    /// The name of its row in records. It says nothing about token or value.
    pub fn id(&self) -> String {
        hex(&self.id)
    }

    /// A token without a vault, for tests of engines.
    #[cfg(test)]
    pub(crate) fn for_test(token: &str, value: Secret<String>) -> Self {
        let (id, purpose, month) = (Vec::new(), "test".into(), Month::of(Timestamp::UNIX_EPOCH));
        Self { id, purpose, token: Secret::new(token.to_owned()), value, month }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: what is asked about is what nobody is to see.
        f.write_str("Ask")
    }
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wanted").field("purpose", &self.purpose).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A token in the one form by which it is found: without separators and in capitals; an address in small letters; a word that begins
/// with `tok_` as it is.
pub fn canonical_token(text: &str) -> String {
    let text = text.trim();
    if text.contains('@') {
        text.to_ascii_lowercase()
    } else if text.starts_with("tok_") {
        text.to_owned()
    } else {
        text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_uppercase()).collect()
    }
}

/// Rows in memory, each by what its token and what its value are found by.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    rows: RwLock<Rows>,
    /// How often something was forgotten.
    forgotten: AtomicU64,
}

impl Remembered {
    fn of(&self, hashes: impl Iterator<Item = Hash>, month: Month) -> Rows {
        let rows = self.rows.read();
        let current = |hash| rows.get(&hash).filter(|row| row.month >= month).map(|row| (hash, Arc::clone(row)));
        hashes.filter_map(current).collect()
    }

    /// Keeps what was read; `false` when something was forgotten since `before`, so that it may be what was read.
    fn keep(&self, read: &Rows, before: u64) -> bool {
        let mut rows = self.rows.write();
        if before != self.forgotten.load(Ordering::Acquire) {
            return false;
        }
        if rows.len() + read.len() > REMEMBERED {
            rows.clear();
        }
        rows.extend(read.iter().map(|(hash, row)| (*hash, Arc::clone(row))));
        true
    }

    /// Forgets rows by their names in records and by their months.
    pub(super) fn forget(&self, is_gone: impl Fn(&str, Month) -> bool) {
        let mut rows = self.rows.write();
        rows.retain(|_, row| !is_gone(&row.id(), row.month));
        self.forgotten.fetch_add(1, Ordering::AcqRel);
    }
}

/// What an ask is found by.
struct Place {
    token: Hash,
    value: Option<Hash>,
}

impl Place {
    fn hashes(&self) -> impl Iterator<Item = Hash> {
        [Some(self.token), self.value].into_iter().flatten()
    }

    fn answer(&self, rows: &Rows) -> Answer {
        match (rows.get(&self.token), self.value.and_then(|value| rows.get(&value))) {
            (Some(row), _) => Answer::Token(Arc::clone(row)),
            (None, Some(row)) => Answer::Value(Arc::clone(row)),
            (None, None) => Answer::Unknown,
        }
    }

    /// Whether its answer stands in `rows`, and is no guess.
    fn is_settled(&self, rows: &Rows) -> bool {
        self.hashes().any(|hash| rows.contains_key(&hash))
    }
}

impl Vault {
    /// Answers in the order of `asks`. Values that want a token and have none get one, durably. `purposes` are all that may have been
    /// used: no new token is a value that is known in one of them.
    pub async fn tokens(
        &self,
        caller: Caller<'_>,
        purposes: &[Arc<str>],
        asks: &[Ask],
        now: Timestamp,
    ) -> Result<Vec<Answer>, VaultError> {
        let (tenant, month) = (self.tenant(caller).await?, Month::of(now));
        let mut keys = Keys::new(&tenant);
        let mut places = Vec::with_capacity(asks.len());
        for ask in asks {
            let wanted = ask.wanted.as_ref();
            let value = wanted.map(|wanted| keys.value(&wanted.purpose, wanted.kind, &wanted.normal)).transpose()?;
            places.push(Place { token: keys.token(&ask.token), value });
        }
        loop {
            let before = self.remembered.forgotten.load(Ordering::Acquire);
            let mut rows = self.remembered.of(places.iter().flat_map(Place::hashes), month);
            let open: Vec<_> = places.iter().filter(|place| !place.is_settled(&rows)).collect();
            if open.is_empty() {
                return Ok(places.iter().map(|place| place.answer(&rows)).collect());
            }
            let mut work = self.pool.begin().await?;
            let mut read = read(&mut keys, open.iter().flat_map(|place| place.hashes()), &mut work).await?;
            let lacks = |place: &&&Place| place.value.is_some() && !place.is_settled(&read);
            if open.iter().any(|place| lacks(&place)) || read.values().any(|row| row.month < month) {
                // Another call may write between reading and writing: what is written is read again under the lock.
                drop(work);
                work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
                read = self::read(&mut keys, open.iter().flat_map(|place| place.hashes()), &mut work).await?;
                touch(&mut read, month, &mut work).await?;
                issue(&mut keys, purposes, (asks, &places), (&rows, &mut read), month, &mut work).await?;
            }
            work.commit().await?;
            if self.remembered.keep(&read, before) {
                rows.extend(read);
                return Ok(places.iter().map(|place| place.answer(&rows)).collect());
            }
        }
    }

    /// The token that a text is for callers of this issuer and tenant, of this purpose.
    pub async fn token(&self, caller: Caller<'_>, purpose: &str, text: &str) -> Result<Option<Token>, VaultError> {
        let mut work = self.pool.begin().await?;
        let Some(tenant) = self.tenants.find(caller, &self.root, &mut work).await? else { return Ok(None) };
        let mut keys = Keys::new(&tenant);
        let hash = keys.token(&canonical_token(text));
        let row = sqlx::query("SELECT id, purpose, sealed, month FROM tokens WHERE by_token = ? AND purpose = ?")
            .bind(hash.as_slice())
            .bind(purpose)
            .fetch_optional(&mut *work)
            .await?;
        row.map(|row| keys.open(&row)).transpose()
    }

    async fn tenant(&self, caller: Caller<'_>) -> Result<Arc<Tenant>, VaultError> {
        if let Some(tenant) = self.tenants.known(caller) {
            return Ok(tenant);
        }
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let tenant = self.tenants.of(caller, &self.root, &mut work).await?;
        work.commit().await?;
        self.tenants.remember(caller, Arc::clone(&tenant));
        Ok(tenant)
    }
}

/// The rows that are found by these hashes, each under both of its own.
async fn read(keys: &mut Keys<'_>, hashes: impl Iterator<Item = Hash>, work: &mut Work) -> Result<Rows, VaultError> {
    let rows = sqlx::query(
        "SELECT id, purpose, by_token, by_value, sealed, month FROM tokens
            WHERE by_token IN (SELECT unhex(value) FROM json_each(?1))
         UNION SELECT id, purpose, by_token, by_value, sealed, month FROM tokens
            WHERE by_value IN (SELECT unhex(value) FROM json_each(?1))",
    )
    .bind(list(hashes))
    .fetch_all(&mut **work)
    .await?;
    let mut found = HashMap::with_capacity(2 * rows.len());
    for row in rows {
        let opened = Arc::new(keys.open(&row)?);
        for column in ["by_token", "by_value"] {
            found.insert(hash(&row, column)?, Arc::clone(&opened));
        }
    }
    Ok(found)
}

/// Notes that rows are used in this month, once a month.
async fn touch(rows: &mut Rows, month: Month, work: &mut Work) -> Result<(), VaultError> {
    for row in rows.values_mut().filter(|row| row.month < month) {
        sqlx::query("UPDATE tokens SET month = ? WHERE id = ?")
            .bind(month.to_string())
            .bind(&row.id)
            .execute(&mut **work)
            .await?;
        let Token { id, purpose, token, value, .. } = &**row;
        let (id, purpose, token, value) = (id.clone(), Arc::clone(purpose), token.clone(), value.clone());
        *row = Arc::new(Token { id, purpose, token, value, month });
    }
    Ok(())
}

/// Stores a token for each value that has none.
async fn issue(
    keys: &mut Keys<'_>,
    purposes: &[Arc<str>],
    (asks, places): (&[Ask], &[Place]),
    (known, rows): (&Rows, &mut Rows),
    month: Month,
    work: &mut Work,
) -> Result<(), VaultError> {
    // What stands in this message is no token yet, and must not become one in the middle of it.
    let taken: HashSet<&str> = asks.iter().map(|ask| ask.token.as_str()).collect();
    for (ask, place) in asks.iter().zip(places) {
        let (Some(wanted), Some(by_value)) = (&ask.wanted, place.value) else { continue };
        if place.is_settled(known) || place.is_settled(rows) {
            continue;
        }
        let (by_token, row) = insert(keys, purposes, wanted, &by_value, &taken, month, work).await?;
        let row = Arc::new(row);
        rows.insert(by_token, Arc::clone(&row));
        rows.insert(by_value, row);
    }
    Ok(())
}

async fn insert(
    keys: &mut Keys<'_>,
    purposes: &[Arc<str>],
    wanted: &Wanted,
    by_value: &Hash,
    taken: &HashSet<&str>,
    month: Month,
    work: &mut Work,
) -> Result<(Hash, Token), VaultError> {
    for _ in 0..DRAWS {
        let drawn = (wanted.draw)(wanted.kind, &wanted.normal).ok_or(VaultError::Random)?;
        if taken.contains(drawn.as_str()) {
            continue;
        }
        // SECURITY: a token that is also somebody's value would let that value pass for a token from now on.
        let mut values = Vec::with_capacity(purposes.len());
        for purpose in purposes {
            values.push(keys.value(purpose, wanted.kind, &drawn)?);
        }
        let (id, by_token) = (new_id()?, keys.token(&drawn));
        let label = keys.label(&wanted.purpose, &id);
        let plain = Secret::new(joined(&[&drawn, wanted.value.expose()]));
        let stored = sqlx::query(
            "INSERT INTO tokens (id, tenant, purpose, by_token, by_value, sealed, month)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7
             WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE by_value IN (SELECT unhex(value) FROM json_each(?8)))
             ON CONFLICT DO NOTHING",
        )
        .bind(&id)
        .bind(&keys.tenant.id)
        .bind(&*wanted.purpose)
        .bind(by_token.as_slice())
        .bind(by_value.as_slice())
        .bind(keys.purpose(&wanted.purpose)?.seal.seal(&label, plain.expose())?)
        .bind(month.to_string())
        .bind(list(values.into_iter()))
        .execute(&mut **work)
        .await?;
        if stored.rows_affected() == 1 {
            let (purpose, value) = (Arc::clone(&wanted.purpose), wanted.value.clone());
            return Ok((by_token, Token { id, purpose, token: Secret::new(drawn), value, month }));
        }
    }
    Err(VaultError::NoToken)
}

/// Destroys the row of that name.
pub(super) async fn forget(id: &str, work: &mut Work) -> Result<(), VaultError> {
    // What is sealed is overwritten where it stands before its row goes, as in all tables here.
    for statement in
        ["UPDATE tokens SET sealed = zeroblob(length(sealed)) WHERE id = unhex(?)", "DELETE FROM tokens WHERE id = unhex(?)"]
    {
        sqlx::query(statement).bind(id).execute(&mut **work).await?;
    }
    Ok(())
}

/// Destroys what was last used in `month` or before.
pub(super) async fn expire(month: Month, work: &mut Work) -> Result<(), VaultError> {
    for statement in
        ["UPDATE tokens SET sealed = zeroblob(length(sealed)) WHERE month <= ?", "DELETE FROM tokens WHERE month <= ?"]
    {
        sqlx::query(statement).bind(month.to_string()).execute(&mut **work).await?;
    }
    Ok(())
}
