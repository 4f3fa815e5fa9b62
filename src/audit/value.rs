//! Canonical JSON values written straight into one buffer, within a limit that no input can pass.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};

use super::canonical::INTEGER_MAX;
use crate::blocks::string_end;
use crate::master_key::hex;

/// Longest string value, escapes included. Names, ids and hashes are far below; what is longer is content, and content
/// does not belong in a record.
pub(crate) const STRING_MAX: usize = 1024;

/// Room for the marker that ends a cut string: `…[cut 18446744073709551615 bytes, sha256 <64>]`.
const MARKER_MAX: usize = 112;

/// The end of a record under construction, and how far it may grow.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    pub(crate) text: &'a mut String,
    /// The length `text` must not pass.
    pub(crate) limit: usize,
    /// Members and elements left out for want of room.
    pub(crate) omitted: &'a mut u64,
}

/// Writes the members of one object. Keys must ascend (checked in debug builds, repaired by sorting in release builds)
/// and consist of printable ASCII without `"` and `\`. What does not fit is left out and counted in the record's `cut`.
#[derive(Debug)]
pub struct ObjectWriter<'a> {
    sink: Sink<'a>,
    start: usize,
    last: &'static str,
    ordered: bool,
}

/// Writes the elements of one array. What does not fit is left out and counted in the record's `cut`.
#[derive(Debug)]
pub struct ListWriter<'a> {
    sink: Sink<'a>,
    start: usize,
}

impl ObjectWriter<'_> {
    /// A string. Over 1 KiB it is cut, and ends in its full length and SHA-256.
    pub fn text(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.member(key, |sink| sink.string(value))
    }

    /// An integer; beyond 2^53-1 it becomes a string, since JSON readers would round it.
    pub fn integer(&mut self, key: &'static str, value: impl Into<i128>) -> &mut Self {
        let value = value.into();
        self.member(key, |sink| sink.integer(value))
    }

    /// A count of things in memory.
    pub fn count(&mut self, key: &'static str, value: usize) -> &mut Self {
        self.integer(key, u64::try_from(value).unwrap_or(u64::MAX))
    }

    /// A boolean.
    pub fn flag(&mut self, key: &'static str, value: bool) -> &mut Self {
        self.member(key, |sink| sink.flag(value))
    }

    /// A nested object.
    pub fn object(&mut self, key: &'static str, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        self.member(key, |sink| sink.object(fill))
    }

    /// An array.
    pub fn list(&mut self, key: &'static str, fill: impl FnOnce(&mut ListWriter<'_>)) -> &mut Self {
        self.member(key, |sink| sink.list(fill))
    }

    /// Text that is canonical JSON already, taken from another record.
    pub(crate) fn raw(&mut self, key: &'static str, value: &str) -> &mut Self {
        self.member(key, |sink| sink.raw(value))
    }

    fn member(&mut self, key: &'static str, write: impl FnOnce(&mut Sink<'_>)) -> &mut Self {
        let first = self.sink.text.len() == self.start;
        let ascends = first || self.last < key;
        debug_assert!(ascends, "key `{key}` must come before `{}`", self.last);
        if !self.sink.fits(key) {
            return self;
        }
        self.ordered &= ascends;
        self.last = key;
        if !first {
            self.sink.text.push(',');
        }
        self.sink.key(key);
        write(&mut self.sink);
        self
    }
}

