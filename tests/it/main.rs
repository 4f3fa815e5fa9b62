//! Behaviour through the front door: one binary, a module a topic.

mod chain;
mod config_errors;
mod parser_properties;
