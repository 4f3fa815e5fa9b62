//! The policy in force: what begins now is judged by it, and what lies open is judged by it again.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::RwLock;

use crate::config::Server;
use crate::decide::{Engine, Hints};
use crate::layers::authn::Principal;
use crate::places::{Room, Share, Taken};
use crate::state::{Approvals, Turns};

/// A policy, compiled, with what its decisions know of the servers. One for all listeners.
#[derive(Debug)]
pub struct Rulebook {
    pub(super) engine: Arc<Engine>,
    pub(super) hash: Arc<str>,
    servers: HashMap<String, Arc<Server>>,
}

/// The rulebook in force. Clones are the same.
#[derive(Clone, Debug)]
pub struct InForce {
    newest: Arc<ArcSwap<Rulebook>>,
    /// The gateway's own streams, by server: as many as may be open to it.
    own_streams: Arc<HashMap<String, Room>>,
    /// What servers say of their own tools, by server.
    hints: Arc<RwLock<HashMap<String, Arc<Hints>>>>,
    /// What most say: nothing.
    silent: Arc<Hints>,
    /// Which definitions operators let pass; without it none, ever.
    approvals: Option<Arc<Approvals>>,
}

impl Rulebook {
    /// The policy of that hash, about these servers.
    pub fn new(engine: Engine, hash: &str, servers: &[Arc<Server>]) -> Self {
        let servers = servers.iter().map(|server| (server.name.clone(), Arc::clone(server))).collect();
        Self { engine: Arc::new(engine), hash: hash.into(), servers }
    }

    /// Whether what some server may see is said to be more or less sensitive than `before`.
    pub fn reclassifies(&self, before: &Self) -> bool {
        let now_and_then = self.servers.iter().filter_map(|(name, server)| Some((server, before.servers.get(name)?)));
        now_and_then.into_iter().any(|(now, then)| now.classification != then.classification)
    }

    /// What is known of a server now, whatever was known of it when its route was made.
    pub(super) fn server<'a>(&'a self, known: &'a Arc<Server>) -> &'a Arc<Server> {
        self.servers.get(&known.name).unwrap_or(known)
    }
}

impl InForce {
    /// From the start.
    pub fn new(first: Arc<Rulebook>) -> Self {
        // Servers and their limits are those of the start.
        let room = |(name, server): (&String, &Arc<Server>)| (name.clone(), Room::new(server.limits.streams));
        let own_streams = Arc::new(first.servers.iter().map(room).collect());
        let newest = Arc::new(ArcSwap::new(first));
        Self { newest, own_streams, hints: Arc::default(), silent: Arc::default(), approvals: None }
    }

    /// Has clients told of approvals, which make lists others as well.
    #[must_use]
    pub fn with_approvals(self, approvals: Arc<Approvals>) -> Self {
        Self { approvals: Some(approvals), ..self }
    }

    /// Puts another into force.
    pub fn put(&self, next: Arc<Rulebook>) {
        self.newest.store(next);
    }

    pub(super) fn newest(&self) -> Arc<Rulebook> {
        self.newest.load_full()
    }

    /// Whether `book` is the one in force.
    pub(super) fn is_newest(&self, book: &Arc<Rulebook>) -> bool {
        Arc::ptr_eq(book, &self.newest.load())
    }

    /// Which approvals of definitions have turned.
    pub(super) fn turns(&self) -> Arc<Turns> {
        self.approvals.as_ref().map(|approvals| approvals.turns()).unwrap_or_default()
    }

    /// A place for one more stream of the gateway's own in the place of this server's, within this caller's share.
    ///
    /// SECURITY: the server has given back what it held for the request; without this nobody would count such streams.
    pub(super) fn own_stream(&self, server: &str, principal: &Principal) -> Option<Taken> {
        self.own_streams.get(server)?.enter(Share::of(principal))
    }

    /// What a server says of its own tools, as far as lists have shown.
    pub(super) fn hints(&self, server: &str) -> Arc<Hints> {
        Arc::clone(self.hints.read().get(server).unwrap_or(&self.silent))
    }

    /// These tools of it are destructive by its own word, which it cannot take back.
    pub(super) fn learn<'t>(&self, server: &str, tools: impl IntoIterator<Item = &'t str>) {
        let mut tools = tools.into_iter().peekable();
        if tools.peek().is_none() {
            return;
        }
        let mut hints = self.hints.write();
        let known = hints.entry(server.to_owned()).or_default();
        if let Some(more) = known.and(tools) {
            *known = Arc::new(more);
        }
    }
}
