//! From version 1 of the tables, which held issuers, subjects and keys in plain.

use sqlx::Row as _;

use super::tree::Lookup;
use super::{Caller, Month, Vault, VaultError, insert_month, name_of, people};
use crate::seal::{Key, SealError};
use crate::secret::Secret;

impl Vault {
    /// Moves what version 1 has left under keys, in one transaction. SQLite overwrites the pages of the table it drops.
    pub(super) async fn migrate(&self) -> Result<(), VaultError> {
        let old: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'subjects')")
                .fetch_one(&self.pool)
                .await?;
        if !old {
            return Ok(());
        }
        let mut work = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let rows = sqlx::query("SELECT issuer, subject, month, pseudonym, key FROM subjects ORDER BY issuer, subject, month")
            .fetch_all(&mut *work)
            .await?;
        for row in rows {
            let (issuer, subject): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            // Version 1 knew no tenants.
            let caller = Caller { issuer: &issuer, subject: &subject, tenant: None };
            let month: Month = row.try_get::<String, _>(2)?.parse().map_err(|_form| SealError::Broken("a month"))?;
            let tenant = self.tenants.of(caller, &self.root, &mut work).await?;
            let lookup = self.root.lookup(Lookup::Caller, &[&issuer, &subject]);
            let found: Option<Vec<u8>> = sqlx::query_scalar("SELECT id FROM callers WHERE lookup = ? AND tenant = ?")
                .bind(lookup.as_slice())
                .bind(&tenant.id)
                .fetch_optional(&mut *work)
                .await?;
            let id = match found {
                Some(id) => id,
                None => people::insert(&tenant, caller, &lookup, &mut work).await?,
            };
            name_of(&id, month, Some(row.try_get(3)?), &mut work).await?;
            insert_month(&tenant.key, &id, month, Key::new(Secret::new(row.try_get(4)?))?, &mut work).await?;
        }
        sqlx::query("DROP TABLE subjects").execute(&mut *work).await?;
        work.commit().await?;
        self.wipe().await
    }
}
