//! What is known about a call when it is judged: borrowed, so that building it costs nothing.

use std::net::IpAddr;

use jiff::Timestamp;

use super::caller::Caller;
use crate::protocol::json::Value;

/// Everything that a condition can name.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub principal: Caller<'a>,
    /// The roles that the policy gives them.
    pub roles: &'a [&'a str],
    /// What is called.
    pub access: AccessFacts<'a>,
    /// Whom it would reach.
    pub server: ServerFacts<'a>,
    /// With what.
    pub arguments: Arguments<'a>,
    /// When.
    pub now: Timestamp,
    /// From where, if the caller is on a network.
    pub peer: Option<IpAddr>,
}

/// What is called.
#[derive(Clone, Copy, Debug)]
pub struct AccessFacts<'a> {
    /// The method, as it is written in the message.
    pub method: &'a str,
    /// `read`, `write` or `destructive`.
    pub operation: &'a str,
    /// The tool, where one is meant.
    pub tool: Option<&'a str>,
    /// The prompt.
    pub prompt: Option<&'a str>,
    /// The URI.
    pub resource: Option<&'a str>,
}

impl<'a> AccessFacts<'a> {
    /// What is meant, whatever it is.
    pub fn target(&self) -> Option<&'a str> {
        self.tool.or(self.prompt).or(self.resource)
    }
}

/// Whom the call would reach.
#[derive(Clone, Copy, Debug)]
pub struct ServerFacts<'a> {
    /// Its name in `yett.yaml`.
    pub name: &'a str,
    /// Who answers for it.
    pub owner: Option<&'a str>,
    /// What it is for.
    pub purpose: Option<&'a str>,
    /// Where it is.
    pub region: Option<&'a str>,
    /// How sensitive what it may see is.
    pub classification: &'a str,
}

/// What a call brings along.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// The arguments of this call; `None` when it has none.
    Known(Option<Value<'a>>),
    /// Nothing is called yet: what could be called is listed.
    Unknown,
}
