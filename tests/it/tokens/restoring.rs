//! On the way to a server: a token passes as a token, and becomes its value only where the policy says so.

use serde_json::json;

use super::{CARD, EMAIL, IBAN, SECRET, SSN, Stage, digits, file_with};
use crate::support::reply::{Reply, tool_result};

#[tokio::test]
async fn values_come_back_for_the_tool_and_the_role_that_are_named() {
    let stage = Stage::new().await;
    let text = stage.reads(&format!("{SSN}|{CARD}|{IBAN}|{EMAIL}|{SECRET}")).await;
    let tokens: Vec<_> = text.split('|').collect();
    let [ssn, card, iban, email, secret] = tokens[..] else { panic!("{text}") };
    let arguments = json!({
        "ssn": format!("SSN {ssn}."), "bare": digits(ssn), "card": card, "iban": iban.to_lowercase(),
        "deep": [{ "to": email, (email): secret }], "number": digits(card).parse::<u64>().unwrap(), "plain": "stays" });
    let answer = stage.at("crm").call("update_contact", arguments).await;
    assert_eq!(answer.text(), "update_contact was called");
    let expected = json!({
        "ssn": format!("SSN {SSN}."), "bare": digits(SSN), "card": CARD, "iban": IBAN.to_lowercase(),
        "deep": [{ "to": EMAIL, (EMAIL): SECRET }], "number": digits(CARD).parse::<u64>().unwrap(), "plain": "stays" });
    assert_eq!(stage.heard(), expected);
    let findings = stage.findings(&answer).await;
    assert_eq!(
        findings,
        [
            "restore:care restore request 1",
            "restore:care restore request 1",
            "restore:care restore request 2",
            "restore:care restore request 2",
            "restore:care restore request 2"
        ],
        "as many as replacements, by kind"
    );
    stage.ends(&tokens).await;
}

#[tokio::test]
async fn elsewhere_the_token_arrives_and_no_rule_takes_it_for_what_it_looks_like() {
    let stage = Stage::new().await;
    let text = stage.reads(&format!("{SSN}|{EMAIL}|{SECRET}")).await;
    let tokens: Vec<_> = text.split('|').collect();
    let arguments = json!({ "ssn": tokens[0], "to": tokens[1], "key": tokens[2] });
    let bob = stage.gateway.key("bob", &["staff"]).await;
    let senior = stage.gateway.key("sue", &["senior", "staff"]).await;
    for (what, key, tool) in [
        ("another tool", &stage.ada, "delete_contact"),
        ("without the role", &bob, "update_contact"),
        ("with a role that inherits from it", &senior, "update_contact"),
    ] {
        let answer = stage.gateway.modern("crm", key).call(tool, arguments.clone()).await;
        assert_eq!(answer.text(), format!("{tool} was called"), "{what}");
        assert_eq!(stage.heard(), arguments, "{what}");
        assert_eq!(stage.findings(&answer).await, Vec::<String>::new(), "{what}: a token is no finding");
    }
    let answer = stage.at("hr").call("update_contact", arguments.clone()).await;
    assert_eq!(answer.text(), "update_contact was called");
    assert_eq!(stage.hr.calls()[0].json()["params"]["arguments"], arguments, "another server");
    stage.ends(&tokens).await;
}

#[tokio::test]
async fn only_the_arguments_that_are_named_get_values() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    let arguments = json!({ "before": token, "who": [{ "ssn": token }], "whom": token, "who2": token });
    let answer = stage.at("crm").call("find", arguments).await;
    assert_eq!(stage.heard(), json!({ "before": token, "who": [{ "ssn": SSN }], "whom": token, "who2": token }));
    assert_eq!(stage.findings(&answer).await, ["restore:care restore request 1"]);
    // Outside the arguments nothing is restored.
    let client = stage.at("crm");
    let mut call = client.message(Some(&json!(1)), "tools/call", json!({ "name": "update_x", "arguments": {} }));
    call["params"]["_meta"]["note"] = json!(token);
    assert_eq!(client.post(&call).send().await.status, 200);
    assert_eq!(stage.crm.calls().last().unwrap().json()["params"]["_meta"]["note"], token);
    stage.ends(&[&token]).await;
}

