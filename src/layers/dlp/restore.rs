//! Where a policy lets tokens become values again. Pure.

use std::ops::Range;
use std::sync::Arc;

use crate::decide::Glob;
use crate::policy::Restore;
use crate::protocol::Message;
use crate::protocol::json::Value;

/// An entry of `dlp.restore`, compiled.
#[derive(Debug)]
pub(super) struct Grant {
    /// Its name in records: `restore:<purpose>`.
    pub(super) rule: Arc<str>,
    pub(super) purpose: Arc<str>,
    servers: Vec<String>,
    tools: Vec<Glob>,
    roles: Vec<String>,
    arguments: Vec<String>,
}

impl Grant {
    pub(super) fn new(restore: &Restore) -> Self {
        Self {
            rule: format!("restore:{}", restore.purpose).into(),
            purpose: restore.purpose.as_str().into(),
            servers: restore.servers.clone(),
            tools: restore.tools.iter().map(|pattern| Glob::new(pattern)).collect(),
            roles: restore.roles.clone(),
            arguments: restore.arguments.clone(),
        }
    }

    /// Whether it is for a call of this tool by somebody with these roles.
    pub(super) fn is_for(&self, server: &str, tool: &str, has_role: impl Fn(&str) -> bool) -> bool {
        self.servers.iter().any(|name| name == server)
            && self.tools.iter().any(|pattern| pattern.matches(tool))
            && self.roles.iter().any(|role| has_role(role))
    }
}

/// The arguments of a call, by where they stand.
#[derive(Debug)]
pub(super) struct Arguments<'m> {
    span: Range<usize>,
    /// Where each begins, in order, and its name. Found once: a caller decides how many tokens there are, and how many arguments.
    members: Vec<(usize, &'m str)>,
}

impl<'m> Arguments<'m> {
    pub(super) fn of(message: &'m Message) -> Option<Self> {
        let arguments = message.param("arguments")?;
        let members = arguments.members().map(|(key, _)| (key.span().start, key.as_str().unwrap_or_default())).collect();
        Some(Self { span: arguments.span(), members })
    }

    /// Whether a value, or a key, lies where this grant restores.
    pub(super) fn covered_by(&self, grant: &Grant, place: Value<'_>) -> bool {
        let at = place.span().start;
        if !self.span.contains(&at) {
            return false;
        }
        let before = self.members.partition_point(|(start, _)| *start <= at);
        let name = before.checked_sub(1).and_then(|index| self.members.get(index)).map(|(_, name)| *name);
        grant.arguments.is_empty() || name.is_some_and(|name| grant.arguments.iter().any(|argument| argument == name))
    }
}
