//! Where state is kept: `state.db` of one gateway, or a Postgres that replicas share. One set of queries for both.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AssertSqlSafe, ConnectOptions as _, Executor as _, Pool, Row as _, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use super::migrations::{self, VERSION};
use super::{BUSY, StoreError, TURN, make_private};
use crate::secret::Secret;

/// How long an operation may take: a store that is stuck is a refusal, not a queue. Longer than what it waits for inside.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections to Postgres: one for whoever asks what has changed, one for who changes it.
const CONNECTIONS: u32 = 2;

/// Serialises migrations: "yett" in ASCII. Held to the end of the transaction.
const LOCK: &str = "DO $$ BEGIN PERFORM pg_advisory_xact_lock(2036692084); END $$";

/// A replica that hangs in the midst of a change keeps all others from theirs, until the server ends it. Longer than any change takes.
const ABANDONED: &str = "SET idle_in_transaction_session_timeout = '10s'";

/// Which store.
#[derive(Clone, Debug)]
pub enum Place {
    /// `state.db` in this data directory.
    Sqlite(PathBuf),
    /// The database at this URL, `postgres://...`, which may hold a password.
    Postgres(Secret<String>),
}

/// An open store, with its tables as this build knows them.
#[derive(Clone, Debug)]
pub(super) struct Store {
    pool: Pool<Any>,
    shared: bool,
    /// See [`Store::turn`].
    turn: Arc<Mutex<()>>,
    /// See [`Store::doubts`].
    doubts: Arc<AtomicU64>,
}

/// The right to change what stands in a store and in memory, or to take into memory what stands there.
#[derive(Debug)]
pub(super) struct Turn<'s> {
    _alone: MutexGuard<'s, ()>,
    doubts: &'s AtomicU64,
    is_done: bool,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.doubts.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl From<&Path> for Place {
    fn from(data_dir: &Path) -> Self {
        Self::Sqlite(data_dir.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(data_dir: &PathBuf) -> Self {
        Self::Sqlite(data_dir.clone())
    }
}

impl From<&Place> for Place {
    fn from(place: &Place) -> Self {
        place.clone()
    }
}

impl Place {
    /// What operators call it.
    fn name(&self) -> String {
        match self {
            Self::Sqlite(data_dir) => data_dir.join("state.db").display().to_string(),
            // SECURITY: nothing of the URL.
            Self::Postgres(_) => "the database of state.url".to_owned(),
        }
    }
}

impl Store {
    pub(super) async fn open(place: &Place) -> Result<Self, StoreError> {
        install_drivers();
        let name = place.name();
        let opening = async {
            let store = match place {
                Place::Sqlite(data_dir) => sqlite(&data_dir.join("state.db")).await?,
                Place::Postgres(url) => postgres(url).await?,
            };
            store.migrate(&name).await?;
            Ok(store)
        };
        let opened: Result<Self, StoreError> = within(opening).await;
        opened.map_err(
            |error| if let StoreError::Query(source) = error { StoreError::Open { path: name.into(), source } } else { error },
        )
    }

    /// Opens `data_dir/state.db` for whoever only looks; `None` where there is none of this build's version.
    pub(super) async fn look_at(data_dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = data_dir.join("state.db");
        if !path.is_file() {
            return Ok(None);
        }
        install_drivers();
        let options = quiet(&format!("sqlite://{}?mode=ro", path.display()))?;
        let pool = AnyPoolOptions::new().max_connections(1).acquire_timeout(TURN).connect_with(options).await?;
        let store = Self::of(pool, false);
        let found = store.version(&mut *store.pool.acquire().await?).await?;
        Ok((found == VERSION).then_some(store))
    }

    fn of(pool: Pool<Any>, shared: bool) -> Self {
        Self { pool, shared, turn: Arc::default(), doubts: Arc::default() }
    }

    /// Whether other processes may change it.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    pub(super) fn pool(&self) -> &Pool<Any> {
        &self.pool
    }

    /// Has one of this process at a time change what stands here and in memory, or take into memory what stands here: from before the store is
    /// asked until memory says the same. Without it, what was read before a change could be put in its place, and a stop or a revocation would
    /// lapse until the next look.
    pub(super) async fn in_turn<T, E>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut turn = self.turn().await;
        let done = work.await?;
        turn.is_done = true;
        Ok(done)
    }

    /// See [`Store::in_turn`].
    pub(super) async fn turn(&self) -> Turn<'_> {
        Turn { _alone: self.turn.lock().await, doubts: &self.doubts, is_done: false }
    }

    /// How many turns have ended without being done: the store failed, or whoever asked went away. Of some the change was stored and nobody heard
    /// of it, so all has to be read again.
    pub(super) fn doubts(&self) -> u64 {
        self.doubts.load(Ordering::Acquire)
    }

    /// Begins a change that others are to see: they look at the number of changes, and read everything again when it has grown.
    pub(super) async fn change(&self) -> Result<Transaction<'static, Any>, StoreError> {
        let mut work = self.pool.begin().await?;
        // First, so that changes of two replicas come one after the other.
        sqlx::query("UPDATE changes SET n = n + 1").execute(&mut *work).await?;
        Ok(work)
    }

    /// How many changes there were.
    pub(super) async fn changes(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT n FROM changes").fetch_one(&self.pool).await?)
    }

    /// Takes what was deleted out of the files that are ours to wipe. What a database server keeps of it, it keeps.
    pub(super) async fn wipe(&self) -> Result<(), StoreError> {
        if self.shared {
            return Ok(());
        }
        let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&self.pool).await?;
        if row.try_get::<i64, _>(0)? == 0 { Ok(()) } else { Err(StoreError::Journal) }
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// Brings the tables to the version of this build, in one transaction that excludes others who would do the same.
    async fn migrate(&self, name: &str) -> Result<(), StoreError> {
        let mut work = if self.shared {
            let mut work = self.pool.begin().await?;
            sqlx::raw_sql(LOCK).execute(&mut *work).await?;
            sqlx::raw_sql("CREATE TABLE IF NOT EXISTS yett_schema (version BIGINT NOT NULL)").execute(&mut *work).await?;
            work
        } else {
            self.pool.begin_with("BEGIN IMMEDIATE").await?
        };
        let found = self.version(&mut work).await?;
        if found > VERSION {
            return Err(StoreError::Newer { path: name.into(), found, known: VERSION });
        }
        if found < VERSION {
            for step in migrations::steps(found) {
                let step = if self.shared { migrations::for_postgres(step) } else { step.to_owned() };
                sqlx::raw_sql(AssertSqlSafe(step)).execute(&mut *work).await?;
            }
            let done = if self.shared {
                format!("DELETE FROM yett_schema; INSERT INTO yett_schema (version) VALUES ({VERSION})")
            } else {
                format!("PRAGMA user_version = {VERSION}")
            };
            sqlx::raw_sql(AssertSqlSafe(done)).execute(&mut *work).await?;
        }
        work.commit().await?;
        Ok(())
    }

    async fn version(&self, connection: &mut AnyConnection) -> Result<i64, StoreError> {
        let statement = if self.shared { "SELECT version FROM yett_schema" } else { "PRAGMA user_version" };
        let row = sqlx::query(statement).fetch_optional(connection).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
    }
}

