//! What a text says in other ways, and what is found in it.

use std::sync::LazyLock;

use yett::scan::injection::{self, SurfaceKind};
use yett::scan::readings::{Origin, Room, values};
use yett::scan::{Catalogue, Effort, Scanner};

static DETECTORS: LazyLock<Scanner> = LazyLock::new(|| Catalogue::built_in().unwrap().scanner(["pii", "secrets"], []).unwrap());
static RULES: LazyLock<injection::Scanner> = LazyLock::new(|| injection::Scanner::new().unwrap());

/// Every reading leads back to whole characters of the text, no more is made than may be, and a second look sees the same. What is found
/// stands in the text.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (made, complete) = readings(&text);
    assert_eq!((&made, complete), (&readings(&text).0, complete), "a second look saw something else");
    let total: usize = made.iter().map(|(reading, _)| reading.len()).sum();
    // What a text is made into is shown as it is and in plain letters.
    assert!(total <= 2 * (4 * text.len() + (64 << 10)) + text.len(), "{total} bytes of {}", text.len());
    let all = DETECTORS.set(|_| true);
    let mut found = Vec::new();
    if DETECTORS.find(&text, &all, &mut Effort::default(), &mut found).is_ok() {
        for one in &found {
            assert!(text.get(one.start..one.end).is_some_and(|part| !part.is_empty()), "{one:?}");
        }
        assert!(found.is_sorted_by_key(|one| one.start));
    }
    for surface in [SurfaceKind::Argument, SurfaceKind::Definition, SurfaceKind::Result] {
        let mut hits = Vec::new();
        RULES.scan(&text, surface, &mut injection::Effort::default(), &mut hits);
        for hit in &hits {
            assert!(text.get(hit.start..hit.end).is_some(), "{hit:?}");
        }
    }
}

fn readings(text: &str) -> (Vec<(String, Origin)>, bool) {
    let mut made = Vec::new();
    let complete = values(text, &mut Room::default(), &mut |reading| {
        let whole = reading.original(0..reading.text.len());
        assert!(text.get(whole.clone()).is_some(), "{:?} {whole:?}", reading.origin);
        for (at, letter) in reading.text.char_indices().step_by(7) {
            let part = reading.original(at..at + letter.len_utf8());
            assert!(text.get(part.clone()).is_some(), "{:?} {part:?}", reading.origin);
            assert!(whole.start <= part.start && part.end <= whole.end, "{part:?} outside {whole:?}");
        }
        made.push((reading.text.to_owned(), reading.origin));
    });
    (made, complete)
}
