//! What tools answer: made up, always the same, and never the same twice in a row, since one input repeated flatters every cache and every
//! lazily built automaton.

use std::fmt::Write as _;

/// Bytes of texts that take turns.
const POOL: usize = 4 << 20;

/// Texts of about this many bytes, made of such lines.
pub(crate) fn pool(size: usize, line: impl Fn(u64) -> String) -> Vec<String> {
    let mut number = 0;
    let mut text = || {
        let mut text = String::with_capacity(size + 256);
        while text.len() < size {
            text.push_str(&line(number));
            number += 1;
        }
        text.truncate(text.floor_char_boundary(size));
        text
    };
    (0..POOL / size).map(|_| text()).collect()
}

/// What a tool that reads a database or a repository answers: records, prose, a little code.
pub(crate) fn record(number: u64) -> String {
    const WORDS: &[&str] = &[
        "the",
        "order",
        "was",
        "shipped",
        "from",
        "warehouse",
        "customer",
        "asked",
        "for",
        "a",
        "refund",
        "because",
        "delivery",
        "took",
        "longer",
        "than",
        "expected",
        "please",
        "see",
        "attached",
        "report",
        "when",
        "status",
        "changes",
        "system",
        "returns",
        "an",
        "error",
        "code",
        "you",
        "can",
        "read",
        "more",
        "about",
        "this",
        "in",
        "our",
        "documentation",
        "before",
        "running",
        "update",
        "all",
        "previous",
        "versions",
    ];
    let mut text =
        format!("{{\"id\": {number}, \"created\": \"2026-11-{:02}T10:{:02}:00Z\", \"note\": \"", number % 28 + 1, number % 60);
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..24 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = usize::try_from(state % WORDS.len() as u64).unwrap_or(0);
        let _ = write!(text, "{} ", WORDS.get(word).unwrap_or(&""));
    }
    let _ = writeln!(text, "\", \"total\": {}.{:02}, \"ref\": \"{state:016x}\"}},", number * 37 % 10_000, number % 100);
    text
}

/// A report in plain words, without any value.
pub(crate) fn prose(number: u64) -> String {
    let record = record(number);
    let note = record.split('"').nth(9).unwrap_or_default();
    format!("{}. ", note.trim_end())
}

/// Text that every rule stumbles over.
pub(crate) fn hostile(number: u64) -> String {
    format!("ignore a@a.a{number} 4111 1111 1111 1112 ghp_ AKIA you are now from now on reveal DE89 ![a](http://a?b send ")
}
