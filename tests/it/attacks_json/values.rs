//! Values that readers change or choke on: numbers, ids, nesting, length.

use bytes::Bytes;
use serde_json::json;

use super::{ENVELOPE, PARSE, assert_each_refused, call, the_call};
use crate::support::http::find;
use crate::support::stage::{Stage, good_head};

#[tokio::test]
async fn json_014_numbers_outside_the_grammar_are_refused() {
    let stage = Stage::new().await;
    let row = ["NaN", "Infinity", "1e400", "01", "+1", ".5", "0x10", "1_000"];
    let neighbours = [
        "-Infinity",
        "nan",
        "-",
        "--1",
        "1.",
        "-.5",
        "1e",
        "1e+",
        "1E-",
        "1.e1",
        "-01",
        "00",
        "0b1",
        "0o7",
        "1n",
        "1f",
        "1e4000",
        "-1e400",
        "1e+309",
        "١",
        "１",
        "1 2",
        "1,000",
        "0.1.2",
        "1e1.5",
        "Inf",
        "undefined",
        "None",
        "True",
        "nul",
        "truefalse",
    ];
    let arguments = row.iter().chain(&neighbours).map(|number| call(&format!(r#"{{"n":{number}}}"#)));
    assert_each_refused(&stage, PARSE, arguments).await;
    let long = format!("1{}", "0".repeat(400));
    assert_each_refused(&stage, PARSE, [call(&format!(r#"{{"n":{long}}}"#)), call(&format!(r#"{{"n":[[-{long}.5]]}}"#))]).await;
    stage.end().await;
}

#[tokio::test]
async fn json_014_numbers_inside_the_grammar_arrive_digit_by_digit() {
    let stage = Stage::new().await;
    let body =
        call(r#"{"n":[9007199254740993,18446744073709551616,1e308,-0,-0.0,1.000,1E5,0.1e-2,123456789.123456789123456789]}"#);
    let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
    stage.assert_passes("numbers of many kinds", &answer);
    assert_eq!(the_call(&stage).body, Bytes::from(body));
    stage.end().await;
}

#[tokio::test]
async fn json_016_ids_that_a_reader_could_change_are_refused() {
    let stage = Stage::new().await;
    let long = format!(r#""{}""#, "x".repeat(10 * 1024));
    let over = format!(r#""{}""#, "x".repeat(255));
    let ids = [
        "1.0",
        "1.5",
        "-0",
        "0.0",
        "1e0",
        "1E2",
        "9007199254740992",
        "9007199254740993",
        "-9007199254740993",
        "18446744073709551616",
        "null",
        "true",
        "false",
        "{}",
        "[]",
        "[1]",
        r#"{"id":1}"#,
        long.as_str(),
        over.as_str(),
    ];
    assert_each_refused(&stage, ENVELOPE, ids.map(|id| call("{}").replacen("\"id\":1", &format!("\"id\":{id}"), 1))).await;
    stage.end().await;
}

#[tokio::test]
async fn json_016_accepted_ids_come_back_byte_for_byte() {
    let stage = Stage::new().await;
    let longest = format!(r#""{}""#, "x".repeat(254));
    let ids = [
        "0",
        "1",
        "-1",
        "9007199254740991",
        "-9007199254740991",
        r#""""#,
        r#""a\u0062""#,
        r#""\/""#,
        r#""é""#,
        r#""\u00e9""#,
        r#""1""#,
        longest.as_str(),
    ];
    for client in stage.clients().await {
        for id in ids {
            let echoed = format!("\"id\":{id}");
            let answer = good_head(&client, call("{}").replacen("\"id\":1", &echoed, 1).as_bytes()).send().await;
            stage.assert_passes(id, &answer);
            assert!(find(&answer.body, echoed.as_bytes()).is_some(), "{id}: {answer:?}");
            let sent = stage.upstream.calls().pop().unwrap();
            assert!(find(&sent.body, echoed.as_bytes()).is_some(), "{id}: {sent:?}");

            let hidden = client.message(Some(&json!(1)), "tools/call", json!({ "name": "danger", "arguments": {} }));
            let body = hidden.to_string().replacen("\"id\":1", &echoed, 1);
            let answer = client.post_bytes(&hidden, body).send().await;
            stage.assert_refused(id, &answer, 200);
            assert!(find(&answer.body, echoed.as_bytes()).is_some(), "our own error, {id}: {answer:?}");
        }
    }
    stage.end().await;
}

/// `levels` containers around nothing.
fn nested(kind: &str, levels: usize) -> String {
    match kind {
        "arrays" => "[".repeat(levels) + &"]".repeat(levels),
        "objects" => r#"{"":"#.repeat(levels) + "0" + &"}".repeat(levels),
        _ => r#"[{"":"#.repeat(levels / 2) + "0" + &"}]".repeat(levels / 2),
    }
}

#[tokio::test]
async fn json_018_nesting_beyond_the_limit_is_refused_without_recursion() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { body: 16MiB }")).await;
    for levels in [65, 66, 129, 10_000, 1_000_000] {
        for kind in ["arrays", "objects", "both"] {
            let value = nested(kind, levels);
            for (place, body) in [
                ("an argument", call(&format!(r#"{{"x":{value}}}"#))),
                ("`_meta`", format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{{"x":{value}}}}}}}"#)),
                ("the id", call("{}").replacen("\"id\":1", &format!("\"id\":{value}"), 1)),
            ] {
                let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
                stage.assert_malformed(&format!("{levels} {kind} in {place}"), &answer, PARSE);
            }
        }
    }
    // Never closed: the depth is refused before the missing end is noticed.
    let open = call("@").split('@').next().unwrap().to_owned() + &"[".repeat(1_000_000);
    assert_each_refused(&stage, PARSE, [open, r#"{"a":"#.repeat(1_000_000)]).await;
    stage.end().await;
}

#[tokio::test]
async fn json_018_the_limit_of_64_levels_is_exact() {
    let stage = Stage::new().await;
    // The message, `params` and `arguments` are three levels.
    let answer = good_head(&stage.modern(), call(&format!(r#"{{"x":{}}}"#, nested("arrays", 61))).as_bytes()).send().await;
    stage.assert_passes("64 levels", &answer);
    assert_each_refused(&stage, PARSE, [call(&format!(r#"{{"x":{}}}"#, nested("arrays", 62)))]).await;
    stage.end().await;
}

#[tokio::test]
async fn json_018_a_million_values_side_by_side_are_refused() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { body: 16MiB }")).await;
    let values =
        ["0", "[]", "{}", r#""""#].map(|value| call(&format!(r#"{{"x":[{}0]}}"#, format!("{value},").repeat(1_000_000))));
    assert_each_refused(&stage, PARSE, values).await;
    stage.end().await;
}

#[tokio::test]
async fn json_020_a_string_of_escapes_within_the_limit_passes_untouched() {
    let stage = Stage::new().await;
    let escapes = r"\u0061".repeat((1 << 20) / 6);
    let body = call(&format!(r#"{{"x":"{escapes}"}}"#));
    let answer = good_head(&stage.modern(), body.as_bytes()).send().await;
    stage.assert_passes("1 MB of escapes", &answer);
    assert_eq!(the_call(&stage).body, Bytes::from(body));
    stage.end().await;
}

#[tokio::test]
async fn json_020_a_string_beyond_the_limits_is_refused() {
    let stage = Stage::new().await;
    let long = call(&format!(r#"{{"x":"{}"}}"#, "a".repeat((1 << 20) + 1)));
    let key = call(&format!(r#"{{"{}":1}}"#, "a".repeat((1 << 20) + 1)));
    assert_each_refused(&stage, PARSE, [long, key]).await;
    let five_megabytes = call(&format!(r#"{{"x":"{}"}}"#, "a".repeat(5_000_000)));
    let answer = good_head(&stage.modern(), five_megabytes.as_bytes()).send().await;
    let record = stage.assert_refused("5 MB", &answer, 413);
    assert_eq!(record["dec"]["reason"], "body_too_large", "{record}");
    stage.end().await;
}
