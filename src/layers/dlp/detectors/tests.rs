use super::*;

pub(super) fn found(detector: Detector, text: &str) -> Vec<&str> {
    scanned(detector, text).iter().map(|found| text.get(found.start..found.end).unwrap()).collect()
}

pub(super) fn kinds(detector: Detector, text: &str) -> Vec<&'static str> {
    scanned(detector, text).iter().map(|found| found.kind).collect()
}

fn scanned(detector: Detector, text: &str) -> Vec<Match> {
    let mut out = Vec::new();
    scan(text, DetectorSet::EMPTY.with(detector), &mut out);
    out
}

fn spans(text: &str) -> Vec<(Detector, &str)> {
    let mut out = Vec::new();
    scan(text, DetectorSet::all(), &mut out);
    out.iter().map(|found| (found.detector, text.get(found.start..found.end).unwrap())).collect()
}

#[test]
fn names_go_there_and_back() {
    for detector in Detector::ALL {
        assert_eq!(Detector::from_name(detector.name()), Some(*detector));
        assert!(DetectorSet::all().contains(*detector));
        assert!(spans(detector.placeholder()).is_empty());
    }
    assert_eq!(Detector::from_name("Card"), None);
    assert!(DetectorSet::EMPTY.is_empty());
}

#[test]
fn only_detectors_that_are_on_speak() {
    let text = "4111111111111111 bob@example.com 123-45-6789 DE89370400440532013000 AKIAIOSFODNN7EXAMPLE";
    for detector in Detector::ALL {
        assert!(scanned(*detector, text).iter().all(|found| found.detector == *detector));
        assert_eq!(scanned(*detector, text).len(), 1, "{detector:?}");
    }
    let mut out = Vec::new();
    scan(text, DetectorSet::EMPTY, &mut out);
    assert!(out.is_empty());
}

#[test]
fn matches_come_in_order_and_after_what_was_there() {
    let text = "bob@example.com paid with 4111-1111-1111-1111, ssn 123-45-6789, AKIAIOSFODNN7EXAMPLE";
    let mut out = vec![Match { detector: Detector::Iban, kind: "iban", start: 900, end: 920 }];
    scan(text, DetectorSet::all(), &mut out);
    assert_eq!(out[0].start, 900);
    let order: Vec<_> = out[1..].iter().map(|found| found.detector).collect();
    assert_eq!(order, [Detector::Email, Detector::Card, Detector::UsSsn, Detector::Secrets]);
}

#[test]
fn of_two_matches_the_longer_stays_and_nothing_found_is_left_out() {
    assert_eq!(spans("123-45-6789@corp.example"), [(Detector::Email, "123-45-6789@corp.example")]);
    assert_eq!(spans("123 45 6789@corp.example"), [(Detector::Email, "123 45 6789@corp.example")]);
    let mut all = Vec::new();
    find("123-45-6789@corp.example", DetectorSet::all(), &mut all);
    assert_eq!(all.len(), 2);
}

#[test]
fn empty_and_plain_text_find_nothing() {
    for text in ["", " ", "The quarterly figures are unchanged.", "1", "@", "日本語のテキスト", "v1.2.3-rc.4 (2026-11-21)"]
    {
        assert!(spans(text).is_empty(), "{text}");
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
        "ghp_",
        "AKIA",
        "github_pat_",
        "yett_a_",
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
        let mut out = Vec::new();
        scan(&text, DetectorSet::all(), &mut out);
        let tail: Vec<_> = out.iter().rev().take(2).map(|found| found.detector).collect();
        assert_eq!(tail, [Detector::Email, Detector::Card], "{unit}");
    }
}

proptest::proptest! {
    #[test]
    fn any_text_yields_ordered_disjoint_spans_on_character_boundaries(text in "(?s)[a@.:4 1-9\u{a0}AKIghp_DE\\-\n€]{0,200}") {
        let mut out = Vec::new();
        scan(&text, DetectorSet::all(), &mut out);
        for found in &out {
            assert!(found.start < found.end && text.get(found.start..found.end).is_some());
        }
        assert!(out.is_sorted_by(|left, right| left.end <= right.start));
    }
}
