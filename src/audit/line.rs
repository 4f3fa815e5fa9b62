//! The members of a stored line that chain, verification and recovery look at.

use super::canonical::{INTEGER_MAX, NotCanonical, canonical_members};
use super::record::FORMAT_VERSION;
use super::stamp::Stamp;
use crate::tlog::{Frontier, Hash};

/// What the writer put into a record, and the caller's members that have a meaning for the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line<'a> {
    pub(crate) index: u64,
    pub(crate) kind: &'a str,
    pub(crate) log: &'a str,
    pub(crate) prev: Hash,
    pub(crate) time: Stamp,
    /// Raw, quotes included: canonical text is equal exactly when its value is.
    pub(crate) call: Option<&'a str>,
    /// A decision that waits for an outcome.
    pub(crate) open: bool,
    /// Raw list of calls open at the start of a segment.
    pub(crate) carry: Option<&'a str>,
    /// Raw: the frontier of the tree before this record.
    pub(crate) tree: Option<&'a str>,
    /// Raw: the keys that a `key.rotate` announces.
    pub(crate) epoch: Option<&'a str>,
    /// Raw: what a `prune` record says.
    pub(crate) prune: Option<&'a str>,
    /// Durability mode from here on.
    pub(crate) mode: Option<&'a str>,
    /// Bytes that a recovery moved to quarantine.
    pub(crate) quarantined: u64,
}

/// A [`Line`] that does not hold on to the bytes: where in them its members stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    index: u64,
    prev: Hash,
    time: Stamp,
    open: bool,
    quarantined: u64,
    kind: Span,
    log: Span,
    call: Option<Span>,
    carry: Option<Span>,
    tree: Option<Span>,
    epoch: Option<Span>,
    prune: Option<Span>,
    mode: Option<Span>,
}

/// Lines are short: two bytes each would do for all but hostile ones.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
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
        let (mut tree, mut epoch, mut what) = (None, None, None);
        canonical_members(line, |key, raw| match key {
            "call" => call = Some(raw),
            "carry" => carry = Some(raw),
            "epoch" => epoch = Some(raw),
            "i" => index = integer(raw),
            "kind" => kind = plain(raw),
            "log" => log = plain(raw),
            "mode" => mode = plain(raw),
            "open" => open = raw == "true",
            "prev" => prev = plain(raw).and_then(|hex| Hash::from_hex(hex.as_bytes())),
            "recovery" => recovery = Some(raw),
            "tree" => tree = Some(raw),
            "t" => time = plain(raw).and_then(Stamp::parse),
            "v" => version = integer(raw),
            "what" => what = Some(raw),
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
            tree: tree.filter(|_| kind == "tick"),
            epoch: epoch.filter(|_| kind == "key.rotate"),
            prune: what.filter(|_| kind == "prune"),
            mode,
            quarantined: recovery.and_then(|raw| nested_integer(raw, "bytes")).unwrap_or(0),
        })
    }
}

impl Line<'_> {
    /// The same without hold on `bytes`, which it was read from.
    pub(crate) fn marks(&self, bytes: &[u8]) -> Marks {
        let span = |part: &str| Span::of(part, bytes);
        Marks {
            index: self.index,
            prev: self.prev,
            time: self.time,
            open: self.open,
            quarantined: self.quarantined,
            kind: span(self.kind),
            log: span(self.log),
            call: self.call.map(span),
            carry: self.carry.map(span),
            tree: self.tree.map(span),
            epoch: self.epoch.map(span),
            prune: self.prune.map(span),
            mode: self.mode.map(span),
        }
    }
}

impl Marks {
    /// The line, in the bytes it was read from.
    pub(crate) fn line<'a>(&self, bytes: &'a [u8]) -> Line<'a> {
        let part = |span: Span| span.within(bytes);
        Line {
            index: self.index,
            kind: part(self.kind),
            log: part(self.log),
            prev: self.prev,
            time: self.time,
            call: self.call.map(part),
            open: self.open,
            carry: self.carry.map(part),
            tree: self.tree.map(part),
            epoch: self.epoch.map(part),
            prune: self.prune.map(part),
            mode: self.mode.map(part),
            quarantined: self.quarantined,
        }
    }
}

impl Span {
    fn of(part: &str, bytes: &[u8]) -> Self {
        let start = part.as_ptr().addr().saturating_sub(bytes.as_ptr().addr());
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: place(start), end: place(start + part.len()) }
    }

    fn within(self, bytes: &[u8]) -> &str {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        // It was UTF-8 as a whole, and cut where a member begins and ends.
        str::from_utf8(bytes.get(place(self.start)..place(self.end)).unwrap_or_default()).unwrap_or_default()
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

/// The frontier in the `tree` of a `tick`.
pub(crate) fn frontier(raw: &str) -> Option<Frontier> {
    let (mut size, mut hashes) = (None, None);
    nested(raw, |key, raw| match key {
        "hashes" => hashes = raw.strip_prefix('[').and_then(|raw| raw.strip_suffix(']')),
        "n" => size = integer(raw),
        _ => {}
    })?;
    let hashes = hashes?.split(',').map(|raw| Hash::from_hex(plain(raw)?.as_bytes())).collect::<Option<Vec<_>>>()?;
    Frontier::from_parts(size?, &hashes).ok()
}

/// Calls `visit` with the members of an object in a record; `None` when it is none.
pub(crate) fn nested<'a>(raw: &'a str, visit: impl FnMut(&'a str, &'a str)) -> Option<()> {
    canonical_members(raw.as_bytes(), visit).ok()
}

fn nested_integer(raw: &str, wanted: &str) -> Option<u64> {
    let mut found = None;
    nested(raw, |key, raw| {
        if key == wanted {
            found = integer(raw);
        }
    })?;
    found
}

pub(crate) fn integer(raw: &str) -> Option<u64> {
    raw.parse().ok().filter(|value| *value <= INTEGER_MAX)
}

/// The content of a string that needs no escapes.
pub(crate) fn plain(raw: &str) -> Option<&str> {
    let content = raw.strip_prefix('"')?.strip_suffix('"')?;
    (!content.contains('\\')).then_some(content)
}

/// Kinds this build does not know are records too; their names still have a form.
fn is_kind(kind: &str) -> bool {
    (1..=32).contains(&kind.len()) && kind.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'.'))
}
