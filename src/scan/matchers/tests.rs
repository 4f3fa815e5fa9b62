use std::sync::LazyLock;

use proptest::prelude::*;

use super::MATCHERS;
use crate::scan::detector::Edges;
use crate::scan::shape::{Bytes, Shape, Start};
use crate::scan::{Catalogue, Effort, Found, Scanner, Set};

/// What the detectors of a kind find in `text`.
pub(super) fn found<'t>(kind: &str, text: &'t str) -> Vec<&'t str> {
    spans(&[kind], text).iter().map(|(_, found)| *found).collect()
}

fn spans<'t>(kinds: &[&str], text: &'t str) -> Vec<(&'static str, &'t str)> {
    all(kinds, text).iter().map(|found| (found.kind, text.get(found.start..found.end).unwrap())).collect()
}

fn all(kinds: &[&str], text: &str) -> Vec<Found> {
    let scanner = Catalogue::built_in().unwrap().scanner(kinds.iter().copied(), []).unwrap();
    let mut out = Vec::new();
    scanner.find(text, &scanner.set(|_| true), &mut Effort::default(), &mut out).unwrap();
    out
}

const KINDS: &[&str] = &["card", "email", "iban", "pem-private-key", "us_ssn"];

static EVERYTHING: LazyLock<Scanner> = LazyLock::new(|| Catalogue::built_in().unwrap().scanner(["pii", "secrets"], []).unwrap());

#[test]
fn only_detectors_that_are_asked_speak() {
    let text = "4111111111111111 bob@example.com 123-45-6789 DE89370400440532013000";
    let scanner = Catalogue::built_in().unwrap().scanner(KINDS.iter().copied(), []).unwrap();
    for kind in ["card", "email", "iban", "us_ssn"] {
        let mut out = Vec::new();
        scanner.find(text, &scanner.set(|row| row.detector().kind == kind), &mut Effort::default(), &mut out).unwrap();
        assert_eq!(out.iter().map(|found| found.kind).collect::<Vec<_>>(), [kind]);
    }
    let mut out = Vec::new();
    scanner.find(text, &Set::EMPTY, &mut Effort::default(), &mut out).unwrap();
    assert!(out.is_empty());
}

#[test]
fn matches_come_in_order_and_those_of_one_place_all() {
    let text = "bob@example.com paid with 4111-1111-1111-1111, ssn 123-45-6789";
    let kinds: Vec<_> = spans(KINDS, text).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["email", "card", "us_ssn"]);
    let both = spans(KINDS, "123-45-6789@corp.example");
    assert_eq!(both, [("email", "123-45-6789@corp.example"), ("us_ssn", "123-45-6789")]);
}

#[test]
fn empty_and_plain_text_find_nothing() {
    for text in ["", " ", "The quarterly figures are unchanged.", "1", "@", "日本語のテキスト", "v1.2.3-rc.4 (2026-11-21)"]
    {
        assert!(spans(KINDS, text).is_empty(), "{text}");
    }
}

/// Every matcher reads a bounded neighbourhood of its anchors: four MiB of hostile text are read to their end.
#[test]
fn hostile_text_is_read_to_its_end() {
    for unit in [
        "a@",
        "a@a.",
        "a.",
        "1",
        "12 ",
        "1234 ",
        "1234-",
        "123-45-",
        "111111111 ssn ",
        "DE89",
        "DE89 3704 ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----\nQUJD",
        "4111 1111 1111 1111 ",
        "a@b.co ",
        "\u{a0}1",
    ] {
        let size = if unit.len() <= 2 { 4 << 20 } else { 1 << 18 };
        let mut text = unit.repeat(size / unit.len());
        text.push_str(" | 4111-1111-1111-1111 | bob@example.com |");
        let tail: Vec<_> = all(KINDS, &text).iter().rev().take(2).map(|found| found.kind).collect();
        assert_eq!(tail, ["email", "card"], "{unit}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_yields_ordered_spans_on_character_boundaries(text in "(?s)[a@.:4 1-9\u{a0}AKIghp_DE\\-\n€]{0,200}") {
        let mut found = Vec::new();
        EVERYTHING.find(&text, &EVERYTHING.set(|_| true), &mut Effort::default(), &mut found).unwrap();
        for found in &found {
            assert!(found.start < found.end && text.get(found.start..found.end).is_some());
        }
        assert!(found.is_sorted_by_key(|found| found.start));
    }
}

proptest! {
    /// Valid numbers, broken up and disguised: whatever a matcher finds, its outline has let through.
    #[test]
    fn what_a_matcher_finds_its_outline_allows(
        number in prop::sample::select(vec![
            "4111 1111 1111 1111", "4222222222222", "3782 822463 10005", "5555555555554444", "DE89 3704 0044 0532 0130 00",
            "no9386011117947", "MT84 MALT 0110 0001 2345 MTLC AST0 01S", "123-45-6789", "ssn 123456789",
        ]),
        gap in prop::sample::select(vec!["", " ", "-", "\u{a0}", "\u{202f}", "\u{2007}", "\u{2011}", "\u{2212}", "."]),
        before in "[ 0-9a-zA-Z.,:\"_-]{0,4}",
        behind in "[ 0-9a-zA-Z.,:\"_-]{0,4}",
    ) {
        let text = format!("{before}{}{behind}", number.replace([' ', '-'], gap));
        for (name, matcher) in MATCHERS.iter().filter(|(_, matcher)| matcher.outline.is_some()) {
            let (outline, before) = matcher.outline.unwrap();
            let start = Start { bytes: vec![Bytes::of(|byte| byte.is_ascii_digit())], apart: true, before };
            let shape = Shape::new(outline, &start, Edges::None);
            let is_anchor = |at: &usize| text.as_bytes()[*at].is_ascii_digit() && (*at == 0 || !text.as_bytes()[at - 1].is_ascii_digit());
            for at in (0..text.len()).filter(is_anchor) {
                let found = (matcher.find)(text.as_bytes(), at);
                prop_assert!(found.is_none() || shape.allows(text.as_bytes(), at, 0), "{}: {:?} at {}", name, text, at);
            }
        }
    }
}
