//! What is spoken, and what becomes of those who speak something else.

use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{OPTIONAL, Secure, Setting};
use crate::support::certs::Leaf;
use crate::support::eventually;
use crate::support::http::Connection;

#[tokio::test]
async fn a_call_over_tls_is_a_call() {
    let secure = Secure::new(Setting::default()).await;
    let mut connection = secure.client.connect(secure.address).await;
    for _ in 0..2 {
        connection.send(&secure.keyed().bytes()).await;
        secure.stage.assert_passes("over TLS", &connection.answer().await.unwrap());
    }
    let metadata = format!("https://{}/.well-known/oauth-protected-resource/mcp/crm", secure.address);
    let answer = secure.send(&secure.client, &secure.call()).await;
    assert_eq!(answer.header("www-authenticate"), Some(format!("Bearer resource_metadata=\"{metadata}\"").as_str()));
    let refused = secure.client.send(secure.address, &secure.keyed().also("Content_Length", "3")).await.unwrap();
    assert_eq!((refused.status, refused.header("connection")), (400, Some("close")), "the filter sits on the TLS stream");
    secure.end().await;
}

#[tokio::test]
async fn http_048_only_tls_1_3_is_spoken_by_default_and_1_2_where_somebody_has_written_so() {
    let secure = Secure::new(Setting::default()).await;
    secure.assert_no_handshake("TLS 1.2", &secure.client.old(), "tls_incompatible").await;
    secure.assert_no_handshake("another protocol", &secure.client.offering(&["spdy/3"]), "tls_incompatible").await;
    secure.end().await;

    let lenient = Secure::new(Setting { tls: "min_version: \"1.2\"", ..Setting::default() }).await;
    let old = lenient.client.old().shake(lenient.address).await.unwrap();
    let suite = old.get_ref().1.negotiated_cipher_suite().unwrap().suite();
    assert!(format!("{suite:?}").starts_with("TLS_ECDHE_ECDSA_WITH_"), "{suite:?}");
    let mut old = Connection::on(old);
    old.send(&lenient.keyed().bytes()).await;
    lenient.stage.assert_passes("TLS 1.2", &old.answer().await.unwrap());
    lenient.end().await;
}

#[tokio::test]
async fn the_key_exchange_is_post_quantum_where_the_client_knows_how() {
    let secure = Secure::new(Setting::default()).await;
    let stream = secure.client.shake(secure.address).await.unwrap();
    let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap();
    assert_eq!(format!("{:?}", group.name()), "X25519MLKEM768");
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(stream);
    secure.end().await;
}

#[tokio::test]
async fn nothing_is_resumed() {
    for tls in [OPTIONAL, "min_version: \"1.2\""] {
        let secure = Secure::new(Setting { tls, ..Setting::default() }).await;
        let client = secure.showing(&Leaf::client("agent"));
        let client = if tls == OPTIONAL { client } else { client.old() };
        for _ in 0..3 {
            // Tickets come with what is read after the handshake.
            let mut stream = client.shake(secure.address).await.unwrap();
            stream.write_all(&secure.keyed().bytes()).await.unwrap();
            assert!(stream.read(&mut [0; 64]).await.unwrap() > 0);
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full), "{tls}");
        }
        secure.end().await;
    }
}

#[tokio::test]
async fn what_is_no_tls_is_refused_and_who_only_knocks_leaves_no_record() {
    let secure = Secure::new(Setting::default()).await;
    drop(TcpStream::connect(secure.address).await.unwrap());
    let mut plain = Connection::open(secure.address).await;
    plain.send(&secure.keyed().bytes()).await;
    let said = plain.rest().await;
    assert!(said.first().is_none_or(|kind| *kind == 21), "something else than an alert: {said:?}");
    let record = eventually("a record", || secure.denials().pop()).await;
    assert_eq!(record["dec"]["reason"], "tls_handshake", "{record}");
    secure.client.connect(secure.address).await.send(&secure.keyed().bytes()).await;
    assert_eq!(secure.denials().len(), 1);
    secure.end().await;
}

#[tokio::test]
async fn a_handshake_that_hangs_holds_up_nobody_and_has_the_time_of_a_head() {
    let secure = Secure::new(Setting { listener: "limits: { header_timeout: 400ms }", ..Setting::default() }).await;
    let mut hanging = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(secure.address).await.unwrap();
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.unwrap();
        hanging.push(stream);
    }
    secure.stage.assert_passes("beside them", &secure.send(&secure.client, &secure.keyed()).await);
    let records = eventually("their records", || Some(secure.denials()).filter(|found| found.len() == 8)).await;
    assert!(records.iter().all(|record| record["dec"]["reason"] == "slow_handshake"), "{records:?}");
    for mut stream in hanging {
        assert_eq!(stream.read(&mut [0; 8]).await.unwrap_or(0), 0, "the connection is over");
    }
    // Waits for what has no place any more.
    secure.gateway().metric_is("yett_connections", 0.0).await;
    secure.end().await;
}
