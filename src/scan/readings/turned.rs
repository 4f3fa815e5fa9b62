//! Letters turned by thirteen, and text written from its end. Done only where the search met words that look so.

/// Each letter of the alphabet thirteen further. Bytes stay where they are.
pub(super) fn rot13(text: &str) -> String {
    let turn = |letter: char| match letter {
        'a'..='m' | 'A'..='M' => char::from(letter as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(letter as u8 - 13),
        other => other,
    };
    text.chars().map(turn).collect()
}

/// The letters from the last to the first. What ended at a byte begins as far from the other end.
pub(super) fn backwards(text: &str) -> String {
    text.chars().rev().collect()
}
