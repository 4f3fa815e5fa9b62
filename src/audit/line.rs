//! The members of a stored line that chain, verification and recovery look at.

use super::canonical::{INTEGER_MAX, NotCanonical, canonical_members};
use super::hash::Leaf;
use super::record::FORMAT_VERSION;
use super::stamp::Stamp;

/// What the writer put into a record, and the caller's members that have a meaning for the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) index: u64,
    pub(crate) kind: &'a str,
    pub(crate) log: &'a str,
    pub(crate) prev: Leaf,
    pub(crate) time: Stamp,
    /// Raw, quotes included: canonical text is equal exactly when its value is.
    pub(crate) call: Option<&'a str>,
    /// A decision that waits for an outcome.
    pub(crate) open: bool,
    /// Raw list of calls open at the start of a segment.
    pub(crate) carry: Option<&'a str>,
    /// Durability mode from here on.
    pub(crate) mode: Option<&'a str>,
    /// Bytes that a recovery moved to quarantine.
    pub(crate) quarantined: u64,
}

/// Why a line is not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecord {
    /// Not in canonical form.
    #[error(transparent)]
    Form(#[from] NotCanonical),
    /// A member every record has is missing or not of its form.
    #[error("member `{0}` is missing or not of its form")]
    Member(&'static str),
}

impl<'a> Line<'a> {
    /// Reads one line, given without its newline.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, NotRecord> {
        let (mut index, mut kind, mut log, mut prev, mut time, mut version) = (None, None, None, None, None, None);
        let (mut call, mut open, mut carry, mut mode, mut recovery) = (None, false, None, None, None);
        canonical_members(line, |key, raw| match key {
            "call" => call = Some(raw),
            "carry" => carry = Some(raw),
            "i" => index = integer(raw),
            "kind" => kind = plain(raw),
            "log" => log = plain(raw),
            "mode" => mode = plain(raw),
            "open" => open = raw == "true",
            "prev" => prev = plain(raw).and_then(|hex| Leaf::from_hex(hex.as_bytes())),
            "recovery" => recovery = Some(raw),
            "t" => time = plain(raw).and_then(Stamp::parse),
            "v" => version = integer(raw),
            _ => {}
        })?;
        version.filter(|version| *version == FORMAT_VERSION).ok_or(NotRecord::Member("v"))?;
        let kind = kind.filter(|kind| is_kind(kind)).ok_or(NotRecord::Member("kind"))?;
        Ok(Self {
            index: index.ok_or(NotRecord::Member("i"))?,
            kind,
            log: log.ok_or(NotRecord::Member("log"))?,
            prev: prev.ok_or(NotRecord::Member("prev"))?,
            time: time.ok_or(NotRecord::Member("t"))?,
            call,
            open: open && kind == "call.decision",
            carry,
            mode,
            quarantined: recovery.and_then(|raw| nested_integer(raw, "bytes")).unwrap_or(0),
        })
    }
}

/// Whether torn bytes can be one batch: all whole lines among them that are records carry one time, as those of a batch do.
/// Nothing else is ever on its way to the disk, so everything else was there before, and somebody was told.
pub(crate) fn is_one_batch(torn: &[u8]) -> bool {
    let whole = torn.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let mut times = whole.filter_map(|line| Line::parse(line).ok()).map(|line| line.time);
    times.next().is_none_or(|first| times.all(|time| time == first))
}

/// The calls of a `carry` list, each with the index of its decision.
pub(crate) fn carried(raw: &str) -> Vec<(&str, u64)> {
    // Elements are objects of the form {"call":"...","i":1}; the line was found canonical before.
    let mut calls = Vec::new();
    let mut rest = raw.strip_prefix('[').unwrap_or_default();
    while let Some(end) = object_end(rest) {
        let (element, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (mut call, mut index) = (None, None);
        let whole = canonical_members(element.as_bytes(), |key, raw| match key {
            "call" => call = Some(raw),
            "i" => index = integer(raw),
            _ => {}
        });
        if let (Ok(()), Some(call), Some(index)) = (whole, call, index) {
            calls.push((call, index));
        }
        rest = tail.strip_prefix(',').unwrap_or_default();
    }
    calls
}

/// Length of the flat object at the start of `text`.
fn object_end(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes()
        .position(|byte| {
            let ends = byte == b'}' && !quoted;
            quoted ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            ends
        })
        .map(|at| at + 1)
}

fn nested_integer(raw: &str, wanted: &str) -> Option<u64> {
    let mut found = None;
    canonical_members(raw.as_bytes(), |key, raw| {
        if key == wanted {
            found = integer(raw);
        }
    })
    .ok()?;
    found
}

fn integer(raw: &str) -> Option<u64> {
    raw.parse().ok().filter(|value| *value <= INTEGER_MAX)
}

/// The content of a string that needs no escapes.
fn plain(raw: &str) -> Option<&str> {
    let content = raw.strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

/// Kinds this build does not know are records too; their names still have a form.
fn is_kind(kind: &str) -> bool {
    (1..=32).contains(&kind.len()) && kind.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'.'))
}
