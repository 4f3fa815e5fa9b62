//! The upper half of the key tree: what comes from the master key, and the tenants' keys below it.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::{constant_time, hmac};
use parking_lot::RwLock;
use sqlx::{Pool, Row as _, Sqlite};

use super::{Caller, Month, VaultError, Work};
use crate::master_key::{MasterKey, random_bytes};
use crate::seal::{Key, Label};

/// Keys of tenants remembered in memory. Beyond this the memory is emptied and fills again.
const REMEMBERED: usize = 10_000;

/// Length of an id of chance.
const ID: usize = 16;

/// What is looked up by a keyed hash.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup {
    /// Issuer and subject.
    Caller,
    /// Nothing: the hash says whether the master key is the right one.
    Check,
    /// Issuer and tenant.
    Tenant,
}

/// Two keys made from the master key: one wraps tenants' keys, one makes what rows are found by.
#[derive(Debug)]
pub(super) struct Root {
    wrap: Key,
    lookup: hmac::Key,
}

/// A tenant's row.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) id: Vec<u8>,
    pub(super) key: Key,
}

impl Root {
    pub(super) fn new(master: &MasterKey) -> Result<Self, VaultError> {
        Ok(Self { wrap: Key::new(master.derive_bytes("vault wrap"))?, lookup: master.derive("vault lookup") })
    }

    /// The keyed hash by which a row is found. Each part with its length before it, so that `a`, `bc` is not `ab`, `c`.
    pub(super) fn lookup(&self, what: Lookup, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.lookup);
        context.update(match what {
            Lookup::Caller => b"caller",
            Lookup::Check => b"check ",
            Lookup::Tenant => b"tenant",
        });
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.sign().as_ref());
        hash
    }

    /// Whether the file belongs to this master key; a new file does from now on.
    pub(super) async fn check(&self, pool: &Pool<Sqlite>) -> Result<(), VaultError> {
        let expected = self.lookup(Lookup::Check, &[]);
        sqlx::query("INSERT INTO facts (name, value) VALUES ('master key', ?) ON CONFLICT DO NOTHING")
            .bind(expected.as_slice())
            .execute(pool)
            .await?;
        let found: Vec<u8> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'master key'").fetch_one(pool).await?;
        constant_time::verify_slices_are_equal(&found, &expected).map_err(|_unspecified| VaultError::OtherKey)
    }

    /// Notes that the file belongs to this master key from now on.
    pub(super) async fn mark(&self, work: &mut Work) -> Result<(), VaultError> {
        sqlx::query("UPDATE facts SET value = ? WHERE name = 'master key'")
            .bind(self.lookup(Lookup::Check, &[]).as_slice())
            .execute(&mut **work)
            .await?;
        Ok(())
    }

    pub(super) fn unwrap(&self, id: &[u8], wrapped: &[u8]) -> Result<Key, VaultError> {
        Ok(self.wrap.unwrapped(&Label::new("a tenant's key", &[id]), wrapped)?)
    }

    pub(super) fn wrapped(&self, id: &[u8], key: &Key) -> Result<Vec<u8>, VaultError> {
        Ok(self.wrap.wrap(&Label::new("a tenant's key", &[id]), key)?)
    }

    /// The key of the tenant with that id.
    pub(super) async fn tenant(&self, id: &[u8], pool: &Pool<Sqlite>) -> Result<Key, VaultError> {
        let wrapped: Vec<u8> = sqlx::query_scalar("SELECT key FROM tenants WHERE id = ?").bind(id).fetch_one(pool).await?;
        self.unwrap(id, &wrapped)
    }
}

/// Issuer and tenant.
type Place = (Box<str>, Option<Box<str>>);

/// Keys of tenants, each unwrapped once.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    known: RwLock<HashMap<Place, Arc<Tenant>>>,
}

impl Tenants {
    /// The tenant of a caller, if it is remembered.
    pub(super) fn known(&self, caller: Caller<'_>) -> Option<Arc<Tenant>> {
        self.known.read().get(&place(caller)).map(Arc::clone)
    }

    /// The tenant of a caller, if there is one.
    pub(super) async fn find(&self, caller: Caller<'_>, root: &Root, work: &mut Work) -> Result<Option<Arc<Tenant>>, VaultError> {
        if let Some(tenant) = self.known(caller) {
            return Ok(Some(tenant));
        }
        let row = sqlx::query("SELECT id, key FROM tenants WHERE lookup = ?")
            .bind(root.lookup(Lookup::Tenant, &parts(caller)).as_slice())
            .fetch_optional(&mut **work)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, wrapped): (Vec<u8>, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
        let key = root.unwrap(&id, &wrapped)?;
        Ok(Some(Arc::new(Tenant { id, key })))
    }

    /// The tenant of a caller, made at first sight. Callers without a tenant share one, their issuer's own.
    pub(super) async fn of(&self, caller: Caller<'_>, root: &Root, work: &mut Work) -> Result<Arc<Tenant>, VaultError> {
        if let Some(tenant) = self.find(caller, root, work).await? {
            return Ok(tenant);
        }
        let parts = parts(caller);
        let lookup = root.lookup(Lookup::Tenant, &parts);
        let (id, key) = (new_id()?, Key::generate()?);
        sqlx::query("INSERT INTO tenants (id, lookup, name, key) VALUES (?, ?, ?, ?)")
            .bind(&id)
            .bind(lookup.as_slice())
            .bind(key.seal(&name_label(&id), &joined(&parts))?)
            .bind(root.wrapped(&id, &key)?)
            .execute(&mut **work)
            .await?;
        Ok(Arc::new(Tenant { id, key }))
    }

    /// Keeps a tenant whose row is known to be stored.
    pub(super) fn remember(&self, caller: Caller<'_>, tenant: Arc<Tenant>) {
        let mut known = self.known.write();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(place(caller), tenant);
    }
}

fn place(caller: Caller<'_>) -> Place {
    (caller.issuer.into(), caller.tenant.map(Into::into))
}

/// What names a tenant: its word is its issuer's.
fn parts(caller: Caller<'_>) -> Vec<&str> {
    [caller.issuer].into_iter().chain(caller.tenant).collect()
}

/// Parts in one text, to be split again by [`split`].
pub(super) fn joined(parts: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    }
    text
}

/// What [`joined`] made one of.
pub(super) fn split(mut text: &[u8]) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = text.split_first_chunk::<4>() {
        let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        parts.push(String::from_utf8(part.to_vec()).ok()?);
        text = rest;
    }
    text.is_empty().then_some(parts)
}

/// What binds the key of a caller's month.
pub(super) fn month_label(caller: &[u8], month: Month) -> Label {
    Label::new("the key of a month", &[caller, month.to_string().as_bytes()])
}

/// What binds the name of a tenant.
pub(super) fn name_label(tenant: &[u8]) -> Label {
    Label::new("a tenant's name", &[tenant])
}

/// What binds an identity.
pub(super) fn identity_label(caller: &[u8]) -> Label {
    Label::new("an identity", &[caller])
}

/// A name for a row that says nothing about it.
pub(super) fn new_id() -> Result<Vec<u8>, VaultError> {
    Ok(random_bytes::<ID>().ok_or(VaultError::Random)?.to_vec())
}
