//! What was restored in a call, looked for in its reply. Pure.
//!
//! An operator who lets a server have a value has not let the caller have it. So whatever rules hold for replies, and in forms that no
//! detector knows (nine bare digits under a key that says it), what a call has restored becomes its token again on the way back.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};

use super::formats::{self, Form};
use crate::vault::Token;

/// So much of a value is searched for; the rest is compared. Keys of several KiB would make an automaton of many MiB.
const ANCHOR: usize = 32;

/// Bytes of one message that are compared with values. Who picks both can make each comparison a long one that fails at its end, and begin
/// one at every few bytes; all who mean well stay far below.
const MOST_COMPARED: usize = 64 << 20;

/// What is left of [`MOST_COMPARED`].
#[derive(Debug)]
pub(super) struct Patience(usize);

impl Default for Patience {
    fn default() -> Self {
        Self(MOST_COMPARED)
    }
}

impl Patience {
    /// Whether it has ended: not everything was looked at.
    pub(super) fn is_over(&self) -> bool {
        self.0 == 0
    }

    /// Whether `text` begins with `value`, but for case.
    fn begins(&mut self, text: &[u8], value: &[u8]) -> bool {
        let same = text.iter().zip(value).take_while(|(one, other)| one.eq_ignore_ascii_case(other)).count();
        self.0 = self.0.saturating_sub(same + 1);
        same == value.len()
    }
}

/// A token that became its value, by which grant.
#[derive(Debug)]
pub(super) struct Restored {
    pub(super) rule: Arc<str>,
    /// What kind of value it is.
    pub(super) kind: &'static str,
    pub(super) token: Arc<Token>,
}

/// The values of one call, ready to be found.
pub(super) struct Echo {
    anchors: AhoCorasick,
    /// For each anchor the texts that begin with it, and whose they are.
    texts: Vec<Vec<(String, usize)>>,
    restored: Vec<Restored>,
}

impl Echo {
    /// Of what was restored, by how it was written; `None` when nothing was.
    pub(super) fn new(restored: HashMap<String, Restored>) -> Result<Option<Self>, BuildError> {
        if restored.is_empty() {
            return Ok(None);
        }
        let mut by_anchor: HashMap<String, Vec<(String, usize)>> = HashMap::new();
        let mut all = Vec::with_capacity(restored.len());
        for (written, one) in restored {
            let value = one.token.value.expose();
            let mut texts = vec![written, value.clone()];
            if let (Form::UsSsn, Some((area, rest))) = (Form::of(one.kind), value.split_at_checked(3))
                && let Some((group, serial)) = rest.split_at_checked(2)
            {
                texts.push(format!("{area}-{group}-{serial}"));
            }
            texts.sort();
            texts.dedup();
            for text in texts {
                let end = (0..=ANCHOR.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
                let anchor = text.get(..end).unwrap_or_default().to_ascii_lowercase();
                by_anchor.entry(anchor).or_default().push((text, all.len()));
            }
            all.push(one);
        }
        let (mut anchors, mut texts) = (Vec::with_capacity(by_anchor.len()), Vec::with_capacity(by_anchor.len()));
        for (anchor, mut begin_so) in by_anchor {
            begin_so.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
            anchors.push(anchor);
            texts.push(begin_so);
        }
        let anchors =
            AhoCorasick::builder().ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest).build(anchors)?;
        Ok(Some(Self { anchors, texts, restored: all }))
    }

    /// Hands every place of a value to `visit`, with what it is, as long as there is `patience`.
    pub(super) fn find(&self, text: &str, patience: &mut Patience, mut visit: impl FnMut(Range<usize>, usize)) {
        let mut from = 0;
        while let Some(anchor) = self.anchor(text, from).filter(|_| !patience.is_over()) {
            let start = anchor.start();
            let begin_so = self.texts.get(anchor.pattern().as_usize()).map(Vec::as_slice).unwrap_or_default();
            let mut stands = |value: &str, index: usize| {
                let range = start..start + value.len();
                let same = patience.begins(text.as_bytes().get(start..).unwrap_or_default(), value.as_bytes());
                let whole = self.get(index).is_some_and(|one| Form::of(one.kind) == Form::Opaque) || is_apart(text, &range);
                (same && whole).then_some((range, index))
            };
            match begin_so.iter().find_map(|(value, index)| stands(value, *index)) {
                Some((range, index)) => {
                    from = range.end;
                    visit(range, index);
                }
                // The next character; an anchor is not empty.
                None => from = (start + 1..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len()),
            }
        }
    }

