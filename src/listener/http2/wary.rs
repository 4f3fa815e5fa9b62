//! Peers whose connection had to be ended for a flood. For a while theirs begin with little credit, or every new connection would be worth
//! another hundred calls that are taken back.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// How long one is remembered.
const MEMORY: Duration = Duration::from_mins(1);

/// Most that are; whoever comes beyond it finds one forgotten whose time is over, or is not remembered.
const MOST: usize = 10_000;

/// See the module. Of one listener.
#[derive(Debug, Default)]
pub(in crate::listener) struct Wary(Mutex<HashMap<IpAddr, Instant>>);

impl Wary {
    /// A connection of this peer was ended for a flood.
    pub(super) fn note(&self, peer: IpAddr, now: Instant) {
        let mut known = self.0.lock();
        if known.len() >= MOST {
            known.retain(|_, at| now.saturating_duration_since(*at) < MEMORY);
        }
        if known.len() < MOST || known.contains_key(&network(peer)) {
            known.insert(network(peer), now);
        }
    }

    /// Whether that was a short time ago.
    pub(super) fn remembers(&self, peer: IpAddr, now: Instant) -> bool {
        self.0.lock().get(&network(peer)).is_some_and(|at| now.saturating_duration_since(*at) < MEMORY)
    }
}

/// What one machine cannot help being: with IPv6 it has 2^64 addresses to come from.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_remembered_for_a_minute_by_its_network() {
        let (wary, begin) = (Wary::default(), Instant::now());
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        wary.note(at("192.0.2.1"), begin);
        wary.note(at("2001:db8::1"), begin);
        let later = begin + Duration::from_secs(59);
        for known in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::2"] {
            assert!(wary.remembers(at(known), later), "{known}");
            assert!(!wary.remembers(at(known), begin + MEMORY), "{known}");
        }
        assert!(!wary.remembers(at("192.0.2.2"), begin) && !wary.remembers(at("2001:db8:0:1::1"), begin));
        for number in 0..MOST {
            wary.note(IpAddr::from(u32::try_from(number).unwrap().to_be_bytes()), later);
        }
        assert!(wary.0.lock().len() <= MOST);
    }
}
