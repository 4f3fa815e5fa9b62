//! Where control characters and escape sequences stand in a text, and what stands for them. Pure.
//!
//! ECMA-48 for the forms; what a sequence does is of no interest, since none is passed on.

use std::ops::Range;

use memchr::memchr3_iter;

/// The longest parameters that a control sequence has. What goes on longer is text behind its beginning.
const PARAMETERS: usize = 64;

/// Whether the bytes of a JSON text can hold any. Where it says no, there are none.
///
/// A strict parser lets C0 stand escaped only, so a text without these escapes, without DEL and without the first byte of C1 has none.
pub(super) fn may_stand_in(json: &[u8]) -> bool {
    let mut escaped = 0;
    memchr3_iter(b'\\', 0xC2, 0x7F, json).any(|at| {
        if at < escaped {
            return false;
        }
        match json.get(at) {
            Some(b'\\') => {
                escaped = at + 2;
                match json.get(at + 1) {
                    Some(b'b' | b'f') => true,
                    Some(b'r') => json.get(at + 2..at + 4) != Some(b"\\n"),
                    Some(b'u') => matches!(json.get(at + 2..at + 5), Some(b"000" | b"001" | b"007" | b"008" | b"009")),
                    _ => false,
                }
            }
            Some(0xC2) => json.get(at + 1).is_some_and(|next| matches!(next, 0x80..=0x9F)),
            _ => true,
        }
    })
}

/// Calls `visit` for each, with what takes its place, in order. Linear in the text.
pub(super) fn each(text: &str, visit: &mut dyn FnMut(Range<usize>, &'static str)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(start) = next(bytes, at) {
        let rest = bytes.get(start..).unwrap_or_default();
        // A line of Windows'.
        if rest.starts_with(b"\r\n") {
            at = start + 2;
            continue;
        }
        let (length, instead) = taken(rest);
        at = start + length;
        visit(start..at, instead);
    }
}

/// The text without them.
pub(super) fn without(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    each(text, &mut |span, instead| {
        clean.push_str(text.get(at..span.start).unwrap_or_default());
        clean.push_str(instead);
        at = span.end;
    });
    clean.push_str(text.get(at..).unwrap_or_default());
    clean
}

fn next(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let begins = |at: usize, byte: u8| match byte {
        b'\t' | b'\n' => false,
        0x00..0x20 | 0x7F => true,
        0xC2 => rest.get(at + 1).is_some_and(|next| matches!(next, 0x80..=0x9F)),
        _ => false,
    };
    rest.iter().enumerate().find(|(at, byte)| begins(*at, **byte)).map(|(at, _)| from + at)
}

/// How many bytes go with the control character that `rest` begins with, and what stands for them.
fn taken(rest: &[u8]) -> (usize, &'static str) {
    let (width, control) = match rest {
        [0xC2, second, ..] => (2, *second),
        [first, ..] => (1, *first),
        [] => return (0, ""),
    };
    let length = match (control, rest.get(1)) {
        (b'\r' | 0x0B | 0x0C | 0x85, _) => return (width, "\n"),
        (0x1B, Some(b'[')) => sequence(rest, 2),
        (0x1B, Some(b']' | b'P' | b'X' | b'^' | b'_')) => string(rest, 2),
        (0x1B, Some(0x20..=0x2F)) => designation(rest),
        (0x1B, Some(0x30..=0x7E)) => 2,
        (0x9B, _) => sequence(rest, width),
        (0x90 | 0x98 | 0x9D..=0x9F, _) => string(rest, width),
        _ => width,
    };
    (length, "")
}

/// A control sequence: parameters, intermediate bytes, one final byte. One without an end is its beginning alone.
fn sequence(rest: &[u8], from: usize) -> usize {
    let body = rest.get(from..).unwrap_or_default();
    let parameters = body.iter().take(PARAMETERS).take_while(|byte| matches!(byte, 0x20..=0x3F)).count();
    match body.get(parameters) {
        Some(0x40..=0x7E) => from + parameters + 1,
        _ => from,
    }
}

/// An escape with intermediate bytes, such as the choice of a set of letters.
fn designation(rest: &[u8]) -> usize {
    let between = rest.iter().skip(1).take(PARAMETERS).take_while(|byte| matches!(byte, 0x20..=0x2F)).count();
    match rest.get(1 + between) {
        Some(0x30..=0x7E) => between + 2,
        _ => 1,
    }
}

/// A control string: all up to the bell or the string terminator, or up to another escape, which breaks it off. One that is cut by anything
/// else, the end of its line included, is its beginning alone: a terminal would swallow what follows, a model must see it.
fn string(rest: &[u8], from: usize) -> usize {
    let Some(end) = (from..rest.len()).find(|at| ends(rest, *at)) else { return from };
    match (rest.get(end), rest.get(end + 1)) {
        (Some(0x07 | 0x18 | 0x1A), _) => end + 1,
        (Some(0x1B), Some(b'\\')) | (Some(0xC2), Some(0x9C)) => end + 2,
        (Some(0x1B), _) => end,
        _ => from,
    }
}

