//! What callers hand to the log: a kind and members of their own. The writer adds index, chain, name, time and version.
//!
//! A draft can hold anything and still become one line of at most 16 KiB: strings are cut with a marker, and members for
//! which no room is left are counted in `cut`. A record is never lost for being too large.

use super::canonical::LINE_MAX;
use super::value::{ListWriter, ObjectWriter, Sink};

/// Version of the record format.
pub const FORMAT_VERSION: u64 = 1;

/// Room the caller's members share. The rest of the line is for the writer's members, whose size is bounded by the
/// limits on names.
const BODY_MAX: usize = LINE_MAX - 1_024;

/// Room for one top-level member: four full ones (`dec`, `out`, `what`, `who`) fit, so none can crowd out another.
const FIELD_MAX: usize = 3_584;

/// Members that the writer adds; a caller cannot supply them.
const RESERVED: [&str; 7] = ["cut", "i", "kind", "log", "prev", "t", "v"];

/// What a record is about. The names are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An action of an administrator.
    Admin,
    /// A rule of `alerts:` has found something in the log.
    Alert,
    /// A credential that was refused; aggregated with exact counts under flood.
    AuthFailure,
    /// What was decided about a message. With `open` it waits for its outcome.
    CallDecision,
    /// How an allowed call ended.
    CallOutcome,
    /// The wall clock was moved by more than a second. The only kind whose time may lie before its predecessor's.
    ClockStep,
    /// Configuration took effect.
    ConfigChange,
    /// A subject was erased.
    Erasure,
    /// Records left for another system.
    Export,
    /// A legal hold was set or lifted.
    Hold,
    /// A new signing key.
    KeyRotate,
    /// A kill switch was thrown or reset.
    Killswitch,
    /// A policy took effect.
    PolicyChange,
    /// Sealed segments were removed by retention.
    Prune,
    /// What a start found unfinished and repaired.
    Recovery,
    /// A replica joined.
    ReplicaJoin,
    /// A replica left.
    ReplicaLeave,
    /// A process began to serve.
    Start,
    /// A process stopped in order.
    Stop,
    /// Part of a stream that was released.
    StreamSegment,
    /// Sign of life, and at the start of a segment the calls that are still open.
    Tick,
    /// A tool definition was pinned, changed or approved.
    ToolPin,
    /// Content was read from the vault.
    VaultRead,
}

impl Kind {
    /// The name in the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Alert => "alert",
            Self::AuthFailure => "auth.failure",
            Self::CallDecision => "call.decision",
            Self::CallOutcome => "call.outcome",
            Self::ClockStep => "clock.step",
            Self::ConfigChange => "config.change",
            Self::Erasure => "erasure",
            Self::Export => "export",
            Self::Hold => "hold",
            Self::KeyRotate => "key.rotate",
            Self::Killswitch => "killswitch",
            Self::PolicyChange => "policy.change",
            Self::Prune => "prune",
            Self::Recovery => "recovery",
            Self::ReplicaJoin => "replica.join",
            Self::ReplicaLeave => "replica.leave",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::StreamSegment => "stream.segment",
            Self::Tick => "tick",
            Self::ToolPin => "tool.pin",
            Self::VaultRead => "vault.read",
        }
    }
}

/// A record before the writer has seen it. Top-level members may be added in any order.
#[derive(Debug)]
pub struct Draft {
    kind: Kind,
    /// All values, one after the other, each already canonical.
    values: String,
    fields: Vec<Field>,
    omitted: u64,
}

/// Where in `values` a member's value stands.
#[derive(Debug)]
struct Field {
    key: &'static str,
    start: usize,
    end: usize,
}

impl Draft {
    /// An empty draft.
    pub fn new(kind: Kind) -> Self {
        Self { kind, values: String::with_capacity(1_024), fields: Vec::with_capacity(8), omitted: 0 }
    }

    /// What it is about.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A string. Over 1 KiB it is cut, and ends in its full length and SHA-256.
    pub fn text(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.field(key, |sink| sink.string(value))
    }

    /// An integer; beyond 2^53-1 it becomes a string, since JSON readers would round it.
    pub fn integer(&mut self, key: &'static str, value: impl Into<i128>) -> &mut Self {
        let value = value.into();
        self.field(key, |sink| sink.integer(value))
    }

    /// A boolean.
    pub fn flag(&mut self, key: &'static str, value: bool) -> &mut Self {
        self.field(key, |sink| sink.flag(value))
    }

    /// An object.
    pub fn object(&mut self, key: &'static str, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        self.field(key, |sink| sink.object(fill))
    }

