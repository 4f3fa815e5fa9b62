//! What may change: API keys and kill switches in `state.db`, pseudonyms and their keys in `vault.db`, both SQLite through sqlx.
//!
//! The request path never waits for SQLite: keys and switches are held in memory and written through, pseudonyms are read once a
//! month and caller. The audit log is not here: SQLite cannot be its truth (SECURITY.md section 0, finding 4).

mod api_keys;
mod switches;
mod vault;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Pool, Sqlite};

pub use api_keys::{ApiKey, ApiKeys, KeyError, KeyStatus, NewKey};
pub use switches::{Switch, Switches};
pub use vault::{Pseudonym, Vault};

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("cannot open `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("the store failed")]
    Query(#[from] sqlx::Error),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// Opens a database file with full durability; `secure_delete` overwrites what is deleted.
async fn open(path: &Path, schema: &'static str, secure_delete: bool) -> Result<Pool<Sqlite>, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    // Names of callers and keys of pseudonyms stand in here. SQLite gives its other files the mode of this one.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|source| failed(source.into()))?;
    let url = format!("sqlite://{}", path.display());
    let options = SqliteConnectOptions::from_str(&url)
        .map_err(failed)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", if secure_delete { "ON" } else { "OFF" });
    // One connection: writes are rare, and a second one would only wait for the first.
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(failed)?;
    sqlx::raw_sql(schema).execute(&pool).await.map_err(failed)?;
    Ok(pool)
}
