//! Bodies that two parsers could read differently: each is refused before anything behind the gateway sees it.
//!
//! One test for each row of the attack list, with the neighbours of its class. Every body is sent under a head that would let a good
//! call pass, in both eras, so that nothing but the body is what is refused.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod fidelity;
mod syntax;
mod text;
mod values;

use crate::support::client::meta;
use crate::support::server::Arrived;
use crate::support::stage::{Stage, good_head};

const PARSE: &[i64] = &[-32700];
const ENVELOPE: &[i64] = &[-32600];

/// A call of `echo` that would pass; `arguments` is JSON text.
fn call(arguments: &str) -> String {
    request("tools/call", &format!(r#""name":"echo","arguments":{arguments}"#))
}

/// A request of that method, with these members in `params` beside the `_meta` that a modern one needs.
fn request(method: &str, members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{members},"_meta":{}}}}}"#, meta())
}

/// The one call that the server got.
fn the_call(stage: &Stage) -> Arrived {
    let mut calls = stage.upstream.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    calls.remove(0)
}

async fn assert_each_refused(stage: &Stage, codes: &[i64], bodies: impl IntoIterator<Item = String>) {
    for body in bodies {
        let shown: String = body.chars().take(160).collect();
        stage.assert_no_message(&shown, body.as_bytes(), codes).await;
    }
}

