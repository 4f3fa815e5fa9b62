//! Requests of the gateway's own: to issuers, secret stores, witnesses, collectors. Never a caller's.
//!
//! A fresh connection for each, by the connector of the upstreams, which checks the address it connects to (SECURITY.md: SSRF) and
//! holds the one TLS configuration; one bounded answer within a bounded time. No redirect is followed, nothing is decompressed, no
//! cookie kept, no proxy asked, no answer cached: all of that is what a client library would add, and would have to be switched off.

mod ask;
mod client;

pub use ask::{Answer, Ask};
pub use client::{Bounds, Client, Silence};
