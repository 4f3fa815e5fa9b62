//! How far each export of a log has come, so that it goes on from there.

use sqlx::Row as _;

use super::StoreError;
use super::store::{Place, Store, within};
use crate::tlog::Hash;

/// Remembers how far exports have come.
#[derive(Clone, Debug)]
pub struct ExportStore {
    store: Store,
}

/// The last line of a log that a sink is known to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many records are before the next one.
    pub records: u64,
    /// The segment that has the last one.
    pub segment: u64,
    /// Where in it that line begins.
    pub begins: u64,
    /// And ends.
    pub ends: u64,
    /// Its leaf hash.
    pub leaf: Hash,
}

impl ExportStore {
    /// Opens a store, in a data directory or elsewhere.
    pub async fn open(place: impl Into<Place>) -> Result<Self, StoreError> {
        Ok(Self { store: Store::open(&place.into()).await? })
    }

    /// How far that sink has come, if it has begun.
    pub async fn known(&self, log: &str, sink: &str) -> Result<Option<Exported>, StoreError> {
        let statement = "SELECT records, segment, begins, ends, leaf FROM exports WHERE log = $1 AND sink = $2";
        let asked = sqlx::query(statement).bind(log.to_owned()).bind(sink.to_owned());
        let row = within(async { Ok::<_, StoreError>(asked.fetch_optional(self.store.pool()).await?) }).await?;
        row.map(|row| {
            let numbers: [i64; 4] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?];
            let leaf: Vec<u8> = row.try_get(4)?;
            let damaged = || StoreError::Damaged { what: format!("how far `{sink}` has come with `{log}`") };
            let [records, segment, begins, ends] = numbers.map(|number| u64::try_from(number).ok());
            let read = || {
                Some(Exported {
                    records: records?,
                    segment: segment?,
                    begins: begins?,
                    ends: ends?,
                    leaf: Hash::from_slice(&leaf)?,
                })
            };
            read().ok_or_else(damaged)
        })
        .transpose()
    }

    /// Remembers that it has come so far.
    pub async fn remember(&self, log: &str, sink: &str, exported: Exported) -> Result<(), StoreError> {
        let Exported { records, segment, begins, ends, leaf } = exported;
        let [records, segment, begins, ends] =
            [records, segment, begins, ends].map(|number| i64::try_from(number).unwrap_or(i64::MAX));
        let statement =
            "INSERT INTO exports (log, sink, records, segment, begins, ends, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (log, sink) DO UPDATE SET records = $3, segment = $4, begins = $5, ends = $6, leaf = $7";
        let asked = sqlx::query(statement)
            .bind(log.to_owned())
            .bind(sink.to_owned())
            .bind(records)
            .bind(segment)
            .bind(begins)
            .bind(ends)
            .bind(leaf.as_bytes().to_vec());
        within(async { Ok::<_, StoreError>(asked.execute(self.store.pool()).await?) }).await?;
        Ok(())
    }

    /// Gives its connections back.
    pub async fn close(&self) {
        self.store.pool().close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_sink_of_a_log_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExportStore::open(folder.path()).await.unwrap();
        assert_eq!(store.known("a/audit/r1", "siem").await.unwrap(), None);
        let exported = |records| Exported { records, segment: 0, begins: 7, ends: 9, leaf: Hash::leaf(b"x") };
        store.remember("a/audit/r1", "siem", exported(3)).await.unwrap();
        store.remember("a/audit/r1", "siem", exported(4)).await.unwrap();
        store.remember("a/audit/r1", "file", exported(1)).await.unwrap();
        store.close().await;

        let again = ExportStore::open(folder.path()).await.unwrap();
        assert_eq!(again.known("a/audit/r1", "siem").await.unwrap(), Some(exported(4)));
        assert_eq!(again.known("a/audit/r1", "file").await.unwrap(), Some(exported(1)));
        assert_eq!(again.known("a/audit/r2", "siem").await.unwrap(), None);
    }
}
