//! What lies open for long over TLS.

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use super::{AGENT, OPTIONAL, REQUIRED, Secure, Setting};
use crate::support::certs::Leaf;
use crate::support::client::{Client, Events};
use crate::support::http::{Connection, Post};
use crate::support::reply::{Gate, Reply, Step};
use crate::support::tls::TlsClient;

/// A subscription to the second listener.
fn listen(secure: &Secure) -> Post {
    let acknowledged = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {} });
    let stream = Reply::stream([Step::message(&acknowledged), Step::Wait(Gate::default())]);
    secure.stage.upstream.on_method("subscriptions/listen", stream);
    let client = Client::modern(secure.address, "crm", &secure.stage.key);
    let params = json!({ "notifications": { "toolsListChanged": true } });
    client.post(&client.message(Some(&json!(1)), "subscriptions/listen", params))
}

async fn opened(mut connection: Connection, post: &Post) -> Events {
    connection.send(&post.bytes()).await;
    let mut events = Events::read(connection).await;
    assert_eq!(events.head.status, 200, "{:?}", events.head);
    assert!(events.next().await.is_some());
    events
}

/// A connection that has brought a call: in TLS 1.3 a client does not wait for the server's word on its certificate.
async fn used(secure: &Secure, client: &TlsClient) -> Connection {
    let mut connection = client.connect(secure.address).await;
    connection.send(&secure.call().bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    connection
}

/// The stream has ended with this status in its outcome.
async fn assert_ended(secure: &Secure, mut events: Events, status: &str) {
    while events.next().await.is_some() {}
    let records = secure.gateway().ended(&events.head.call()).await;
    assert_eq!(records.last().unwrap()["out"]["status"], status, "{records:?}");
}

#[tokio::test]
async fn what_a_certificate_has_opened_ends_with_its_time() {
    let secure = Secure::new(Setting::mutual(REQUIRED)).await;
    let short = secure.showing(&Leaf::client("agent").uri(AGENT).valid(-60, 600));
    let by_certificate = opened(short.connect(secure.address).await, &listen(&secure).without("Authorization")).await;
    let by_key = opened(short.connect(secure.address).await, &listen(&secure)).await;
    let mut kept = used(&secure, &short).await;
    secure.gateway().clock.advance(601);
    assert_ended(&secure, by_certificate, "credential_expired").await;
    // The listener asks for certificates: what came on a connection by one does not outlive it, whatever else was shown.
    assert_ended(&secure, by_key, "credential_expired").await;
    kept.send(&secure.call().bytes()).await;
    let late = kept.answer().await.unwrap();
    assert_eq!((late.status, &secure.decision(&late)["dec"]["detail"]), (401, &json!("certificate_expired")));
    secure.end().await;
}

#[tokio::test]
async fn what_a_certificate_has_opened_ends_when_it_is_revoked_and_nothing_else_does() {
    let secure = Secure::new(Setting::mutual(OPTIONAL)).await;
    let (bad, good) =
        (secure.corp.issue(&Leaf::client("agent").uri(AGENT)), secure.corp.issue(&Leaf::client("agent").uri(AGENT)));
    let (bad_client, good_client) = (secure.client.showing(&bad), secure.client.showing(&good));
    let ending = opened(bad_client.connect(secure.address).await, &listen(&secure).without("Authorization")).await;
    let staying = opened(good_client.connect(secure.address).await, &listen(&secure).without("Authorization")).await;
    let mut kept = used(&secure, &bad_client).await;
    std::fs::write(secure.file("clients.crl"), secure.corp.revocations(&[&bad])).unwrap();
    // No reload is asked for: the file is looked at.
    assert_ended(&secure, ending, "credential_revoked").await;
    for post in [secure.call(), secure.keyed()] {
        kept.send(&post.bytes()).await;
        let late = kept.answer().await.unwrap();
        assert_eq!((late.status, &secure.decision(&late)["dec"]["detail"]), (401, &json!("certificate_revoked")), "{late:?}");
    }
    secure.assert_no_handshake("revoked", &bad_client, "certificate_revoked").await;
    assert_eq!(secure.gateway().records_of(&staying.head.call()).len(), 1, "the other one goes on");
    drop(staying);
    secure.end().await;
}

#[tokio::test]
async fn once_a_list_is_too_old_nobody_comes_in_by_certificate() {
    let secure = Secure::new(Setting::mutual(OPTIONAL)).await;
    let client = secure.showing(&Leaf::client("agent").uri(AGENT).valid(-60, 10 * 24 * 3600));
    let stream = opened(client.connect(secure.address).await, &listen(&secure).without("Authorization")).await;
    let mut kept = used(&secure, &client).await;
    // The list is good for a day.
    secure.gateway().clock.advance(24 * 3600 + 60);
    assert_ended(&secure, stream, "store_unavailable").await;
    secure.assert_no_handshake("no new one", &client, "certificate_revocation_unknown").await;
    kept.send(&secure.call().bytes()).await;
    assert_eq!(kept.answer().await.unwrap().status, 503);
    assert_eq!(secure.send(&secure.client, &secure.keyed()).await.status, 200, "a key needs no list");
    secure.end().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_over_tls_is_cut_off() {
    let secure =
        Secure::new(Setting { listener: "limits: { stall_timeout: 300ms, stream_buffer: 32KiB }", ..Setting::default() }).await;
    secure.stage.upstream.on_tool("echo", Reply::text(&"x".repeat(2 << 20)));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(secure.address).await.unwrap();
    let mut stream = secure.client.shake_on(stream, secure.address).await.unwrap();
    stream.write_all(&secure.keyed().bytes()).await.unwrap();
    stream.flush().await.unwrap();
    secure.gateway().metric_is("yett_connections_stalled_total", 1.0).await;
    drop(stream);
    secure.end().await;
}
