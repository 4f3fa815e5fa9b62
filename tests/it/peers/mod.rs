//! Real peers: the official SDKs on both sides of a running `yett serve`. What they run on is installed by `scripts/parts`; what
//! they are and how to start one by hand stands in `tests/peers/README.md`.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod browser;
mod client;
mod connected;
mod departure;
pub(crate) mod differences;
mod forwarded;
pub(crate) mod gateway;
mod http_sse;
pub(crate) mod parts;
pub(crate) mod process;
mod questions;
mod restricted;
mod rule_kinds;
mod tasks;
mod transparent;
pub(crate) mod upstream;

use std::thread;
use std::time::Duration;

/// Asks again until there is an answer; a peer on a busy machine is given half a minute.
fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_500 {
        if let Some(answer) = ask() {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("still not so after half a minute: {what}");
}
