//! `vault.db`: what may be erased. The mapping of callers to pseudonyms, and the keys of their commitments.
//!
//! A record of the audit log names a caller by a random pseudonym, new each year, and commits to arguments under a key of that
//! caller and month. Both stand here and nowhere else, so that erasing a row erases what the log could tell (SECURITY.md 2.8).
//! Encryption of the rows under the master key, and `audit erase`, come with the log's privacy issue; the leaves are final already.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::RwLock;
use sqlx::{Pool, Row as _, Sqlite};

use super::{StoreError, open};
use crate::master_key::{Committer, hex, random_bytes};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS subjects (
    issuer    TEXT NOT NULL,
    subject   TEXT NOT NULL,
    month     TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    key       BLOB NOT NULL,
    PRIMARY KEY (issuer, subject, month)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS subjects_by_pseudonym ON subjects (pseudonym);";

/// Callers remembered in memory. Beyond this the memory is emptied and fills again from the database.
const REMEMBERED: usize = 50_000;

/// Who a caller is in the log, this month.
#[derive(Clone, Debug)]
pub struct Pseudonym {
    /// The name in records.
    pub name: Arc<str>,
    /// Makes the commitments of this month.
    pub committer: Committer,
    month: Month,
}

/// Issuer and subject.
type Caller = (Box<str>, Box<str>);

/// A calendar month, UTC.
type Month = (i16, i8);

/// The store of pseudonyms.
#[derive(Debug)]
pub struct Vault {
    pool: Pool<Sqlite>,
    known: RwLock<HashMap<Caller, Pseudonym>>,
}

impl Pseudonym {
    /// Whether it still holds at `now`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.month == month_of(now)
    }

    /// A pseudonym without a vault, for tests of layers.
    #[cfg(test)]
    pub(crate) fn for_test(name: &str, now: Timestamp) -> Self {
        Self { name: name.into(), committer: Committer::new(name.as_bytes()), month: month_of(now) }
    }
}

impl Vault {
    /// Opens `data_dir/vault.db`.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let pool = open(&data_dir.join("vault.db"), SCHEMA, true).await?;
        Ok(Self { pool, known: RwLock::default() })
    }

    /// The pseudonym of a caller at `now`, made at first sight. Fails closed: without a pseudonym nothing can be recorded.
    pub async fn pseudonym(&self, issuer: &str, subject: &str, now: Timestamp) -> Result<Pseudonym, StoreError> {
        let place = (Box::from(issuer), Box::from(subject));
        let month = month_of(now);
        if let Some(known) = self.known.read().get(&place).filter(|known| known.month == month) {
            return Ok(known.clone());
        }
        let pseudonym = self.load_or_make(issuer, subject, month).await?;
        let mut known = self.known.write();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(place, pseudonym.clone());
        Ok(pseudonym)
    }

    /// Who stands behind a pseudonym: issuer and subject. For `audit show` while the mapping exists.
    pub async fn reveal(&self, pseudonym: &str) -> Result<Option<(String, String)>, StoreError> {
        let row = sqlx::query("SELECT issuer, subject FROM subjects WHERE pseudonym = ? LIMIT 1")
            .bind(pseudonym)
            .fetch_optional(&self.pool)
            .await?;
        Ok(match row {
            Some(row) => Some((row.try_get(0)?, row.try_get(1)?)),
            None => None,
        })
    }

    /// The committer of a pseudonym in the month of `at`: opens a commitment of the log.
    pub async fn committer(&self, pseudonym: &str, at: Timestamp) -> Result<Option<Committer>, StoreError> {
        let row = sqlx::query("SELECT key FROM subjects WHERE pseudonym = ? AND month = ?")
            .bind(pseudonym)
            .bind(month_text(month_of(at)))
            .fetch_optional(&self.pool)
            .await?;
        Ok(match row {
            Some(row) => Some(Committer::new(&row.try_get::<Vec<u8>, _>(0)?)),
            None => None,
        })
    }

    async fn load_or_make(&self, issuer: &str, subject: &str, month: Month) -> Result<Pseudonym, StoreError> {
        let fresh = hex(&random_bytes::<8>().ok_or(StoreError::Random)?);
        let key = random_bytes::<32>().ok_or(StoreError::Random)?;
        // One statement, so that two calls of one new caller agree: the pseudonym of the year, if there is one, with this month's key.
        sqlx::query(
            "INSERT INTO subjects (issuer, subject, month, pseudonym, key)
             VALUES (?1, ?2, ?3, COALESCE((SELECT pseudonym FROM subjects
                 WHERE issuer = ?1 AND subject = ?2 AND substr(month, 1, 4) = substr(?3, 1, 4) LIMIT 1), ?4), ?5)
             ON CONFLICT DO NOTHING",
        )
        .bind(issuer)
        .bind(subject)
        .bind(month_text(month))
        .bind(fresh)
        .bind(key.as_slice())
        .execute(&self.pool)
        .await?;
        let row = sqlx::query("SELECT pseudonym, key FROM subjects WHERE issuer = ? AND subject = ? AND month = ?")
            .bind(issuer)
            .bind(subject)
            .bind(month_text(month))
            .fetch_one(&self.pool)
            .await?;
        let name: String = row.try_get(0)?;
        let key: Vec<u8> = row.try_get(1)?;
        Ok(Pseudonym { name: name.into(), committer: Committer::new(&key), month })
    }

    /// Closes the database, folding its write-ahead log back into it.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

fn month_of(now: Timestamp) -> Month {
    let date = now.to_zoned(TimeZone::UTC).date();
    (date.year(), date.month())
}

fn month_text((year, month): Month) -> String {
    format!("{year:04}-{month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_pseudonym_lasts_a_year_and_its_key_a_month() {
        let dir = tempfile::tempdir().unwrap();
        let vault = Vault::open(dir.path()).await.unwrap();
        let nov = vault.pseudonym("corp", "ada", at("2026-11-21T00:00:00Z")).await.unwrap();
        let dec = vault.pseudonym("corp", "ada", at("2026-12-01T00:00:00Z")).await.unwrap();
        let jan = vault.pseudonym("corp", "ada", at("2027-01-01T00:00:00Z")).await.unwrap();
        assert_eq!(nov.name, dec.name);
        assert_ne!(dec.name, jan.name);
        let commit = |p: &Pseudonym| p.committer.commit(&[0; 16], "args", b"x");
        assert_ne!(commit(&nov), commit(&dec));
    }

    #[tokio::test]
    async fn pseudonyms_survive_a_restart_and_reveal_their_owner() {
        let dir = tempfile::tempdir().unwrap();
        let now = at("2026-11-21T00:00:00Z");
        let vault = Vault::open(dir.path()).await.unwrap();
        let before = vault.pseudonym("corp", "ada", now).await.unwrap();
        vault.close().await;
        let vault = Vault::open(dir.path()).await.unwrap();
        let after = vault.pseudonym("corp", "ada", now).await.unwrap();
        assert_eq!(before.name, after.name);
        assert_eq!(vault.reveal(&after.name).await.unwrap(), Some(("corp".into(), "ada".into())));
        assert_ne!(vault.pseudonym("corp", "bob", now).await.unwrap().name, after.name);
    }
}
