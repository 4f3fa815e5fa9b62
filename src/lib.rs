//! Yett: the security gateway for the Model Context Protocol.
//!
//! The modules stand in the order in which a message meets them:
//!
//! ```text
//! client ─▶ listener ─▶ endpoint ─▶ chain: audit ▸ authn ▸ fair share ▸ decode ▸ kill switch ▸ rate limit ▸ authz ▸ quota ▸ injection ▸ dlp
//!                                          ▸ admission ▸ write-ahead ─────────────────────────────────────────────────┐
//! client ◀─ listener ◀─ endpoint ◀─ the same layers, the other way round ◀─────────────── upstream ◀─▶ MCP server ◀────┘
//! ```
//!
//! `ARCHITECTURE.md` says who may import whom, and how to add a layer.

pub mod listener;

pub mod tls;

pub mod endpoint;

pub mod session;

pub mod chain;

pub mod layers;

pub mod jwks;

pub mod introspection;

pub mod places;

pub mod limits;

pub mod upstream;

pub mod outbound;

pub mod discovery;

pub mod oauth;

pub mod accounts;

pub mod protocol;

pub mod policy;

pub mod scan;

pub mod decide;

pub mod audit;

pub mod audit_index;

pub mod state;

pub mod vault;

pub mod anchor;

pub mod export;

pub mod alerts;

pub mod witness;

pub mod config;

pub mod yaml;

pub mod gateway;

pub mod admin;

pub mod health;

pub mod telemetry;

pub mod trace;

pub mod connect;

pub mod commands;

pub mod clock;

mod blocks;

pub mod master_key;

pub mod seal;

pub mod secret;
pub mod secrets;

pub mod tlog;

mod apart;

mod checksum;

mod protobuf;

mod sigv4;

pub mod asserted;

pub mod reach;
