//! The vault for whoever only looks: nothing in it is changed, and a gateway may be running beside.

use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Pool, Sqlite};

use super::tree::{Lookup, Root};
use super::{Content, VERSION, VaultError, content, profiles};
use crate::master_key::MasterKey;
use crate::state::StoreError;

/// Since which version there are profiles.
const PROFILES: i64 = 4;

/// Reads `vault.db`. What is read leaves no record: whoever has the master key needs no gateway to read it.
#[derive(Debug)]
pub struct Reader {
    root: Root,
    pool: Pool<Sqlite>,
    /// Whether it is of a version that keeps profiles.
    has_profiles: bool,
}

impl Reader {
    /// Opens `data_dir/vault.db` under the master key it was made with.
    pub async fn open(data_dir: &Path, master: &MasterKey) -> Result<Self, VaultError> {
        let path = data_dir.join("vault.db");
        let failed = |source| StoreError::Open { path: path.clone(), source };
        let mut journal = path.clone().into_os_string();
        journal.push("-wal");
        // Without a journal nobody has it open, and it can be read where nothing can be written, not even a lock.
        let options = SqliteConnectOptions::new().filename(&path).read_only(true).immutable(!PathBuf::from(journal).exists());
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(failed)?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(failed)?;
        if found > VERSION {
            return Err(StoreError::Newer { path, found, known: VERSION }.into());
        }
        let root = Root::new(master)?;
        let mark: Vec<u8> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'master key'").fetch_one(&pool).await?;
        if mark != root.lookup(Lookup::Check, &[]) {
            return Err(VaultError::OtherKey);
        }
        Ok(Self { root, pool, has_profiles: found >= PROFILES })
    }

    /// What is said of a caller, by the name that records have for it; `None` when it is gone.
    pub async fn profile(&self, name: &str) -> Result<Option<Vec<(String, String)>>, VaultError> {
        if self.has_profiles { profiles::find(name, &self.root, &self.pool).await } else { Ok(None) }
    }

    /// What was captured of a call.
    pub async fn content(&self, call: &[u8; 16]) -> Result<Vec<Content>, VaultError> {
        content::find(call, &self.root, &self.pool).await
    }
}
