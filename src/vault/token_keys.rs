//! The keys of one tenant's tokens: what finds them, and what seals them.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::hmac;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::VaultError;
use super::tokens::Token;
use super::tree::{Tenant, joined, split};
use crate::master_key::hex;
use crate::seal::{Key, Label, SealError};
use crate::secret::Secret;

/// What a row is found by.
pub(super) type Hash = [u8; 32];

/// What finds and seals the tokens of one tenant.
pub(super) struct Keys<'a> {
    pub(super) tenant: &'a Tenant,
    tokens: hmac::Key,
    purposes: HashMap<Arc<str>, Purpose>,
}

pub(super) struct Purpose {
    pub(super) seal: Key,
    values: hmac::Key,
}

impl<'a> Keys<'a> {
    pub(super) fn new(tenant: &'a Tenant) -> Self {
        let tokens = hmac::Key::new(hmac::HMAC_SHA256, tenant.key.derived("tokens").expose());
        Self { tenant, tokens, purposes: HashMap::new() }
    }

    pub(super) fn purpose(&mut self, name: &Arc<str>) -> Result<&Purpose, VaultError> {
        if !self.purposes.contains_key(name) {
            let seal = Key::new(self.tenant.key.derived(&format!("tokens of {name}")))?;
            let values = hmac::Key::new(hmac::HMAC_SHA256, seal.derived("values").expose());
            self.purposes.insert(Arc::clone(name), Purpose { seal, values });
        }
        self.purposes.get(name).ok_or(VaultError::Sealed(SealError::Broken("a purpose")))
    }

    pub(super) fn token(&self, token: &str) -> Hash {
        keyed(&self.tokens, &[token])
    }

    pub(super) fn value(&mut self, purpose: &Arc<str>, kind: &str, normal: &str) -> Result<Hash, VaultError> {
        Ok(keyed(&self.purpose(purpose)?.values, &[kind, normal]))
    }

    pub(super) fn label(&self, purpose: &str, id: &[u8]) -> Label {
        Label::new("a token", &[&self.tenant.id, purpose.as_bytes(), id])
    }

    pub(super) fn open(&mut self, row: &SqliteRow) -> Result<Token, VaultError> {
        let (id, purpose, sealed): (Vec<u8>, String, Vec<u8>) =
            (row.try_get("id")?, row.try_get("purpose")?, row.try_get("sealed")?);
        let month = row.try_get::<String, _>("month")?.parse().map_err(|_form| SealError::Broken("a month"))?;
        let purpose: Arc<str> = purpose.into();
        let label = self.label(&purpose, &id);
        let plain = self.purpose(&purpose)?.seal.open(&label, &sealed)?;
        let mut parts = split(plain.expose()).ok_or(SealError::Broken("a token"))?.into_iter().map(Secret::new);
        match (parts.next(), parts.next()) {
            (Some(token), Some(value)) => Ok(Token { id, purpose, token, value, month }),
            _ => Err(SealError::Broken("a token").into()),
        }
    }
}

/// Each part with its length before it.
fn keyed(key: &hmac::Key, parts: &[&str]) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(hmac::sign(key, &joined(parts)).as_ref());
    hash
}

/// One that stands in a row.
pub(super) fn hash(row: &SqliteRow, column: &str) -> Result<Hash, VaultError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_length: Vec<u8>| SealError::Broken("a token").into())
}

/// Hashes as a JSON list of hex: one parameter, however many there are.
pub(super) fn list(hashes: impl Iterator<Item = Hash>) -> String {
    let mut text = String::from("[");
    for (place, hash) in hashes.enumerate() {
        text.push_str(if place == 0 { "\"" } else { ",\"" });
        text.push_str(&hex(&hash));
        text.push('"');
    }
    text.push(']');
    text
}