/// Whether no control string goes on beyond this byte.
fn ends(rest: &[u8], at: usize) -> bool {
    match rest.get(at) {
        Some(b'\t') => false,
        Some(0x00..0x20 | 0x7F) | None => true,
        Some(0xC2) => rest.get(at + 1).is_some_and(|next| matches!(next, 0x80..=0x9F)),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_go_as_a_whole_and_the_text_around_them_stays() {
        for (text, left) in [
            ("plain\ttext\nof lines\r\n", "plain\ttext\nof lines\r\n"),
            ("\u{1b}[31;1mred\u{1b}[0m", "red"),
            ("\u{9b}31mred\u{9b}0m", "red"),
            ("a\u{1b}[2J\u{1b}[1;1Hb", "ab"),
            ("\u{1b}]8;;https://evil.example/?d=1\u{1b}\\docs\u{1b}]8;;\u{1b}\\", "docs"),
            ("\u{1b}]8;;https://evil.example\u{7}docs\u{1b}]8;;\u{7}", "docs"),
            ("\u{9d}8;;https://evil.example\u{9c}docs\u{9d}8;;\u{9c}", "docs"),
            ("x\u{1b}]52;c;cm0gLXJmIC8=\u{7}y", "xy"),
            ("\u{1b}P1$r0m\u{1b}\\ok \u{1b}_Gf=100;AAAA\u{1b}\\ok \u{1b}^pm\u{9c}\u{1b}Xsos\u{9c}", "ok ok "),
            ("\u{1b}(B\u{1b}cafter\u{1b}7", "after"),
            ("overwritten\rshown", "overwritten\nshown"),
            ("page\u{c}page\u{b}line\u{85}line", "page\npage\nline\nline"),
            ("a\0b\u{8}c\u{7}d\u{7f}e\u{80}f\u{84}g", "abcdefg"),
            ("two\u{1b}]0;title\u{1b}[31mred", "twored"),
            ("caf\u{e9} \u{a0}\u{c2}\u{bf}", "caf\u{e9} \u{a0}\u{c2}\u{bf}"),
        ] {
            let clean = without(text);
            assert_eq!(clean, left, "{text:?}");
            assert_eq!(without(&clean), clean, "once is enough: {text:?}");
        }
    }

    #[test]
    fn what_never_ends_hides_nothing() {
        for text in
            ["\u{1b}]0;never ends", "\u{1b}]52;c;never\nends\u{7}", "\u{1b}[31\u{e9}never ends", "\u{1b}", "\u{9b}", "\u{1b}P"]
        {
            let clean = without(text);
            let visible: String = text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
            let kept = visible.trim_start_matches([']', '[', 'P']);
            assert_eq!(clean, kept, "{text:?}");
        }
    }

    #[test]
    fn nothing_that_is_left_is_control() {
        let mut seed = 7_u32;
        let alphabet = [
            '\u{1b}', '[', ']', '\u{9b}', '\u{9d}', '\u{9c}', '\\', '\u{7}', ';', '8', 'm', ' ', '\r', '\n', '\t', 'x', '\u{c2}',
            '\u{e9}',
        ];
        for _ in 0..2_000 {
            let text: String = std::iter::repeat_with(|| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                alphabet[(seed >> 16) as usize % alphabet.len()]
            })
            .take(24)
            .collect();
            let clean = without(&text);
            let odd = |(at, letter): (usize, char)| {
                let ends_line = letter == '\r' && clean.get(at..).is_some_and(|rest| rest.starts_with("\r\n"));
                letter.is_control() && !ends_line && letter != '\t' && letter != '\n'
            };
            assert!(!clean.char_indices().any(odd), "{text:?} became {clean:?}");
        }
    }

    #[test]
    fn a_text_without_any_is_known_by_its_bytes() {
        for (json, may) in [
            (r#"{"a":"plain \"quoted\" \\u001b \n\t \r\n é Â"}"#, false),
            (r#"{"a":"\u001b[0m"}"#, true),
            (r#"{"a":"\u009b0m"}"#, true),
            (r#"{"a":"\b"}"#, true),
            (r#"{"a":"\f"}"#, true),
            (r#"{"a":"\r"}"#, true),
            (r#"{"a":"\r\t"}"#, true),
            (r#"{"a":"\\b \\r \\f"}"#, false),
            (r#"{"a":"\\\u0007"}"#, true),
            (r#"{"a":"\u00e9\u2014\ud83d\ude00"}"#, false),
            ("{\"a\":\"\u{9b}0m\"}", true),
            ("{\"a\":\"\u{7f}\"}", true),
        ] {
            assert_eq!(may_stand_in(json.as_bytes()), may, "{json}");
        }
    }
}
