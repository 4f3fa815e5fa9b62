//! Accounts that callers have connected at servers: whose they are, and the tokens that were given for them, sealed.
//!
//! One row for each caller and server. What replicas do at once is settled here: one of them renews tokens while it holds the lease, since an
//! authorization server takes a refresh token that is shown twice for a stolen one.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::key_text::new_id;
use super::store::{Store, within};
use super::{StoreError, under_master};
use crate::master_key::MasterKey;
use crate::seal::{Key, Label};
use crate::secret::Secret;

/// How long one may take who renews tokens: longer than a token endpoint is waited for, and the store after it.
const LEASE: SignedDuration = SignedDuration::from_secs(40);

const COLUMNS: &str = "id, issuer, subject, tenant, server, bond, scopes, connected, renewed, version, sealed";

/// Whose an account is, and at which server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Whose {
    /// The issuer's configured name.
    pub issuer: String,
    /// What the issuer calls the caller.
    pub subject: String,
    /// Their tenant, as their issuer calls it; empty without one.
    pub tenant: String,
    /// The server's name.
    pub server: String,
}

/// An account, without its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its own id: `a` and the rest of a key's.
    pub id: String,
    /// Whose.
    pub whose: Whose,
    /// What its tokens were given for: they are shown to nobody else who has the same name later.
    pub bond: String,
    /// What its tokens are good for, as far as anybody has said.
    pub scopes: Vec<String>,
    /// When it was connected.
    pub connected: Timestamp,
    /// When its tokens were renewed last.
    pub renewed: Option<Timestamp>,
    /// How often they were.
    pub version: i64,
}

/// What was given for an account.
#[derive(Debug)]
pub struct Tokens {
    /// Shown to the server.
    pub access: Secret<String>,
    /// Shown to the authorization server for newer ones.
    pub refresh: Option<Secret<String>>,
    /// When the first of them runs out, if that is known.
    pub expires: Option<Timestamp>,
}

/// All accounts, in their store.
#[derive(Debug)]
pub struct Accounts {
    store: Store,
    key: Key,
    changes: AtomicU64,
}

impl Accounts {
    pub(super) async fn open(store: Store, master: &MasterKey) -> Result<Self, StoreError> {
        let key = within(under_master::sealer(&store, master)).await?;
        Ok(Self { store, key, changes: AtomicU64::new(0) })
    }

    /// Changes whenever an account may have been connected or removed, here or by another process.
    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Others may have changed something.
    pub(super) fn note_change(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// The account of that caller at that server.
    pub async fn find(&self, whose: &Whose) -> Result<Option<(Account, Tokens)>, StoreError> {
        let statement =
            format!("SELECT {COLUMNS} FROM accounts WHERE issuer = $1 AND subject = $2 AND tenant = $3 AND server = $4");
        let asked = sqlx::query(AssertSqlSafe(statement))
            .bind(whose.issuer.clone())
            .bind(whose.subject.clone())
            .bind(whose.tenant.clone())
            .bind(whose.server.clone());
        let row = within(async { Ok::<_, StoreError>(asked.fetch_optional(self.store.pool()).await?) }).await?;
        row.map(|row| self.opened(&row)).transpose()
    }

    /// All of them, without tokens, by whose they are.
    pub async fn list(&self) -> Result<Vec<Account>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM accounts ORDER BY issuer, subject, tenant, server");
        let asked = sqlx::query(AssertSqlSafe(statement));
        let rows = within(async { Ok::<_, StoreError>(asked.fetch_all(self.store.pool()).await?) }).await?;
        rows.iter().map(|row| Ok(read(row)?)).collect()
    }

