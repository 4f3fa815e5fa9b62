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
use std::time::Duration;

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
    /// It was written by a newer release.
    #[error("`{}` has version {found} of its tables, this build knows {VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What stands in it.
        found: i64,
    },
    /// A statement failed.
    #[error("the store failed")]
    Query(#[from] sqlx::Error),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// Version of the tables, in `PRAGMA user_version`. A build that does not know them leaves them alone.
const VERSION: i64 = 1;
const SET_VERSION: &str = "PRAGMA user_version = 1";

/// How long a statement waits for another process that holds the file, and a call for the one before it: a store that is stuck is a
/// refusal, not a queue.
const BUSY: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_secs(2);

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
        .busy_timeout(BUSY)
        .pragma("secure_delete", if secure_delete { "ON" } else { "OFF" });
    // One connection: writes are rare, and a second one would only wait for the first.
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(TURN).connect_with(options).await.map_err(failed)?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(failed)?;
    if found > VERSION {
        return Err(StoreError::Newer { path: path.to_owned(), found });
    }
    sqlx::raw_sql(schema).execute(&pool).await.map_err(failed)?;
    if found < VERSION {
        sqlx::raw_sql(SET_VERSION).execute(&pool).await.map_err(failed)?;
    }
    Ok(pool)
}
