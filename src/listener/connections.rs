//! How many connections there may be, in all and from one peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
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
    by_peer: HashMap<Peer, usize>,
}

/// Whom one machine cannot help being: with IPv6 it has a network of 2^64 addresses to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Peer(IpAddr);

impl Peer {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// A connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    peer: Peer,
    _process: OwnedSemaphorePermit,
}

impl Connections {
    pub(super) fn new(all: usize, per_peer: usize, process: Arc<Semaphore>) -> Self {
        Self { all, per_peer, process, open: Mutex::default() }
    }

    /// A place for a connection from `peer`, if there is one.
    pub(super) fn enter(this: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let peer = Peer::of(peer);
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
    fn the_addresses_of_one_ipv6_network_are_one_peer() {
        let connections = Arc::new(Connections::new(9, 2, Arc::new(Semaphore::new(9))));
        let enter = |address: &str| Connections::enter(&connections, address.parse().unwrap());
        let held = [enter("2001:db8::1"), enter("2001:db8::ffff:1")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter("2001:db8::2").is_none(), "another address of the same network is the same peer");
        let others = [enter("2001:db8:0:1::1"), enter("::ffff:192.0.2.1"), enter("192.0.2.1")];
        assert!(others.iter().all(Option::is_some));
        assert!(enter("::ffff:192.0.2.1").is_none(), "a mapped address is the IPv4 one");
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
