//! What every test of the whole gateway stands on: the gateway itself, MCP servers that record and misbehave, clients that do too.
//!
//! Nothing here asserts what a test claims; it panics only where the stage itself is broken.

#![allow(dead_code, reason = "each topic uses some of the harness, none uses all")]
#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

pub(crate) mod browser;
pub(crate) mod certs;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod idp;
pub(crate) mod issuer;
pub(crate) mod moto;
pub(crate) mod openbao;
pub(crate) mod part;
pub(crate) mod postgres;
pub(crate) mod raw;
pub(crate) mod reply;
pub(crate) mod server;
pub(crate) mod stage;
pub(crate) mod tls;
pub(crate) mod tls_front;
pub(crate) mod token;

use std::future::Future;
use std::time::Duration;

/// How long anything may take that a test waits for. Long: only a failing test waits to the end.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for `work`; says what was waited for when it does not come.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Polls until `ready` gives something.
pub(crate) async fn eventually<T>(what: &str, mut ready: impl FnMut() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(found) = ready() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(what, poll).await
}