impl ListWriter<'_> {
    /// A string. Over 1 KiB it is cut, and ends in its full length and SHA-256.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.element(|sink| sink.string(value))
    }

    /// An integer; beyond 2^53-1 it becomes a string.
    pub fn integer(&mut self, value: impl Into<i128>) -> &mut Self {
        let value = value.into();
        self.element(|sink| sink.integer(value))
    }

    /// An object.
    pub fn object(&mut self, fill: impl FnOnce(&mut ObjectWriter<'_>)) -> &mut Self {
        self.element(|sink| sink.object(fill))
    }

    fn element(&mut self, write: impl FnOnce(&mut Sink<'_>)) -> &mut Self {
        if !self.sink.fits("") {
            return self;
        }
        if self.sink.text.len() != self.start {
            self.sink.text.push(',');
        }
        write(&mut self.sink);
        self
    }
}

impl Sink<'_> {
    /// Is there room for the key and the shortest form of any value? If not, counts the member as left out.
    pub(crate) fn fits(&mut self, key: &str) -> bool {
        let plain = key.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\');
        debug_assert!(plain, "key `{key}` must be plain ASCII");
        let fits = plain && self.text.len() + key.len() + 8 + MARKER_MAX <= self.limit;
        *self.omitted += u64::from(!fits);
        fits
    }

    fn key(&mut self, key: &str) {
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
    }

    pub(crate) fn integer(&mut self, value: i128) {
        let quote = if value.unsigned_abs() > u128::from(INTEGER_MAX) { "\"" } else { "" };
        self.text.push_str(quote);
        let _ = write!(self.text, "{value}");
        self.text.push_str(quote);
    }

    pub(crate) fn flag(&mut self, value: bool) {
        self.text.push_str(if value { "true" } else { "false" });
    }

    pub(crate) fn raw(&mut self, value: &str) {
        if self.text.len() + value.len() <= self.limit {
            self.text.push_str(value);
        } else {
            *self.omitted += 1;
            self.text.push_str("\"\"");
        }
    }

    pub(crate) fn string(&mut self, value: &str) {
        let room = self.limit.saturating_sub(self.text.len() + 2).min(STRING_MAX);
        self.text.push('"');
        if value.len() <= room && string_end(value.as_bytes(), 0) == value.len() {
            self.text.push_str(value);
        } else {
            self.escaped(value, room);
        }
        self.text.push('"');
    }

    /// RFC 8785 section 3.2.2.2. Cuts between characters, so that neither an escape nor a code point is split.
    fn escaped(&mut self, value: &str, room: usize) {
        let start = self.text.len();
        let mut last_cut = start;
        for character in value.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\u{8}' => self.text.push_str("\\b"),
                '\t' => self.text.push_str("\\t"),
                '\n' => self.text.push_str("\\n"),
                '\u{c}' => self.text.push_str("\\f"),
                '\r' => self.text.push_str("\\r"),
                '\0'..='\u{1f}' => {
                    self.text.push_str("\\u00");
                    self.text.push(if character < '\u{10}' { '0' } else { '1' });
                    self.text.push(char::from_digit(u32::from(character) & 0x0f, 16).unwrap_or('0'));
                }
                _ => self.text.push(character),
            }
            let written = self.text.len() - start;
            if written + MARKER_MAX <= room {
                last_cut = self.text.len();
            }
            if written > room {
                self.text.truncate(last_cut);
                // The hash lets an auditor who holds the full value prove that it is the one.
                let digest = sha256_hex(value.as_bytes());
                let _ = write!(self.text, "\u{2026}[cut {} bytes, sha256 {digest}]", value.len());
                return;
            }
        }
    }

    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.text.push('{');
        let start = self.text.len();
        let mut writer = ObjectWriter { sink: self.inner(), start, last: "", ordered: true };
        fill(&mut writer);
        if !writer.ordered {
            sort_members(self.text, start);
        }
        self.text.push('}');
    }

    pub(crate) fn list(&mut self, fill: impl FnOnce(&mut ListWriter<'_>)) {
        self.text.push('[');
        let start = self.text.len();
        fill(&mut ListWriter { sink: self.inner(), start });
        self.text.push(']');
    }

    /// One byte less, for the bracket that closes.
    fn inner(&mut self) -> Sink<'_> {
        Sink { text: self.text, limit: self.limit.saturating_sub(1), omitted: self.omitted }
    }
}

/// Puts the members written from `start` on into ascending order and keeps the first of equal keys. Only reached when
/// code of ours broke the contract of [`ObjectWriter`]: the record must still be one that every verifier accepts.
fn sort_members(text: &mut String, start: usize) {
    let tail = text.split_off(start);
    let mut members: Vec<&str> = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut from) = (0_u32, false, false, 0);
    for (at, byte) in tail.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                members.push(tail.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    members.push(tail.get(from..).unwrap_or_default());
    // A key has no escapes, so the second quote ends it.
    let key = |member: &&str| member.split('"').nth(1).unwrap_or_default().to_owned();
    members.sort_by_key(key);
    members.dedup_by_key(|member| key(member));
    text.push_str(&members.join(","));
}

/// SHA-256 of whole bytes, for what is not a leaf: cut strings and quarantined bytes.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

#[cfg(test)]
mod tests {
    use super::super::canonical::canonical_members;
    use super::*;

    fn string(value: &str) -> String {
        let (mut text, mut omitted) = (String::new(), 0);
        Sink { text: &mut text, limit: 15_000, omitted: &mut omitted }.string(value);
        text
    }

    #[test]
    fn strings_are_escaped_as_rfc_8785_says() {
        assert_eq!(
            string("a\u{8}\t\n\u{c}\r\"\\/\u{0}\u{b}\u{1f}\u{7f}\u{e9}"),
            "\"a\\b\\t\\n\\f\\r\\\"\\\\/\\u0000\\u000b\\u001f\u{7f}\u{e9}\""
        );
    }

    #[test]
    fn a_long_string_is_cut_between_characters_and_says_so() {
        for value in ["\u{1f600}".repeat(2_000), "\0".repeat(5_000), "a".repeat(1_025), "\"".repeat(513)] {
            let cut = string(&value);
            assert!(cut.len() <= STRING_MAX + 2, "{}", cut.len());
            assert!(cut.contains(&format!("[cut {} bytes, sha256 {}]", value.len(), sha256_hex(value.as_bytes()))));
            let line = format!("{{\"a\":{cut}}}");
            assert_eq!(canonical_members(line.as_bytes(), |_, _| ()), Ok(()));
        }
        assert_eq!(string(&"a".repeat(1_024)).len(), 1_026);
    }

    #[test]
    fn disordered_members_are_sorted_and_the_first_of_equals_kept() {
        let mut text = String::from(r#"x{"b":"q,\"}","a":{"z":[1,2]},"b":1,"#);
        text.push_str(r#""aa":[",",{"k":","}]"#);
        sort_members(&mut text, 2);
        assert_eq!(text, r#"x{"a":{"z":[1,2]},"aa":[",",{"k":","}],"b":"q,\"}""#);
    }
}
