//! Another master key: what it wraps and what it makes rows findable by, made anew in one transaction.
//!
//! Tenants' keys are wrapped again; everything below them stays as it is. Keyed hashes are made again from what is stored encrypted.

use std::collections::HashMap;
use std::path::Path;

use sqlx::Row as _;

use super::tree::{Lookup, Root, identity_label, name_label, split};
use super::{SCHEMA, VERSION, VaultError};
use crate::master_key::MasterKey;
use crate::seal::SealError;
use crate::state::{open, wipe_journal};

/// Puts `data_dir/vault.db` under another master key. One that is under `new` already is left as it is, so that this may be repeated.
pub async fn rotate_master(data_dir: &Path, old: &MasterKey, new: &MasterKey) -> Result<(), VaultError> {
    let (old, new) = (Root::new(old)?, Root::new(new)?);
    let pool = open(&data_dir.join("vault.db"), VERSION, SCHEMA).await?;
    if new.check(&pool).await.is_ok() {
        // A run that broke off behind its commit has not come to this.
        wipe_journal(&pool).await?;
        return Ok(());
    }
    old.check(&pool).await?;
    let mut work = pool.begin_with("BEGIN IMMEDIATE").await?;
    let mut tenants = HashMap::new();
    for row in sqlx::query("SELECT id, name, key FROM tenants").fetch_all(&mut *work).await? {
        let (id, name, wrapped): (Vec<u8>, Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let key = old.unwrap(&id, &wrapped)?;
        let lookup = again(&new, Lookup::Tenant, key.open(&name_label(&id), &name)?.expose())?;
        sqlx::query("UPDATE tenants SET lookup = ?, key = ? WHERE id = ?")
            .bind(lookup.as_slice())
            .bind(new.wrapped(&id, &key)?)
            .bind(&id)
            .execute(&mut *work)
            .await?;
        tenants.insert(id, key);
    }
    for row in sqlx::query("SELECT id, lookup, tenant, identity FROM callers").fetch_all(&mut *work).await? {
        let (id, before): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let (tenant, identity): (Vec<u8>, Vec<u8>) = (row.try_get(2)?, row.try_get(3)?);
        let key = tenants.get(&tenant).ok_or(SealError::Broken("a tenant's key"))?;
        let lookup = again(&new, Lookup::Caller, key.open(&identity_label(&id), &identity)?.expose())?;
        for statement in
            ["UPDATE callers SET lookup = ? WHERE lookup = ?", "UPDATE OR REPLACE holds SET lookup = ? WHERE lookup = ?"]
        {
            sqlx::query(statement).bind(lookup.as_slice()).bind(&before).execute(&mut *work).await?;
        }
    }
    new.mark(&mut work).await?;
    work.commit().await?;
    // The journal holds keys as the old master key wraps them.
    wipe_journal(&pool).await?;
    pool.close().await;
    Ok(())
}

fn again(root: &Root, what: Lookup, parts: &[u8]) -> Result<[u8; 32], VaultError> {
    let parts = split(parts).ok_or(SealError::Broken("a name"))?;
    Ok(root.lookup(what, &parts.iter().map(String::as_str).collect::<Vec<_>>()))
}
