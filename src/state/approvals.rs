//! Definitions that an operator has looked at and lets pass, whatever the injection scan says of them. Held in memory, written through to the
//! store, so that a restart keeps them.
//!
//! SECURITY: what cannot be read approves nothing: a store that does not open stops the start, a row that makes no sense is left out, and while a
//! store that replicas share is out of reach nothing is approved, since what was taken back elsewhere is not known (SECURITY.md section 6).

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use sqlx::Row as _;

use super::StoreError;
use super::store::{Store, within};
use super::turns::Turns;

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
    now: ArcSwap<Now>,
    /// What was taken back here, which the store does not know. Held for every change of `now` too.
    unsaid: Mutex<Vec<Definition>>,
}

/// What is in memory.
#[derive(Clone, Debug)]
struct Now {
    all: BTreeMap<Definition, Approval>,
    /// Whether that is what is approved.
    known: bool,
    turns: Arc<Turns>,
}

impl Now {
    fn approves(&self, definition: &Definition) -> bool {
        self.known && self.all.contains_key(definition)
    }

    /// What is in force here and not there.
    fn without<'n>(&'n self, other: &'n Self) -> impl Iterator<Item = &'n Definition> {
        self.all.keys().filter(|definition| self.known && !other.approves(definition))
    }
}

impl Approvals {
    pub(super) async fn load(store: Store) -> Result<Self, StoreError> {
        let now = ArcSwap::from_pointee(Now { all: read(&store).await?, known: true, turns: Arc::default() });
        Ok(Self { store, now, unsaid: Mutex::default() })
    }

    /// Whether this definition passes.
    pub fn approves(&self, definition: &Definition) -> bool {
        self.now.load().approves(definition)
    }

    /// Whether any is in force. None is while a store that replicas share is out of reach.
    pub fn are_known(&self) -> bool {
        self.now.load().known
    }

    /// All of them, by server, tool and hash.
    pub fn list(&self) -> Vec<(Definition, Approval)> {
        self.now.load().all.iter().map(|(definition, approval)| (definition.clone(), approval.clone())).collect()
    }

    /// What has come into force and gone out of it since the start.
    pub fn turns(&self) -> Arc<Turns> {
        Arc::clone(&self.now.load().turns)
    }

    /// Lets a definition pass, once that is stored.
    pub async fn approve(&self, definition: Definition, approval: Approval) -> Result<(), StoreError> {
        let approving = async {
            let mut work = self.store.change().await?;
            let statement = "INSERT INTO approved_definitions (server, tool, definition, requester, reason, approved)
                VALUES ($1, $2, $3, $4, $5, $6)
                ON CONFLICT (server, tool, definition) DO UPDATE
                SET requester = excluded.requester, reason = excluded.reason, approved = excluded.approved";
            let query = sqlx::query(statement).bind(definition.server.clone()).bind(definition.tool.clone());
            let query = query.bind(definition.hash.clone()).bind(approval.by.clone()).bind(approval.reason.clone());
            query.bind(approval.at.to_string()).execute(&mut *work).await?;
            work.commit().await?;
            let mut unsaid = self.unsaid.lock();
            // An order to take it back that is older than this one is over.
            unsaid.retain(|other| *other != definition);
            self.change(&unsaid, |now| drop(now.all.insert(definition, approval)));
            Ok(())
        };
        within(self.store.in_turn(approving)).await
    }

    /// Lets it pass no more. In memory first: that takes effect even when the store fails, which the error then says; it is stored once that works
    /// again.
    pub async fn revoke(&self, definition: &Definition) -> Result<(), StoreError> {
        {
            let mut unsaid = self.unsaid.lock();
            unsaid.retain(|other| other != definition);
            unsaid.push(definition.clone());
            self.change(&unsaid, |now| drop(now.all.remove(definition)));
        }
        within(self.store.in_turn(self.remove(definition))).await
    }

    /// Takes what other processes have changed.
    pub(super) async fn reload(&self) -> Result<(), StoreError> {
        let reading = async {
            let mut all = read(&self.store).await?;
            let unsaid = self.unsaid.lock();
            all.retain(|definition, _| !unsaid.contains(definition));
            self.change(&unsaid, |now| now.all = all);
            Ok(())
        };
        self.store.in_turn(reading).await
    }

    /// Stores what was taken back and could not be stored when that was ordered: all that can be.
    pub(super) async fn store_rest(&self) -> Result<(), StoreError> {
        let rest = self.unsaid.lock().clone();
        let mut all = Ok(());
        for definition in rest {
            all = all.and(self.store.in_turn(self.remove(&definition)).await);
        }
        all
    }

    /// Whether the store that others change was read.
    pub(super) fn set_known(&self, known: bool) {
        let (known, unsaid) = (known || !self.store.is_shared(), self.unsaid.lock());
        if known != self.now.load().known {
            self.change(&unsaid, |now| now.known = known);
        }
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

    /// One change at a time, and whoever was shown a list can tell that it is another one now.
    fn change(&self, _one_at_a_time: &MutexGuard<'_, Vec<Definition>>, with: impl FnOnce(&mut Now)) {
        let before = self.now.load_full();
        let mut after = Now::clone(&before);
        with(&mut after);
        let mut turns = Turns::clone(&before.turns);
        before.without(&after).chain(after.without(&before)).for_each(|definition| turns.turn(definition));
        if turns.count() != before.turns.count() {
            after.turns = Arc::new(turns);
        }
        self.now.store(Arc::new(after));
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