#[tokio::test]
async fn what_only_looks_like_a_token_is_what_it_looks_like() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    // Another serial: the same form, and in no vault.
    let serial = if token.ends_with('1') { '2' } else { '1' };
    let other = format!("{}{serial}", &token[..10]);
    let answer = stage.at("crm").call("update_contact", json!({ "a": other, "b": format!("{SSN} and {token}") })).await;
    assert_eq!(stage.heard(), json!({ "a": "[us_ssn]", "b": format!("[us_ssn] and {SSN}") }), "{answer:?}");
    assert_eq!(stage.findings(&answer).await, ["out mask request 2", "restore:care restore request 1"]);
    let opaque = format!("tok_aws_access_key_{}", "a".repeat(26));
    stage.at("crm").call("update_contact", json!({ "a": opaque, "n": 536_221_234 })).await;
    assert_eq!(stage.heard(), json!({ "a": opaque, "n": 536_221_234 }), "nothing looks like it");
    stage.ends(&[&token]).await;
}

#[tokio::test]
async fn a_token_inside_something_else_that_is_masked_goes_with_it() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    stage.at("crm").call("update_contact", json!({ "a": format!("x {token}@corp.example.com y") })).await;
    assert_eq!(stage.heard(), json!({ "a": "x [email] y" }), "no value beside the placeholder");
    stage.ends(&[&token]).await;
}

#[tokio::test]
async fn what_a_server_repeats_is_a_token_again() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    stage.crm.on_tool("update_contact", Reply::text(&format!("updated {SSN}")));
    let answer = stage.at("crm").call("update_contact", json!({ "who": token })).await;
    assert_eq!(stage.heard(), json!({ "who": SSN }));
    assert_eq!(answer.text(), format!("updated {token}"));
    assert_eq!(stage.findings(&answer).await, ["ids tokenize response 1", "restore:care restore request 1"]);
    stage.ends(&[&token]).await;
}

#[tokio::test]
async fn what_a_call_has_restored_comes_back_as_the_token_in_forms_that_no_rule_finds() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    let bare: u64 = digits(SSN).parse().unwrap();
    let mut result = tool_result("ok");
    result["structuredContent"] =
        json!({ "ssn": digits(SSN), "number": bare, "in": format!("no{bare}"), "longer": format!("{bare}0"), (digits(SSN)): 1 });
    stage.crm.on_tool("update_contact", Reply::result(&result));
    let answer = stage.at("crm").call("update_contact", json!({ "who": token })).await;
    let back = digits(&token);
    let expected = json!({
        "ssn": back, "number": back.parse::<u64>().unwrap(), "in": format!("no{back}"), "longer": format!("{bare}0"), (&back): 1 });
    assert_eq!(answer.result()["structuredContent"], expected);
    assert_eq!(stage.findings(&answer).await, ["restore:care restore request 1", "restore:care tokenize response 4"]);
    // A call that has restored nothing looks for nothing.
    let other = stage.at("crm").call("update_contact", json!({})).await;
    assert_eq!(other.result()["structuredContent"]["ssn"], digits(SSN));
    stage.ends(&[&token]).await;
}

