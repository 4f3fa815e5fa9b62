//! What may change: API keys, accounts that callers have connected, kill switches, approved definitions, the newest heads of logs and how far their exports have come, in `state.db` or in a
//! Postgres that replicas share, through sqlx; and how a file of SQLite is opened and wiped, for the vault too.
//!
//! The request path does not wait for a store, but for the token of an account that is not in memory: keys and switches are held in memory
//! and written through; what other replicas change is read twice a second. The audit log is not here: a database cannot be its truth (SECURITY.md section 0, finding 4).

mod accounts;
mod api_keys;
mod approvals;
mod erasing;
mod exports;
mod facts;
mod following;
mod heads;
mod key;
mod key_rows;
mod key_text;
mod migrations;
mod store;
mod switch;
mod switches;
mod turns;
mod under_master;

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use crate::seal::SealError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Pool, Row as _, Sqlite};

pub use accounts::{Account, Accounts, Tokens, Whose};
pub use api_keys::{Ages, ApiKeys, KeyError, NewKey, Presented, Rotation};
pub use approvals::{Approval, Approvals, Definition};
pub use exports::{ExportStore, Exported};
pub use following::{Following, LOOK};
pub use heads::{HeadStore, Swapped};
pub use key::{Aging, ApiKey, Kept, KeyRefusal, KeyStatus, Shown};
pub use store::Place;
pub use switch::{Switch, Whom};
pub use switches::{Stop, Switches, mark};
pub use turns::Turns;

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
    /// It does not answer.
    #[error("the store does not answer")]
    Slow,
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

/// Opens a database file with full durability, whose deletions overwrite. `version` is that of its tables, in `PRAGMA user_version`; a
/// build that does not know them leaves them alone.
pub(crate) async fn open(path: &Path, version: i64, schema: &'static str) -> Result<Pool<Sqlite>, StoreError> {
    let failed = |source| StoreError::Open { path: path.to_owned(), source };
    make_private(path)?;
    let url = format!("sqlite://{}", path.display());
    let options = SqliteConnectOptions::from_str(&url)
        .map_err(failed)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY)
        .pragma("secure_delete", "ON");
    // One connection: writes are rare, and a second one would only wait for the first.
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(TURN).connect_with(options).await.map_err(failed)?;
    let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(failed)?;
    if found > version {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: version });
    }
    sqlx::raw_sql(schema).execute(&pool).await.map_err(failed)?;
    if found < version {
        sqlx::raw_sql(AssertSqlSafe(format!("PRAGMA user_version = {version}"))).execute(&pool).await.map_err(failed)?;
    }
    Ok(pool)
}

/// Makes the file, unless it is there, so that nobody else reads it: names of callers and keys of pseudonyms stand in here. SQLite gives
/// its other files the mode of this one.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map(drop).map_err(|source| StoreError::Open { path: path.to_owned(), source: source.into() })
}

/// The keys in `data_dir/state.db`, for whoever only looks: nothing is changed, and a gateway may be running. `None` where there is no
/// store of this build's version.
pub async fn look_at_keys(data_dir: &Path) -> Result<Option<Vec<ApiKey>>, StoreError> {
    let Some(store) = store::Store::look_at(data_dir).await? else { return Ok(None) };
    let keys = key_rows::all(&store).await?;
    store.close().await;
    Ok(Some(keys))
}

/// Moves what the write-ahead log holds into the file and cuts it to nothing: pages from before a deletion stand in it.
pub(crate) async fn wipe_journal(pool: &Pool<Sqlite>) -> Result<(), StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(pool).await?;
    if row.try_get::<i64, _>(0)? == 0 { Ok(()) } else { Err(StoreError::Journal) }
}
