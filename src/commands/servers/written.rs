//! What a scan writes: a role, and the classes of tools.
//!
//! SECURITY: names and descriptions are a stranger's text in a file that decides. A name stands in the file only where it is made of
//! letters, digits, `_`, `-` and `.`, and then in quotes; every other text is one line of a comment, without control characters.

use std::collections::HashSet;
use std::fmt::Write as _;

use super::classes::{Class, Left, Thing, Tool, one_line};
use super::wire::Offer;

/// Characters of a name that are shown where it cannot be granted.
const NAME: usize = 80;

/// Tools, and why they are left out.
#[derive(Debug)]
pub(super) struct Reviewed<'o> {
    pub(super) tools: Vec<(&'o Tool, Option<Left>)>,
}

impl<'o> Reviewed<'o> {
    pub(super) fn of(offer: &'o Offer) -> Self {
        let twice = twice(&offer.tools);
        Self { tools: offer.tools.iter().map(|tool| (tool, tool.left(&twice))).collect() }
    }

    pub(super) fn flagged(&self) -> impl Iterator<Item = &'o Tool> {
        self.tools.iter().filter(|(_, left)| *left == Some(Left::Flagged)).map(|(tool, _)| *tool)
    }

    /// What is destructive is written down and granted to nobody before somebody takes the `#` away.
    pub(super) fn grants(tool: &Tool, left: Option<Left>) -> bool {
        left.is_none() && tool.class() == Class::Write
    }
}

/// Names of several tools: which of them would be called is the server's to say.
fn twice(tools: &[Tool]) -> HashSet<String> {
    let mut seen = HashSet::new();
    tools.iter().map(|tool| tool.name.as_str()).filter(|name| !seen.insert(*name)).map(str::to_owned).collect()
}

/// The policy file.
pub(super) fn policy(server: &str, role: &str, offer: &Offer, reviewed: &Reviewed<'_>) -> String {
    let mut text = format!(
        "# What `{server}` offers ({} tools, {} prompts, {} resources, revision {}), for review. The role is bound to nobody: nothing is allowed by this file until a\n\
         # binding names it. Grants and classes are guesses from names, and from what the server says of itself only where that is\n\
         # stricter; a tool that is said to only read counts as `write` until you say otherwise.\n",
        offer.tools.len(),
        offer.prompts.len(),
        offer.resources.len(),
        if offer.revision.is_empty() { "unknown" } else { offer.revision.as_str() },
    );
    if let Some(cut) = offer.cut {
        let _infallible = writeln!(text, "# NOT WHOLE: {cut}.");
    }
    if !offer.findings.is_empty() {
        let _infallible =
            writeln!(text, "# What the server says of itself carries signs of injection: {}.", offer.findings.join(", "));
    }
    text.push_str("version: 1\n");
    left_out(offer, reviewed, &mut text);
    let of = |class: Class| {
        let all = reviewed.tools.iter().filter(move |(tool, left)| left.is_none() && tool.class() == class);
        all.map(|(tool, _)| *tool).collect::<Vec<_>>()
    };
    let (granted, destructive) = (of(Class::Write), of(Class::Destructive));
    let [prompts, resources] = [&offer.prompts, &offer.resources].map(|things| listed(things));
    if granted.is_empty() && prompts.is_empty() && resources.is_empty() {
        let _infallible = write!(
            text,
            "\n# Nothing here can be granted as it is.\n# roles:\n#   {role}:\n#     allow:\n#       - servers: [{server}]\n#         tools:\n"
        );
    } else {
        let _infallible = write!(text, "\nroles:\n  {role}:\n    allow:\n      - servers: [{server}]\n");
        if !granted.is_empty() {
            text.push_str("        tools:\n");
        } else if !destructive.is_empty() {
            text.push_str("        # tools:\n");
        }
    }
    for tool in granted {
        let _infallible = writeln!(text, "          - \"{}\"{}", tool.name, remark(tool));
    }
    for tool in destructive {
        let _infallible = writeln!(text, "          # - \"{}\"{}", tool.name, remark(tool));
    }
    for (key, lines) in [("prompts", prompts), ("resources", resources)].into_iter().filter(|(_, lines)| !lines.is_empty()) {
        let _infallible = write!(text, "        {key}:\n{lines}");
    }
    let _infallible = write!(text, "\n# bindings:\n#   - {{ role: {role}, issuers: [api-key], groups: [staff] }}\n");
    if !reviewed.tools.is_empty() {
        let _infallible = write!(text, "\n# Into yett.yaml, once each class is right:\n{}", snippet(server, reviewed, "# "));
    }
    text
}

/// The lines of what can be granted, each thing once.
fn listed(things: &[Thing]) -> String {
    let (mut lines, mut seen) = (String::new(), HashSet::new());
    for thing in things.iter().filter(|thing| thing.left().is_none() && seen.insert(&thing.name)) {
        let about = if thing.about.is_empty() { String::new() } else { format!("  # {}", thing.about) };
        let _infallible = writeln!(lines, "          - \"{}\"{about}", thing.name);
    }
    lines
}

/// `servers.NAME.tools`, each line behind `mark`.
pub(super) fn snippet(server: &str, reviewed: &Reviewed<'_>, mark: &str) -> String {
    let mut text = format!("{mark}servers:\n{mark}  {server}:\n{mark}    tools:\n");
    for (tool, left) in &reviewed.tools {
        if left.is_none() {
            let _infallible =
                writeln!(text, "{mark}      \"{}\": {{ operation: {} }}{}", tool.name, tool.class().as_str(), remark(tool));
        }
    }
    text
}

fn left_out(offer: &Offer, reviewed: &Reviewed<'_>, text: &mut String) {
    let tools = reviewed.tools.iter().filter_map(|(tool, left)| Some((&tool.name, &tool.findings, (*left)?)));
    let things = offer.prompts.iter().chain(&offer.resources);
    let things = things.filter_map(|thing| Some((&thing.name, &thing.findings, thing.left()?)));
    let mut left = tools.chain(things).peekable();
    if left.peek().is_some() {
        text.push_str("\n# Left out:\n");
    }
    for (name, findings, left) in left {
        let name = if name.is_empty() { "(no name)".to_owned() } else { one_line(name, NAME) };
        let rules = if findings.is_empty() { String::new() } else { format!(" ({})", findings.join(", ")) };
        let _infallible = writeln!(text, "#   {name}: {}{rules}", left.as_str());
    }
}

/// What stands behind a tool.
fn remark(tool: &Tool) -> String {
    let mut remark = String::new();
    if tool.class() == Class::Destructive {
        remark.push_str("  # destructive");
    } else if tool.says_it_reads {
        remark.push_str("  # the server says it only reads: change if you agree");
    }
    if !tool.about.is_empty() {
        remark.push_str(if remark.is_empty() { "  # " } else { "; " });
        remark.push_str(&tool.about);
    }
    remark
}
