//! The head store: the newest head of each log, swapped in one step, in another file than the log's own.
//!
//! A log that was put back to an older copy, or that two gateways write, does not continue what stands here (SECURITY.md 2.6).
//! What it does not guarantee: whoever puts the store back as well is seen by witnesses alone.

use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::Row as _;

use super::StoreError;
use super::store::{Place, Store, within};
use crate::tlog::{Hash, Head};

/// Remembers heads.
#[derive(Clone, Debug)]
pub struct HeadStore {
    store: Store,
    /// Heads that were written, or were not: the store broke off before it said so.
    unsure: Arc<Mutex<Vec<(String, Head)>>>,
}

/// What became of a swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a head that was not swapped means that somebody else writes the log"]
pub enum Swapped {
    /// The new head stands there.
    Done,
    /// Another head than the expected one stood there, and still does.
    Conflict,
}

impl HeadStore {
    /// Opens a store, in a data directory or elsewhere.
    pub async fn open(place: impl Into<Place>) -> Result<Self, StoreError> {
        Ok(Self { store: Store::open(&place.into()).await?, unsure: Arc::default() })
    }

    /// The newest head of a log, if there was one.
    pub async fn known(&self, log: &str) -> Result<Option<Head>, StoreError> {
        let statement = "SELECT size, root FROM heads WHERE log = $1";
        let asked = sqlx::query(statement).bind(log.to_owned());
        let row = within(async { Ok::<_, StoreError>(asked.fetch_optional(self.store.pool()).await?) }).await?;
        row.map(|row| {
            let (size, root): (i64, Vec<u8>) = (row.try_get(0)?, row.try_get(1)?);
            let head = u64::try_from(size).ok().zip(Hash::from_slice(&root)).map(|(size, root)| Head { size, root });
            head.ok_or_else(|| StoreError::Damaged { what: format!("the head of `{log}`") })
        })
        .transpose()
    }

    /// Puts `new` in the place of `expected`.
    pub async fn swap(&self, log: &str, expected: Option<Head>, new: Head) -> Result<Swapped, StoreError> {
        let swapped = self.swap_once(log, expected, new).await?;
        if swapped == Swapped::Done || self.unsure.lock().is_empty() {
            return Ok(swapped);
        }
        // A database that is elsewhere may have taken one of ours without a word: then nobody else writes the log.
        match self.known(log).await? {
            Some(stands) if self.unsure.lock().contains(&(log.to_owned(), stands)) => {
                self.swap_once(log, Some(stands), new).await
            }
            Some(_) | None => Ok(swapped),
        }
    }

    async fn swap_once(&self, log: &str, expected: Option<Head>, new: Head) -> Result<Swapped, StoreError> {
        let swapped = within(self.try_swap(log, expected, new)).await;
        match &swapped {
            Ok(Swapped::Done) => self.unsure.lock().clear(),
            // Nothing was sent.
            Ok(Swapped::Conflict) | Err(StoreError::Query(sqlx::Error::PoolTimedOut)) => {}
            Err(_) => self.unsure.lock().push((log.to_owned(), new)),
        }
        swapped
    }

    async fn try_swap(&self, log: &str, expected: Option<Head>, new: Head) -> Result<Swapped, StoreError> {
        let (size, root) = columns(new);
        let statement = match expected.map(columns) {
            None => sqlx::query("INSERT INTO heads (size, root, log) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(size)
                .bind(root)
                .bind(log.to_owned()),
            Some((old_size, old_root)) => {
                sqlx::query("UPDATE heads SET size = $1, root = $2 WHERE log = $3 AND size = $4 AND root = $5")
                    .bind(size)
                    .bind(root)
                    .bind(log.to_owned())
                    .bind(old_size)
                    .bind(old_root)
            }
        };
        let changed = statement.execute(self.store.pool()).await?.rows_affected();
        Ok(if changed == 1 { Swapped::Done } else { Swapped::Conflict })
    }
}

/// Sizes are below 2^63.
fn columns(head: Head) -> (i64, Vec<u8>) {
    (i64::try_from(head.size).unwrap_or(i64::MAX), head.root.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(size: u64) -> Head {
        Head { size, root: Hash::leaf(&size.to_be_bytes()) }
    }

    #[tokio::test]
    async fn a_head_that_was_stored_without_a_word_is_ours_and_any_other_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = HeadStore::open(folder.path()).await.unwrap();
        assert_eq!(store.swap("a", None, head(1)).await.unwrap(), Swapped::Done);
        // It stands there, and whoever wrote it was told that the store broke off.
        assert_eq!(store.swap("a", Some(head(1)), head(2)).await.unwrap(), Swapped::Done);
        store.unsure.lock().push(("a".to_owned(), head(2)));
        assert_eq!(store.swap("a", Some(head(1)), head(3)).await.unwrap(), Swapped::Done);
        store.unsure.lock().push(("a".to_owned(), head(4)));
        assert_eq!(store.swap("a", Some(head(1)), head(5)).await.unwrap(), Swapped::Conflict, "another writer's");
        assert_eq!(store.known("a").await.unwrap(), Some(head(3)));
    }

    #[tokio::test]
    async fn a_head_is_swapped_only_from_the_one_that_stands_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = HeadStore::open(folder.path()).await.unwrap();
        assert_eq!(store.known("a").await.unwrap(), None);
        assert_eq!(store.swap("a", None, head(1)).await.unwrap(), Swapped::Done);
        assert_eq!(store.swap("a", None, head(2)).await.unwrap(), Swapped::Conflict);
        assert_eq!(store.swap("a", Some(head(1)), head(2)).await.unwrap(), Swapped::Done);
        let forked = Head { size: 2, root: Hash::ZERO };
        for expected in [head(1), forked] {
            assert_eq!(store.swap("a", Some(expected), head(3)).await.unwrap(), Swapped::Conflict);
        }
        assert_eq!(store.known("b").await.unwrap(), None);

        let again = HeadStore::open(folder.path()).await.unwrap();
        assert_eq!(again.known("a").await.unwrap(), Some(head(2)));
    }
}
