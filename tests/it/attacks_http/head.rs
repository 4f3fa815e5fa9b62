//! Host, line ends, control bytes and request lines.

use serde_json::{Value, json};

use super::unframed;
use crate::support::stage::Stage;

/// A head of these lines, each ended as it should be, and then the body.
fn raw(lines: &[&str], body: &str) -> Vec<u8> {
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

#[tokio::test]
async fn http_018_a_host_that_is_missing_repeated_or_malformed_is_refused() {
    let stage = Stage::new().await;
    stage.assert_no_request("missing in a GET", b"GET /mcp HTTP/1.1\r\n\r\n", 400).await;
    stage.assert_no_request("missing in HTTP/1.0", b"GET /mcp HTTP/1.0\r\n\r\n", 400).await;
    let address = stage.gateway.address.to_string();
    let post = unframed(&stage).without("Host");
    stage.assert_no_request("missing", &post.bytes(), 400).await;
    for (one, two) in
        [("a", "b"), (address.as_str(), address.as_str()), (&address, "evil.example"), ("evil.example", &address), (&address, "")]
    {
        let record = stage.assert_no_request("two", &post.clone().also("Host", one).also("host", two).bytes(), 400).await;
        assert!(["host_repeated", "host_invalid"].iter().any(|reason| record["dec"]["reason"] == *reason), "{record}");
    }
    let malformed = [
        "u@a".to_owned(),
        format!("u@{address}"),
        format!("u:p@{address}"),
        "a:99999".to_owned(),
        "a:65536".to_owned(),
        "a:".to_owned(),
        "a:-1".to_owned(),
        "a:+80".to_owned(),
        "a:80:80".to_owned(),
        "a:8o".to_owned(),
        String::new(),
        format!("{address}, evil.example"),
        format!("{address} evil.example"),
        format!("{address}/mcp"),
        format!("http://{address}"),
        format!("{address}#"),
        format!("{address}?x"),
        "a%2eb".to_owned(),
        "[::1".to_owned(),
        "[::1]80".to_owned(),
        "[::g]".to_owned(),
        "[127.0.0.1]".to_owned(),
        "a\\b".to_owned(),
        "<script>".to_owned(),
    ];
    for host in &malformed {
        let record = stage.assert_no_request(host, &post.clone().header("Host", host).bytes(), 400).await;
        assert_eq!(record["dec"]["reason"], "host_invalid", "{host:?}: {record}");
    }
    stage.end().await;
}

#[tokio::test]
async fn http_018_a_target_of_another_authority_is_refused() {
    let stage = Stage::new().await;
    let address = stage.gateway.address;
    for target in [
        "http://evil.example/mcp/crm".to_owned(),
        format!("http://{address}/mcp/crm"),
        "evil.example:80".to_owned(),
        "*".to_owned(),
        "mcp/crm".to_owned(),
    ] {
        stage.assert_no_request(&target, &unframed(&stage).target(&target).bytes(), 400).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn http_018_a_well_formed_host_that_is_not_ours_is_403() {
    let stage = Stage::new().await;
    let port = stage.gateway.address.port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        "127.0.0.1".to_owned(),
        "127.0.0.1:1".to_owned(),
        format!("127.0.0.1.:{port}"),
        format!("127.1:{port}"),
        format!("2130706433:{port}"),
    ] {
        let record = stage.assert_refused(&host, &unframed(&stage).header("Host", &host).send().await, 403);
        assert_eq!(record["dec"]["reason"], "host_not_allowed", "{record}");
    }
    stage.assert_passes("localhost", &unframed(&stage).header("Host", &format!("LOCALHOST:{port}")).send().await);
    stage.end().await;
}

#[tokio::test]
async fn http_020_line_ends_and_control_bytes_that_readers_differ_on_are_refused() {
    let stage = Stage::new().await;
    stage.assert_no_request("bare line feeds", b"GET /mcp HTTP/1.1\nHost: gw\n\n", 400).await;
    let good = String::from_utf8(unframed(&stage).also("X", "a@b").bytes()).unwrap();
    let (head, body) = good.split_once("\r\n\r\n").unwrap();
    let all_bare = format!("{}\n\n{body}", head.replace("\r\n", "\n"));
    stage.assert_no_request("bare line feeds in a call", all_bare.as_bytes(), 400).await;
    stage.assert_no_request("one bare line feed", good.replacen("\r\n", "\n", 1).as_bytes(), 400).await;
    stage.assert_no_request("a bare line feed at the end", format!("{head}\n\n{body}").as_bytes(), 400).await;
    stage.assert_no_request("a mixed end", format!("{head}\r\n\n{body}").as_bytes(), 400).await;
    let inside = [
        "\r", "\0", "\r\n ", "\r\n\t", "\n", "\n ", "\u{1}", "\u{7f}", "\u{8}", "\u{b}", "\u{c}", "\u{1b}", "\r\r\n", "\u{85}",
        "é",
    ];
    for bytes in inside {
        stage.assert_no_request(&format!("{bytes:?} in a value"), good.replacen('@', bytes, 1).as_bytes(), 400).await;
    }
    for bytes in ["\0", "\t", " ", "\r", "é", "\"", "(", "/", "\u{7f}"] {
        let named = good.replacen("X: a@b", &format!("X{bytes}Y: ab"), 1);
        stage.assert_no_request(&format!("{bytes:?} in a name"), named.as_bytes(), 400).await;
    }
    for (what, line) in [("no colon", "X"), ("no name", ": x"), ("a fold first", " X: x"), ("a space before the colon", "X : x")]
    {
        stage.assert_no_request(what, good.replacen("X: a@b", line, 1).as_bytes(), 400).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn http_020_request_lines_that_readers_differ_on_are_refused() {
    let stage = Stage::new().await;
    let good = String::from_utf8(unframed(&stage).bytes()).unwrap();
    for (line, status) in [
        ("POST  /mcp/crm HTTP/1.1", 400),
        ("POST /mcp/crm  HTTP/1.1", 400),
        ("POST\t/mcp/crm\tHTTP/1.1", 400),
        (" POST /mcp/crm HTTP/1.1", 400),
        ("POST /mcp/crm HTTP/1.1 ", 400),
        ("POST /mcp/crm", 400),
        ("POST /mcp/crm HTTP/1.1 HTTP/1.1", 400),
        ("post /mcp/crm HTTP/1.1", 400),
        ("PO ST /mcp/crm HTTP/1.1", 400),
        ("POST /mcp/crm http/1.1", 400),
        ("POST /mcp/crm HTTP/1.10", 400),
        ("POST /mcp/crm HTTP/1,1", 400),
        ("POST /mcp/crm HTTP/2.0", 505),
        ("POST /mcp/crm HTTP/0.9", 505),
        ("POST /mcp/crm#x HTTP/1.1", 400),
        ("POST /mcp/crm\\ HTTP/1.1", 400),
        ("POST /mcp/%zz HTTP/1.1", 400),
        ("POST /mcp/cré HTTP/1.1", 400),
        ("\r\nPOST /mcp/crm HTTP/1.1", 400),
        ("\nPOST /mcp/crm HTTP/1.1", 400),
    ] {
        stage.assert_no_request(line, good.replacen("POST /mcp/crm HTTP/1.1", line, 1).as_bytes(), status).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn what_is_refused_as_a_request_is_refused_alike_without_a_credential() {
    let stage = Stage::new().await;
    let host = format!("Host: {}", stage.gateway.address);
    for (what, bytes) in [
        (
            "both framings",
            raw(&["POST /mcp/crm HTTP/1.1", &host, "Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
        ),
        ("a length", raw(&["POST /mcp/crm HTTP/1.1", &host, "Content-Length: +5"], "")),
        ("an underscore", raw(&["POST /mcp/crm HTTP/1.1", &host, "Content_Length: 5"], "")),
        ("a GET with a body", raw(&["GET /mcp/crm HTTP/1.1", &host, "Content-Length: 5"], "hello")),
    ] {
        let record = stage.assert_no_request(what, &bytes, 400).await;
        assert_eq!(record.get("who"), None::<&Value>, "{what}: {record}");
        assert_eq!(record["what"], json!({}), "{what}: {record}");
    }
    stage.end().await;
}
