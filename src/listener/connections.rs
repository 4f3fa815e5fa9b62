//! How many connections there may be, in all and from one peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Counts open connections.
#[derive(Debug)]
pub(super) struct Connections {
    all: usize,
    per_peer: usize,
    /// What the process can hold, whichever listener they come to.
    process: Arc<Semaphore>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_peer: HashMap<IpAddr, usize>,
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    peer: IpAddr,
    _process: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(all: usize, per_peer: usize, process: Arc<Semaphore>) -> Self {
        Self { all, per_peer, process, open: Mutex::default() }
    }

    /// A place for a connection from `peer`, if there is one.
    pub(super) fn enter(this: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let mut open = this.open.lock();
        if open.all >= this.all {
            return None;
        }
        // A look first: a peer without a place must not leave an entry behind.
        if open.by_peer.get(&peer).copied().unwrap_or(0) >= this.per_peer {
            return None;
        }
        let process = Arc::clone(&this.process).try_acquire_owned().ok()?;
        *open.by_peer.entry(peer).or_default() += 1;
        open.all += 1;
        Some(Place { connections: Arc::clone(this), peer, _process: process })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock();
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.by_peer.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                open.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod counting {
    use super::*;

    #[test]
    fn one_peer_cannot_take_all_places() {
        let connections = Arc::new(Connections::new(3, 2, Arc::new(Semaphore::new(9))));
        let (one, two) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = Connections::enter(&connections, one);
        let _second = Connections::enter(&connections, one);
        assert!(first.is_some());
        assert!(Connections::enter(&connections, one).is_none(), "the peer's share is used up");
        let _third = Connections::enter(&connections, two);
        assert!(Connections::enter(&connections, two).is_none(), "all places are used up");
        drop(first);
        assert!(Connections::enter(&connections, two).is_some());
    }

    #[test]
    fn listeners_share_what_the_process_can_hold() {
        let process = Arc::new(Semaphore::new(2));
        let [one, other] = [(); 2].map(|()| Arc::new(Connections::new(5, 5, Arc::clone(&process))));
        let peer = [127, 0, 0, 1].into();
        let first = Connections::enter(&one, peer);
        let second = Connections::enter(&other, peer);
        assert!(first.is_some() && second.is_some());
        assert!(Connections::enter(&one, peer).is_none() && Connections::enter(&other, peer).is_none());
        drop(second);
        assert!(Connections::enter(&one, peer).is_some());
        assert!(other.open.lock().by_peer.is_empty(), "a refused peer leaves nothing behind");
    }
}
