//! One message, many readers: what we accept, every reader that may stand behind the gateway reads to the same value, and what they
//! read differently we refuse (SECURITY.md 4.2).
//!
//! Readers: rmcp and `serde_json`, Node and the TypeScript SDK, Python, pydantic and the Python SDK, and two that show old mistakes (the
//! first of two members wins; case does not count). A number is the same when the reader holds its digits, or the double next to
//! them: 2^53+1 in an argument is rounded by Node, and no rule of ours reads it. Ids and names are compared exactly.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod messages;
mod readers;
mod reading;
mod values;

use std::collections::BTreeMap;

use messages::{Case, cases};
use readers::{Readings, read_by_all};
use reading::{Reading, ours};

/// Every case with our reading and everybody else's.
fn read_all() -> impl Iterator<Item = (Case, Option<Reading>, Readings)> {
    let cases = cases();
    let theirs = read_by_all(cases.iter().map(|case| case.body.as_slice()));
    assert_eq!(theirs.len(), cases.len());
    cases.into_iter().zip(theirs).map(|(case, theirs)| {
        let ours = ours(&case.body);
        (case, ours, theirs)
    })
}

#[test]
fn http_058_what_we_accept_every_reader_reads_the_same() {
    let mut wrong = Vec::new();
    let (mut accepted, mut refused, mut disputed, mut compared) = (0, 0, 0, 0);
    for (case, ours, theirs) in read_all() {
        let Some(ours) = ours else {
            refused += 1;
            disputed += usize::from(is_disputed(&theirs));
            if case.honest {
                wrong.push(format!("{case}: refused, but it is what honest peers send"));
            }
            continue;
        };
        accepted += 1;
        for (reader, theirs) in theirs {
            match theirs {
                Some(theirs) => {
                    compared += 1;
                    if let Err(difference) = ours.compare(&theirs) {
                        wrong.push(format!("{case}: {reader} reads {difference}"));
                    }
                }
                None if case.honest => wrong.push(format!("{case}: {reader} cannot read it")),
                // It fails there, loudly: nobody was deceived.
                None => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    // The corpus has something to say: both verdicts are common, and so are messages that readers do not agree on.
    assert!(accepted > 150 && refused > 500 && disputed > 150, "{accepted} accepted, {refused} refused, {disputed} disputed");
    assert!(compared > 1_000, "{compared} readings compared");
}

#[test]
fn http_058_every_class_of_disagreement_is_refused() {
    let (mut seen, mut split): (BTreeMap<&str, usize>, BTreeMap<&str, usize>) = Default::default();
    for (case, ours, theirs) in read_all() {
        if is_split(&theirs) {
            *split.entry(case.class).or_default() += 1;
            assert!(ours.is_none(), "{case}: accepted, though some readers refuse what others read");
        }
        if is_disputed(&theirs) {
            *seen.entry(case.class).or_default() += 1;
            assert!(ours.is_none(), "{case}: accepted, though readers do not agree on it");
        }
    }
    // If a class stops being disputed, a reader has changed, and the table of SECURITY.md 4.2 with it.
    for class in ["duplicate key", "case variant", "surrogate", "encoding", "not finite", "id"] {
        assert!(seen.contains_key(class), "no reader disputes `{class}` any more: {seen:?}");
    }
    for class in ["around", "encoding", "surrogate", "not finite", "depth"] {
        assert!(split.contains_key(class), "all readers read or refuse `{class}` now: {split:?}");
    }
}

/// Whether one parser takes for JSON what another refuses.
fn is_split(theirs: &Readings) -> bool {
    let parsers = ["node json", "pydantic", "python json", "serde_json"].map(|parser| theirs[parser].is_some());
    parsers.contains(&true) && parsers.contains(&false)
}

/// Whether two readers read, and read something else: another method, id, name, or another value beyond rounding.
fn is_disputed(theirs: &Readings) -> bool {
    let read: Vec<&Reading> = theirs.values().flatten().collect();
    let refused = theirs.values().any(Option::is_none);
    let differ = read.iter().enumerate().any(|(at, one)| read[..at].iter().any(|two| one.differs_from(two)));
    differ || (refused && read.iter().any(|reading| reading.is_infinite()))
}
