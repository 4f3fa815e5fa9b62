//! Behaviour through the front door: one binary, a module a topic.

mod architecture;
mod attacks_audit;
mod attacks_http;
mod attacks_json;
mod attacks_jwt;
mod attacks_mcp;
mod chain;
mod cli;
mod config_errors;
mod dlp;
mod injection;
mod lifecycle;
mod parser_properties;
mod peers;
mod sessions;
mod streaming;
mod support;
