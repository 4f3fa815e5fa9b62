//! Single values of a store, by name.

use super::StoreError;
use super::store::Store;

/// The value of that name, if there is one.
pub(super) async fn fact(store: &Store, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let found = sqlx::query_scalar("SELECT value FROM facts WHERE name = $1").bind(name.to_owned());
    Ok(found.fetch_optional(store.pool()).await?)
}

/// Puts a value into the place of the one that is there.
pub(super) async fn set_fact(store: &Store, name: &str, value: Vec<u8>) -> Result<(), StoreError> {
    let statement = "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    sqlx::query(statement).bind(name.to_owned()).bind(value).execute(store.pool()).await?;
    Ok(())
}

/// The value of that name, which is this one unless somebody was quicker.
pub(super) async fn fact_or(store: &Store, name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let statement = "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    sqlx::query(statement).bind(name).bind(value).execute(store.pool()).await?;
    fact(store, name).await?.ok_or_else(|| StoreError::Damaged { what: name.to_owned() })
}
