//! Behaviour through the front door: one binary, a module a topic.

mod architecture;
mod attacks_audit;
mod attacks_http;
mod attacks_json;
mod attacks_jwt;
mod attacks_mcp;
mod audit_search;
mod capture;
mod chain;
mod chain_full;
mod cli;
mod config_errors;
mod conformance;
mod connect;
mod descriptors;
mod differential;
mod dlp;
mod faults;
mod flood;
mod fuzz_corpora;
mod http_sse;
mod injection;
mod input_required;
mod lifecycle;
mod limits_message;
#[expect(unreachable_pub, reason = "a crate of its own where it is fuzzed")]
#[path = "../../fuzz/oracles/mod.rs"]
mod oracles;
mod overload;
mod parser_properties;
mod peers;
mod privacy;
mod reload;
mod resumption;
mod session_questions;
mod sessions;
mod shutdown;
mod starts;
mod stdio;
mod streaming;
mod support;
mod tasks;
mod telemetry;
mod tlog_interop;
mod tokens;
mod upstream_health;
