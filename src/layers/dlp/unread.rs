//! What no detector can read. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::survey::Survey;
use crate::policy::Unread;
use crate::protocol::{Message, binaries, visit_texts};
use crate::scan::readings::holds_text;

/// Letters of base64 in which no file begins that is no text.
const SHORT: usize = 16;

/// Something that was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'m> {
    /// What it is, in a word.
    pub(super) kind: &'static str,
    media_type: &'m str,
    /// In bytes, decoded.
    size: usize,
}

/// Everything of a message that was not read.
pub(super) fn parts<'m>(message: &'m Message, survey: &Survey) -> Vec<Part<'m>> {
    let mut parts: Vec<Part<'m>> = Vec::new();
    for (value, media_type) in binaries(message) {
        let letters = value.as_str().unwrap_or_default();
        if !is_text(letters) {
            let media_type = media_type.unwrap_or_default();
            parts.push(Part { kind: kind(media_type), media_type, size: letters.len() / 4 * 3 });
        }
    }
    visit_texts(message, |text| {
        if let Some((media_type, letters)) = data_uri(text.text).filter(|(_, letters)| !is_text(letters)) {
            parts.push(Part { kind: kind(media_type), media_type, size: letters.len() / 4 * 3 });
        }
    });
    if !survey.all_shown {
        parts.push(Part { kind: "encoded", media_type: "", size: 0 });
    }
    parts
}

/// The media type and the base64 of a text that is a data URI as a whole. RFC 2397.
fn data_uri(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_at_checked("data:".len())?;
    // Nearly all texts are none: asked before anything is searched in them.
    let (head, letters) = scheme.eq_ignore_ascii_case("data:").then(|| rest.split_once(','))??;
    let (media_type, form) = head.rsplit_once(';').unwrap_or(("", head));
    form.eq_ignore_ascii_case("base64").then_some((media_type, letters))
}

/// Whether the policy refuses it.
pub(super) fn blocks(policy: &Unread, part: &Part<'_>) -> bool {
    let whole = part.media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let passes = |known: &String| match known.strip_suffix("/*") {
        Some(kind) => whole.split_once('/').is_some_and(|(of, _)| of == kind),
        None => whole == *known,
    };
    let is_large = policy.size.is_some_and(|most| part.size > most);
    is_large || (policy.blocks && !policy.pass.iter().any(passes))
}

/// Whether the letters stand for a text: it was read as one, or is so short that it holds nothing.
fn is_text(letters: &str) -> bool {
    let is_short = letters.len() < SHORT;
    holds_text(letters) || (is_short && STANDARD.decode(letters).is_ok_and(|bytes| bytes.is_ascii()))
}

fn kind(media_type: &str) -> &'static str {
    match media_type.split('/').next() {
        Some("audio") => "audio",
        Some("image") => "image",
        Some("video") => "video",
        Some(_) | None => "binary",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_uri_has_a_type_and_letters() {
        assert_eq!(data_uri("data:image/png;base64,iVBORw0KGgo="), Some(("image/png", "iVBORw0KGgo=")));
        assert_eq!(data_uri("DATA:image/png;name=x;BASE64,iVBO"), Some(("image/png;name=x", "iVBO")));
        assert_eq!(data_uri("data:;base64,iVBO"), Some(("", "iVBO")));
        for text in ["data:text/plain,hello", "see data:image/png;base64,iVBO", "data:", "dat", ""] {
            assert_eq!(data_uri(text), None, "{text}");
        }
    }

    #[test]
    fn what_passes_goes_by_type_and_size() {
        let part = |media_type, size| Part { kind: "image", media_type, size };
        let policy = Unread { blocks: true, pass: vec!["image/png".to_owned(), "audio/*".to_owned()], size: Some(1000) };
        assert!(!blocks(&policy, &part("image/png", 1000)) && !blocks(&policy, &part("Audio/WAV; rate=1", 5)));
        assert!(
            blocks(&policy, &part("image/png", 1001)) && blocks(&policy, &part("image/gif", 5)) && blocks(&policy, &part("", 5))
        );
        assert!(
            !blocks(&Unread::default(), &part("application/pdf", 1 << 30)),
            "without a word everything passes, and is recorded"
        );
    }
}
