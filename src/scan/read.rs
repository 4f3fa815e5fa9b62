//! Reads files of detectors.

use std::ops::RangeInclusive;

use super::Class;
use super::checks;
use super::detector::{Anchor, Check, Detector, Edges, How, Matcher, Near, Pattern};
use super::kind::kept;
use super::matchers;
use super::verify::{github_crc32, yett_crc32};
use crate::yaml::{Fields, Invalid, Node, Report, choice, closest, number, parsed, read, text, version};

/// Shortest literal to search for, in bytes: shorter ones stand in every text.
const SHORTEST: usize = 3;

/// How long the name of a kind is: tokens carry it.
const KIND: RangeInclusive<usize> = 2..=32;

/// How far a match may reach around its anchor, in bytes.
const BEFORE: RangeInclusive<usize> = 0..=64;
const AFTER: RangeInclusive<usize> = 1..=4096;

/// A detector, and where its row stands.
#[derive(Debug)]
pub(super) struct Written<'t> {
    pub(super) detector: Detector,
    pub(super) node: &'t Node,
}

/// Reads one file; `None` where it cannot be read as one. What is wrong stands in `report`.
pub fn detectors(name: &str, bytes: &[u8], report: &mut Report) -> Option<Vec<Detector>> {
    let node = read(name, bytes, report)?;
    Some(rows(&node, report)?.into_iter().map(|written| written.detector).collect())
}

/// The rows of one file in which nothing is wrong.
pub(super) fn rows<'t>(node: &'t Node, report: &mut Report) -> Option<Vec<Written<'t>>> {
    let mut fields = Fields::of(node, "", report)?;
    // Another version has other keys: every further message would be a guess.
    fields.required("version", version)?;
    let rows = fields.required_list("detectors", |node, report| {
        let before = report.errors();
        let detector = detector(node, report)?;
        (report.errors() == before).then_some(Written { detector, node })
    });
    fields.finish(&[]);
    Some(rows)
}

fn detector(node: &Node, report: &mut Report) -> Option<Detector> {
    let mut fields = Fields::of(node, "detectors[]", report)?;
    let id = fields.required("id", parsed(id));
    let kind = fields.required("kind", parsed(kind));
    let title = fields.required("title", text);
    let source = fields.required("source", text);
    let misses = fields.required("misses", text);
    let literals = fields.list("anchors", parsed(literal));
    let run = fields.optional("anchor", choice(RUNS, &[]));
    let anchor = match (fields.has("anchors"), fields.has("anchor")) {
        (true, false) => Some(Anchor::Literals(literals)),
        (false, true) => run.map(Run::anchor),
        (false, false) | (true, true) => {
            let place = fields.place("id");
            fields.report().error(place, "a detector has `anchors` or `anchor`").hint("`anchors: [ghp_]`, or `anchor: digits`");
            None
        }
    };
    let matcher = fields.optional("matcher", matcher);
    let how = if fields.has("matcher") { matcher.map(How::Matcher) } else { pattern(&mut fields).map(How::Pattern) };
    let near = fields.optional("near", near);
    let finds = fields.required_list("finds", text);
    let spares = fields.required_list("spares", text);
    fields.finish(&[]);
    Some(Detector {
        id: id?,
        kind: kind?,
        title: title?,
        source: source?,
        misses: misses?,
        anchor: anchor?,
        how: how?,
        near,
        finds,
        spares,
    })
}

fn pattern(fields: &mut Fields<'_, '_>) -> Option<Pattern> {
    let whole = fields.required("pattern", text);
    let before = fields.optional("before", number(BEFORE)).unwrap_or_default();
    let after = fields.required("after", number(AFTER));
    let edges = fields.optional("edges", choice(EDGES, &[])).unwrap_or_default();
    let entropy = fields.optional("entropy", parsed(entropy));
    let check = fields.optional("check", check);
    let not = fields.list("not", text);
    Some(Pattern { whole: whole?, before, after: after?, edges, entropy, check, not })
}

/// An anchor that is no literal.
#[derive(Clone, Copy)]
enum Run {
    Digits,
    At,
    Base64,
}

const RUNS: &[(&str, Run)] = &[("digits", Run::Digits), ("at", Run::At), ("base64", Run::Base64)];

const EDGES: &[(&str, Edges)] = &[("token", Edges::Token), ("word", Edges::Word), ("digit", Edges::Digit), ("none", Edges::None)];

impl Run {
    fn anchor(self) -> Anchor {
        match self {
            Self::Digits => Anchor::Digits,
            Self::At => Anchor::At,
            Self::Base64 => Anchor::Base64,
        }
    }
}

fn near(node: &Node, report: &mut Report) -> Option<Near> {
    let mut fields = Fields::of(node, "detectors[].near", report)?;
    let words = fields.required_list("words", text);
    let within = fields.required("within", number(1..=256));
    fields.finish(&[]);
    Some(Near { words, within: within? })
}

fn id(text: &str) -> Result<String, Invalid> {
    let good = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_class(text) {
        return Err(Invalid::new("is the name of a class", "name what this detector finds: `acme-deploy-key`"));
    }
    if good && (2..=63).contains(&text.len()) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new("is not a name of a detector", "2 to 63 of a-z, 0-9 and `-`"))
}

fn kind(text: &str) -> Result<&'static str, Invalid> {
    let good = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_class(text) {
        return Err(Invalid::new("is the name of a class", "name a coarser kind of what is found: `acme_key`"));
    }
    if good && KIND.contains(&text.len()) {
        return Ok(kept(text));
    }
    Err(Invalid::new("is not a kind", "2 to 32 of a-z, 0-9 and `_`"))
}

/// SECURITY: a rule that names the class would mean these rows as well.
fn is_class(text: &str) -> bool {
    [Class::Own, Class::Pii, Class::Secrets].iter().any(|class| class.name() == text)
}

fn literal(text: &str) -> Result<String, Invalid> {
    if text.len() < SHORTEST {
        return Err(Invalid::new("is too short to be searched for", "at least three bytes, and rare ones"));
    }
    Ok(text.to_owned())
}

fn entropy(text: &str) -> Result<f64, Invalid> {
    let bits: Option<f64> = text.parse().ok();
    bits.filter(|bits| (0.0..=8.0).contains(bits)).ok_or_else(|| Invalid::new("is no entropy", "bits a character: 0 to 8"))
}

const CRC: &[(&str, Check)] = &[("github_crc32", github_crc32), ("yett_crc32", yett_crc32)];

fn check(node: &Node, report: &mut Report) -> Option<Check> {
    let of_name =
        |text: &str| CRC.iter().find(|(name, _)| *name == text).map(|(_, check)| *check).or_else(|| checks::named(text));
    let names = || CRC.iter().map(|(name, _)| *name).chain(checks::names());
    code(node, of_name, names, "check", report)
}

fn matcher(node: &Node, report: &mut Report) -> Option<Matcher> {
    code(node, matchers::named, matchers::names, "matcher", report)
}

/// What a row has of the program, by its name.
fn code<T, N: Iterator<Item = &'static str>>(
    node: &Node,
    of_name: impl Fn(&str) -> Option<T>,
    names: impl Fn() -> N,
    what: &str,
    report: &mut Report,
) -> Option<T> {
    let written = text(node, report)?;
    let found = of_name(&written);
    if found.is_none() {
        let hint = match closest(&written, names()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("accepted: {}", names().collect::<Vec<_>>().join(", ")),
        };
        report.error(node.place, format!("there is no {what} `{written}`")).hint(hint);
    }
    found
}
