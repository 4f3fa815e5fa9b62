//! Paths of fields, and the walk along them. Pure.
//!
//! A path is written as conditions write one, from a call's arguments or from a result on: `customer.email`, `rows.*.notes`, `**.iban`,
//! `customer['e-mail.address']`. `*` stands for any one member or element, `**` for any number of them, none included.

use crate::yaml::Invalid;

/// Most steps of one path: nothing that passes the parser is deeper than twice as much.
const MOST_STEPS: usize = 32;
/// Longest name of one step, in bytes.
const MOST_NAME: usize = 256;

/// Which fields a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A member of this name, folded.
    Name(String),
    /// Any member, or any element of a list.
    Any,
    /// Any number of these.
    Deep,
}

/// How far a walk from the outside in has come along a path: for each step a bit that says whether it is the next to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along(u64);

impl Along {
    /// Whether nothing here or further in is on the path.
    pub fn is_lost(self) -> bool {
        self.0 == 0
    }

    /// What either of two has come to.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let (mut steps, mut rest) = (Vec::new(), text);
        if text.starts_with('/') {
            return Err(Invalid::new("is a pointer", "steps are divided by dots: `customer.email`"));
        }
        while !rest.is_empty() || steps.is_empty() {
            let (step, behind) = match rest.strip_prefix('[') {
                Some(quoted) => bracketed(quoted)?,
                None => word(rest)?,
            };
            if step == Step::Deep && steps.last() == Some(&Step::Deep) {
                return Err(Invalid::new("holds `**` twice in a row", "once says the same"));
            }
            steps.push(step);
            rest = match behind.strip_prefix('.') {
                Some("") => return Err(Invalid::new("ends in a dot", "remove it, or write what comes behind it")),
                Some(next) if next.starts_with('[') => {
                    return Err(Invalid::new("holds a dot before a bracket", "write `customer['a b']`"));
                }
                Some(next) => next,
                None if behind.is_empty() || behind.starts_with('[') => behind,
                None => return Err(Invalid::new("has no dot behind a bracket", "write `customer['a b'].email`")),
            };
        }
        if steps.len() > MOST_STEPS {
            return Err(Invalid::new("has more than 32 steps", "`**` stands for any number of them"));
        }
        Ok(Self(steps))
    }

    /// Before the first step.
    pub fn start(&self) -> Along {
        self.past_deep(1)
    }

    /// After a step into the member of this name, or into an element of a list.
    #[must_use]
    pub fn step(&self, along: Along, name: Option<&str>) -> Along {
        if self.covers(along) {
            return along;
        }
        let mut next = 0;
        for (at, step) in self.0.iter().enumerate().filter(|(at, _)| along.0 & (1 << at) != 0) {
            next |= match step {
                Step::Deep => 1 << at,
                Step::Any => 2 << at,
                Step::Name(wanted) if name.is_some_and(|name| is_same(name, wanted)) => 2 << at,
                Step::Name(_) => 0,
            };
        }
        self.past_deep(next)
    }

    /// Whether what stands here is the field, or lies in it.
    pub fn covers(&self, along: Along) -> bool {
        along.0 & (1 << self.0.len()) != 0
    }

    /// The name that the path begins with, if it begins with one.
    pub(super) fn first_name(&self) -> Option<&str> {
        match self.0.first() {
            Some(Step::Name(name)) => Some(name),
            Some(Step::Any | Step::Deep) | None => None,
        }
    }

    /// `**` may be none.
    fn past_deep(&self, mut bits: u64) -> Along {
        for (at, _) in self.0.iter().enumerate().filter(|(_, step)| **step == Step::Deep) {
            bits |= (bits & (1 << at)) << 1;
        }
        Along(bits)
    }
}

/// What stands in brackets, behind the first, and the rest.
fn bracketed(text: &str) -> Result<(Step, &str), Invalid> {
    let open =
        |quote: char| text.strip_prefix(quote).and_then(|inner| inner.split_once(&[quote, ']'].iter().collect::<String>()));
    match open('\'').or_else(|| open('"')) {
        Some((name, rest)) => Ok((named(name)?, rest)),
        None if text.starts_with(|c: char| c.is_ascii_digit()) => {
            Err(Invalid::new("names one element of a list", "write `*` for all of them: `rows.*.notes`"))
        }
        None => Err(Invalid::new("holds a bracket without a name in quotes", "write `customer['e-mail']`")),
    }
}

