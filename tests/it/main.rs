//! Behaviour through the front door: one binary, a module a topic.

mod attacks_http;
mod attacks_json;
mod attacks_jwt;
mod chain;
mod config_errors;
mod parser_properties;
mod peers;
mod support;
