//! Requests that two HTTP readers could frame differently, and heads and bodies that cost more than they should.
//!
//! One test for each row of the attack list, with the neighbours of its class. Every attack carries a good credential and a call that
//! would reach the server, so that nothing but the framing is what is refused.

mod body;
mod head;
mod limits;
mod proxies;
mod readers;
mod replies;
mod rows;
mod table;

use crate::support::client::meta;
use crate::support::http::Post;
use crate::support::stage::{Stage, good_head};

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{},"_meta":META}}"#;

fn call() -> String {
    CALL.replace("META", &meta().to_string())
}

/// A good call, to be framed by the test.
fn unframed(stage: &Stage) -> Post {
    good_head(&stage.modern(), call().as_bytes())
}

/// The same call in one chunk.
fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[tokio::test]
async fn http_001_two_ways_of_framing_at_once_are_refused() {
    let stage = Stage::new().await;
    let row = b"POST /mcp HTTP/1.1\r\nHost: gw\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG";
    let record = stage.assert_no_request("the row", row, 400).await;
    assert_eq!(record["dec"]["reason"], "content_length_and_transfer_encoding", "{record}");
    // What one reader takes for the end of the body is a whole call to the other.
    let smuggled = String::from_utf8(unframed(&stage).bytes()).unwrap();
    let post = unframed(&stage).body(format!("0\r\n\r\n{smuggled}"));
    let length = (5 + smuggled.len()).to_string();
    for (first, second) in [("Content-Length", "Transfer-Encoding"), ("Transfer-Encoding", "Content-Length")] {
        let value = |name| if name == "Content-Length" { length.as_str() } else { "chunked" };
        let bytes = post.clone().header(first, value(first)).header(second, value(second)).bytes();
        stage.assert_no_request(&format!("{first} before {second}"), &bytes, 400).await;
    }
    let chunked =
        unframed(&stage).body(chunked(&call())).header("Content-Length", "5").header("transfer-ENCODING", "Chunked").bytes();
    stage.assert_no_request("other spelling", &chunked, 400).await;
    stage.end().await;
}

#[tokio::test]
async fn http_001_any_transfer_coding_but_one_chunked_is_refused() {
    let stage = Stage::new().await;
    let post = unframed(&stage).body(chunked(&call()));
    for coding in [
        "xchunked",
        "chunked, identity",
        "identity, chunked",
        "identity",
        "gzip, chunked",
        "gzip",
        "chunked, chunked",
        "chunked;q=1",
        "\"chunked\"",
        "chunked,",
        ",chunked",
        "",
        "chun ked",
        "chunked\u{b}",
        "x",
        "trailers",
    ] {
        stage.assert_no_request(coding, &post.clone().header("Transfer-Encoding", coding).bytes(), 400).await;
    }
    let twice = post.clone().also("Transfer-Encoding", "chunked").also("Transfer-Encoding", "chunked");
    stage.assert_no_request("twice", &twice.bytes(), 400).await;
    let twice = post.clone().also("Transfer-Encoding", "chunked").also("Transfer-Encoding", "identity");
    stage.assert_no_request("chunked and identity", &twice.bytes(), 400).await;
    for name in ["Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "Transfer_Encoding", "Transfer-Encoding:"] {
        stage.assert_no_request(name, &post.clone().also(name, "chunked").bytes(), 400).await;
    }
    let old = String::from_utf8(post.clone().header("Transfer-Encoding", "chunked").bytes())
        .unwrap()
        .replacen("HTTP/1.1", "HTTP/1.0", 1);
    stage.assert_no_request("HTTP/1.0", old.as_bytes(), 400).await;
    stage.end().await;
}

#[tokio::test]
async fn http_001_one_chunked_body_passes_and_broken_chunks_do_not() {
    let stage = Stage::new().await;
    let post = unframed(&stage).header("Transfer-Encoding", "chunked");
    stage.assert_passes("chunked", &post.clone().body(chunked(&call())).send().await);
    let body = call();
    let size = format!("{:x}", body.len());
    for (what, bytes) in [
        ("a sign", format!("+{size}\r\n{body}\r\n0\r\n\r\n")),
        ("0x", format!("0x{size}\r\n{body}\r\n0\r\n\r\n")),
        ("a space before", format!(" {size}\r\n{body}\r\n0\r\n\r\n")),
        ("a space behind", format!("{size} \r\n{body}\r\n0\r\n\r\n")),
        ("17 digits", format!("{size:0>17}\r\n{body}\r\n0\r\n\r\n")),
        ("no digit", format!("\r\n{body}\r\n0\r\n\r\n")),
        ("a bare line feed", format!("{size}\n{body}\r\n0\r\n\r\n")),
        ("a bare line feed behind", format!("{size}\r\n{body}\n0\r\n\r\n")),
        ("no line end behind", format!("{size}\r\n{body}0\r\n\r\n")),
        ("a larger chunk than said", format!("{size}\r\n{body}GET / HTTP/1.1\r\n0\r\n\r\n")),
        ("trailers", format!("{size}\r\n{body}\r\n0\r\nContent-Length: 5\r\n\r\n")),
        ("a line feed in an extension", format!("{size};x=\n\r\n{body}\r\n0\r\n\r\n")),
    ] {
        stage.assert_no_request(what, &post.clone().body(bytes).bytes(), 400).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn http_003_two_content_lengths_are_refused() {
    let stage = Stage::new().await;
    let row = b"POST /mcp HTTP/1.1\r\nHost: gw\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde";
    let record = stage.assert_no_request("the row", row, 400).await;
    assert_eq!(record["dec"]["reason"], "content_length_repeated", "{record}");
    let length = call().len().to_string();
    for (one, two) in [(length.as_str(), length.as_str()), (&length, "0"), ("0", &length), (&length, ""), ("", &length)] {
        let bytes = unframed(&stage).also("Content-Length", one).also("content-length", two).bytes();
        stage.assert_no_request(&format!("{one:?} and {two:?}"), &bytes, 400).await;
    }
    for list in [format!("{length}, {length}"), format!("{length},0"), format!("{length} {length}"), format!("{length};")] {
        stage.assert_no_request(&list, &unframed(&stage).header("Content-Length", &list).bytes(), 400).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn http_005_a_content_length_that_is_not_plain_digits_is_refused() {
    let stage = Stage::new().await;
    let length = call().len();
    let row = ["+3", "0x3", "-1", "3.0", "99999999999999999999", ""].map(str::to_owned);
    let neighbours = [
        format!("+{length}"),
        format!("{length}.0"),
        format!("{length}e0"),
        format!("0x{length:x}"),
        format!("{length}L"),
        format!("{length}_0"),
        format!("\"{length}\""),
        format!("{length:0>20}"),
        "18446744073709551616".to_owned(),
        "99999999999999999999999999999999999999".to_owned(),
        "-0".to_owned(),
        "1 2".to_owned(),
        "abc".to_owned(),
        " ".to_owned(),
    ];
    for value in row.iter().chain(&neighbours) {
        let record = stage.assert_no_request(value, &unframed(&stage).header("Content-Length", value).bytes(), 400).await;
        assert_eq!(record["dec"]["reason"], "content_length", "{value:?}: {record}");
    }
    for name in ["Content-Length ", "Content_Length", "Content-Length\t"] {
        stage
            .assert_no_request(name, &unframed(&stage).also("Content-Length", "0").also(name, &length.to_string()).bytes(), 400)
            .await;
    }
    stage.assert_passes("white space around", &unframed(&stage).header("Content-Length", &format!(" \t{length} ")).send().await);
    stage.end().await;
}
