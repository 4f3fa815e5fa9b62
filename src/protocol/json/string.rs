//! Strings: finding their end, decoding escapes, mapping decoded offsets back, and writing them.

use super::ParseError;
use crate::blocks::string_end;

/// What one pass over a string found.
pub(super) struct Scanned {
    /// The offset of the closing quote.
    pub(super) close: usize,
    /// Whether the string holds escapes; then its decoded form was appended to the arena.
    pub(super) escaped: bool,
}

/// Reads the string whose first byte after the opening quote is at `start`. A string with escapes is decoded to the end of
/// `arena`, one without is not copied.
pub(super) fn scan(text: &str, start: usize, arena: &mut String) -> Result<Scanned, ParseError> {
    let bytes = text.as_bytes();
    let stop = string_end(bytes, start);
    if bytes.get(stop) == Some(&b'"') {
        return Ok(Scanned { close: stop, escaped: false });
    }
    let close = decode(text, start, stop, arena)?;
    Ok(Scanned { close, escaped: true })
}

/// Decodes from `start`, of which the bytes up to `stop` are known to be plain. Returns the offset of the closing quote.
fn decode(text: &str, start: usize, stop: usize, arena: &mut String) -> Result<usize, ParseError> {
    let bytes = text.as_bytes();
    if arena.is_empty() {
        // Decoded text is never longer than raw text, so this is all the arena will need; what stays unused is not touched.
        arena.reserve(text.len() - start);
    }
    let (mut run, mut stop) = (start, stop);
    loop {
        // INVARIANT: `run` and `stop` are next to ASCII bytes or at the end, so they are character boundaries.
        arena.push_str(text.get(run..stop).unwrap_or_default());
        match bytes.get(stop) {
            Some(b'"') => return Ok(stop),
            Some(b'\\') => {
                let escape = escape_at(bytes, stop)?;
                arena.push(escape.character);
                run = stop + escape.length;
                stop = string_end(bytes, run);
            }
            Some(_) => return Err(ParseError::ControlCharacter { offset: stop }),
            None => return Err(ParseError::UnexpectedEnd { offset: stop }),
        }
    }
}

struct Escape {
    character: char,
    /// Bytes of the escape: 2, 6, or 12 for a surrogate pair.
    length: usize,
}

fn escape_at(bytes: &[u8], at: usize) -> Result<Escape, ParseError> {
    let character = match bytes.get(at + 1) {
        Some(&same @ (b'"' | b'\\' | b'/')) => char::from(same),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape_at(bytes, at),
        Some(_) => return Err(ParseError::BadEscape { offset: at }),
        None => return Err(ParseError::UnexpectedEnd { offset: at + 1 }),
    };
    Ok(Escape { character, length: 2 })
}

fn unicode_escape_at(bytes: &[u8], at: usize) -> Result<Escape, ParseError> {
    let first = code_unit_at(bytes, at)?;
    if let Some(character) = char::from_u32(first) {
        return Ok(Escape { character, length: 6 });
    }
    let lone = ParseError::LoneSurrogate { offset: at };
    if first >= 0xDC00 || bytes.get(at + 6..at + 8) != Some(br"\u") {
        return Err(lone);
    }
    let second = code_unit_at(bytes, at + 6)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(lone);
    }
    let character = char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(lone)?;
    Ok(Escape { character, length: 12 })
}

fn code_unit_at(bytes: &[u8], at: usize) -> Result<u32, ParseError> {
    let mut unit = 0;
    for digit in at + 2..at + 6 {
        let byte = *bytes.get(digit).ok_or(ParseError::UnexpectedEnd { offset: digit })?;
        let value = char::from(byte).to_digit(16).ok_or(ParseError::BadEscape { offset: at })?;
        unit = unit << 4 | value;
    }
    Ok(unit)
}

/// Maps offsets in the decoded form of one string to offsets in its raw form. Asked in rising order, it walks the string once.
pub(super) struct OffsetMap<'a> {
    bytes: &'a [u8],
    raw: usize,
    decoded: usize,
    escaped: bool,
}

impl<'a> OffsetMap<'a> {
    /// `raw` is the offset in `bytes` of the first byte after the opening quote of a string that was accepted.
    pub(super) fn new(bytes: &'a [u8], raw: usize, escaped: bool) -> Self {
        Self { bytes, raw, decoded: 0, escaped }
    }

    /// The raw offset of the decoded offset `target`, a character boundary of the string, not below the one asked before.
    pub(super) fn raw_at(&mut self, target: usize) -> usize {
        while self.decoded < target {
            let rest = self.bytes.get(self.raw..).unwrap_or_default();
            let wanted = target - self.decoded;
            let plain =
                if self.escaped { memchr::memchr(b'\\', rest.get(..wanted).unwrap_or(rest)).unwrap_or(wanted) } else { wanted };
            self.raw += plain;
            self.decoded += plain;
            if self.decoded < target {
                // INVARIANT: the parser accepted this escape; a failure could only mean a foreign document.
                let Ok(escape) = escape_at(self.bytes, self.raw) else { break };
                self.raw += escape.length;
                self.decoded += escape.character.len_utf8();
            }
        }
        self.raw
    }
}

/// Appends `text` as the inside of a JSON string, escaping what must be and nothing else.
pub(super) fn escape_into(out: &mut String, text: &str) {
    let mut run = 0;
    loop {
        let stop = string_end(text.as_bytes(), run);
        out.push_str(text.get(run..stop).unwrap_or_default());
        let Some(&byte) = text.as_bytes().get(stop) else { return };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            _ => {
                out.push_str("\\u00");
                out.extend([byte >> 4, byte & 0xf].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0')));
            }
        }
        run = stop + 1;
    }
}