/// The step at the head, and the rest.
fn word(text: &str) -> Result<(Step, &str), Invalid> {
    let (word, rest) = text.split_at_checked(text.find(['.', '[']).unwrap_or(text.len())).unwrap_or((text, ""));
    let step = match word {
        "" => return Err(Invalid::new("holds an empty step", "write names divided by single dots: `customer.email`")),
        "*" => Step::Any,
        "**" => Step::Deep,
        _ if word.contains('*') => {
            return Err(Invalid::new("holds a `*` within a name", "`*` stands for a whole step, `**` for any number of them"));
        }
        _ if word.contains(|c: char| c.is_whitespace() || matches!(c, ']' | '\'' | '"' | '/' | '\\')) => {
            return Err(Invalid::new("holds a name that is no word", "write it in brackets: `customer['e-mail address']`"));
        }
        _ => named(word)?,
    };
    Ok((step, rest))
}

fn named(name: &str) -> Result<Step, Invalid> {
    if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
        return Err(Invalid::new(
            "holds a name that is empty, too long or no text",
            "names have 1 to 256 bytes and no control characters",
        ));
    }
    Ok(Step::Name(name.chars().flat_map(fold).collect()))
}

/// SECURITY: readers exist that ignore case (Go's `encoding/json`), to whom `Email` is the field `email`.
fn is_same(name: &str, folded: &str) -> bool {
    name == folded || name.chars().flat_map(fold).eq(folded.chars())
}

/// The long s is an s to them, the Kelvin sign a k.
fn fold(letter: char) -> impl Iterator<Item = char> {
    letter.to_uppercase().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps into `[]` are into an element.
    fn covers(path: &str, place: &[&str]) -> bool {
        let path = FieldPath::parse(path).unwrap();
        let along = place.iter().fold(path.start(), |along, step| path.step(along, Some(*step).filter(|step| *step != "[]")));
        path.covers(along)
    }

    #[test]
    fn a_path_covers_what_it_names_and_all_that_lies_in_it() {
        for (path, place) in [
            ("customer.email", &["customer", "email"][..]),
            ("customer.email", &["customer", "email", "[]", "work"]),
            ("customer", &["customer", "email"]),
            ("rows.*.notes", &["rows", "[]", "notes"]),
            ("rows.*.notes", &["rows", "first", "notes"]),
            ("**.iban", &["iban"]),
            ("**.iban", &["a", "[]", "[]", "iban", "x"]),
            ("a.**.b.*.c", &["a", "b", "x", "b", "b", "c"]),
            ("a.**", &["a"]),
            ("**", &[]),
            ("a['b.c*'].d", &["a", "b.c*", "d"]),
            ("a[\"it's\"]", &["a", "it's"]),
            ("Customer.Email", &["CUSTOMER", "email"]),
            ("keys.ssn", &["\u{212a}ey\u{17f}", "\u{17f}sn"]),
        ] {
            assert!(covers(path, place), "{path} {place:?}");
        }
        for (path, place) in [
            ("customer.email", &["customer"][..]),
            ("customer.email", &["email"]),
            ("customer.email", &["order", "customer", "email"]),
            ("rows.*.notes", &["rows", "notes"]),
            ("rows.*.notes", &["rows", "[]", "[]", "notes"]),
            ("rows.notes", &["rows", "[]", "notes"]),
            ("**.iban", &["ibans"]),
            ("a.**.b", &["a"]),
        ] {
            assert!(!covers(path, place), "{path} {place:?}");
        }
    }

    #[test]
    fn a_path_is_lost_where_nothing_further_in_can_be_on_it() {
        let path = FieldPath::parse("a.*.b").unwrap();
        let along = path.step(path.start(), Some("a"));
        assert!(!along.is_lost() && path.step(path.start(), Some("b")).is_lost() && path.step(path.start(), None).is_lost());
        assert!(path.step(path.step(along, None), Some("c")).is_lost());
    }

    #[test]
    fn what_could_be_misread_is_refused() {
        for wrong in [
            "", ".", "a.", ".a", "a..b", "a*", "***", "a.**.**", "/a/b", "a[0]", "a[b]", "a['b'", "a['b']c", "a.['b']", "a['']",
            "a b", "a]", "a\u{7}", "['a\n']",
        ] {
            assert!(FieldPath::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(FieldPath::parse(&vec!["a"; 33].join(".")).is_err() && FieldPath::parse(&vec!["*"; 32].join(".")).is_ok());
        assert!(FieldPath::parse("$ref.x-y.@id.n\u{f6}te").is_ok());
    }
}
