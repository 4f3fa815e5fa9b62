//! Our own credential, looked for in what its server sends back. Pure.
//!
//! SECURITY: an error page, a debug tool or a hostile server may say what it was shown. That is no caller's business, whatever the rules of
//! DLP are, so it goes before any layer, the record or a log sees the message: the text is replaced in the message's own bytes, and what is
//! parsed is what is left. It is found as it was sent and in the usual encodings of that; not where it is cut in two, nor in one that a
//! server has thought up, for which it needs no credential of ours.

use std::fmt;

use aho_corasick::{AhoCorasick, BuildError, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use memchr::memmem;
use zeroize::Zeroizing;

use crate::protocol::json::{Document, Edits, Limits, RawJson};

/// What stands in its place.
const REDACTED: &str = "[redacted]";

/// A shorter secret is found in too much that is none.
pub(super) const SHORTEST: usize = 8;

/// See the module.
pub(super) struct Echo {
    forms: AhoCorasick,
    /// One of them holds what JSON writes with a backslash, so that a text with backslashes may hold it in more than one way.
    escapes: bool,
}

impl Echo {
    /// Of these secrets; `None` where all are too short to be told from other text.
    pub(super) fn of(secrets: &[&str]) -> Result<Option<Self>, BuildError> {
        let long = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
        let forms: Vec<Zeroizing<String>> = long.flat_map(|secret| forms(secret)).collect();
        if forms.is_empty() {
            return Ok(None);
        }
        let escapes = forms.iter().any(|form| form.contains(['"', '\\']));
        let texts = forms.iter().map(|form| form.as_bytes());
        let forms = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts)?;
        Ok(Some(Self { forms, escapes }))
    }

    /// The message without the secret, and whether it was there. What is not JSON stays as it is, to be refused by who reads it.
    pub(super) fn clean(&self, message: Bytes, limits: Limits) -> (Bytes, bool) {
        // A letter can be written with a backslash in these ways alone; whoever has neither has the text as it is.
        let escaped = || {
            let ways: &[&[u8]] = if self.escapes { &[b"\\"] } else { &[b"\\u", b"\\/"] };
            ways.iter().any(|way| memmem::find(&message, way).is_some())
        };
        if !self.forms.is_match(&*message) && !escaped() {
            return (message, false);
        }
        let Ok(document) = Document::parse(message.clone(), limits) else { return (message, false) };
        let mut edits = Edits::default();
        for text in document.root().texts() {
            let shown = text.text;
            for found in self.forms.find_iter(shown.as_bytes()) {
                edits.replace_text(&document, text.id, found.range(), REDACTED);
            }
        }
        let there = !edits.is_empty();
        (edits.apply(&document), there)
    }
}

/// A secret as it is, and as programs write it into other texts.
fn forms(secret: &str) -> Vec<Zeroizing<String>> {
    let encoded = |upper: bool| percent(secret, upper);
    let json = RawJson::string(secret);
    let quoted = json.as_str().get(1..json.as_str().len().saturating_sub(1)).unwrap_or_default();
    let html = secret.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let unpadded = secret.trim_end_matches('=');
    let forms = [
        secret.to_owned(),
        unpadded.to_owned(),
        encoded(true),
        encoded(false),
        quoted.to_owned(),
        html,
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
    ];
    forms.into_iter().filter(|form| form.len() >= SHORTEST).map(Zeroizing::new).collect()
}

/// RFC 3986, section 2.1: every character but the unreserved ones.
fn percent(secret: &str, upper: bool) -> String {
    let mut out = String::with_capacity(secret.len());
    for byte in secret.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let hex = format!("%{byte:02X}");
            out.push_str(&if upper { hex } else { hex.to_ascii_lowercase() });
        }
    }
    out
}

impl fmt::Debug for Echo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: it is made of a secret.
        f.write_str("Echo(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "sk-live/4f9c+21ab==";

    fn cleaned(echo: &Echo, message: &str) -> (String, bool) {
        let (bytes, there) = echo.clean(Bytes::from(message.to_owned()), Limits::NONE);
        (String::from_utf8(bytes.to_vec()).unwrap(), there)
    }

    #[test]
    fn a_secret_is_found_in_every_usual_form_and_place() {
        let echo = Echo::of(&[TOKEN]).unwrap().unwrap();
        for (message, left) in [
            (r#"{"a":"Bearer sk-live/4f9c+21ab== was refused"}"#, r#"{"a":"Bearer [redacted] was refused"}"#),
            (r#"{"sk-live/4f9c+21ab==":1}"#, r#"{"[redacted]":1}"#),
            (r#"{"a":"sk-live\/4f9c+21ab=="}"#, r#"{"a":"[redacted]"}"#),
            (r#"{"a":"\u0073k-live/4f9c+21ab\u003d="}"#, r#"{"a":"[redacted]"}"#),
            (r#"{"a":["sk-live%2F4f9c%2B21ab%3D%3D","sk-live%2f4f9c%2b21ab%3d%3d"]}"#, r#"{"a":["[redacted]","[redacted]"]}"#),
            (r#"{"a":"{\"t\":\"sk-live/4f9c+21ab==\"}"}"#, r#"{"a":"{\"t\":\"[redacted]\"}"}"#),
            (r#"{"a":"c2stbGl2ZS80ZjljKzIxYWI9PQ=="}"#, r#"{"a":"[redacted]=="}"#),
        ] {
            assert_eq!(cleaned(&echo, message), (left.to_owned(), true), "{message}");
        }
        for other in [r#"{"a":"sk-live/4f9c+21a"}"#, r#"{"a":"\u0041\/"}"#, "not JSON \\u sk", r#"{"a":1}"#] {
            assert_eq!(cleaned(&echo, other), (other.to_owned(), false), "{other}");
        }
    }

    #[test]
    fn what_a_secret_holds_is_found_as_json_writes_it() {
        let secret = r#"pa"ss\wörd <1>"#;
        let echo = Echo::of(&[secret]).unwrap().unwrap();
        let json = RawJson::string(secret);
        assert_eq!(cleaned(&echo, &format!(r#"{{"a":{}}}"#, json.as_str())), (r#"{"a":"[redacted]"}"#.to_owned(), true));
        let twice = RawJson::string(json.as_str());
        let (left, there) = cleaned(&echo, &format!(r#"{{"a":{}}}"#, twice.as_str()));
        assert!(there && !left.contains("rd <1>"), "{left}");
    }

    #[test]
    fn what_is_too_short_to_be_a_secret_is_not_looked_for() {
        assert!(Echo::of(&["1234567"]).unwrap().is_none());
        assert!(Echo::of(&["1234567", "12345678"]).unwrap().is_some());
        assert_eq!(format!("{:?}", Echo::of(&["12345678"]).unwrap().unwrap()), "Echo(***)");
    }
}
