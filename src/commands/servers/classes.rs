//! What a tool may do, as far as its server's word goes: never further than `write`.
//!
//! A server that lies about a tool must not get it through a rule, so its hints only tighten: `destructiveHint: true`, or a name that says
//! so, makes it destructive. `readOnlyHint: true` changes nothing but a remark for whoever reviews.

use crate::protocol::is_canonical;

/// A tool as its server describes it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tool {
    pub(super) name: String,
    /// Its title, else what its description begins with; in one line.
    pub(super) about: String,
    pub(super) says_it_reads: bool,
    pub(super) says_it_destroys: bool,
    /// Rules of the injection scan that its definition fits, those that count.
    pub(super) findings: Vec<&'static str>,
}

/// A prompt or a resource as its server describes it.
#[derive(Clone, Debug)]
pub(super) struct Thing {
    /// Its name, or its URI.
    pub(super) name: String,
    pub(super) about: String,
    /// Whether a grant can say it, and it alone.
    pub(super) is_plain: bool,
    pub(super) findings: Vec<&'static str>,
}

/// What is proposed for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Destructive,
    Write,
}

/// Why it is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Its definition carries signs of injection.
    Flagged,
    /// No pattern of a grant says exactly this name.
    Name,
    /// Another tool has the same name.
    Twice,
}

/// Words in a name that say that something is gone afterwards.
const DESTROY: [&str; 16] = [
    "clear",
    "delete",
    "destroy",
    "drop",
    "erase",
    "format",
    "kill",
    "overwrite",
    "purge",
    "remove",
    "reset",
    "revoke",
    "rm",
    "terminate",
    "truncate",
    "wipe",
];

/// Longest name that a grant of ours repeats.
const LONGEST: usize = 128;

impl Class {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Destructive => "destructive",
            Self::Write => "write",
        }
    }
}

impl Left {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Flagged => "its definition carries signs of injection",
            Self::Name => "a grant cannot say this name exactly",
            Self::Twice => "the server lists this name twice",
        }
    }
}

impl Tool {
    pub(super) fn class(&self) -> Class {
        let words = words(&self.name);
        if self.says_it_destroys || words.iter().any(|word| DESTROY.contains(&word.as_str())) {
            Class::Destructive
        } else {
            Class::Write
        }
    }

    /// Why it cannot be granted, if it cannot. `twice`: names that more than one tool has.
    pub(super) fn left(&self, twice: &std::collections::HashSet<String>) -> Option<Left> {
        if !self.findings.is_empty() {
            Some(Left::Flagged)
        } else if !is_plain(&self.name, false) {
            Some(Left::Name)
        } else {
            twice.contains(&self.name).then_some(Left::Twice)
        }
    }
}

impl Thing {
    /// Why it cannot be granted, if it cannot.
    pub(super) fn left(&self) -> Option<Left> {
        let name = (!self.is_plain).then_some(Left::Name);
        if self.findings.is_empty() { name } else { Some(Left::Flagged) }
    }
}

/// Whether it stands for itself alone in a grant and in quotes: a name of a prompt, or a URI.
pub(super) fn is_plain(name: &str, is_uri: bool) -> bool {
    let others: &[u8] = if is_uri { b"_-.~:/?&=+,;@%" } else { b"_-." };
    (1..=LONGEST).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        && (!is_uri || is_canonical(name))
}

/// `deleteFile`, `delete-file` and `files.delete` have the word `delete`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for c in name.chars() {
        let starts = !c.is_alphanumeric() || (c.is_uppercase() && before_is_lower);
        if starts {
            words.push(String::new());
        }
        before_is_lower = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words
}

/// A stranger's text for a comment: one line of at most `most` characters, without anything that steers a terminal or hides.
pub(super) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    // More is looked at than is shown, and not without end.
    for c in text.chars().take(most.saturating_mul(16)) {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if is_hidden(c) || (c == ' ' && (line.is_empty() || line.ends_with(' '))) {
            continue;
        }
        if count == most {
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        line.push(c);
        count += 1;
    }
    line.truncate(line.trim_end().len());
    line
}

/// Characters without a shape of their own, and those that turn the direction of others.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff0}'..='\u{ffff}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn tool(name: &str, reads: bool, destroys: bool) -> Tool {
        Tool { name: name.to_owned(), says_it_reads: reads, says_it_destroys: destroys, ..Tool::default() }
    }

    #[test]
    fn a_servers_word_only_tightens() {
        for (name, reads, destroys, class) in [
            ("get_it", true, false, Class::Write),
            ("get_it", false, false, Class::Write),
            ("get_it", true, true, Class::Destructive),
            ("delete_it", true, false, Class::Destructive),
            ("deleteFile", false, false, Class::Destructive),
            ("files.remove", false, false, Class::Destructive),
            ("DROP-TABLE", false, false, Class::Destructive),
            ("undeleted", false, false, Class::Write),
            ("information", false, false, Class::Write),
        ] {
            assert_eq!(tool(name, reads, destroys).class(), class, "{name}");
        }
    }

    #[test]
    fn names_that_no_grant_says_exactly_are_left_out() {
        for name in ["", "a*", "*", "a b", "a\nb", "a/b", "ü", "a'b", "a\u{202e}b", &"a".repeat(129)] {
            assert_eq!(tool(name, false, false).left(&HashSet::new()), Some(Left::Name), "{name:?}");
        }
        assert_eq!(tool("a.b-C_1", false, false).left(&HashSet::new()), None);
        assert_eq!(tool("a", false, false).left(&HashSet::from(["a".to_owned()])), Some(Left::Twice));
    }

    #[test]
    fn a_strangers_text_stays_in_its_line() {
        assert_eq!(one_line("a\nroles: {}\r\n\u{2028}b\u{85}c\td", 80), "a roles: {} b c d");
        assert_eq!(one_line("\u{202e}ab\u{200b}c\u{1b}[2J", 80), "abc [2J");
        assert_eq!(one_line(&"x ".repeat(100), 10), "x x x x x…");
        assert_eq!(one_line(&"\u{200b}".repeat(100_000), 10), "");
    }
}
