//! Who is behind a pseudonym, and which pseudonyms somebody has had.

use jiff::Timestamp;
use sqlx::Row as _;

use super::tree::{Lookup, Tenant, identity_label, joined, month_label, new_id, split};
use super::{Caller, Month, Vault, VaultError, Work};
use crate::master_key::Committer;
use crate::seal::SealError;

/// Who somebody is outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The issuer's configured name.
    pub issuer: String,
    /// What the issuer calls them.
    pub subject: String,
}

/// What the vault knows of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// All their pseudonyms, oldest year first.
    pub pseudonyms: Vec<String>,
    /// Whether a legal hold keeps them.
    pub held: bool,
}

impl Vault {
    /// What is known of somebody, in all tenants; `None` when there is nothing.
    pub async fn person(&self, issuer: &str, subject: &str) -> Result<Option<Person>, VaultError> {
        let lookup = self.root.lookup(Lookup::Caller, &[issuer, subject]);
        let pseudonyms: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM pseudonyms JOIN callers ON caller = callers.id WHERE lookup = ? ORDER BY year, name",
        )
        .bind(lookup.as_slice())
        .fetch_all(&self.pool)
        .await?;
        let held: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM holds WHERE lookup = ?)")
            .bind(lookup.as_slice())
            .fetch_one(&self.pool)
            .await?;
        Ok((!pseudonyms.is_empty()).then_some(Person { pseudonyms, held }))
    }

    /// Who stands behind a pseudonym, while the mapping exists.
    pub async fn reveal(&self, pseudonym: &str) -> Result<Option<Identity>, VaultError> {
        let row =
            sqlx::query("SELECT callers.id, tenant, identity FROM callers JOIN pseudonyms ON caller = callers.id WHERE name = ?")
                .bind(pseudonym)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, tenant, sealed): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let plain = self.root.tenant(&tenant, &self.pool).await?.open(&identity_label(&id), &sealed)?;
        match split(plain.expose()).as_deref() {
            Some([issuer, subject]) => Ok(Some(Identity { issuer: issuer.clone(), subject: subject.clone() })),
            _ => Err(SealError::Broken("an identity").into()),
        }
    }

    /// The committer of a pseudonym in the month of `at`: opens a commitment of the log.
    pub async fn committer(&self, pseudonym: &str, at: Timestamp) -> Result<Option<Committer>, VaultError> {
        let month = Month::of(at);
        let row = sqlx::query(
            "SELECT callers.id, tenant, months.key FROM pseudonyms
             JOIN callers ON pseudonyms.caller = callers.id JOIN months ON months.caller = callers.id
             WHERE name = ? AND month = ?",
        )
        .bind(pseudonym)
        .bind(month.to_string())
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, tenant, wrapped): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let tenant = self.root.tenant(&tenant, &self.pool).await?;
        Ok(Some(Committer::new(tenant.unwrapped(&month_label(&id, month), &wrapped)?.bytes())))
    }
}

/// Stores a caller; returns the id of the row.
pub(super) async fn insert(
    tenant: &Tenant,
    caller: Caller<'_>,
    lookup: &[u8; 32],
    work: &mut Work,
) -> Result<Vec<u8>, VaultError> {
    let id = new_id()?;
    sqlx::query("INSERT INTO callers (id, lookup, tenant, identity) VALUES (?, ?, ?, ?)")
        .bind(&id)
        .bind(lookup.as_slice())
        .bind(&tenant.id)
        .bind(tenant.key.seal(&identity_label(&id), &joined(&[caller.issuer, caller.subject]))?)
        .execute(&mut **work)
        .await?;
    Ok(id)
}
