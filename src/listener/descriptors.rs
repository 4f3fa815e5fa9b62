//! How many sockets the process may open, shared out before the first is: whoever connects must not take the descriptor that the
//! audit log, an operator or a server's answer needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the log, the databases, the listeners, the runtime, and the connections of operators (`operators.rs`).
pub const RESERVED: usize = 112;

/// With less than this nothing can be served.
const LEAST: usize = 4;

/// Sockets for each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Connections of clients, over all listeners.
    pub clients: usize,
    /// Connections to servers: a call needs one of each.
    pub servers: usize,
}

/// Shares out what the system allows, after raising it as far as `wanted` client connections need and it may be raised.
pub fn share(wanted: usize) -> Shares {
    let needed = wanted.saturating_mul(2).saturating_add(RESERVED);
    let allowed = raise(needed as u64);
    let shares = shares(wanted, usize::try_from(allowed).unwrap_or(usize::MAX));
    if shares.clients < wanted {
        tracing::warn!(
            open_files = allowed,
            needed,
            clients = shares.clients,
            servers = shares.servers,
            "the limit of open files is lower than `limits.connections` needs: fewer connections are accepted"
        );
    }
    shares
}

fn shares(wanted: usize, allowed: usize) -> Shares {
    let half = (allowed.saturating_sub(RESERVED) / 2).max(LEAST);
    let clients = wanted.min(half);
    Shares { clients, servers: half.max(clients) }
}

/// The number of descriptors that may be open. The soft limit is there for programs that cannot count beyond 1024.
fn raise(needed: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let (Some(soft), hard) = (current, maximum.unwrap_or(u64::MAX)) else { return u64::MAX };
    let wanted = needed.min(hard);
    if soft < wanted && setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).is_ok() {
        return wanted;
    }
    soft
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_nobodys_and_a_call_has_two_ends() {
        assert_eq!(shares(10_000, 1 << 20).clients, 10_000);
        assert_eq!(shares(10_000, 20_000 + RESERVED), Shares { clients: 10_000, servers: 10_000 });
        assert_eq!(shares(10_000, 19_998 + RESERVED), Shares { clients: 9_999, servers: 9_999 });
        assert_eq!(shares(10_000, 256), Shares { clients: 72, servers: 72 });
        assert_eq!(shares(10, 256), Shares { clients: 10, servers: 72 });
        assert_eq!(shares(10_000, 16), Shares { clients: LEAST, servers: LEAST });
    }
}
