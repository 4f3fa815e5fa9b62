//! What is done to the vault because a record of the log says so, each change at most once.
//!
//! The record comes first and is durable; the change follows in one transaction together with how far the log has been applied.
//! A vault that is older than its log (a crash between the two, a restored backup) finds by that number what it has missed.

use jiff::Timestamp;

use super::{Month, Vault, VaultError, Work, tokens};

/// Something a record orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Forget who is behind these pseudonyms, with all keys of theirs.
    Erase(Vec<String>),
    /// Destroy the keys of this month and all before, mappings that end with them, and tokens last used then. Who is held keeps
    /// theirs.
    Expire(Month),
    /// Forget these tokens, by the names of their rows: nothing leads from them to their values any more.
    Forget(Vec<String>),
    /// Keep whoever is behind these pseudonyms from erasure and expiry.
    Hold(Vec<String>),
    /// No longer.
    Release(Vec<String>),
}

/// How far a log has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied<'a> {
    /// Its name.
    pub log: &'a str,
    /// Index of the first record that has not been.
    pub next: u64,
}

impl Vault {
    /// Makes a change, and notes how far the log has been applied. When this returns, what was erased stands in no byte of the file or
    /// of its journal, and in no memory but that of calls under way.
    pub async fn apply(&self, change: &Change, applied: Applied<'_>) -> Result<(), VaultError> {
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        match change {
            Change::Erase(names) => {
                for name in names {
                    erase(name, &mut work).await?;
                }
            }
            Change::Expire(month) => {
                expire(*month, &mut work).await?;
                tokens::expire(*month, &mut work).await?;
            }
            Change::Forget(ids) => {
                for id in ids {
                    tokens::forget(id, &mut work).await?;
                }
            }
            Change::Hold(names) => {
                for name in names {
                    sqlx::query(
                        "INSERT INTO holds (lookup) SELECT lookup FROM callers JOIN pseudonyms ON caller = callers.id
                         WHERE name = ? ON CONFLICT DO NOTHING",
                    )
                    .bind(name)
                    .execute(&mut *work)
                    .await?;
                }
            }
            Change::Release(names) => {
                for name in names {
                    sqlx::query(
                        "DELETE FROM holds WHERE lookup IN (SELECT lookup FROM callers JOIN pseudonyms ON caller = callers.id
                         WHERE name = ?)",
                    )
                    .bind(name)
                    .execute(&mut *work)
                    .await?;
                }
            }
        }
        note(applied, &mut work).await?;
        work.commit().await?;
        match change {
            Change::Erase(names) => self.forget(|name, _| names.iter().any(|erased| erased == name)),
            Change::Expire(expired) => {
                self.forget(|_, month| month <= *expired);
                self.remembered.forget(|_, month| month <= *expired);
            }
            Change::Forget(ids) => self.remembered.forget(|id, _| ids.iter().any(|gone| gone == id)),
            Change::Hold(_) | Change::Release(_) => return Ok(()),
        }
        self.wipe().await
    }

    /// Index of the first record of a log that has not been applied; `None` for a log that the vault has not met.
    pub async fn applied(&self, log: &str) -> Result<Option<u64>, VaultError> {
        let next: Option<i64> =
            sqlx::query_scalar("SELECT next FROM applied WHERE log = ?").bind(log).fetch_optional(&self.pool).await?;
        Ok(next.and_then(|next| u64::try_from(next).ok()))
    }

    /// Notes that nothing before `applied.next` orders anything that was not done, and that it was `seen` at the latest.
    pub async fn advance(&self, applied: Applied<'_>, seen: Option<Timestamp>) -> Result<(), VaultError> {
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        note(applied, &mut work).await?;
        if let Some(seen) = seen {
            sqlx::query("INSERT INTO facts (name, value) VALUES ('seen', ?) ON CONFLICT DO UPDATE SET value = excluded.value")
                .bind(seen.to_string().as_bytes())
                .execute(&mut *work)
                .await?;
        }
        Ok(work.commit().await?)
    }

    /// The latest time that was believed while somebody used the vault.
    pub async fn seen(&self) -> Result<Option<Timestamp>, VaultError> {
        let text: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT value FROM facts WHERE name = 'seen'").fetch_optional(&self.pool).await?;
        Ok(text.and_then(|text| str::from_utf8(&text).ok()?.parse().ok()))
    }

    /// All pseudonyms of callers under a legal hold.
    pub async fn held(&self) -> Result<Vec<String>, VaultError> {
        let names = sqlx::query_scalar(
            "SELECT name FROM pseudonyms WHERE caller IN (SELECT id FROM callers WHERE lookup IN (SELECT lookup FROM holds))",
        );
        Ok(names.fetch_all(&self.pool).await?)
    }

    /// Whether nobody and nothing is in it: then no record can order anything.
    pub async fn is_empty(&self) -> Result<bool, VaultError> {
        let statement = "SELECT NOT EXISTS (SELECT 1 FROM callers) AND NOT EXISTS (SELECT 1 FROM tokens)";
        Ok(sqlx::query_scalar(statement).fetch_one(&self.pool).await?)
    }

    /// How many keys of `month` and before belong to nobody who is held.
    pub async fn expiring(&self, month: Month) -> Result<u64, VaultError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM months WHERE month <= ? AND caller NOT IN
                (SELECT id FROM callers WHERE lookup IN (SELECT lookup FROM holds))",
        )
        .bind(month.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many tokens were last used in `month` or before.
    pub async fn expiring_tokens(&self, month: Month) -> Result<u64, VaultError> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM tokens WHERE month <= ?")
            .bind(month.to_string())
            .fetch_one(&self.pool)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

async fn erase(pseudonym: &str, work: &mut Work) -> Result<(), VaultError> {
    let id: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT caller FROM pseudonyms WHERE name = ?").bind(pseudonym).fetch_optional(&mut **work).await?;
    let Some(id) = id else { return Ok(()) };
    // What is wrapped is overwritten where it stands before its row goes: pages that SQLite has put in order keep no copy of it.
    for statement in [
        "UPDATE months SET key = zeroblob(length(key)) WHERE caller = ?",
        "DELETE FROM months WHERE caller = ?",
        "DELETE FROM content WHERE caller = ?",
        "DELETE FROM profiles WHERE caller = ?",
        "DELETE FROM pseudonyms WHERE caller = ?",
        "UPDATE callers SET identity = zeroblob(length(identity)) WHERE id = ?",
        "DELETE FROM callers WHERE id = ?",
    ] {
        sqlx::query(statement).bind(&id).execute(&mut **work).await?;
    }
    // A hold was looked at before the record was written; here the record has the last word. None may be left behind: its key is a
    // hash of the identity.
    sqlx::query("DELETE FROM holds WHERE lookup NOT IN (SELECT lookup FROM callers)").execute(&mut **work).await?;
    Ok(())
}

async fn expire(month: Month, work: &mut Work) -> Result<(), VaultError> {
    const STATEMENTS: [&str; 2] = [
        "UPDATE months SET key = zeroblob(length(key)) WHERE month <= ? AND caller NOT IN
            (SELECT id FROM callers WHERE lookup IN (SELECT lookup FROM holds))",
        "DELETE FROM months WHERE month <= ? AND caller NOT IN
            (SELECT id FROM callers WHERE lookup IN (SELECT lookup FROM holds))",
    ];
    for statement in STATEMENTS {
        sqlx::query(statement).bind(month.to_string()).execute(&mut **work).await?;
    }
    // Every pseudonym was made with a key of its year. With the last of them the mapping has no use.
    for statement in [
        "DELETE FROM content WHERE NOT EXISTS (SELECT 1 FROM months
            WHERE months.caller = content.caller AND months.month = content.month)",
        "DELETE FROM profiles WHERE NOT EXISTS (SELECT 1 FROM months
            WHERE months.caller = profiles.caller AND months.month = profiles.month)",
        "DELETE FROM pseudonyms WHERE NOT EXISTS (SELECT 1 FROM months
            WHERE months.caller = pseudonyms.caller AND CAST(substr(month, 1, 4) AS INTEGER) = year)",
        "UPDATE callers SET identity = zeroblob(length(identity)) WHERE id NOT IN (SELECT caller FROM months)",
        "DELETE FROM callers WHERE id NOT IN (SELECT caller FROM months)",
    ] {
        sqlx::query(statement).execute(&mut **work).await?;
    }
    Ok(())
}

async fn note(applied: Applied<'_>, work: &mut Work) -> Result<(), VaultError> {
    sqlx::query("INSERT INTO applied (log, next) VALUES (?, ?) ON CONFLICT DO UPDATE SET next = excluded.next")
        .bind(applied.log)
        .bind(i64::try_from(applied.next).unwrap_or(i64::MAX))
        .execute(&mut **work)
        .await?;
    Ok(())
}