/// Does something with a store, but not for long.
pub(super) async fn within<T, E: From<StoreError>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_late| Err(StoreError::Slow.into()))
}

fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(|| {
        // An error means that they are there.
        let _ = sqlx::any::install_drivers(&[sqlx::sqlite::any::DRIVER, sqlx::postgres::any::DRIVER]);
    });
}

async fn sqlite(path: &Path) -> Result<Store, StoreError> {
    make_private(path)?;
    let options = quiet(&format!("sqlite://{}", path.display()))?;
    let busy = BUSY.as_millis();
    let settings =
        format!("PRAGMA busy_timeout = {busy}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON");
    // One connection: writes are rare, and a second one would only wait for the first.
    let pool = AnyPoolOptions::new().max_connections(1).acquire_timeout(TURN).after_connect(move |connection, _| {
        let settings = settings.clone();
        Box::pin(async move {
            connection.execute(sqlx::raw_sql(AssertSqlSafe(settings))).await?;
            Ok(())
        })
    });
    Ok(Store::of(pool.connect_with(options).await?, false))
}

async fn postgres(url: &Secret<String>) -> Result<Store, StoreError> {
    // Errors about the form of a URL hold none of it.
    let options = quiet(url.expose())?;
    let pool = AnyPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(TURN).after_connect(|connection, _| {
        Box::pin(async move {
            connection.execute(sqlx::raw_sql(ABANDONED)).await?;
            Ok(())
        })
    });
    Ok(Store::of(pool.connect_with(options).await?, true))
}

fn quiet(url: &str) -> Result<AnyConnectOptions, sqlx::Error> {
    Ok(url.parse::<AnyConnectOptions>()?.disable_statement_logging())
}
