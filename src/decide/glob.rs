//! Patterns over names and URIs: `*` stops at `/`, `**` does not, everything else is itself.

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Glob(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Part {
    /// Any text.
    Any,
    /// Exactly this.
    Text(Box<str>),
    /// Any text without `/`.
    Within,
}

impl Glob {
    /// Splits a pattern. Runs of stars longer than two were refused when the policy was read.
    pub(crate) fn new(pattern: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(star) = rest.find('*') {
            let (text, after) = rest.split_at_checked(star).unwrap_or((rest, ""));
            if !text.is_empty() {
                parts.push(Part::Text(text.into()));
            }
            let stars = after.len() - after.trim_start_matches('*').len();
            parts.push(if stars > 1 { Part::Any } else { Part::Within });
            rest = after.trim_start_matches('*');
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.into()));
        }
        Self(parts)
    }

    /// Whether the whole of `text` fits. Time is at most the product of the lengths, and both are bounded.
    pub(crate) fn matches(&self, text: &str) -> bool {
        matches_parts(&self.0, text)
    }
}

/// Two-pointer matching with one level of back-tracking for each kind of star: the latest `**`, and the latest `*` after it.
fn matches_parts(parts: &[Part], text: &str) -> bool {
    let (mut rest, mut at) = (text, 0);
    let mut any: Option<(usize, &str)> = None;
    let mut within: Option<(usize, &str)> = None;
    loop {
        let fits = match parts.get(at) {
            None if rest.is_empty() => return true,
            None => false,
            Some(Part::Any) => {
                any = Some((at + 1, rest));
                within = None;
                at += 1;
                continue;
            }
            Some(Part::Within) => {
                within = Some((at + 1, rest));
                at += 1;
                continue;
            }
            Some(Part::Text(literal)) => match rest.strip_prefix(&**literal) {
                Some(after) => {
                    rest = after;
                    at += 1;
                    true
                }
                None => false,
            },
        };
        if fits {
            continue;
        }
        // Let the latest star take one character more.
        if let Some((next, from)) = within {
            let mut chars = from.chars();
            if chars.next().is_some_and(|taken| taken != '/') {
                within = Some((next, chars.as_str()));
                (at, rest) = (next, chars.as_str());
                continue;
            }
        }
        let Some((next, from)) = any else {
            return false;
        };
        let mut chars = from.chars();
        if chars.next().is_none() {
            return false;
        }
        any = Some((next, chars.as_str()));
        within = None;
        (at, rest) = (next, chars.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_stop_at_slashes_and_double_stars_do_not() {
        let cases = [
            ("search_*", "search_orders", true),
            ("search_*", "search_", true),
            ("search_*", "research_x", false),
            ("*", "anything", true),
            ("*", "a/b", false),
            ("**", "a/b", true),
            ("file:///reports/*", "file:///reports/q1.txt", true),
            ("file:///reports/*", "file:///reports/2026/q1.txt", false),
            ("file:///reports/**", "file:///reports/2026/q1.txt", true),
            ("file:///reports/**", "file:///reportsx", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "a1b2", false),
            ("**/x", "a/b/x", true),
            ("**a*b", "xa/ab", true),
            ("get", "get", true),
            ("get", "Get", false),
            ("", "", true),
            ("", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(Glob::new(pattern).matches(text), expected, "{pattern} over {text}");
        }
    }

    /// The meaning, written as slowly as possible.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern {
            [] => text.is_empty(),
            ['*', '*', rest @ ..] => (0..=text.len()).any(|taken| slow(rest, &text[taken..])),
            ['*', rest @ ..] => {
                (0..=text.len()).take_while(|taken| !text[..*taken].contains(&'/')).any(|taken| slow(rest, &text[taken..]))
            }
            [c, rest @ ..] => text.first() == Some(c) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_means_what_the_slow_reading_means(pattern in "([ab/]|\\*\\*?[ab/]){0,6}\\*{0,2}", text in "[ab/]{0,10}") {
            let chars = |s: &str| s.chars().collect::<Vec<_>>();
            prop_assert_eq!(Glob::new(&pattern).matches(&text), slow(&chars(&pattern), &chars(&text)));
        }
    }
}
