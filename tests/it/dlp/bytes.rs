//! Which bytes change: those of a match, whatever their spelling, and no others.

use serde_json::json;

use super::{SSN, Stage, assert_blocked};
use crate::support::reply::Reply;

/// A result as a careless server writes it: white space, escapes, orders and numbers that a second writer would change.
const CARELESS: &str = "{ \"jsonrpc\" :\t\"2.0\",\r\n  \"result\":{ \"isError\":false ,\"content\":[ { \"text\":\"caf\\u00e9 \\/ @@ \\ud83d\\ude00 caf\u{e9}\", \
                        \"type\":\"text\"} ],\"structuredContent\":{\"n\":1.0,\"e\":1E+2,\"big\":12345678901234567890123,\"z\":-0.10,\"a\":null,\
                        \"\":\"\\u0041\\n\"},\"resultType\":\"complete\"}, \"id\" : {id} } ";

#[tokio::test]
async fn what_is_not_a_match_is_passed_on_byte_by_byte() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: mask"]).await;
    for (found, replaced) in [("nothing", "nothing"), (SSN, "[us_ssn]")] {
        stage.crm.on_tool("echo", Reply::body("application/json", CARELESS.replace("@@", found)));
        let answer = stage.says("hello").await;
        let expected = CARELESS.replace("@@", replaced).replace("{id}", "1");
        assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    }
    for (found, replaced) in [("nothing", "nothing"), (SSN, "[us_ssn]")] {
        let message = stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
        let meta = message["params"]["_meta"].to_string();
        let body = |text: &str| {
            format!(
                "\n{{\"params\" : {{ \"arguments\":{{\"b\":[ 1.50 ,1e5, 9007199254740993 ],\"a\":\"\\u0041 \\/ {text} \\u00e9\u{e9}\"}},\
                 \"name\":\"echo\",\"_meta\":{meta}}},\r\n\t\"method\":\"tools/call\",\"id\":1,\"jsonrpc\":\"2.0\"}}\n"
            )
        };
        let answer = stage.ada.post_bytes(&message, body(found)).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let heard = stage.crm.calls().pop().map(|call| String::from_utf8_lossy(&call.body).into_owned());
        assert_eq!(heard, Some(body(replaced)));
    }
    stage.ends().await;
}

#[tokio::test]
async fn an_escape_hides_nothing() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn, card], action: mask"]).await;
    let spellings = [
        ("\\u0035\\u0033\\u0036-22-1234", "[us_ssn]"),
        ("536\\u002d22\\u002D1234", "[us_ssn]"),
        ("\\u0034111 1111 1111 1111", "[card]"),
        ("4111\\u002d1111-1111-1111", "[card]"),
    ];
    for (spelling, placeholder) in spellings {
        let body = CARELESS.replace("@@", spelling);
        stage.crm.on_tool("echo", Reply::body("application/json", body.clone()));
        let answer = stage.says("hello").await;
        let expected = CARELESS.replace("@@", placeholder).replace("{id}", "1");
        assert_eq!(String::from_utf8_lossy(&answer.body), expected, "{spelling}");

        let message = stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": { "text": "@@" } }));
        stage.ada.post_bytes(&message, message.to_string().replace("@@", spelling)).send().await;
        assert_eq!(stage.heard(), json!({ "text": placeholder }), "{spelling}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn numbers_are_texts_too() {
    let stage = Stage::with(&["name: cards, detect: [card], action: mask"]).await;
    let result =
        r#"{"content":[],"structuredContent":{"card":4111111111111111,"other":4111111111111112},"resultType":"complete"}"#;
    let body = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#);
    stage.crm.on_tool("echo", Reply::body("application/json", body.clone()));
    let answer = stage.ada.call("echo", json!({ "n": 4_111_111_111_111_111_u64, "m": [4_111_111_111_111_112_u64] })).await;
    assert_eq!(stage.heard(), json!({ "n": "[card]", "m": [4_111_111_111_111_112_u64] }), "no card has that check digit");
    let expected = body.replace("4111111111111111", "\"[card]\"").replace("{id}", "1");
    assert_eq!(String::from_utf8_lossy(&answer.body), expected);
    stage.ends().await;
}

#[tokio::test]
async fn keys_are_texts_too() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: mask"]).await;
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[],"structuredContent":{{"of {SSN}":{{"x":1}}}}}}}}"#);
    stage.crm.on_tool("echo", Reply::body("application/json", body.clone()));
    let answer = stage.ada.call("echo", json!({ (SSN): [1, 2] })).await;
    assert_eq!(stage.heard(), json!({ "[us_ssn]": [1, 2] }));
    assert_eq!(String::from_utf8_lossy(&answer.body), body.replace(SSN, "[us_ssn]").replace("{id}", "1"));
    stage.ends().await;
}

#[tokio::test]
async fn two_keys_that_would_become_one_are_blocked() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: mask"]).await;
    let other = "536-22-1235";
    assert_blocked(&stage.ada.call("echo", json!({ (SSN): 1, (other): 2 })).await);
    assert_blocked(&stage.ada.call("echo", json!({ (SSN): 1, "[us_ssn]": 2 })).await);
    assert_eq!(stage.crm.count(), 0);
    let body =
        format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"content":[],"structuredContent":{{"{SSN}":1,"{other}":2}}}}}}"#);
    stage.crm.on_tool("echo", Reply::body("application/json", body));
    super::assert_withheld(&stage.says("hello").await);
    stage.ends().await;
}
