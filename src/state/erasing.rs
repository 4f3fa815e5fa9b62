//! What a store does for erasure: removes keys and accounts without a trace, and knows how far each log has been applied to it.

use std::collections::HashMap;

use super::facts::{fact, set_fact};
use super::store::within;
use super::{ApiKeys, StoreError, accounts};

impl ApiKeys {
    /// How far a log has been applied: the index of the first record that may order an erasure which was not done here.
    pub async fn applied(&self, log: &str) -> Result<Option<u64>, StoreError> {
        let found = within(fact(&self.store, &applied(log))).await?;
        Ok(found.and_then(|text| str::from_utf8(&text).ok()?.parse().ok()))
    }

    /// Notes that nothing before record `next` of a log orders an erasure that was not done here.
    pub async fn advance(&self, log: &str, next: u64) -> Result<(), StoreError> {
        within(set_fact(&self.store, &applied(log), next.to_string().into_bytes())).await
    }

    /// Whether there is neither key nor account nor switch that names somebody: then no record can order the erasure of one.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        let named = sqlx::query_scalar("SELECT COUNT(*) FROM kill_switches WHERE id <> ''").fetch_one(self.store.pool());
        let named: i64 = within(async { Ok::<_, StoreError>(named.await?) }).await?;
        Ok(named == 0 && self.keys.load().is_empty() && self.accounts().list().await?.is_empty())
    }

    /// Removes keys and accounts with everything that is known of them, from memory first. What is not there is no error.
    pub async fn erase(&self, ids: &[impl AsRef<str>]) -> Result<(), StoreError> {
        self.forget(ids);
        let erasing = Box::pin(async {
            // What was being read when this began may have brought them back.
            self.forget(ids);
            let mut work = self.store.change().await?;
            for id in ids {
                sqlx::query("DELETE FROM api_keys WHERE id = $1").bind(id.as_ref().to_owned()).execute(&mut *work).await?;
                accounts::remove_by_id(&mut work, id.as_ref()).await?;
            }
            Ok::<_, StoreError>(work.commit().await?)
        });
        let erased = within(async {
            // SECURITY: one that failed leaves no doubt that would have the keys read again: they stay forgotten until it is done.
            self.store.in_turn(async { Ok::<_, StoreError>(erasing.await) }).await??;
            self.store.wipe().await
        })
        .await;
        // Tokens that are remembered go as well, whatever became of it.
        self.accounts().note_change();
        erased
    }

    fn forget(&self, ids: &[impl AsRef<str>]) {
        self.keys.rcu(|keys| {
            let mut keys = HashMap::clone(keys);
            for id in ids {
                keys.remove(id.as_ref());
            }
            keys
        });
    }

    /// Cuts the journal to nothing; see [`ApiKeys::erase`].
    pub async fn wipe(&self) -> Result<(), StoreError> {
        within(self.store.wipe()).await
    }
}

/// The fact that says how far a log has been applied.
fn applied(log: &str) -> String {
    format!("applied {log}")
}
