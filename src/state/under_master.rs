//! What the master key is under in a store, so that it can change: what hashes API keys, and what seals the tokens of accounts.

use super::facts::{fact, fact_or, set_fact};
use super::store::{Place, Store};
use super::{ApiKeys, StoreError};
use crate::master_key::MasterKey;
use crate::seal::{Key, Label};
use crate::secret::Secret;

/// The facts, and for each the use of the master key that wraps it.
const HASHER: (&str, &str) = ("api-key", "api-key wrap");
const SEALER: (&str, &str) = ("accounts", "accounts wrap");

impl ApiKeys {
    /// Keeps keys good and accounts readable under another master key: what hashes and seals them stays, and is stored under the new one. It may
    /// be repeated.
    pub async fn rotate_master(place: impl Into<Place>, old: &MasterKey, new: &MasterKey) -> Result<(), StoreError> {
        let store = Store::open(&place.into()).await?;
        rewrap_sealer(&store, old, new).await?;
        let hasher = match hasher(&store, new).await {
            Ok(_) if fact(&store, HASHER.0).await?.is_some() => None,
            _ => Some(hasher(&store, old).await?),
        };
        if let Some(bytes) = hasher {
            let sealed = parent(new, HASHER)?.seal(&hasher_label(), bytes.expose())?;
            set_fact(&store, HASHER.0, sealed).await?;
        }
        store.wipe().await?;
        store.close().await;
        Ok(())
    }
}

/// What hashes API keys: made from the master key, or from the first one there was, then stored under the present one. Secrets are
/// not stored, so nothing could hash them again.
pub(super) async fn hasher(store: &Store, master: &MasterKey) -> Result<Secret<Vec<u8>>, StoreError> {
    match fact(store, HASHER.0).await? {
        None => Ok(master.derive_bytes("api-key")),
        Some(sealed) => Ok(parent(master, HASHER)?.open(&hasher_label(), &sealed)?),
    }
}

/// What seals the tokens of accounts: a key of chance.
pub(super) async fn sealer(store: &Store, master: &MasterKey) -> Result<Key, StoreError> {
    let parent = parent(master, SEALER)?;
    let wrapped = match fact(store, SEALER.0).await? {
        Some(wrapped) => wrapped,
        None => fact_or(store, SEALER.0, parent.wrap(&sealer_label(), &Key::generate()?)?).await?,
    };
    Ok(parent.unwrapped(&sealer_label(), &wrapped)?)
}

/// Nothing, where there is none yet or it is under the new one already.
async fn rewrap_sealer(store: &Store, old: &MasterKey, new: &MasterKey) -> Result<(), StoreError> {
    let Some(wrapped) = fact(store, SEALER.0).await? else { return Ok(()) };
    let parent_now = parent(new, SEALER)?;
    if parent_now.unwrapped(&sealer_label(), &wrapped).is_ok() {
        return Ok(());
    }
    let key = parent(old, SEALER)?.unwrapped(&sealer_label(), &wrapped)?;
    set_fact(store, SEALER.0, parent_now.wrap(&sealer_label(), &key)?).await
}

fn parent(master: &MasterKey, (_, usage): (&str, &str)) -> Result<Key, StoreError> {
    Ok(Key::new(master.derive_bytes(usage))?)
}

fn hasher_label() -> Label {
    Label::new("the hasher of API keys", &[])
}

fn sealer_label() -> Label {
    Label::new("the key of accounts", &[])
}
