//! What is encoded as a whole: base64 in both alphabets, hexadecimal, and what is compressed in either.

use std::ops::Range;

use super::inflate::inflated;
use crate::scan::runs::{is_base64, next_base64};

/// The least letters that are decoded: shorter ones hold no order.
const SHORTEST: usize = 24;

/// The least where they are a whole text.
const WHOLE: usize = 16;

/// Lines of this length go on in the next: RFC 2045 section 6.8, RFC 7468.
const LINES: [usize; 2] = [76, 64];

/// The most that is inflated from one place.
const INFLATED: usize = 64 << 10;

/// Hands every stretch of letters that holds a text to `visit`, with that text. `left` says how much may be made, and `visit` how much
/// may be from then on. Whether all was made.
pub(super) fn each(text: &str, mut left: usize, visit: &mut dyn FnMut(Range<usize>, &str) -> usize) -> bool {
    let bytes = text.as_bytes();
    let mut complete = true;
    let mut at = 0;
    if (WHOLE..SHORTEST).contains(&bytes.len())
        && bytes.iter().all(|byte| is_base64(*byte))
        && let Some((found, is_whole)) = decoded(bytes, left)
    {
        visit(0..bytes.len(), &found);
        return is_whole;
    }
    while let Some(run) = next_base64(bytes, at, SHORTEST) {
        let whole = lines(bytes, run.clone());
        at = whole.end;
        if let Some((found, is_whole)) = decoded(bytes.get(whole.clone()).unwrap_or_default(), left) {
            complete &= is_whole;
            left = visit(whole, &found);
            continue;
        }
        // A path or a name that a blob is a part of: what stands between its marks may be one.
        let mut start = run.start;
        let inner = bytes.get(run).unwrap_or_default();
        for part in inner.split(|byte| !byte.is_ascii_alphanumeric()) {
            if part.len() >= SHORTEST
                && part.len() < inner.len()
                && let Some((found, is_whole)) = decoded(part, left)
            {
                complete &= is_whole;
                left = visit(start..start + part.len(), &found);
            }
            start += part.len() + 1;
        }
    }
    complete
}

/// A run with the lines that it goes on in.
fn lines(bytes: &[u8], run: Range<usize>) -> Range<usize> {
    let mut whole = run.clone();
    while LINES.contains(&run.len()) {
        let rest = bytes.get(whole.end..).unwrap_or_default();
        let mark = rest.iter().take(2).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let next = rest.get(mark..).unwrap_or_default().iter().take(run.len()).take_while(|byte| is_base64(**byte)).count();
        if mark == 0 || next == 0 {
            break;
        }
        whole.end += mark + next;
        if next < run.len() {
            break;
        }
    }
    whole
}

/// Whether letters stand for a text.
pub(super) fn is_text(letters: &[u8]) -> bool {
    decoded(letters, INFLATED).is_some()
}

/// The text that the letters stand for, if they stand for any, up to `most` bytes of it, and whether that is all.
fn decoded(letters: &[u8], most: usize) -> Option<(String, bool)> {
    let hexadecimal = letters.strip_prefix(b"0x").unwrap_or(letters);
    if hexadecimal.len().is_multiple_of(2) && hexadecimal.iter().all(u8::is_ascii_hexdigit) {
        return as_text(
            hexadecimal.chunks_exact(2).map(|pair| Some((nibble(*pair.first()?)? << 4) | nibble(*pair.get(1)?)?)),
            most,
        );
    }
    // RFC 4648 section 6. Nothing else has capital letters only for so long.
    let of_32 = |letter: &u8| matches!(letter, b'A'..=b'Z' | b'2'..=b'7' | b'=');
    if letters.iter().all(of_32)
        && let Some(found) = as_text(quintets(letters), most)
    {
        return Some(found);
    }
    let mut bits = 0_u32;
    let mut count = 0_u8;
    let sextets = letters.iter().filter_map(|letter| sextet(*letter));
    as_text(
        sextets.filter_map(move |sextet| {
            bits = ((bits << 6) | u32::from(sextet)) & 0xFFFF;
            count += 6;
            (count >= 8).then(|| {
                count -= 8;
                u8::try_from((bits >> count) & 0xFF).ok()
            })
        }),
        most,
    )
}

fn quintets(letters: &[u8]) -> impl Iterator<Item = Option<u8>> {
    let (mut bits, mut count) = (0_u32, 0_u8);
    let value = |letter: &u8| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'2'..=b'7' => Some(letter - b'2' + 26),
        _ => None,
    };
    letters.iter().filter_map(value).filter_map(move |quintet| {
        bits = ((bits << 5) | u32::from(quintet)) & 0xFFFF;
        count += 5;
        (count >= 8).then(|| {
            count -= 8;
            u8::try_from((bits >> count) & 0xFF).ok()
        })
    })
}

/// The text that numbers stand for, letter by letter: two hexadecimal digits, eight binary ones, or decimal numbers.
pub(super) fn numbers(text: &str, most: usize) -> Option<String> {
    let words = || text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let digits = || words().map(|word| word.strip_prefix("0x").unwrap_or(word));
    let radix = if digits().all(|word| word.len() == 8 && word.bytes().all(|byte| matches!(byte, b'0' | b'1'))) {
        2
    } else if digits().all(|word| word.len() == 2) && words().any(|word| word.bytes().any(|byte| byte.is_ascii_alphabetic())) {
        16
    } else {
        10
    };
    let letters = digits().map(|word| u8::from_str_radix(word, radix).ok());
    // Numbers that people write are seldom letters all.
    let letters: Vec<u8> = letters.take(most).collect::<Option<_>>()?;
    as_text(letters.into_iter().map(Some), most).map(|(text, _)| text).filter(|text| text.contains(' '))
}

/// Whether bytes begin as a text does is seen from the first few: an image, a key or a digest is given up after them.
fn as_text(mut bytes: impl Iterator<Item = Option<u8>>, most: usize) -> Option<(String, bool)> {
    const HEAD: usize = 12;
    let mut out: Vec<u8> = bytes.by_ref().take(HEAD).collect::<Option<_>>()?;
    let compressed = out.starts_with(&[0x1F, 0x8B]) || matches!(out.get(..2), Some([0x78, 0x01 | 0x5E | 0x9C | 0xDA]));
    let wide = out.len() == HEAD && out.iter().skip(1).step_by(2).all(|byte| *byte == 0);
    if !compressed && !wide && !is_readable(&out) {
        return None;
    }
    let most = if compressed { INFLATED.min(most) } else { most };
    out.extend(bytes.map_while(|byte| byte));
    if compressed {
        out = inflated(&out, most)?;
    } else if wide {
        // UTF-16, as PowerShell encodes.
        out = out.into_iter().step_by(2).collect();
    }
    let is_whole = out.len() < most;
    out.truncate(most);
    let text = String::from_utf8_lossy(&out).into_owned();
    is_readable(text.as_bytes()).then_some((text, is_whole))
}

/// Whether most of it is letters that people write. What is cut within a character still is.
fn is_readable(bytes: &[u8]) -> bool {
    let odd =
        bytes.iter().filter(|byte| **byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x1B) || **byte == 0x7F).count();
    let broken = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
    (odd + broken.saturating_sub(1)) * 16 <= bytes.len() && bytes.len() >= 8
}

fn sextet(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

fn nibble(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}
