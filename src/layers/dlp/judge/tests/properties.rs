//! What holds for every text that is masked: what was cleaned once is not changed again, and the message stays one.

use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::super::super::rules::Rules;
use super::super::super::survey::Known;
use crate::policy::{Classification, Dlp, DlpAction, DlpRule};
use crate::protocol::json::{Limits, Value};
use crate::protocol::{Message, Side};
use crate::scan::{Catalogue, sample};

/// Texts that some row says it finds.
static SAMPLES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let catalogue = Catalogue::built_in().unwrap();
    let rows = ["pii", "secrets"].into_iter().flat_map(|class| catalogue.named(class).unwrap());
    rows.flat_map(|row| row.detector().finds.clone()).collect()
});

fn masking() -> Rules {
    let rule = DlpRule {
        name: "everything".to_owned(),
        detect: vec!["pii".to_owned(), "secrets".to_owned()],
        own: None,
        sensitivity: None,
        requests: true,
        responses: true,
        servers: Vec::new(),
        tools: Vec::new(),
        fields: Vec::new(),
        action: DlpAction::Mask,
        purpose: "test".to_owned(),
        shadow: false,
    };
    Rules::new(Some(&Dlp { rules: vec![rule], ..Dlp::default() })).unwrap()
}

static MASKING: LazyLock<Rules> = LazyLock::new(masking);

/// The text as it is passed on, and how often something was found in it.
fn cleaned(rules: &Rules, text: &str) -> (String, usize) {
    let arguments = serde_json::json!({ "a": text, "b": [text, { "c": 1 }] });
    let json = serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "x", "arguments": arguments } });
    let mut message = Message::parse(Bytes::from(json.to_string()), Limits::NONE, Side::Client).unwrap();
    let applicable = rules.applicable("crm", None, true, Classification::Public);
    let survey = applicable.survey(&message);
    survey.complete().unwrap();
    let outcome = applicable.judge(&message, &survey, &Known::default());
    assert!(!outcome.blocked && outcome.apply(&mut message));
    let sent = Message::parse(message.encode(), Limits::NONE, Side::Client).unwrap();
    let arguments = sent.params().unwrap().path(&["arguments"]).unwrap();
    let (one, list) = (arguments.path(&["a"]).unwrap().as_str().unwrap(), arguments.path(&["b"]).unwrap());
    assert_eq!(list.items().next().and_then(Value::as_str), Some(one), "the same text is cleaned the same way");
    (one.to_owned(), outcome.findings.len())
}

#[test]
fn what_was_masked_once_is_not_changed_again() {
    let between = prop::sample::select(vec![" ", "\n", "; \u{fc}ber ", "\",\"", "\u{4f60}", " | "]);
    let picks = prop::collection::vec((any::<prop::sample::Index>(), any::<u64>()), 1..4);
    // The same chance in every run.
    let chance = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) }, chance);
    let held = runner.run(&(picks, between), |(picks, between)| {
        let texts: Vec<String> = picks.iter().map(|(pick, seed)| sample(&SAMPLES[pick.index(SAMPLES.len())], *seed)).collect();
        let text = texts.join(between);
        let (once, _) = cleaned(&MASKING, &text);
        let (twice, again) = cleaned(&MASKING, &once);
        prop_assert_eq!((&twice, again), (&once, 0), "of {}", text);
        Ok(())
    });
    assert!(held.is_ok(), "{held:?}");
}
