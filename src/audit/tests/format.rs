//! What readers get: reports, `show`, and lines that survive any input.

use std::ops::ControlFlow;

use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

use super::super::line::Line;
use super::super::record::OwnedMembers;
use super::*;

fn shown(fixture: &Fixture, filter: &Filter) -> Vec<u64> {
    let mut indices = Vec::new();
    show(fixture.dir.path(), filter, &mut |shown| {
        indices.push(shown.value()["i"].as_u64().unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    indices
}

#[test]
fn show_filters_by_every_column() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    for draft in [start(), decision("c1"), outcome("c1"), denial("c2"), Draft::new(Kind::Stop)] {
        put(&log, draft);
    }
    log.close();
    let some = |text: &str| Some(text.to_owned());
    let all = Filter::default();
    assert_eq!(shown(&fixture, &all), [0, 1, 2, 3, 4, 5]);
    assert_eq!(shown(&fixture, &Filter { kinds: vec!["start".to_owned(), "stop".to_owned()], ..all.clone() }), [1, 5]);
    assert_eq!(shown(&fixture, &Filter { kinds: vec!["call".to_owned()], ..all.clone() }), [2, 3, 4]);
    assert_eq!(shown(&fixture, &Filter { call: some("c1"), ..all.clone() }), [2, 3]);
    assert_eq!(shown(&fixture, &Filter { server: some("crm"), ..all.clone() }), [2]);
    assert_eq!(shown(&fixture, &Filter { effect: some("deny"), ..all.clone() }), [4]);
    assert_eq!(shown(&fixture, &Filter { limit: Some(2), ..all.clone() }), [0, 1]);
    assert_eq!(shown(&fixture, &Filter { tail: Some(2), ..all.clone() }), [4, 5]);
    let time = json(&fixture.lines()[2])["t"].as_str().unwrap().parse().unwrap();
    let from = shown(&fixture, &Filter { from: Some(time), ..all.clone() });
    let to = shown(&fixture, &Filter { to: Some(time), ..all });
    assert_eq!([to, from].concat(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_summary_is_one_line_that_no_terminal_acts_on() {
    let fixture = Fixture::new();
    let (log, _) = fixture.open();
    let mut draft = decision("c1");
    draft.text("note", "a\nb \u{1b}[31m \u{9b}31m \u{202e}");
    put(&log, draft);
    log.close();
    let mut summaries = Vec::new();
    show(fixture.dir.path(), &Filter::default(), &mut |shown| {
        summaries.push(shown.summary());
        ControlFlow::Continue(())
    })
    .unwrap();
    let summary = &summaries[1];
    assert!(summary.contains("1 call.decision allow tools/call crm/search call=c1 dec.rule=r15 note=a\\nb"), "{summary}");
    assert!(!summary.chars().any(|c| c.is_control() || c == '\u{202e}'), "{summary}");
}

#[test]
fn keys_of_a_log_that_somebody_made_up_are_no_terminal_codes_and_no_flood() {
    // Found by fuzzing: values were escaped, keys were not, and stood before every value below them.
    let fixture = Fixture::new();
    let long = "k".repeat(20_000);
    let values = vec!["0"; 10_000].join(",");
    let line = format!("{{\"i\":0,\"a\\u001b[2J\u{9b}31m\":{{\"\\n\":\"x\"}},\"{long}\":[{values}]}}\n");
    fs::create_dir_all(fixture.log_dir().join("seg")).unwrap();
    fs::write(fixture.segment(0), line).unwrap();
    let mut summaries = Vec::new();
    show(fixture.dir.path(), &Filter::default(), &mut |shown| {
        summaries.push(shown.summary());
        ControlFlow::Continue(())
    })
    .unwrap();
    let [summary] = &summaries[..] else { panic!("{} lines", summaries.len()) };
    assert!(summary.contains("a\\u{1b}[2J\\u{9b}31m.\\n=x") && !summary.chars().any(char::is_control), "{summary}");
    assert!(summary.len() < 200_000, "{} bytes", summary.len());
}

#[test]
fn a_report_says_it_in_words_and_in_json() {
    let fixture = Fixture::new();
    finished(&fixture, 1);
    let mut seen = Progress::default();
    let report = verify_with(&fixture.log_dir(), &Known::default(), &mut |progress| seen = progress).unwrap();
    assert_eq!(seen.done, seen.total);
    let text = report.to_string();
    assert!(text.contains("unanchored: intact, unanchored") && text.contains("mode strict from record 1"), "{text}");
    let report = json(&report.to_json());
    assert_eq!((&report["exit"], &report["logs"][0]["kinds"]["call.decision"]), (&3.into(), &1.into()));
    assert_eq!(report["logs"][0]["leaf"], Hash::leaf(fixture.lines()[4].as_bytes()).to_string());

    let bytes = fs::read_to_string(fixture.segment(0)).unwrap();
    fs::write(fixture.segment(0), bytes.replacen("allow", "deny!", 1)).unwrap();
    let report = verify(fixture.dir.path()).unwrap();
    assert!(report.to_string().contains("tampered: record 2: its bytes are not those that were written"), "{report}");
    assert_eq!(json(&report.to_json())["logs"][0]["fault"]["index"], 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_a_caller_supplies_becomes_one_canonical_line_that_reads_back(
        text in any::<String>(), long in ".{0,3000}", number in any::<i64>(), big in any::<u64>(), flag in any::<bool>(),
    ) {
        let mut draft = Draft::new(Kind::CallDecision);
        draft.text("call", &text).flag("open", flag);
        draft.object("what", |what| {
            what.text("long", &long).integer("n", number).list("x", |list| { list.text(&text).integer(big); });
        });
        let prev = Hash::ZERO.hex();
        let owned = OwnedMembers { index: 3, log: "o/audit/r", prev: &prev, time: "2026-11-21T03:00:00.341132Z" };
        let mut line = Vec::new();
        draft.write_line(&owned, &mut line);
        let read = Line::parse(&line).unwrap();
        prop_assert_eq!((read.index, read.open), (3, flag));
        prop_assert!(!line.contains(&b'\n'));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        if text.len() < 100 {
            prop_assert_eq!(value["call"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn no_line_makes_the_reader_panic(bytes in any::<Vec<u8>>(), json in "[\\{\\}\\[\\]\":,a-z0-9\\\\ ]{0,80}") {
        let _ = Line::parse(&bytes);
        let _ = Line::parse(json.as_bytes());
        let _ = super::super::line::carried(&json);
    }
}
