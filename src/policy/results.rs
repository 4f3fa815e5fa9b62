//! `results:`, how large the result of a tool may be.

use super::document::Known;
use super::patterns::tool;
use super::sections::{MODES, Placed, Scope, server};
use crate::config::units::{size, within};
use crate::yaml::{Fields, Node, Report, choice, name, number, parsed};

/// What one `results:` entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultLimit {
    /// Its name.
    pub name: String,
    /// For results of these servers; empty means all.
    pub servers: Vec<String>,
    /// Of these tools, globs; empty means all.
    pub tools: Vec<String>,
    /// Most bytes, as it is sent.
    pub size: Option<usize>,
    /// Most elements of one list.
    pub items: Option<u32>,
    /// Most levels of lists and objects.
    pub depth: Option<u32>,
    /// What becomes of more.
    pub over: Over,
    /// Records, but lets through.
    pub shadow: bool,
}

/// What becomes of a result that is too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// It is withheld.
    #[default]
    Refuse,
    /// It is cut, and says so; where that is not enough, withheld.
    Truncate,
}

pub(super) fn result_limit(node: &Node, scope: &Scope, known: &Known, report: &mut Report) -> Option<Placed<ResultLimit>> {
    let mut fields = Fields::of(node, "results[]", report)?;
    let called = fields.required("name", name);
    let servers = fields.list("servers", |node, report| server(node, true, known, report));
    let tools = fields.list("tools", parsed(tool));
    let size = fields.optional("size", within(size, 1024..=1 << 30, "from 1KiB to 1GiB"));
    let items = fields.optional("items", number(1..=1_000_000));
    let depth = fields.optional("depth", number(2..=128));
    let over =
        fields.optional("over", choice(&[("refuse", Over::Refuse), ("truncate", Over::Truncate)], &[])).unwrap_or_default();
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(scope.shadow);
    let place = fields.place("name");
    if !["size", "items", "depth"].iter().any(|key| fields.has(key)) {
        fields.report().error(place, "this entry limits nothing").hint("add at least one of size, items, depth");
    }
    fields.finish(&[]);
    let value = ResultLimit { name: called?, servers, tools, size, items, depth, over, shadow };
    Some(Placed { value, place })
}
