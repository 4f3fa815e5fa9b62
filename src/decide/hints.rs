//! What a server says of its own tools. It is believed where it makes them more dangerous, and nowhere else.

use std::collections::BTreeSet;

/// Most tools of one server that are remembered.
const MAX_TOOLS: usize = 10_000;

/// Longest name that is.
const MAX_NAME: usize = 256;

static NONE: Hints = Hints(BTreeSet::new());

/// Tools that their server itself calls destructive (`annotations.destructiveHint`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Hints(BTreeSet<String>);

impl Hints {
    /// Nothing was said.
    pub fn none() -> &'static Self {
        &NONE
    }

    /// The same, and these tools; `None` if they are in it already.
    pub fn and<'t>(&self, tools: impl IntoIterator<Item = &'t str>) -> Option<Self> {
        let mut more = self.0.clone();
        for tool in tools.into_iter().filter(|tool| tool.len() <= MAX_NAME) {
            if more.len() < MAX_TOOLS {
                more.insert(tool.to_ascii_lowercase());
            }
        }
        (more.len() > self.0.len()).then_some(Self(more))
    }

    /// Whether the tool is one of them. SECURITY: in every spelling, which may be the same tool to its server.
    pub(super) fn is_destructive(&self, tool: &str) -> bool {
        !self.0.is_empty() && self.0.contains(&tool.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::Hints;

    #[test]
    fn what_was_said_once_stays_and_is_bounded() {
        let one = Hints::none().and(["Drop"]).unwrap();
        assert!(one.is_destructive("drop") && one.is_destructive("DROP") && !one.is_destructive("drops"));
        assert_eq!(one.and(["drop"]), None);
        let names: Vec<String> = (0..20_000).map(|n| format!("t{n}")).collect();
        let many = one.and(names.iter().map(String::as_str)).unwrap();
        assert!(many.is_destructive("drop") && many.is_destructive("t17") && !many.is_destructive("t19999"));
        assert_eq!(many.and(["x".repeat(300).as_str()]), None);
    }
}
