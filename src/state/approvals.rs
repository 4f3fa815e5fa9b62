//! Definitions that an operator has looked at and lets pass, whatever the injection scan says of them. Held in memory, written through to the
//! store, so that a restart keeps them.
//!
//! SECURITY: what cannot be read approves nothing: a store that does not open stops the start, a row that makes no sense is left out, and while a
//! store that replicas share is out of reach nothing is approved, since what was taken back elsewhere is not known.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::Mutex;
use sqlx::Row as _;

use super::StoreError;
use super::store::{Store, within};

/// A definition of a tool, by the hash of all that it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Definition {
    /// The server's name.
    pub server: String,
    /// The tool's.
    pub tool: String,
    /// Its SHA-256, in small hexadecimal digits.
    pub hash: String,
}

/// What is known of an approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Who answers for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When it was given.
    pub at: Timestamp,
}

/// The definitions that are approved.
#[derive(Debug)]
pub struct Approvals {
    store: Store,
    all: ArcSwap<BTreeMap<Definition, Approval>>,
    /// What was taken back here, which the store does not know.
    unsaid: Mutex<Vec<Definition>>,
    /// Whether what is in memory is what is approved.
    known: AtomicBool,
}

impl Approvals {
    pub(super) async fn load(store: Store) -> Result<Self, StoreError> {
        let all = ArcSwap::from_pointee(read(&store).await?);
        Ok(Self { store, all, unsaid: Mutex::default(), known: AtomicBool::new(true) })
    }

    /// Whether this definition passes.
    pub fn approves(&self, definition: &Definition) -> bool {
        self.known.load(Ordering::Acquire) && self.all.load().contains_key(definition)
    }

    /// All of them, by server, tool and hash.
    pub fn list(&self) -> Vec<(Definition, Approval)> {
        self.all.load().iter().map(|(definition, approval)| (definition.clone(), approval.clone())).collect()
    }

    /// Lets a definition pass, once that is stored.
    pub async fn approve(&self, definition: Definition, approval: Approval) -> Result<(), StoreError> {
        // An order to take it back that is older than this one is over.
        self.unsaid.lock().retain(|other| *other != definition);
        within(async {
            let mut work = self.store.change().await?;
            let statement = "INSERT INTO approved_definitions (server, tool, definition, requester, reason, approved)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (server, tool, definition) DO UPDATE
                SET requester = excluded.requester, reason = excluded.reason, approved = excluded.approved";
            let query = sqlx::query(statement).bind(definition.server.clone()).bind(definition.tool.clone());
            let query = query.bind(definition.hash.clone()).bind(approval.by.clone()).bind(approval.reason.clone());
            query.bind(approval.at.to_string()).execute(&mut *work).await?;
            Ok::<_, StoreError>(work.commit().await?)
        })
        .await?;
        self.change(|all| {
            all.insert(definition.clone(), approval.clone());
        });
        Ok(())
    }

    /// Lets it pass no more. In memory first: that takes effect even when the store fails, which the error then says; it is stored once that works
    /// again.
    pub async fn revoke(&self, definition: &Definition) -> Result<(), StoreError> {
        self.unsaid.lock().push(definition.clone());
        self.change(|all| {
            all.remove(definition);
        });
        within(self.remove(definition)).await
    }

    /// Takes what other processes have changed.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let mut all = read(&self.store).await?;
        self.unsaid.lock().iter().for_each(|definition| {
            all.remove(definition);
        });
        self.all.store(Arc::new(all));
        Ok(())
    }

    /// Stores what was taken back and could not be stored when that was ordered.
    pub(super) async fn store_rest(&self) -> Result<(), StoreError> {
        let rest = self.unsaid.lock().clone();
        for definition in rest {
            self.remove(&definition).await?;
        }
        Ok(())
    }

    /// Whether the store that others change was read.
    pub(super) fn set_known(&self, known: bool) {
        self.known.store(known || !self.store.is_shared(), Ordering::Release);
    }

    async fn remove(&self, definition: &Definition) -> Result<(), StoreError> {
        let Definition { server, tool, hash } = definition;
        let mut work = self.store.change().await?;
        let statement = "DELETE FROM approved_definitions WHERE server = $1 AND tool = $2 AND definition = $3";
        let query = sqlx::query(statement).bind(server.clone()).bind(tool.clone()).bind(hash.clone());
        query.execute(&mut *work).await?;
        work.commit().await?;
        self.unsaid.lock().retain(|other| other != definition);
        Ok(())
    }

    fn change(&self, with: impl Fn(&mut BTreeMap<Definition, Approval>)) {
        self.all.rcu(|known| {
            let mut all = BTreeMap::clone(known);
            with(&mut all);
            Arc::new(all)
        });
    }
}

async fn read(store: &Store) -> Result<BTreeMap<Definition, Approval>, StoreError> {
    let statement = "SELECT server, tool, definition, requester, reason, approved FROM approved_definitions";
    let rows = sqlx::query(statement).fetch_all(store.pool()).await?;
    let mut all = BTreeMap::new();
    for row in rows {
        let (server, tool, hash): (String, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (by, reason, at): (String, String, String) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        let (Ok(at), true) = (at.parse(), is_hash(&hash)) else {
            tracing::error!(server, tool, "an approval of a definition in the store is damaged; it approves nothing");
            continue;
        };
        all.insert(Definition { server, tool, hash }, Approval { by, reason, at });
    }
    Ok(all)
}

/// Whether it is a SHA-256 in small hexadecimal digits.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
