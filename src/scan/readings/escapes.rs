//! What markup and escapes stand for: entities, percent signs, backslashes, and nothing at all for tags and comments.

use std::ops::Range;

use wide::u8x16;

use super::Patches;
use super::way::Rewritten;

/// A tag or comment that is longer holds text of its own, which is read where it stands.
const TAG: usize = 512;

/// The text with every escape of one level undone; `None` where there is none.
pub(super) fn decoded(text: &str) -> Option<Rewritten<'_>> {
    let mut comments = Comments { text, next: 0 };
    undone(text, &mut |start| comments.tag(start))
}

fn undone<'a>(text: &'a str, tag: &mut dyn FnMut(usize) -> Undone) -> Option<Rewritten<'a>> {
    let bytes = text.as_bytes();
    let mut patches = Patches::new(text);
    let mut at = 0;
    while let Some(start) = next(bytes, at) {
        let rest = text.get(start..).unwrap_or_default();
        let undone = match bytes.get(start) {
            Some(b'&') => entity(rest),
            Some(b'%') => percent(rest),
            Some(b'\\') => backslash(rest),
            Some(b'=') => printable(rest),
            _ => tag(start),
        };
        match undone {
            Some((length, stands_for)) => {
                patches.replace(start..start + length, &stands_for);
                at = start + length;
            }
            None => at = start + 1,
        }
    }
    patches.finish()
}

/// Where the next byte is that may begin an escape.
fn next(bytes: &[u8], from: usize) -> Option<usize> {
    // A block without one is passed over at vector speed.
    const BLOCK: usize = 16;
    let begins = |byte: &u8| matches!(byte, b'&' | b'%' | b'\\' | b'<' | b'=');
    let mut at = from;
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        let block = u8x16::new(*block);
        let is = |byte| block.simd_eq(u8x16::splat(byte));
        if (is(b'&') | is(b'%') | is(b'\\') | is(b'<') | is(b'=')).any() {
            break;
        }
        at += BLOCK;
    }
    bytes.get(at..)?.iter().position(begins).map(|found| at + found)
}

/// How many bytes an escape takes, and what it stands for.
type Undone = Option<(usize, String)>;

/// HTML Living Standard 13.5, the few that stand for ASCII or a space.
const NAMES: &[(&str, &str)] = &[
    ("amp", "&"),
    ("apos", "'"),
    ("ast", "*"),
    ("colon", ":"),
    ("comma", ","),
    ("dot", ""),
    ("excl", "!"),
    ("gt", ">"),
    ("hyphen", "-"),
    ("lbrack", "["),
    ("lowbar", "_"),
    ("lpar", "("),
    ("lsqb", "["),
    ("lt", "<"),
    ("nbsp", " "),
    ("newline", "\n"),
    ("num", "#"),
    ("period", "."),
    ("quot", "\""),
    ("rbrack", "]"),
    ("rpar", ")"),
    ("rsqb", "]"),
    ("semi", ";"),
    ("shy", ""),
    ("sol", "/"),
    ("tab", "\t"),
    ("verbar", "|"),
    ("zwj", ""),
    ("zwnj", ""),
];

fn entity(rest: &str) -> Undone {
    const LONGEST: usize = 12;
    if let Some(number) = rest.strip_prefix("&#") {
        let (radix, digits, before) = match number.strip_prefix(['x', 'X']) {
            Some(digits) => (16, digits, 3),
            None => (10, number, 2),
        };
        let length = digits.bytes().take(LONGEST).take_while(|byte| char::from(*byte).is_digit(radix)).count();
        let code = u32::from_str_radix(digits.get(..length)?, radix).ok()?;
        let closes = usize::from(digits.as_bytes().get(length) == Some(&b';'));
        return Some((before + length + closes, char::from_u32(code)?.to_string()));
    }
    let name = rest.get(1..)?;
    let end = name.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = name.get(..end)?.to_ascii_lowercase();
    let (_, stands_for) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some((end + 2, (*stands_for).to_owned()))
}

/// RFC 3986 section 2.1, as many in a row as there are; `%u0049` as old scripts write it.
fn percent(rest: &str) -> Undone {
    let bytes = rest.as_bytes();
    if let Some(letter) = rest.strip_prefix("%u").and_then(|digits| hex(digits.as_bytes().get(..4)?)).and_then(char::from_u32) {
        return Some((6, letter.to_string()));
    }
    let mut decoded = Vec::new();
    let mut length = 0;
    while bytes.get(length) == Some(&b'%')
        && let Some(byte) = bytes.get(length + 1..length + 3).and_then(hex)
    {
        decoded.push(u8::try_from(byte).ok()?);
        length += 3;
    }
    (length > 0).then(|| (length, String::from_utf8_lossy(&decoded).into_owned()))
}

