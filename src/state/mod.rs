//! What may change: API keys, kill switches and the newest heads of logs in `state.db`, SQLite through sqlx; and how such a file is opened and wiped, for the
//! vault too.
//!
//! The request path never waits for SQLite: keys and switches are held in memory and written through. The audit log is not here:
//! SQLite cannot be its truth (SECURITY.md section 0, finding 4).

mod api_keys;
mod heads;
mod key;
mod key_rows;
mod key_text;
mod migrations;
mod switches;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use crate::seal::SealError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Pool, Row as _, Sqlite};

pub use api_keys::{Ages, ApiKeys, KeyError, NewKey, Presented, Rotation};
pub use heads::{HeadStore, Swapped};
pub use key::{Aging, ApiKey, Kept, KeyRefusal, KeyStatus, Shown};
pub use switches::{Switch, Switches};

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
    #[error("`{}` has version {found} of its tables, this build knows {known}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What stands in it.
        found: i64,
        /// What this build knows.
        known: i64,
    },
    /// What stands in it was not written by this program.
    #[error("{what} in the store is damaged")]
    Damaged {
        /// Which entry.
        what: String,
    },
    /// A statement failed.
    #[error("the store failed")]
    Query(#[from] sqlx::Error),
    /// What was deleted may still stand in the journal, because another process reads the file.
    #[error("another process reads the file, so that what was deleted still stands in its journal")]
    Journal,
    /// Something in it does not open: it was changed, or belongs to another master key.
    #[error("it was changed, or was made under another master key; if a rotation was interrupted, run it again")]
    Sealed(#[from] SealError),
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

/// How long a statement waits for another process that holds the file, and a call for the one before it: a store that is stuck is a
/// refusal, not a queue.
const BUSY: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_secs(2);

/// Opens `data_dir/state.db`, with its tables as this build knows them.
async fn open_state(data_dir: &Path) -> Result<Pool<Sqlite>, StoreError> {
    let path = data_dir.join("state.db");
    let pool = connect(&path).await?;
    // Two parts of one process open it at once, and both find it old.
    let mut work = pool.begin_with("BEGIN IMMEDIATE").await?;
    let found = known(sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *work).await?, migrations::VERSION, &path)?;
    if found < migrations::VERSION {
        for step in migrations::steps(found) {
            sqlx::raw_sql(step).execute(&mut *work).await?;
        }
        let done = AssertSqlSafe(format!("PRAGMA user_version = {}", migrations::VERSION));
        sqlx::raw_sql(done).execute(&mut *work).await?;
    }
    work.commit().await?;
    Ok(pool)
}

/// Opens a database file with full durability, whose deletions overwrite. `version` is that of its tables, in `PRAGMA user_version`; a
/// build that does not know them leaves them alone.
pub(crate) async fn open(path: &Path, version: i64, schema: &'static str) -> Result<Pool<Sqlite>, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    let pool = connect(path).await?;
    let found = known(sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(failed)?, version, path)?;
    sqlx::raw_sql(schema).execute(&pool).await.map_err(failed)?;
    if found < version {
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {version}"))).execute(&pool).await.map_err(failed)?;
    }
    Ok(pool)
}

/// The version of tables that this build knows how to read.
fn known(found: i64, known: i64, path: &Path) -> Result<i64, StoreError> {
    if found > known { Err(StoreError::Newer { path: path.to_owned(), found, known }) } else { Ok(found) }
}

async fn connect(path: &Path) -> Result<Pool<Sqlite>, StoreError> {
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
        .pragma("secure_delete", "ON");
    // One connection: writes are rare, and a second one would only wait for the first.
    SqlitePoolOptions::new().max_connections(1).acquire_timeout(TURN).connect_with(options).await.map_err(failed)
}

/// The keys in `data_dir/state.db`, for whoever only looks: nothing is changed, and a gateway may be running. `None` where there is no
/// store of this build's version.
pub async fn look_at_keys(data_dir: &Path) -> Result<Option<Vec<ApiKey>>, StoreError> {
    let path = data_dir.join("state.db");
    if !path.is_file() {
        return Ok(None);
    }
    let failed = |source| StoreError::Open { path: path.clone(), source };
    let options = SqliteConnectOptions::new().filename(&path).read_only(true).busy_timeout(BUSY);
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(TURN).connect_with(options).await.map_err(failed)?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await?;
    let keys = if found == migrations::VERSION { Some(key_rows::all(&pool).await?) } else { None };
    pool.close().await;
    Ok(keys)
}

/// Moves what the write-ahead log holds into the file and cuts it to nothing: pages from before a deletion stand in it.
pub(crate) async fn wipe_journal(pool: &Pool<Sqlite>) -> Result<(), StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
    if row.try_get::<i64, _>(0)? == 0 { Ok(()) } else { Err(StoreError::Journal) }
}