    /// The first place from `from` on where a value may begin.
    fn anchor(&self, text: &str, from: usize) -> Option<aho_corasick::Match> {
        text.get(from..).and_then(|_| self.anchors.find(aho_corasick::Input::new(text).range(from..)))
    }

    /// What `find` has named.
    pub(super) fn get(&self, index: usize) -> Option<&Restored> {
        self.restored.get(index)
    }
}

/// Whether it ends where it seems to: beside a digit no digit stands, or it is another number; beside a letter neither, or it is another word.
fn is_apart(text: &str, range: &Range<usize>) -> bool {
    let byte = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at));
    let goes_on = |edge: Option<usize>, beside: Option<usize>| match (byte(edge), byte(beside)) {
        (Some(edge), Some(beside)) if edge.is_ascii_digit() => beside.is_ascii_digit(),
        (Some(_), Some(beside)) => beside.is_ascii_alphanumeric(),
        (None, _) | (_, None) => false,
    };
    !goes_on(Some(range.start), range.start.checked_sub(1)) && !goes_on(range.end.checked_sub(1), Some(range.end))
}

/// A token in the layout in which its value stands.
pub(super) fn returned(restored: &Restored, written: &str) -> String {
    formats::in_layout_of(Form::of(restored.kind), written, restored.token.token.expose())
}

impl std::fmt::Debug for Echo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SECURITY: it is made of values.
        f.debug_struct("Echo").field("values", &self.restored.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn echo(values: &[(&'static str, &str, &str)]) -> Echo {
        let one = |(kind, value, token): &(&'static str, &str, &str)| {
            let token = Arc::new(Token::for_test(token, Secret::new((*value).to_owned())));
            ((*value).to_owned(), Restored { rule: "restore:care".into(), kind, token })
        };
        Echo::new(values.iter().map(one).collect()).unwrap().unwrap()
    }

    fn found<'t>(echo: &Echo, text: &'t str) -> Vec<&'t str> {
        let mut all = Vec::new();
        echo.find(text, &mut Patience::default(), |range, _| all.push(text.get(range).unwrap()));
        all
    }

    #[test]
    fn values_are_found_in_their_layouts_and_not_inside_others() {
        let echo = echo(&[("us_ssn", "536221234", "801010001"), ("email", "Ada@corp.example", "x@token.invalid")]);
        for (text, expected) in [
            ("536221234", &["536221234"][..]),
            ("a536221234b 536-22-1234.", &["536221234", "536-22-1234"]),
            ("é536221234é", &["536221234"]),
            ("5362212345 0536221234 536-22-12345", &[]),
            ("ADA@CORP.EXAMPLE, xada@corp.example ada@corp.examples", &["ADA@CORP.EXAMPLE"]),
            ("53622", &[]),
            ("", &[]),
        ] {
            assert_eq!(found(&echo, text), expected, "{text}");
        }
    }

    #[test]
    fn of_long_values_that_begin_alike_each_is_found() {
        let head = "-----BEGIN PRIVATE KEY-----\n";
        let (one, two) = (format!("{head}{}1", "a".repeat(500)), format!("{head}{}2", "a".repeat(500)));
        let echo = echo(&[("secrets", &one, "tok_1"), ("secrets", &two, "tok_2")]);
        let text = format!("{head}{head}{two}|{one}{two}{head}");
        assert_eq!(found(&echo, &text), [&two, &one, &two]);
    }

    #[test]
    fn a_text_that_almost_is_a_long_value_again_and_again_ends_in_impatience() {
        let period = "-----BEGIN PRIVATE KEY-----\nMIIE";
        let value = format!("{}-----END PRIVATE KEY-----", period.repeat(2_000));
        let echo = echo(&[("secrets", &value, "tok_1")]);
        let look = |text: &str| {
            let (mut patience, mut count) = (Patience::default(), 0);
            echo.find(text, &mut patience, |_, _| count += 1);
            (patience.is_over(), count)
        };
        assert_eq!(look(&value.repeat(200)), (false, 200), "12 MiB of what is meant well");
        assert!(look(&period.repeat(40_000)).0, "1 MiB that is not");
    }
}