#[tokio::test]
async fn json_001_duplicate_method_is_refused() {
    let stage = Stage::new().await;
    let danger = request("tools/call", r#""name":"danger","arguments":{}"#);
    let both = |one: &str, two: &str| danger.replacen(r#""method":"tools/call""#, &format!("{one},{two}"), 1);
    let (list, call) = (r#""method":"tools/list""#, r#""method":"tools/call""#);
    let escaped = r#""\u006dethod":"tools/call""#;
    let half_escaped = r#""m\u0065tho\u0064":"tools/call""#;
    let bodies = [
        both(list, call),
        both(call, list),
        both(call, call),
        both(list, escaped),
        both(escaped, list),
        both(escaped, half_escaped),
    ];
    assert_each_refused(&stage, PARSE, bodies).await;
    stage.end().await;
}

#[tokio::test]
async fn json_001_any_other_member_of_the_envelope_twice_is_refused() {
    let stage = Stage::new().await;
    let good = call("{}");
    let open = good.strip_suffix('}').unwrap();
    let again = [
        r#""jsonrpc":"2.0""#,
        r#""id":1"#,
        r#""id":2"#,
        r#""\u0069d":2"#,
        r#""params":{"name":"danger"}"#,
        r#""p\u0061rams":{}"#,
    ];
    assert_each_refused(&stage, PARSE, again.map(|member| format!("{open},{member}}}"))).await;
    stage.end().await;
}

#[tokio::test]
async fn json_002_duplicate_tool_name_is_refused_in_either_order() {
    let stage = Stage::new().await;
    let names = [r#""name":"safe""#, r#""name":"danger""#, r#""na\u006de":"danger""#, r#""\u006e\u0061\u006d\u0065":"safe""#];
    let mut bodies = Vec::new();
    for one in names {
        for two in names {
            bodies.push(request("tools/call", &format!(r#"{one},"arguments":{{}},{two}"#)));
        }
    }
    assert_each_refused(&stage, PARSE, bodies).await;
    stage.end().await;
}

#[tokio::test]
async fn json_002_duplicate_keys_are_refused_at_every_depth() {
    let stage = Stage::new().await;
    let arguments = [
        r#"{"a":1,"a":1}"#,
        r#"{"a":1,"b":2,"\u0061":3}"#,
        r#"{"x":[0,{"y":{"a":1,"a":2}}]}"#,
        r#"{"":1,"":2}"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
        r#"{"/":1,"\/":2}"#,
        r#"{"\u00e9":1,"é":2}"#,
    ];
    assert_each_refused(&stage, PARSE, arguments.map(call)).await;
    let many: Vec<_> = (0..200).map(|number| format!(r#""k{number}":0"#)).collect();
    assert_each_refused(&stage, PARSE, [call(&format!(r#"{{{},"k7":0}}"#, many.join(",")))]).await;
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25"}"#;
    assert_each_refused(&stage, PARSE, [request("tools/call", &format!(r#""name":"echo","arguments":{{}},{meta}"#))]).await;
    stage.end().await;
}

#[tokio::test]
async fn json_005_case_variants_of_envelope_keys_are_refused() {
    let stage = Stage::new().await;
    let good = call("{}");
    let open = good.strip_suffix('}').unwrap();
    let beside = [
        r#""Method":"tools/call""#,
        r#""METHOD":"tools/list""#,
        r#""Params":{"name":"danger"}"#,
        r#""PARAMS":{}"#,
        r#""ID":2"#,
        r#""Id":2"#,
        r#""JSONRPC":"2.0""#,
        r#""JsonRpc":"2.0""#,
        r#""param\u017f":{}"#,
        r#""paramſ":{}"#,
        r#""Result":{}"#,
        r#""ERROR":{}"#,
    ];
    assert_each_refused(&stage, ENVELOPE, beside.map(|member| format!("{open},{member}}}"))).await;
    let instead = [("method", "Method"), ("params", "PARAMS"), ("id", "Id"), ("jsonrpc", "Jsonrpc")];
    assert_each_refused(
        &stage,
        ENVELOPE,
        instead.map(|(key, variant)| good.replacen(&format!("\"{key}\""), &format!("\"{variant}\""), 1)),
    )
    .await;
    let row = r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"tools/list","Params":{"Name":"danger"},"params":{}}"#;
    assert_each_refused(&stage, ENVELOPE, [row.to_owned()]).await;
    stage.end().await;
}

#[tokio::test]
async fn json_005_case_variants_of_parameter_keys_are_refused() {
    let stage = Stage::new().await;
    let variants = [
        r#""Name":"danger""#,
        r#""NAME":"danger""#,
        r#""n\u0041me":"danger""#,
        r#""Arguments":{}"#,
        r#""argument\u017f":{}"#,
        r#""URI":"file:///x""#,
        r#""_Meta":{}"#,
        r#""Task":{}"#,
        r#""tas\u212a":{}"#,
        r#""Cursor":"x""#,
        r#""requeststate":"x""#,
    ];
    let beside = variants.map(|variant| request("tools/call", &format!(r#""name":"echo","arguments":{{}},{variant}"#)));
    assert_each_refused(&stage, ENVELOPE, beside).await;
    let instead =
        [r#""Name":"echo""#, r#""NAME":"danger""#].map(|name| request("tools/call", &format!(r#"{name},"arguments":{{}}"#)));
    assert_each_refused(&stage, ENVELOPE, instead).await;
    stage.end().await;
}

#[tokio::test]
async fn json_005_case_matters_in_arguments_which_are_the_tools_own() {
    let stage = Stage::new().await;
    let client = stage.modern();
    let answer = good_head(&client, call(r#"{"Name":"x","name":"y","METHOD":1,"ſ":2}"#).as_bytes()).send().await;
    stage.assert_passes("keys of a tool's arguments", &answer);
    stage.end().await;
}

#[tokio::test]
async fn json_007_unknown_members_of_the_envelope_are_refused() {
    let stage = Stage::new().await;
    let good = call("{}");
    let open = good.strip_suffix('}').unwrap();
    let members = [
        r#""result":{}"#,
        r#""result":null"#,
        r#""error":{"code":1,"message":"x"}"#,
        r#""error":null"#,
        r#""auth":"Bearer x""#,
        r#""constructor":{"prototype":{}}"#,
        r#""_meta":{}"#,
        r#""name":"danger""#,
        r#""":1"#,
        r#""method ":"tools/list""#,
        r#""\u0000method":"tools/list""#,
        r#""method\u0000":"tools/list""#,
        r#""meth\u200bod":"tools/list""#,
    ];
    assert_each_refused(&stage, ENVELOPE, members.map(|member| format!("{open},{member}}}"))).await;
    assert_each_refused(&stage, ENVELOPE, members.map(|member| format!("{{{member},{}", &good[1..]))).await;
    stage.end().await;
}

#[tokio::test]
async fn json_007_a_key_that_javascript_takes_for_a_prototype_is_refused_at_every_depth() {
    let stage = Stage::new().await;
    let good = call("{}");
    let member = r#""__proto__":{"method":"tools/list","name":"danger"}"#;
    let open = good.strip_suffix('}').unwrap();
    let bodies = [
        format!("{open},{member}}}"),
        format!("{{{member},{}", &good[1..]),
        request("tools/call", &format!(r#""name":"echo","arguments":{{}},{member}"#)),
        request("tools/call", &format!(r#""name":"echo","arguments":{{{member}}}"#)),
        call(r#"{"x":[{"\u005f\u005fproto__":null}]}"#),
    ];
    assert_each_refused(&stage, PARSE, bodies).await;
    // Others that only look like it are a tool's own.
    let answer =
        good_head(&stage.modern(), call(r#"{"__proto":1,"__PROTO__":2,"constructor":{"prototype":{}}}"#).as_bytes()).send().await;
    stage.assert_passes("keys that look like it", &answer);
    stage.end().await;
}
