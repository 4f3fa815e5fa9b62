//! Size, coding and media type of bodies, and what happens to those that are not read.

use super::{call, chunked, unframed};
use crate::support::stage::{Stage, good_head};

#[tokio::test]
async fn http_029_a_declared_body_over_the_limit_is_413_before_it_is_read() {
    let stage = Stage::new().await;
    let limit: usize = 4 << 20;
    for length in [limit + 1, limit * 2, 1 << 40, 9_999_999_999_999_999_999] {
        // Nothing of the body is ever sent: an answer can only come if none is waited for.
        let bytes = unframed(&stage).body("").header("Content-Length", &length.to_string()).bytes();
        let record = stage.assert_no_request(&length.to_string(), &bytes, 413).await;
        assert_eq!(record["dec"]["reason"], "body_too_large", "{record}");
    }
    stage.end().await;
}

#[tokio::test]
async fn http_029_the_limit_is_exact_however_the_body_is_framed() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { body: 1KiB }")).await;
    let padded = |length: usize| format!("{}{}", call(), " ".repeat(length - call().len()));
    stage.assert_passes("1 KiB", &unframed(&stage).body(padded(1024)).send().await);
    let post = unframed(&stage).header("Transfer-Encoding", "chunked");
    stage.assert_passes("1 KiB chunked", &post.clone().body(chunked(&padded(1024))).send().await);
    stage.assert_no_request("1 KiB and a byte", &unframed(&stage).body(padded(1025)).bytes(), 413).await;
    stage.assert_no_request("1 KiB and a byte, chunked", &post.clone().body(chunked(&padded(1025))).bytes(), 413).await;
    let endless = format!("{:x}\r\n{}", 8 << 20, padded(4096));
    stage.assert_no_request("a chunk that never ends", &post.body(endless).bytes(), 413).await;
    stage.end().await;
}

#[tokio::test]
async fn http_031_a_coded_body_is_415_and_nothing_is_decompressed() {
    let stage = Stage::new().await;
    // What gzip makes of nothing, and then of zeros without end as far as its header tells.
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0\xf7\x4f\x6d\x0e\x37\xa0".to_vec();
    for client in stage.clients().await {
        for coding in [
            "gzip",
            "GZIP",
            "x-gzip",
            "deflate",
            "br",
            "zstd",
            "compress",
            "gzip, gzip",
            "gzip, identity",
            "identity",
            "",
            "nonsense",
        ] {
            let answer = good_head(&client, &gzip).header("Content-Encoding", coding).send().await;
            let record = stage.assert_refused(coding, &answer, 415);
            assert_eq!(record["dec"]["reason"], "unsupported_media", "{coding}: {record}");
            assert!(answer.body.is_empty(), "{coding}: {answer:?}");
        }
        let plain = good_head(&client, call().as_bytes()).header("Content-Encoding", "gzip").send().await;
        stage.assert_refused("plain text that is said to be coded", &plain, 415);
        let twice = good_head(&client, &gzip).also("Content-Encoding", "identity").also("Content-Encoding", "gzip").send().await;
        stage.assert_refused("two lines", &twice, 415);
        stage.assert_malformed("coded, but not said to be", &good_head(&client, &gzip).send().await, &[-32700]);
    }
    stage.end().await;
}

#[tokio::test]
async fn http_031_a_media_type_that_is_not_json_is_415() {
    let stage = Stage::new().await;
    let post = unframed(&stage);
    stage.assert_refused("none", &post.clone().without("Content-Type").send().await, 415);
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "application/json-rpc",
        "application",
        "",
        "text/json",
        "application/json, text/plain",
    ] {
        stage.assert_refused(kind, &post.clone().header("Content-Type", kind).send().await, 415);
    }
    stage.assert_refused("two lines", &post.clone().also("Content-Type", "text/plain").send().await, 415);
    stage.assert_passes("a parameter", &post.header("Content-Type", "Application/JSON; charset=utf-8").send().await);
    stage.end().await;
}

#[tokio::test]
async fn a_body_that_was_refused_unread_is_not_taken_for_the_next_request() {
    let stage = Stage::new().await;
    let smuggled = unframed(&stage).bytes();
    let post = unframed(&stage).body(smuggled.clone());
    for (what, post, status) in [
        ("no credential", post.clone().without("Authorization"), 401),
        ("a media type", post.clone().header("Content-Type", "text/plain"), 415),
        ("a coding", post.clone().header("Content-Encoding", "gzip"), 415),
        ("Accept", post.clone().without("Accept"), 406),
        ("a host", post.clone().header("Host", "evil.example"), 403),
        ("an origin", post.clone().header("Origin", "https://evil.example"), 403),
        ("a path", post.clone().target("/nowhere"), 404),
    ] {
        let mut connection = stage.gateway.connect().await;
        connection.send(&post.bytes()).await;
        let answer = connection.answer().await.unwrap();
        stage.assert_refused(what, &answer, status);
        // The connection is over, or the next answer is to the next request and to nothing between.
        connection.send(&unframed(&stage).body(call().replacen("\"id\":1", "\"id\":\"next\"", 1)).bytes()).await;
        if let Some(next) = connection.answer().await {
            stage.assert_passes(what, &next);
            assert_eq!(next.json()["id"], "next", "{what}: {next:?}");
        }
    }
    stage.end().await;
}
