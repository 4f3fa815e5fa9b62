//! What operators may write into the log: names and reasons that say nothing of whom they are about. Pure.

use super::privacy::{PrivacyError, UNNAMED};

/// Longest word of an operator, in bytes.
const WORDS: usize = 256;

/// Longest reason of an order, in bytes.
const REASON: usize = 500;

/// Whether `subject` stands in `text`, not as a part of some word.
pub(super) fn names(text: &str, subject: &str) -> bool {
    let is_apart = |beside: Option<char>| !beside.is_some_and(char::is_alphanumeric);
    text.match_indices(subject).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + subject.len()..).unwrap_or_default());
        is_apart(before.chars().next_back()) && is_apart(after.chars().next())
    })
}

/// Whether a word of an operator is one: not empty, of one line, and not too long.
pub(super) fn words(name: &'static str, text: &str) -> Result<(), PrivacyError> {
    let plain = !text.trim().is_empty() && text.len() <= WORDS && !text.contains(char::is_control);
    if plain { Ok(()) } else { Err(PrivacyError::Words(name)) }
}

/// Whether the log may hold this as the name of who asks, in a record about `subject`.
pub(crate) fn is_fit(requester: &str, subject: Option<&str>) -> Result<(), PrivacyError> {
    words("requester", requester)?;
    match subject {
        Some(subject) if requester != UNNAMED && names(&requester.to_lowercase(), &subject.to_lowercase()) => {
            Err(PrivacyError::Identifying("requester"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the log may hold this as the reason of an order about `subject`: nothing, or one line.
pub(crate) fn is_fit_reason(reason: &str, subject: Option<&str>) -> Result<(), PrivacyError> {
    if reason.len() > REASON || reason.contains(char::is_control) {
        return Err(PrivacyError::Reason);
    }
    let named = subject.is_some_and(|subject| names(&reason.to_lowercase(), &subject.to_lowercase()));
    if named { Err(PrivacyError::Identifying("reason")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_subject_is_found_in_words_of_an_operator_and_not_inside_another_word() {
        for text in ["ada", "asked by ada.", "(ada) case 7", "for ada@example.com"] {
            assert!(names(text, "ada"), "{text}");
        }
        for text in ["canada", "adamant", "case 7", ""] {
            assert!(!names(text, "ada"), "{text}");
        }
    }
}
