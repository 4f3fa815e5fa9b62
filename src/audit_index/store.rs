//! `index.db`: how it is opened, and how a batch of lines gets into its tables.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteTransaction};

use super::row::Row;
use super::tables::{SCHEMA, forget_pruned, wipe, write};
use crate::audit::{Cursor, FollowError, Follower, VerifyIo};
use crate::tlog::Hash;

/// Its name in a log's directory.
pub const FILE: &str = "index.db";

/// Says in the file that it is one of ours: `YETT`. Whoever names a file by mistake must not lose it.
const APPLICATION: i64 = 0x5945_5454;

/// Version of the tables. An index of any other is thrown away: it is derived.
const VERSION: i64 = 2;

/// Lines and bytes of lines in one transaction: a few tens of milliseconds, a few megabytes.
const BATCH: usize = 2_000;
const BATCH_BYTES: usize = 4 << 20;

/// How long a statement waits for another process with the same index.
const BUSY: Duration = Duration::from_secs(5);

/// Pages of 4 KiB that gather before they are written back.
const CHECKPOINT: &str = "4096";

/// Result codes of SQLite for a file that is no database, or a broken one.
const BROKEN: [&str; 4] = ["11", "26", "267", "523"];

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The file cannot be made or opened.
    #[error("cannot open the index `{}`", path.display())]
    Open {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file that was named is something else.
    #[error("`{}` is no search index; it is left alone", .0.display())]
    Foreign(PathBuf),
    /// A statement failed.
    #[error("the index failed")]
    Query(#[from] sqlx::Error),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] VerifyIo),
    /// The log is replaced again and again.
    #[error("the log was replaced while it was read")]
    Replaced,
    /// The search took longer than it may.
    #[error("the search took too long; narrow it")]
    Slow,
    /// The gateway is stopping.
    #[error("the index has stopped")]
    Stopped,
}

/// How far a batch got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Lines of the log that the index knows.
    pub position: u64,
    /// Whether the batch was full, so that there may be more.
    pub more: bool,
}

/// The index of one log.
#[derive(Debug)]
pub struct Index {
    pub(super) connection: SqliteConnection,
    log: PathBuf,
    file: PathBuf,
    /// Device and number of the file that is open: whoever deletes it leaves the connection with a file that has no name.
    id: Option<(u64, u64)>,
}

/// Where the index stands in its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) cursor: Cursor,
    /// Time of the last line.
    t: i64,
    /// The first line that does not follow the one before it.
    pub(super) damaged: Option<i64>,
}

impl Index {
    /// The index of the log in `log`, in `file` or where it usually is. One that is broken or of another version is made anew.
    pub async fn open(log: &Path, file: Option<&Path>) -> Result<Self, IndexError> {
        let is_named = file.is_some();
        let file = file.map_or_else(|| log.join(FILE), Path::to_owned);
        match Self::open_file(log, &file).await {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => {}
            Err(IndexError::Foreign(_)) if !is_named => {}
            Err(error) if error.is_broken() && is_named => return Err(IndexError::Foreign(file)),
            Err(error) if error.is_broken() => {}
            Err(error) => return Err(error),
        }
        remove(&file)?;
        Self::open_file(log, &file).await?.ok_or(IndexError::Replaced)
    }

