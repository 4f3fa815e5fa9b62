//! Behaviour through the front door: one binary, a module a topic.

mod parser_properties;