#[tokio::test]
async fn short_tokens_do_not_become_a_flood_of_values() {
    let stage = Stage::new().await;
    let key = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", "MIIEvQIBADANBgkq".repeat(2_000));
    let token = stage.reads(&key).await;
    assert!(token.starts_with("tok_private_key_"), "{token}");
    let fits = stage.at("crm").call("update_contact", json!({ "keys": vec![&token; 32] })).await;
    assert_eq!(fits.text(), "update_contact was called");
    assert_eq!(stage.heard()["keys"][31], key);
    let before = stage.crm.count();
    let flood = stage.at("crm").call("update_contact", json!({ "keys": vec![&token; 40] })).await;
    assert_eq!((flood.status, flood.code()), (200, Some(-31422)), "{flood:?}");
    assert_eq!(stage.gateway.records_of(&flood.call())[0]["dec"]["detail"], "too_much_restored");
    assert_eq!(stage.crm.count(), before, "the server was reached");
    stage.ends(&[&token, "MIIEvQIBADANBgkq"]).await;
}

#[tokio::test]
async fn a_mirrored_header_and_the_body_never_say_different_things() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    let client = stage.at("crm");
    let call = |tool: &str| client.message(Some(&json!(1)), "tools/call", json!({ "name": tool, "arguments": { "who": token } }));
    // A header that repeats the argument gets the value with it.
    let restored = client.post(&call("update_contact")).header("Mcp-Param-Who", &token).send().await;
    assert_eq!(restored.text(), "update_contact was called");
    let sent = stage.crm.calls().last().unwrap().clone();
    assert_eq!((sent.header("mcp-param-who"), &sent.json()["params"]["arguments"]["who"]), (Some(SSN), &json!(SSN)));
    assert_eq!(stage.findings(&restored).await, ["restore:care restore request 1"]);
    // One that repeats nothing, and one of which nobody can say which of two arguments it repeats, cannot.
    let two = json!({ "name": "find", "arguments": { "who": token, "other": token } });
    let loose = client.message(Some(&json!(1)), "tools/call", json!({ "name": "update_contact", "arguments": {} }));
    for (what, call, detail) in [
        ("loose", loose, "token_in_header"),
        ("one of two", client.message(Some(&json!(1)), "tools/call", two), "header_differs"),
    ] {
        let before = stage.crm.count();
        let refused = client.post(&call).header("Mcp-Param-Who", &token).send().await;
        assert_eq!((refused.status, refused.code()), (200, Some(-31422)), "{what}: {refused:?}");
        assert_eq!(stage.crm.count(), before, "{what}: the server was reached");
        let decision = stage.gateway.records_of(&refused.call()).remove(0);
        assert_eq!([&decision["dec"]["reason"], &decision["dec"]["detail"]], [&json!("blocked"), &json!(detail)], "{what}");
        assert_eq!(decision["dec"].get("findings"), None, "{what}: nothing was restored: {decision}");
    }
    // Where nothing is restored both hold the token.
    let passes = client.post(&call("delete_contact")).header("Mcp-Param-Who", &token).send().await;
    assert_eq!(passes.text(), "delete_contact was called");
    let sent = stage.crm.calls().last().unwrap().clone();
    assert_eq!((sent.header("mcp-param-who"), &sent.json()["params"]["arguments"]["who"]), (Some(token.as_str()), &json!(token)));
    stage.ends(&[&token]).await;
}

#[tokio::test]
async fn what_is_kept_of_a_call_holds_tokens_and_not_what_was_restored() {
    for kind in ["masked", "full"] {
        let stage = Stage::with(&format!("capture: {kind}")).await;
        let token = stage.reads(SSN).await;
        let answer = stage.at("crm").call("update_contact", json!({ "who": token, "too": EMAIL })).await;
        assert_eq!(stage.heard(), json!({ "who": SSN, "too": "[email]" }));
        let call = answer.call().parse().unwrap();
        let contents = stage.gateway.running.operations().privacy().content(call, "auditor").await.unwrap();
        let text = str::from_utf8(contents[0].text.expose()).unwrap();
        let too = if kind == "masked" { "[email]" } else { EMAIL };
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).unwrap(), json!({ "who": token, "too": too }), "{kind}");
        let folder = stage.gateway.stop_and_verify().await;
        assert_eq!(file_with(folder.data(), SSN), None);
    }
}