    /// An array.
    pub fn list(&mut self, key: &'static str, fill: impl FnOnce(&mut ListWriter<'_>)) -> &mut Self {
        self.field(key, |sink| sink.list(fill))
    }

    /// Says that this decision will have an outcome under the same `call`. If the process dies before it, the next start
    /// writes the outcome `unknown`.
    pub fn expects_outcome(&mut self) -> &mut Self {
        self.flag("open", true)
    }

    /// Text that is canonical JSON already, taken from another record.
    pub(crate) fn raw_member(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.field(key, |sink| sink.raw(value))
    }

    /// The raw text of `call`, quotes included, which ties decision and outcome together.
    pub(crate) fn call(&self) -> Option<&str> {
        self.raw("call")
    }

    /// Is this a decision that waits for an outcome?
    pub(crate) fn is_open(&self) -> bool {
        self.kind == Kind::CallDecision && self.raw("open") == Some("true")
    }

    /// Appends the line, without newline, to `out`: the members of both sides in the one order the format knows.
    pub(crate) fn write_line(&mut self, owned: &OwnedMembers<'_>, out: &mut Vec<u8>) {
        if self.omitted > 0 {
            let start = self.values.len();
            self.values.push_str(&self.omitted.to_string());
            self.fields.push(Field { key: "cut", start, end: self.values.len() });
        }
        self.fields.sort_by_key(|field| field.key);
        let index = owned.index.to_string();
        let version = FORMAT_VERSION.to_string();
        let owned: [(&str, &[&[u8]]); 6] = [
            ("i", &[index.as_bytes()]),
            ("kind", &[b"\"", self.kind.as_str().as_bytes(), b"\""]),
            ("log", &[b"\"", owned.log.as_bytes(), b"\""]),
            ("prev", &[b"\"", owned.prev, b"\""]),
            ("t", &[b"\"", owned.time.as_bytes(), b"\""]),
            ("v", &[version.as_bytes()]),
        ];
        let mut caller = self.fields.iter().map(|field| (field.key, self.value(field))).peekable();
        out.push(b'{');
        for (key, value) in owned {
            while let Some((key, value)) = caller.next_if(|(caller_key, _)| *caller_key < key) {
                push_member(out, key, &[value.as_bytes()]);
            }
            push_member(out, key, value);
        }
        for (key, value) in caller {
            push_member(out, key, &[value.as_bytes()]);
        }
        out.push(b'}');
    }

    fn raw(&self, key: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.key == key).map(|field| self.value(field))
    }

    fn value(&self, field: &Field) -> &str {
        self.values.get(field.start..field.end).unwrap_or_default()
    }

    fn field(&mut self, key: &'static str, write: impl FnOnce(&mut Sink<'_>)) -> &mut Self {
        let usable = !RESERVED.contains(&key) && self.fields.iter().all(|field| field.key != key);
        debug_assert!(usable, "member `{key}` is the writer's, or given twice");
        if !usable {
            self.omitted += 1;
            return self;
        }
        let start = self.values.len();
        let limit = BODY_MAX.min(start + FIELD_MAX);
        let mut sink = Sink { text: &mut self.values, limit, omitted: &mut self.omitted };
        if sink.fits(key) {
            write(&mut sink);
            self.fields.push(Field { key, start, end: self.values.len() });
        }
        self
    }
}

/// The members only the writer knows. All are plain ASCII without anything to escape.
#[derive(Debug)]
pub(crate) struct OwnedMembers<'a> {
    pub(crate) index: u64,
    pub(crate) log: &'a str,
    /// Hash hash of the previous record, in hexadecimal.
    pub(crate) prev: &'a [u8; 64],
    pub(crate) time: &'a str,
}

fn push_member(out: &mut Vec<u8>, key: &str, value: &[&[u8]]) {
    // The brace that opens the line is the only place without a comma before.
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
    for part in value {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::super::canonical::canonical_members;
    use super::*;
    use crate::tlog::Hash;

    fn line(mut draft: Draft) -> String {
        let prev = Hash::ZERO.hex();
        let owned = OwnedMembers { index: 7, log: "o/audit/r1", prev: &prev, time: "2026-11-21T03:00:00.341132Z" };
        let mut out = Vec::new();
        draft.write_line(&owned, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_of_both_sides_are_merged_in_order() {
        let mut draft = Draft::new(Kind::CallDecision);
        draft.text("z", "last").object("who", |who| {
            who.text("sub", "s").list("x", |x| {
                x.text("a").integer(1_u64).object(|o| {
                    o.flag("k", false);
                });
            });
        });
        draft.text("call", "c-1").expects_outcome().integer("n", u64::MAX).integer("j", -3);
        let zeros = "0".repeat(64);
        assert_eq!(
            line(draft),
            format!(
                "{{\"call\":\"c-1\",\"i\":7,\"j\":-3,\"kind\":\"call.decision\",\"log\":\"o/audit/r1\",\"n\":\"18446744073709551615\",\
                 \"open\":true,\"prev\":\"{zeros}\",\"t\":\"2026-11-21T03:00:00.341132Z\",\"v\":1,\
                 \"who\":{{\"sub\":\"s\",\"x\":[\"a\",1,{{\"k\":false}}]}},\"z\":\"last\"}}"
            )
        );
    }

    #[test]
    fn an_oversized_draft_is_still_one_canonical_line_with_all_its_top_level_members() {
        let mut draft = Draft::new(Kind::CallDecision);
        for key in ["dec", "out", "what", "who"] {
            draft.object(key, |object| {
                object.text("a", &"\u{1}".repeat(100_000));
                object.list("b", |list| {
                    for _ in 0..10_000 {
                        list.text(&"\"".repeat(700));
                    }
                });
                object.list("c", |list| {
                    list.object(|inner| {
                        inner.text("d", "left out");
                    });
                });
            });
        }
        draft.text("call", "c-1");
        let line = line(draft);
        assert!(line.len() <= LINE_MAX, "{}", line.len());
        let mut keys = Vec::new();
        canonical_members(line.as_bytes(), |key, _| keys.push(key)).unwrap();
        assert_eq!(keys, ["call", "cut", "dec", "i", "kind", "log", "out", "prev", "t", "v", "what", "who"]);
    }

    #[test]
    fn a_draft_with_countless_members_loses_only_the_last_ones() {
        const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
        let mut draft = Draft::new(Kind::Admin);
        for key in KEYS {
            draft.list(key, |list| {
                for _ in 0..4 {
                    list.text(&"x".repeat(1_000));
                }
            });
        }
        let line = line(draft);
        assert!(line.len() <= LINE_MAX, "{}", line.len());
        assert_eq!(canonical_members(line.as_bytes(), |_, _| ()), Ok(()));
        assert!(line.contains("\"cut\":"));
    }
}
