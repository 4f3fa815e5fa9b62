//! What is known about a call when it is judged: borrowed, so that building it costs nothing.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::protocol::json::Value;

/// Everything that a condition can name.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who calls.
    pub principal: PrincipalFacts<'a>,
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

/// Who calls.
#[derive(Clone, Copy, Debug)]
pub struct PrincipalFacts<'a> {
    /// Who vouches for the caller: an issuer's name, `api-key`, `mtls` or `anonymous`.
    pub issuer: &'a str,
    /// Who it is, there.
    pub subject: &'a str,
    /// How it was shown.
    pub authn: &'a str,
    /// The program that calls.
    pub client: Option<&'a str>,
    /// The tenant it belongs to.
    pub tenant: Option<&'a str>,
    /// The region it belongs to.
    pub region: Option<&'a str>,
    /// Groups, as the issuer names them.
    pub groups: &'a [String],
    /// Roles, as the issuer names them.
    pub claimed_roles: &'a [String],
    /// Roles that the policy gives.
    pub roles: &'a [&'a str],
    /// What the token is good for.
    pub scopes: &'a [String],
    /// What else the issuer says, by name.
    pub attributes: &'a [(String, String)],
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
    /// How sensitive what it may see is.
    pub classification: &'a str,
    /// Where it is.
    pub region: Option<&'a str>,
    /// What else the operator says of it.
    pub labels: &'a [String],
}

/// What a call brings along.
#[derive(Clone, Copy, Debug)]
pub enum Arguments<'a> {
    /// The arguments of this call; `None` when it has none.
    Known(Option<Value<'a>>),
    /// Nothing is called yet: what could be called is listed.
    Unknown,
}
