//! What a detector is: data, one row a kind of sensitive text.

use std::sync::Arc;

pub use super::matchers::Matcher;
use super::own::Own;

/// One kind of sensitive text, as its row says.
#[derive(Clone, Debug, PartialEq)]
pub struct Detector {
    /// What findings and lists of exceptions call it: `github-pat-classic`.
    pub id: String,
    /// The coarser kind, which placeholders and records show: `github_token`.
    pub kind: &'static str,
    /// What it is, for people.
    pub title: String,
    /// Where the format is documented.
    pub source: String,
    /// What it is known to miss.
    pub misses: String,
    /// What has to stand in a text before anything more is looked at.
    pub anchor: Anchor,
    /// What has to fit around that.
    pub how: How,
    /// What has to stand before it.
    pub near: Option<Near>,
    /// Texts in which it is found, with templates in place of what would be a secret: `ghp_${36:alnum}`.
    pub finds: Vec<String>,
    /// Texts in which it is not.
    pub spares: Vec<String>,
}

/// How a match is told from what only has its anchor.
#[derive(Clone, Debug)]
pub enum How {
    /// By a pattern, and what settles doubt about what fits.
    Pattern(Pattern),
    /// By code.
    Matcher(Matcher),
    /// As a policy says; the text itself is the anchor.
    Own(Arc<Own>),
}

/// A pattern, and what settles doubt about what fits it.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The whole, in the syntax of the `regex` crate, over bytes; a group `value` is what is sensitive of it, else all is.
    pub whole: String,
    /// How many bytes before the anchor the match may begin.
    pub before: usize,
    /// How many bytes behind the beginning of the anchor it may end.
    pub after: usize,
    /// What must not touch it.
    pub edges: Edges,
    /// How many bits a character the value has at least.
    pub entropy: Option<f64>,
    /// What the value has to pass.
    pub check: Option<Check>,
    /// Patterns of values that are none.
    pub not: Vec<String>,
}

/// Whether a value can be what it looks like.
pub type Check = fn(&[u8]) -> bool;

/// What is searched for in every text, at the speed of a copy: it has to be rare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// One of these, as they are written.
    Literals(Vec<String>),
    /// A digit that begins a number.
    Digits,
    /// An `@`.
    At,
    /// Twenty or more of the letters of base64.
    Base64,
    /// All of the text is looked at.
    Text,
}

/// What must not touch a match on either side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Edges {
    /// Letters, digits, `_` and `-`.
    #[default]
    Token,
    /// Letters and digits.
    Word,
    /// Digits.
    Digit,
    /// Anything may.
    None,
}

/// Words of which one has to stand before a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// In any case.
    pub words: Vec<String>,
    /// At most so many bytes before it.
    pub within: usize,
}

impl Detector {
    /// For the words or the pattern of a rule.
    pub fn own(rule: &str, own: Arc<Own>) -> Self {
        Self {
            id: rule.to_owned(),
            kind: own.kind(),
            title: String::new(),
            source: String::new(),
            misses: String::new(),
            anchor: Anchor::Text,
            how: How::Own(own),
            near: None,
            finds: Vec::new(),
            spares: Vec::new(),
        }
    }
}

impl PartialEq for How {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pattern(one), Self::Pattern(other)) => one == other,
            // Two functions at one address do the same. The same function at two is taken for two, which costs only time.
            (Self::Matcher(one), Self::Matcher(other)) => std::ptr::fn_addr_eq(one.find, other.find),
            (Self::Own(one), Self::Own(other)) => one == other,
            (Self::Matcher(_) | Self::Own(_) | Self::Pattern(_), _) => false,
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        let Self { whole, before, after, edges, entropy, check, not } = self;
        let same_check = match (check, other.check) {
            (None, None) => true,
            (Some(one), Some(other)) => std::ptr::fn_addr_eq(*one, other),
            (Some(_), None) | (None, Some(_)) => false,
        };
        let numbers = (before, after, edges, entropy) == (&other.before, &other.after, &other.edges, &other.entropy);
        same_check && numbers && (whole, not) == (&other.whole, &other.not)
    }
}

impl Edges {
    /// Whether a byte beside a match belongs to a longer one.
    pub(super) fn holds(self, byte: u8) -> bool {
        match self {
            Self::Token => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Word => byte.is_ascii_alphanumeric(),
            Self::Digit => byte.is_ascii_digit(),
            Self::None => false,
        }
    }
}
