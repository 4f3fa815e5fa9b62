//! Text that is not what it seems: encodings, surrogates, byte order marks, NUL.

use super::{ENVELOPE, PARSE, assert_each_refused, call, request};
use crate::support::stage::Stage;

#[tokio::test]
async fn json_009_what_is_not_utf8_is_refused() {
    let stage = Stage::new().await;
    let bad: [(&str, &[u8]); 10] = [
        ("a lone continuation byte", b"\x80"),
        ("0xff", b"\xff"),
        ("an overlong slash, two bytes", b"\xc0\xaf"),
        ("an overlong slash, three bytes", b"\xe0\x80\xaf"),
        ("an overlong NUL", b"\xc0\x80"),
        ("a surrogate", b"\xed\xa0\x80"),
        ("a surrogate pair (CESU-8)", b"\xed\xa0\xbd\xed\xb8\x80"),
        ("beyond U+10FFFF", b"\xf4\x90\x80\x80"),
        ("Latin-1", b"\xe9"),
        ("half a character", b"\xe2\x82"),
    ];
    for (what, bytes) in bad {
        for (place, template) in [
            ("argument", call(r#"{"x":"@"}"#)),
            ("key", call(r#"{"@":1}"#)),
            ("name", request("tools/call", r#""name":"echo@","arguments":{}"#)),
            ("method", request("tools/call@", r#""name":"echo","arguments":{}"#)),
            ("id", call("{}").replacen("\"id\":1", "\"id\":\"@\"", 1)),
        ] {
            let (before, after) = template.split_once('@').unwrap();
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            stage.assert_no_message(&format!("{what} in {place}"), &body, PARSE).await;
        }
    }
    stage.end().await;
}

#[tokio::test]
async fn json_009_other_encodings_are_refused() {
    let stage = Stage::new().await;
    let body = call("{}");
    let utf16 = |to_bytes: fn(u16) -> [u8; 2]| body.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
    let utf32: Vec<u8> = body.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect();
    for (what, bytes) in [
        ("UTF-16LE", utf16(u16::to_le_bytes)),
        ("UTF-16BE", utf16(u16::to_be_bytes)),
        ("UTF-16LE with BOM", [b"\xff\xfe".to_vec(), utf16(u16::to_le_bytes)].concat()),
        ("UTF-16BE with BOM", [b"\xfe\xff".to_vec(), utf16(u16::to_be_bytes)].concat()),
        ("UTF-32BE", utf32),
        ("UTF-7", body.replace('{', "+AHs-").into_bytes()),
    ] {
        stage.assert_no_message(what, &bytes, PARSE).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn json_009_lone_surrogate_escapes_are_refused() {
    let stage = Stage::new().await;
    let escapes = [r"\ud800", r"\udc00", r"\udfff", r"\ud83d", r"\ud83d x", r"\ud83dA", r"\ude00\ud83d", r"\ud83d\ud83d"];
    assert_each_refused(&stage, PARSE, escapes.map(|escape| call(&format!(r#"{{"x":"{escape}"}}"#)))).await;
    stage.end().await;
}

#[tokio::test]
async fn json_011_a_byte_order_mark_is_refused() {
    let stage = Stage::new().await;
    let body = call("{}");
    let bodies =
        [format!("\u{feff}{body}"), format!(" \u{feff}{body}"), format!("{body}\u{feff}"), format!("\u{feff}\u{feff}{body}")];
    assert_each_refused(&stage, PARSE, bodies).await;
    stage.end().await;
}

#[tokio::test]
async fn json_012_nul_in_what_policy_reads_is_refused() {
    let stage = Stage::new().await;
    for control in ["\\u0000", "\\u0001", "\\n", "\\u001f", "\\u007f", "\\u0085"] {
        let bodies = [
            request(&format!("tools/call{control}"), r#""name":"echo","arguments":{}"#),
            request(&format!("{control}tools/call"), r#""name":"echo","arguments":{}"#),
            request("tools/call", &format!(r#""name":"echo{control}danger","arguments":{{}}"#)),
            request("tools/call", &format!(r#""name":"{control}","arguments":{{}}"#)),
            request("prompts/get", &format!(r#""name":"hello{control}""#)),
            request("resources/read", &format!(r#""uri":"file:///a{control}/../../etc/passwd""#)),
            call("{}").replacen("\"id\":1", &format!("\"id\":\"a{control}b\""), 1),
        ];
        assert_each_refused(&stage, ENVELOPE, bodies).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn json_012_a_raw_control_byte_is_refused_everywhere() {
    let stage = Stage::new().await;
    for byte in ["\0", "\u{1}", "\u{8}", "\u{c}", "\u{1f}", "\n", "\t", "\r"] {
        let bodies = [
            request("tools/call", &format!("\"name\":\"ec{byte}ho\",\"arguments\":{{}}")),
            request(&format!("tools{byte}/call"), r#""name":"echo","arguments":{}"#),
            call(&format!("{{\"x\":\"a{byte}b\"}}")),
            call(&format!("{{\"x{byte}\":1}}")),
        ];
        assert_each_refused(&stage, PARSE, bodies).await;
    }
    stage.end().await;
}