/// Quoted-printable, RFC 2045 section 6.7: as many in a row as there are, and the ends of lines that are none. Capital letters only: anything
/// else that stands behind a sign of equality is more often a value.
fn printable(rest: &str) -> Undone {
    let bytes = rest.as_bytes();
    let mut decoded = Vec::new();
    let mut length = 0;
    loop {
        match bytes.get(length..length + 3) {
            Some([b'=', b'\r', b'\n']) => length += 3,
            Some([b'=', b'\n', _]) => length += 2,
            Some([b'=', digits @ ..]) if digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')) => {
                decoded.push(u8::try_from(hex(digits)?).ok()?);
                length += 3;
            }
            _ => break,
        }
    }
    let text = String::from_utf8(decoded).ok()?;
    (length > 0 && !text.contains(|letter: char| letter < ' ' && letter != '\n' && letter != '\r')).then_some((length, text))
}

/// Escapes of JSON and of the languages that write them likewise. A quotation mark or a slash needs no undoing to be read.
fn backslash(rest: &str) -> Undone {
    let bytes = rest.as_bytes();
    let code = |digits: Range<usize>| bytes.get(digits).and_then(hex);
    let (length, letter) = match bytes.get(1)? {
        b'n' | b'r' => (2, '\n'),
        b't' => (2, '\t'),
        b'x' => (4, char::from_u32(code(2..4)?)?),
        b'U' => (10, char::from_u32(code(2..10)?)?),
        b'u' if bytes.get(2) == Some(&b'{') => {
            let digits = bytes.get(3..)?.iter().take(7).position(|byte| *byte == b'}')?;
            (digits + 4, char::from_u32(code(3..3 + digits)?)?)
        }
        b'u' => {
            let first = code(2..6)?;
            if let (0xD800..=0xDBFF, Some(b"\\u"), Some(second @ 0xDC00..=0xDFFF)) = (first, bytes.get(6..8), code(8..12)) {
                (12, char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00))?)
            } else {
                (6, char::from_u32(first)?)
            }
        }
        b'0'..=b'3' => {
            let digits = rest.get(1..4).filter(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'7')))?;
            (4, char::from_u32(u32::from_str_radix(digits, 8).ok()?)?)
        }
        // The next level is undone in its turn.
        b'\\' if bytes.get(2).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'\\') => (2, '\\'),
        _ => return None,
    };
    Some((length, letter.to_string()))
}

/// Finds where tags and comments end, without looking for the same end twice.
struct Comments<'a> {
    text: &'a str,
    /// Where the next comment ends, if that lies behind what is looked at.
    next: usize,
}

impl Comments<'_> {
    /// A tag or a comment, which goes; one within a word leaves no space. Attributes are read in the raw text, unless they are escaped.
    fn tag(&mut self, start: usize) -> Undone {
        let bytes = self.text.as_bytes();
        let rest = bytes.get(start..)?;
        let length = if rest.starts_with(b"<!--") { self.comment(start)? } else { tag(rest)? };
        let inner = self.text.get(start + 1..start + length - 1).filter(|_| length <= TAG)?;
        if inner.contains(['&', '%', '\\']) {
            let made = undone(inner, &mut |_| None);
            return Some((length, format!(" {} ", made.as_ref().map_or(inner, Rewritten::text))));
        }
        let is_letter = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte >= 0x80);
        let within = is_letter(start.checked_sub(1).and_then(|before| bytes.get(before))) && is_letter(bytes.get(start + length));
        Some((length, if within { String::new() } else { " ".to_owned() }))
    }

    fn comment(&mut self, start: usize) -> Option<usize> {
        if self.next < start + 7 {
            let rest = self.text.as_bytes().get(start + 4..)?;
            self.next = memchr::memmem::find(rest, b"-->").map_or(usize::MAX, |at| start + 4 + at + 3);
        }
        (self.next != usize::MAX).then(|| self.next - start)
    }
}

/// How long a tag is that is no comment.
fn tag(rest: &[u8]) -> Option<usize> {
    let opens = rest.get(1)?;
    if !(opens.is_ascii_alphabetic() || matches!(opens, b'/' | b'!' | b'?')) {
        return None;
    }
    // A mark that opens before this one has closed makes this one none.
    let end = memchr::memchr2(b'<', b'>', rest.get(1..TAG.min(rest.len()))?)? + 1;
    (rest.get(end) == Some(&b'>')).then_some(end + 1)
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| Some((value << 4) | char::from(*digit).to_digit(16)?))
}