    /// The one with that id.
    pub async fn by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let statement = format!("SELECT {COLUMNS} FROM accounts WHERE id = $1");
        let asked = sqlx::query(AssertSqlSafe(statement)).bind(id.to_owned());
        let row = within(async { Ok::<_, StoreError>(asked.fetch_optional(self.store.pool()).await?) }).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }

    /// The ids of all accounts of a caller.
    pub async fn of_subject(&self, issuer: &str, subject: &str) -> Result<Vec<String>, StoreError> {
        let statement = "SELECT id FROM accounts WHERE issuer = $1 AND subject = $2 ORDER BY id";
        let asked = sqlx::query_scalar(statement).bind(issuer.to_owned()).bind(subject.to_owned());
        within(async { Ok::<_, StoreError>(asked.fetch_all(self.store.pool()).await?) }).await
    }

    /// An account that nothing knows yet, so that it can be recorded before it is good for anything. Of a caller who has one there it is that one
    /// anew: records that are about it stay so.
    pub async fn make(&self, (whose, bond): (&Whose, &str), scopes: Vec<String>, now: Timestamp) -> Result<Account, StoreError> {
        let (id, version) = match self.find(whose).await? {
            Some((known, _)) => (known.id, known.version + 1),
            None => (format!("a{}", new_id().ok_or(StoreError::Random)?), 0),
        };
        let (whose, bond) = (whose.clone(), bond.to_owned());
        Ok(Account { id, whose, bond, scopes, connected: now, renewed: None, version })
    }

    /// Keeps it, in the place of what its caller had there.
    pub async fn put(&self, account: &Account, tokens: &Tokens) -> Result<(), StoreError> {
        let sealed = self.sealed(account, tokens)?;
        let put = within(async {
            let mut work = self.store.change().await?;
            if !replace(&mut work, account, &sealed).await? {
                insert(&mut work, account, sealed).await?;
            }
            Ok::<_, StoreError>(work.commit().await?)
        });
        let put = put.await;
        // Also where nobody knows how it went.
        self.note_change();
        put
    }

    /// Takes the right to renew the tokens of this version. Whether it was there to take.
    pub async fn lease(&self, account: &Account, now: Timestamp) -> Result<bool, StoreError> {
        let until = now.checked_add(LEASE).unwrap_or(now).as_second();
        // One that lies further ahead was taken by a clock that is wrong.
        let statement = "UPDATE accounts SET lease = $1 WHERE id = $2 AND version = $3 AND (lease < $4 OR lease > $1)";
        let asked = sqlx::query(statement).bind(until).bind(account.id.clone()).bind(account.version).bind(now.as_second());
        within(async { Ok::<_, StoreError>(asked.execute(self.store.pool()).await?.rows_affected() == 1) }).await
    }

    /// Gives it back without newer tokens.
    pub async fn give_back(&self, account: &Account) -> Result<(), StoreError> {
        let statement = "UPDATE accounts SET lease = 0 WHERE id = $1 AND version = $2";
        let asked = sqlx::query(statement).bind(account.id.clone()).bind(account.version);
        within(async { Ok::<_, StoreError>(asked.execute(self.store.pool()).await.map(drop)?) }).await
    }

    /// Gives it back with newer tokens. Whether the account is still there to have them.
    pub async fn renew(&self, account: &Account, tokens: &Tokens, now: Timestamp) -> Result<bool, StoreError> {
        let statement =
            "UPDATE accounts SET sealed = $1, version = version + 1, lease = 0, renewed = $2 WHERE id = $3 AND version = $4";
        let asked = sqlx::query(statement)
            .bind(self.sealed(account, tokens)?)
            .bind(now.to_string())
            .bind(account.id.clone())
            .bind(account.version);
        within(async { Ok::<_, StoreError>(asked.execute(self.store.pool()).await?.rows_affected() == 1) }).await
    }

    /// Takes an account away, with the tokens that it has then; of a certain version alone, if one is named.
    pub async fn take(&self, id: &str, version: Option<i64>) -> Result<Option<(Account, Tokens)>, StoreError> {
        let statement = format!("DELETE FROM accounts WHERE id = $1 AND (version = $2 OR $2 < 0) RETURNING {COLUMNS}");
        let asked = sqlx::query(AssertSqlSafe(statement)).bind(id.to_owned()).bind(version.unwrap_or(-1));
        let taken = within(async {
            let mut work = self.store.change().await?;
            let row = asked.fetch_optional(&mut *work).await?;
            work.commit().await?;
            Ok::<_, StoreError>(row)
        });
        let taken = taken.await;
        self.note_change();
        let Some(row) = taken? else { return Ok(None) };
        match within(self.store.wipe()).await {
            // It is gone; a backup that reads the file holds what stood there for a while longer.
            Err(StoreError::Journal) => {
                tracing::warn!(account = id, "an account is gone, and stands in the journal of the store still");
            }
            wiped => wiped?,
        }
        self.opened(&row).map(Some)
    }

    fn sealed(&self, account: &Account, tokens: &Tokens) -> Result<Vec<u8>, StoreError> {
        let Tokens { access, refresh, expires } = tokens;
        let (refresh, expires) = (refresh.as_ref().map_or("", |refresh| refresh.expose()), expires.map(Timestamp::as_second));
        let expires = expires.map(|second| second.to_string()).unwrap_or_default();
        let plain = Secret::new(format!("{}\n{refresh}\n{expires}", access.expose()));
        Ok(self.key.seal(&label(account), plain.expose().as_bytes())?)
    }

    fn opened(&self, row: &AnyRow) -> Result<(Account, Tokens), StoreError> {
        let account = read(row)?;
        let sealed: Vec<u8> = row.try_get("sealed")?;
        let plain = self.key.open(&label(&account), &sealed)?;
        let damaged = || StoreError::Damaged { what: format!("the account `{}`", account.id) };
        let text = str::from_utf8(plain.expose()).map_err(|_no_text| damaged())?;
        let mut lines = text.split('\n');
        let (Some(access), Some(refresh), Some(expires)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(damaged());
        };
        let expires = if expires.is_empty() {
            None
        } else {
            let second = expires.parse().map_err(|_no_number| damaged())?;
            Some(Timestamp::from_second(second).map_err(|_no_time| damaged())?)
        };
        let refresh = Some(refresh).filter(|refresh| !refresh.is_empty()).map(|refresh| Secret::new(refresh.to_owned()));
        Ok((account, Tokens { access: Secret::new(access.to_owned()), refresh, expires }))
    }
}