    /// `None`: a version of the tables that this build does not know, or one that a power cut may have broken.
    async fn open_file(log: &Path, file: &Path) -> Result<Option<Self>, IndexError> {
        // The other files of SQLite get the mode of this one.
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file);
        let metadata =
            made.and_then(|made| made.metadata()).map_err(|source| IndexError::Open { path: file.to_owned(), source })?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            // The disk is the log's: a sync of megabytes would be one that calls wait for. So a power cut may break the file, which is
            // why it says under which boot it was written, until it is closed in order.
            .synchronous(SqliteSynchronous::Off)
            .pragma("wal_autocheckpoint", CHECKPOINT)
            // What leaves the index is overwritten.
            .pragma("secure_delete", "ON")
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        // One statement, since another process may be about to make the tables.
        let (application, version, tables): (i64, i64, i64) = sqlx::query_as(
            "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
             (SELECT count(*) FROM sqlite_schema)",
        )
        .fetch_one(&mut connection)
        .await?;
        match (application, version) {
            (APPLICATION, VERSION) => {
                let written: Option<Option<String>> =
                    sqlx::query_scalar("SELECT boot FROM place").fetch_optional(&mut connection).await?;
                if written.flatten().is_some_and(|boot| boot != this_boot()) {
                    return Ok(None);
                }
            }
            (APPLICATION, _) => return Ok(None),
            (0, 0) if tables == 0 => {
                sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
            }
            _ => return Err(IndexError::Foreign(file.to_owned())),
        }
        let id = Some((metadata.dev(), metadata.ino()));
        Ok(Some(Self { connection, log: log.to_owned(), file: file.to_owned(), id }))
    }

    /// Takes in the next lines of the log.
    pub async fn take_in(&mut self) -> Result<Taken, IndexError> {
        // The clock of the last search is not for this.
        self.connection.lock_handle().await?.remove_progress_handler();
        // Bound before anything is read, so that two processes never take in the same line.
        let mut transaction = self.connection.begin_with("BEGIN IMMEDIATE").await?;
        let (mut place, mut is_changed) = (Place::read(&mut transaction).await?, false);
        let mut follower = match Follower::resume(&self.log, place.cursor) {
            Err(FollowError::Replaced) => {
                wipe(&mut transaction).await?;
                (place, is_changed) = (Place::BEGIN, true);
                Follower::resume(&self.log, Cursor::BEGIN)
            }
            resumed => resumed,
        }?;
        is_changed |= forget_pruned(&mut transaction, signed(follower.first())).await?;
        let (mut rows, mut bytes) = (Vec::new(), 0);
        while rows.len() < BATCH
            && bytes < BATCH_BYTES
            && let Some(followed) = follower.next_line()?
        {
            let row = Row::of(signed(followed.position), followed.line, place.t);
            if followed.broken.is_some() {
                place.damaged.get_or_insert(row.position);
            }
            place.t = row.t;
            bytes += followed.line.len();
            rows.push(row);
        }
        let before = std::mem::replace(&mut place.cursor, follower.cursor());
        if before == place.cursor && !is_changed {
            // Nothing new: the disk is left alone.
            transaction.rollback().await?;
            return Ok(Taken { position: before.position, more: false });
        }
        write(&mut transaction, &rows).await?;
        place.write(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Taken { position: place.cursor.position, more: rows.len() == BATCH || bytes >= BATCH_BYTES })
    }

    /// The log's directory.
    pub(super) fn log(&self) -> &Path {
        &self.log
    }

    /// Whether the file that is open is still the one of that name.
    pub(super) fn is_current(&self) -> bool {
        let metadata = fs::metadata(&self.file).ok();
        metadata.map(|metadata| (metadata.dev(), metadata.ino())) == self.id
    }

    /// Throws a file away that is broken: the next one is made from the log.
    pub async fn discard(self) -> Result<(), IndexError> {
        let _ = self.connection.close_hard().await;
        remove(&self.file)
    }

    /// Closes the file, durably and with its write-ahead log folded back into it.
    pub async fn close(mut self) {
        // Where this fails the index is made anew after the next boot.
        if self.settle().await.is_ok() {
            let _ = sqlx::query("UPDATE place SET boot = NULL").execute(&mut self.connection).await;
        }
        let _ = self.connection.close().await;
    }

    async fn settle(&mut self) -> Result<(), IndexError> {
        self.connection.lock_handle().await?.remove_progress_handler();
        sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous = FULL").execute(&mut self.connection).await?;
        let synced = fs::File::open(&self.file).and_then(|file| file.sync_all());
        synced.map_err(|source| IndexError::Open { path: self.file.clone(), source })
    }
}

impl IndexError {
    /// Whether the file is broken, so that it is to be discarded.
    pub fn is_broken(&self) -> bool {
        let Self::Query(sqlx::Error::Database(error)) = self else { return false };
        error.code().is_some_and(|code| BROKEN.contains(&&*code))
    }
}

impl From<FollowError> for IndexError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Replaced => Self::Replaced,
            FollowError::Read(error) => Self::Log(error),
        }
    }
}

impl Place {
    const BEGIN: Self = Self { cursor: Cursor::BEGIN, t: 0, damaged: None };

    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, IndexError> {
        let row =
            sqlx::query("SELECT position, segment, first, last, leaf, t, damaged FROM place").fetch_optional(connection).await?;
        let Some(row) = row else { return Ok(Self::BEGIN) };
        let number = |at: usize| row.try_get::<i64, _>(at).map(|number| u64::try_from(number).unwrap_or_default());
        let leaf: String = row.try_get(4)?;
        let cursor = Cursor {
            position: number(0)?,
            segment: number(1)?,
            start: number(2)?,
            end: number(3)?,
            // A leaf that is none is found nowhere, and the index is made anew.
            leaf: Hash::from_hex(leaf.as_bytes()).unwrap_or(Hash::ZERO),
        };
        Ok(Self { cursor, t: row.try_get(5)?, damaged: row.try_get(6)? })
    }

    async fn write(&self, transaction: &mut SqliteTransaction<'_>) -> Result<(), IndexError> {
        sqlx::query(
            "INSERT OR REPLACE INTO place (one, position, segment, first, last, leaf, t, damaged, boot)
             VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(signed(self.cursor.position))
        .bind(signed(self.cursor.segment))
        .bind(signed(self.cursor.start))
        .bind(signed(self.cursor.end))
        .bind(self.cursor.leaf.to_string())
        .bind(self.t)
        .bind(self.damaged)
        .bind(this_boot())
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }
}

/// What the system calls the time since it was started; empty where it does not say.
fn this_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// Removes an index, with the other files of SQLite.
fn remove(file: &Path) -> Result<(), IndexError> {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(IndexError::Open { path: path.into(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
