//! SECURITY.md 4.2, the table of what HTTP libraries let through and what is required instead: every row, against the real listener.

use super::{call, chunked, unframed};
use crate::support::stage::Stage;

/// What is required of a row.
enum Required {
    /// This status, the connection closed, one record, and nothing at the server.
    Closed(u16),
    /// This status and one record; the connection may go on.
    Refused(u16),
    /// The server's answer.
    Passes,
}

use Required::{Closed, Passes, Refused};

#[tokio::test]
async fn every_row_of_the_table_is_as_required() {
    let stage = Stage::new().await;
    let body = call();
    let length = body.len().to_string();
    let good = || unframed(&stage);
    let chunks = || good().header("Transfer-Encoding", "chunked").body(chunked(&body));
    let text = |post: &crate::support::http::Post| String::from_utf8(post.bytes()).unwrap();
    let bent = |from: &str, to: &str| {
        let bytes = text(&good());
        assert!(bytes.contains(from), "no {from:?}");
        bytes.replacen(from, to, 1).into_bytes()
    };
    let address = stage.gateway.address;
    let get = |more: &str, body: &str| {
        format!("GET /mcp/crm HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n{more}\r\n{body}", stage.key)
            .into_bytes()
    };
    let rows: Vec<(&str, Vec<u8>, Required)> = vec![
        ("a good request", good().bytes(), Passes),
        ("Content-Length + Transfer-Encoding", chunks().also("Content-Length", &length).bytes(), Closed(400)),
        ("two different Content-Length", good().also("Content-Length", &length).also("Content-Length", "1").bytes(), Closed(400)),
        ("malformed Content-Length", good().header("Content-Length", "0x10").bytes(), Closed(400)),
        ("xchunked", chunks().header("Transfer-Encoding", "xchunked").bytes(), Closed(400)),
        ("chunked, identity", chunks().header("Transfer-Encoding", "chunked, identity").bytes(), Closed(400)),
        ("space before colon", chunks().without("Transfer-Encoding").also("Transfer-Encoding ", "chunked").bytes(), Closed(400)),
        ("TE in 1.0", text(&chunks()).replacen("HTTP/1.1", "HTTP/1.0", 1).into_bytes(), Closed(400)),
        ("obs-fold", bent("Content-Type: ", "X: a\r\n b\r\nContent-Type: "), Closed(400)),
        ("bare CR", bent("Content-Type: ", "X: a\rb\r\nContent-Type: "), Closed(400)),
        ("NUL", bent("Content-Type: ", "X: a\0b\r\nContent-Type: "), Closed(400)),
        ("two equal Content-Length", good().also("Content-Length", &length).also("Content-Length", &length).bytes(), Closed(400)),
        ("gzip, chunked", chunks().header("Transfer-Encoding", "gzip, chunked").bytes(), Closed(400)),
        ("bare LF", text(&good()).replace("\r\n", "\n").into_bytes(), Closed(400)),
        ("no Host", good().without("Host").bytes(), Closed(400)),
        ("two Hosts", good().also("Host", &address.to_string()).bytes(), Closed(400)),
        ("absolute URI of other authority", good().target("http://evil.example/mcp/crm").bytes(), Closed(400)),
        ("a small chunk extension", chunks().body(chunked(&body).replacen("\r\n", ";a=b\r\n", 1)).bytes(), Passes),
        (
            "a large chunk extension",
            chunks().body(chunked(&body).replacen("\r\n", &format!(";{}\r\n", "a".repeat(300)), 1)).bytes(),
            Closed(400),
        ),
        ("trailers", chunks().body(chunked(&body).replacen("0\r\n\r\n", "0\r\nX: y\r\n\r\n", 1)).bytes(), Closed(400)),
        ("101 headers", get(&"X: y\r\n".repeat(99), ""), Closed(431)),
        ("500 KB header", get(&format!("X: {}\r\n", "a".repeat(500_000)), ""), Closed(431)),
        ("70 KB URI", good().target(&format!("/{}", "a".repeat(70_000))).bytes(), Closed(414)),
        ("GET with body", get("Content-Length: 5\r\n", "hello"), Closed(400)),
        ("GET", get("", ""), Refused(405)),
        ("CONNECT", b"CONNECT gw:443 HTTP/1.1\r\nHost: gw:443\r\n\r\n".to_vec(), Closed(405)),
        ("non-ASCII header bytes", bent("Content-Type: application", "Content-Type: \u{e4}pplication"), Closed(400)),
        ("HTTP/2 prior knowledge on cleartext", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(), Closed(505)),
        ("an upgrade to HTTP/2", good().also("Connection", "Upgrade, HTTP2-Settings").also("Upgrade", "h2c").bytes(), Passes),
        ("5 MB body, declared and not sent", good().body("").header("Content-Length", "5242880").bytes(), Closed(413)),
        ("4 MiB and a byte", good().body(format!("{body}{}", " ".repeat((4 << 20) + 1 - body.len()))).bytes(), Closed(413)),
        ("4 MiB", good().body(format!("{body}{}", " ".repeat((4 << 20) - body.len()))).bytes(), Passes),
    ];
    for (row, bytes, required) in rows {
        match required {
            Closed(status) => {
                stage.assert_no_request(row, &bytes, status).await;
            }
            Refused(status) => {
                stage.assert_refused(row, &stage.gateway.raw_answer(&bytes).await, status);
            }
            Passes => stage.assert_passes(row, &stage.gateway.raw_answer(&bytes).await),
        }
    }
    stage.end().await;
}

/// The one row of time. The limit is the configuration's, so that the test need not wait ten seconds.
#[tokio::test]
async fn an_unfinished_header_is_closed_at_its_limit() {
    let stage = Stage::with(|builder| builder.listener_extra("limits: { header_timeout: 500ms }")).await;
    let record = stage.assert_no_request("unfinished", b"POST /mcp/crm HTTP/1.1\r\nHost: gw\r\nX: ", 408).await;
    assert_eq!(record["dec"]["reason"], "slow_head", "{record}");
    stage.end().await;
}
