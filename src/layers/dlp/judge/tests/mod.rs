//! What happens to tokens that look like something else.

mod properties;

use bytes::Bytes;

use super::super::formats::{draw, in_layout_of};
use super::super::rules::Rules;
use super::*;
use crate::policy::{Classification, Dlp, DlpRule, Restore};
use crate::protocol::Side;
use crate::scan::Effort;
use crate::secret::Secret;
use crate::vault::{Answer, Ask};

const VALUE: &str = "DE89 3704 0044 0532 0130 00";

fn rules() -> Rules {
    let rule = |name: &str, detect: &str, action| DlpRule {
        name: name.to_owned(),
        detect: vec![detect.to_owned()],
        own: None,
        sensitivity: None,
        requests: true,
        responses: true,
        servers: Vec::new(),
        tools: Vec::new(),
        fields: Vec::new(),
        action,
        purpose: "care".to_owned(),
        shadow: false,
    };
    let restore = Restore {
        purpose: "test".to_owned(),
        servers: vec!["crm".to_owned()],
        tools: vec!["update".to_owned()],
        roles: vec!["support".to_owned()],
        arguments: Vec::new(),
    };
    let rules = vec![rule("ibans", "iban", DlpAction::Tokenize), rule("cards", "card", DlpAction::Mask)];
    Rules::new(Some(&Dlp { rules, restore: vec![restore], ..Dlp::default() })).unwrap()
}

/// A token of an IBAN in groups, four of which are a card number as well.
fn with_a_card_inside() -> String {
    let mut state = 1_u64;
    let mut chance = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state >> 33)
    };
    loop {
        let token = draw("iban", "DE89370400440532013000", &mut chance).unwrap();
        let laid = in_layout_of(Form::Iban, VALUE, &token);
        let (rules, mut found) = (rules(), Vec::new());
        let applicable = rules.applicable("crm", None, true, Classification::Public);
        applicable.find(&laid, &applicable.looked_for(), &mut Effort::default(), &mut found).unwrap();
        if found.iter().any(|found| found.kind == "card") {
            return laid;
        }
    }
}

fn judged(text: &str, tool: &str, known: &Known) -> (Outcome, String) {
    let json =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","arguments":{{"a":"{text}"}}}}}}"#);
    let mut message = Message::parse(Bytes::from(json), Limits::NONE, Side::Client).unwrap();
    let rules = rules();
    let mut applicable = rules.applicable("crm", None, true, Classification::Public);
    applicable.restore_in("crm", tool, |role| role == "support");
    let outcome = applicable.judge(&message, &applicable.survey(&message), known);
    assert!(outcome.apply(&mut message));
    let sent = Message::parse(message.encode(), Limits::NONE, Side::Client).unwrap();
    let sent = sent.params().unwrap().path(&["arguments", "a"]).unwrap().as_str().unwrap().to_owned();
    (outcome, sent)
}

#[test]
fn what_looks_like_another_number_inside_a_token_is_part_of_the_token() {
    let laid = with_a_card_inside();
    let canonical = crate::vault::canonical_token(&laid);
    let token = Arc::new(Token::for_test(&canonical, Secret::new("DE89370400440532013000".to_owned())));
    let asks = vec![Ask { token: canonical, wanted: None }];
    let known = Known::new(asks, vec![Answer::Token(token)]);
    let (outcome, sent) = judged(&format!("to {laid}!"), "read", &known);
    assert_eq!((sent, outcome.blocked, outcome.findings.len()), (format!("to {laid}!"), false, 0), "it passes as it is");
    let (outcome, sent) = judged(&format!("to {laid}!"), "update", &known);
    assert_eq!((sent, outcome.findings.len()), (format!("to {VALUE}!"), 1), "all of it becomes the value");
    let (outcome, _) = judged(&format!("to {laid}!"), "read", &Known::default());
    assert!(outcome.blocked && outcome.findings.len() == 1, "in no vault it is an IBAN without a token, and a card: {outcome:?}");
}