/// SECURITY: a row that is put in another's place opens nothing.
fn label(account: &Account) -> Label {
    let Whose { issuer, subject, tenant, server } = &account.whose;
    let parts = [&account.id, issuer, subject, tenant, server, &account.bond];
    Label::new("an account", &parts.map(String::as_bytes))
}

/// Removes an account by its id. Whether it was there.
pub(super) async fn remove_by_id(work: &mut AnyConnection, id: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM accounts WHERE id = $1").bind(id.to_owned()).execute(work).await?;
    Ok(done.rows_affected() == 1)
}

/// Puts an account anew into its own row. Whether that is there.
async fn replace(work: &mut AnyConnection, account: &Account, sealed: &[u8]) -> Result<bool, StoreError> {
    let statement = "UPDATE accounts SET bond = $1, scopes = $2, connected = $3, renewed = NULL, version = version + 1, lease = 0, \
                     sealed = $4 WHERE id = $5";
    let done = sqlx::query(statement)
        .bind(account.bond.clone())
        .bind(account.scopes.join(" "))
        .bind(account.connected.to_string())
        .bind(sealed.to_vec())
        .bind(account.id.clone())
        .execute(work)
        .await?;
    Ok(done.rows_affected() == 1)
}

async fn insert(work: &mut AnyConnection, account: &Account, sealed: Vec<u8>) -> Result<(), StoreError> {
    let statement = "INSERT INTO accounts (id, issuer, subject, tenant, server, bond, scopes, connected, version, lease, sealed) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10)";
    sqlx::query(statement)
        .bind(account.id.clone())
        .bind(account.whose.issuer.clone())
        .bind(account.whose.subject.clone())
        .bind(account.whose.tenant.clone())
        .bind(account.whose.server.clone())
        .bind(account.bond.clone())
        .bind(account.scopes.join(" "))
        .bind(account.connected.to_string())
        .bind(account.version)
        .bind(sealed)
        .execute(work)
        .await?;
    Ok(())
}

fn read(row: &AnyRow) -> Result<Account, sqlx::Error> {
    let time = |text: &str| text.parse().map_err(|error: jiff::Error| sqlx::Error::Decode(Box::new(error)));
    let scopes: String = row.try_get("scopes")?;
    let renewed: Option<String> = row.try_get("renewed")?;
    Ok(Account {
        id: row.try_get("id")?,
        whose: Whose {
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            tenant: row.try_get("tenant")?,
            server: row.try_get("server")?,
        },
        bond: row.try_get("bond")?,
        scopes: scopes.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        connected: time(&row.try_get::<String, _>("connected")?)?,
        renewed: renewed.as_deref().map(time).transpose()?,
        version: row.try_get("version")?,
    })
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
