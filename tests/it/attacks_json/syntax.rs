//! Syntax and envelopes that lax readers forgive.

use serde_json::Value;

use super::{ENVELOPE, PARSE, assert_each_refused, call, request};
use crate::support::stage::{Stage, good_head};

#[tokio::test]
async fn json_021_what_lax_parsers_forgive_is_refused() {
    let stage = Stage::new().await;
    let good = call("{}");
    let inserted = ["/*c*/", "//c\n", "#c\n", "<!--", "\u{b}", "\u{c}", "\u{a0}", "\u{2028}", "\u{200b}", "\0", ",", ";", "\\"];
    for what in inserted {
        let bodies = [
            format!("{what}{good}"),
            format!("{good}{what}"),
            good.replacen(":1,", &format!(":{what}1,"), 1),
            good.replacen('{', &format!("{{{what}"), 1),
        ];
        assert_each_refused(&stage, PARSE, bodies).await;
    }
    let open = good.strip_suffix('}').unwrap();
    let whole = [
        format!("{open},}}"),
        format!("{open},,\"x\":1}}"),
        format!("{good} {{}}"),
        format!("{good}{good}"),
        format!("{good}\n{good}"),
        format!("{good}]"),
        format!("{good}}}"),
        format!("{good}1"),
        format!("{good}null"),
        format!("data: {good}"),
        format!(")]}}',\n{good}"),
        good.replace('"', "'"),
        good.replacen("\"id\"", "id", 1),
        good.replacen("\"id\":", "\"id\"=", 1),
        good.replacen("\"id\":1,", "\"id\":1", 1),
        good.replacen("\"id\":1", "\"id\":1:", 1),
        call("[1,]"),
        call("[,1]"),
        call("[1 2]"),
        call("[1}"),
        call(r#"{"a":1]"#),
        call(r#"{"a"}"#),
        call(r#"{"a":}"#),
        call("{1:2}"),
        call(r#"{"x":"\x41"}"#),
        call(r#"{"x":"\'"}"#),
        call(r#"{"x":"\u12"}"#),
        call(r#"{"x":"\u{41}"}"#),
        call(r#"{"x":"\U00000041"}"#),
        call(r#"{"x":"\0"}"#),
        call(r#"{"x":`a`}"#),
        call(r#"{"x":"a" "b"}"#),
        open.to_owned(),
        good[..good.len() / 2].to_owned(),
        "{".to_owned(),
        "\"".to_owned(),
        String::new(),
        " \r\n\t ".to_owned(),
    ];
    assert_each_refused(&stage, PARSE, whole).await;
    stage.end().await;
}

#[tokio::test]
async fn json_023_an_accept_that_leaves_a_reply_form_out_is_406() {
    let stage = Stage::new().await;
    let body = call("{}");
    for client in stage.clients().await {
        let post = good_head(&client, body.as_bytes());
        let answer = post.clone().without("Accept").send().await;
        stage.assert_refused("no Accept", &answer, 406);
        for accept in [
            "application/json",
            "text/event-stream",
            "",
            "text/html",
            "text/*",
            "application/*",
            "application/json;q=0, text/event-stream",
            "application/json, text/event-stream; q=0.000",
            "application/jsonx, text/event-stream",
            "*/*;q=0",
        ] {
            let answer = post.clone().header("Accept", accept).send().await;
            let record = stage.assert_refused(accept, &answer, 406);
            assert_eq!(record["dec"]["reason"], "not_acceptable", "{record}");
        }
        for accept in [
            "*/*",
            "application/*, text/*",
            "Text/Event-Stream;q=0.1, APPLICATION/JSON",
            "text/html, application/json, text/event-stream",
        ] {
            stage.assert_passes(accept, &post.clone().header("Accept", accept).send().await);
        }
        stage.assert_passes(
            "two lines",
            &post.clone().header("Accept", "application/json").also("Accept", "text/event-stream").send().await,
        );
    }
    stage.end().await;
}

#[tokio::test]
async fn json_024_envelopes_that_are_not_json_rpc_2_are_refused() {
    let stage = Stage::new().await;
    let good = call("{}");
    let swap = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    let method = r#""method":"tools/call""#;
    let no_params = format!(r#"{{"jsonrpc":"2.0","id":1,{method}"#);
    let long = format!(r#""method":"{}""#, "m".repeat(129));
    let bodies = [
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":"1.0""#),
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":"2""#),
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":" 2.0""#),
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":2"#),
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":2.0"#),
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":null"#),
        swap(r#""jsonrpc":"2.0""#, r#""jsonrpc":["2.0"]"#),
        swap(r#""jsonrpc":"2.0","#, ""),
        swap(&format!("{method},"), ""),
        swap(method, r#""method":"""#),
        swap(method, r#""method":7"#),
        swap(method, r#""method":null"#),
        swap(method, r#""method":["tools/call"]"#),
        swap(method, r#""method":{"toString":"tools/call"}"#),
        swap(method, r#""method":"tools/ call""#),
        swap(method, r#""method":" tools/call""#),
        swap(method, r#""method":"tоols/call""#),
        swap(method, &long),
        format!(r#"{no_params},"params":[]}}"#),
        format!(r#"{no_params},"params":["echo",{{}}]}}"#),
        format!(r#"{no_params},"params":"echo"}}"#),
        format!(r#"{no_params},"params":null}}"#),
        format!(r#"{no_params},"params":0}}"#),
        r#"{"jsonrpc":"2.0","id":1}"#.to_owned(),
        r#"{"jsonrpc":"2.0"}"#.to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "1".to_owned(),
        r#""tools/call""#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"result":{},"params":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","result":{}}"#.to_owned(),
        r#"{"jsonrpc":"2.0","id":1,"error":"no"}"#.to_owned(),
    ];
    assert_each_refused(&stage, ENVELOPE, bodies).await;
    stage.end().await;
}

#[tokio::test]
async fn json_024_batches_are_refused_whatever_is_in_them() {
    let stage = Stage::new().await;
    let good = call("{}");
    let bodies = [
        "[]".to_owned(),
        format!("[{good}]"),
        format!("[{good},{good}]"),
        format!(" \n[{good}"),
        "[[]]".to_owned(),
        "[1]".to_owned(),
        "[nonsense".to_owned(),
    ];
    assert_each_refused(&stage, ENVELOPE, bodies).await;
    stage.end().await;
}

#[tokio::test]
async fn json_024_a_response_to_a_question_nobody_asked_is_refused() {
    let stage = Stage::new().await;
    let [modern, legacy] = stage.clients().await;
    for body in [r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, r#"{"jsonrpc":"2.0","id":"x","error":{"code":-1,"message":"no"}}"#] {
        stage.assert_malformed(body, &good_head(&legacy, body.as_bytes()).send().await, ENVELOPE);
        stage.assert_refused(body, &good_head(&modern, body.as_bytes()).send().await, 400);
    }
    stage.end().await;
}

#[tokio::test]
async fn json_027_a_call_without_an_id_is_refused_and_never_runs() {
    let stage = Stage::new().await;
    let without_id = |body: String| {
        assert!(body.contains("\"id\":1,"));
        body.replacen("\"id\":1,", "", 1)
    };
    let bodies = [
        call("{}"),
        request("tools/call", r#""name":"danger","arguments":{}"#),
        request("tools/list", r#""x":1"#),
        request("resources/read", r#""uri":"file:///x""#),
        request("prompts/get", r#""name":"hello""#),
        request("completion/complete", r#""ref":{"type":"ref/prompt","name":"hello"},"argument":{}"#),
        request("ping", r#""x":1"#),
        request("server/discover", r#""x":1"#),
        request("vendor/thing", r#""x":1"#),
    ];
    assert_each_refused(&stage, ENVELOPE, bodies.map(without_id)).await;
    stage.end().await;
}

#[tokio::test]
async fn json_027_a_notification_with_an_id_is_refused() {
    let stage = Stage::new().await;
    let methods = [
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
        "notifications/vendor",
    ];
    assert_each_refused(&stage, ENVELOPE, methods.map(|method| request(method, r#""requestId":1"#))).await;
    stage.end().await;
}

#[tokio::test]
async fn a_body_is_not_parsed_for_a_caller_without_a_credential() {
    let stage = Stage::new().await;
    for body in ["not json", r#"{"a":1,"a":2}"#, "[]", ""] {
        let answer = stage.gateway.post("crm").body(body).send().await;
        let record = stage.assert_refused(body, &answer, 401);
        assert_eq!(record["dec"]["reason"], "unauthenticated", "{record}");
        assert_eq!(record.get("who"), None::<&Value>, "{record}");
    }
    stage.end().await;
}
