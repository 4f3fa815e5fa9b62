//! What honest clients get.

use http_body_util::BodyExt as _;
use serde_json::json;

use super::raw::{GOAWAY, NO_ERROR, Raw};
use super::{Honest, whole};
use crate::support::certs::Leaf;
use crate::support::client::Client;
use crate::support::eventually;
use crate::support::http::Connection;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::stage::Stage;
use crate::tls::{AGENT, REQUIRED, Secure, Setting};

#[tokio::test]
async fn http_2_is_spoken_with_those_who_ask_for_it_and_with_nobody_where_it_is_off() {
    let secure = Secure::new(Setting::default()).await;
    let honest = Honest::connect(&secure).await;
    let answer = honest.send(&secure.keyed()).await;
    secure.stage.assert_passes("a call", &answer);
    assert_eq!(honest.send(&secure.call()).await.status, 401, "nobody is let in for his protocol");
    // Without the word in the handshake it is HTTP/1.1, and a preface is what it always was.
    let mut plain = Connection::on(secure.client.offering(&[]).shake(secure.address).await.unwrap());
    plain.send(super::raw::PREFACE).await;
    assert_eq!(plain.answer().await.map(|answer| answer.status), Some(505));
    secure.end().await;

    let off = Secure::new(Setting { tls: "http2: false", ..Setting::default() }).await;
    let stream = off.client.offering(&["h2", "http/1.1"]).shake(off.address).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    drop(stream);
    assert!(off.client.offering(&["h2"]).shake(off.address).await.is_err(), "there is nothing to speak");
    off.end().await;
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate() {
    let secure = Secure::new(Setting::mutual(REQUIRED)).await;
    let honest = Honest::of(&secure, &secure.showing(&Leaf::client("agent").uri(AGENT))).await;
    let answer = honest.send(&secure.call()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let record = secure.decision(&answer);
    assert_eq!((&record["who"]["iss"], &record["dec"]["effect"]), (&json!("mtls"), &json!("allow")), "{record}");
    secure.end().await;
}

#[tokio::test]
async fn many_calls_share_a_connection_and_large_bodies_pass_small_windows() {
    let secure = Secure::new(Setting::default()).await;
    let honest = Honest::connect(&secure).await;
    let text = "x".repeat(900_000);
    secure.stage.upstream.on_tool("echo", Reply::text(&text));
    let client = Client::modern(secure.address, "crm", &secure.stage.key);
    let post =
        client.post(&client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": { "in": text } })));
    let answers = futures_util::future::join_all((0..8).map(|_| honest.send(&post))).await;
    for answer in answers {
        assert_eq!((answer.status, answer.text().len()), (200, text.len()));
    }
    secure.end().await;
}

#[tokio::test]
async fn events_come_as_they_are_sent_and_a_stream_that_is_taken_back_is_cancelled_at_the_server() {
    let secure = Secure::new(Setting::default()).await;
    let gate = Gate::default();
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "first" } });
    secure.stage.upstream.on_tool("echo", Reply::stream([Step::message(&note), Step::Wait(gate.clone()), Step::text("last")]));
    let honest = Honest::connect(&secure).await;
    let mut answer = honest.begin(secure.keyed().over_http2()).await.unwrap();
    let first = answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("first"), "{first:?}");
    gate.open();
    let rest = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(String::from_utf8_lossy(&rest).contains("last"), "{rest:?}");

    let reply = Reply::stream([Step::message(&note), Step::Wait(Gate::default())]);
    secure.stage.upstream.on_tool("echo", reply);
    let mut answer = honest.begin(secure.keyed().over_http2()).await.unwrap();
    let call = answer.headers()["yett-call"].to_str().unwrap().to_owned();
    answer.body_mut().frame().await.unwrap().unwrap();
    drop(answer);
    let records = secure.gateway().ended(&call).await;
    assert_eq!(records[1]["out"]["status"], "client_gone", "{records:#?}");
    eventually("the server sees it", || (secure.stage.upstream.cancelled() == 1).then_some(())).await;
    // Before a word of the answer, too.
    secure.stage.upstream.on_tool("echo", Reply::text("late").after(&Gate::default()));
    let mut sender = honest.sender.clone();
    let asking = sender.send_request(secure.keyed().over_http2());
    tokio::select! {
        answer = asking => panic!("{answer:?}"),
        () = async { eventually("the call is there", || (secure.stage.upstream.calls().len() == 3).then_some(())).await } => {}
    }
    eventually("the server sees that too", || (secure.stage.upstream.cancelled() == 2).then_some(())).await;
    secure.stage.upstream.on_tool("echo", Reply::text("well"));
    assert_eq!(honest.send(&secure.keyed()).await.status, 200, "the connection is as good as it was");
    secure.end().await;
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_finish_and_says_goodbye() {
    let secure = Secure::new(Setting::default()).await;
    let gate = Gate::default();
    secure.stage.upstream.on_tool("echo", Reply::text("finished").after(&gate));
    let honest = Honest::connect(&secure).await;
    let mut idle = Raw::open(&secure).await;
    idle.next().await.expect("settings");
    let mut sender = honest.sender.clone();
    let asking = sender.send_request(secure.keyed().over_http2());
    let Stage { upstream, gateway, .. } = secure.stage;
    let under_way = async { whole(asking.await.unwrap()).await };
    let stopping = async {
        eventually("the call is there", || (upstream.calls().len() == 1).then_some(())).await;
        let goodbye = async {
            // It does not answer the question whether it has heard, and is sent away all the same.
            let ended = idle.rest().await;
            assert!(ended.iter().any(|frame| frame.kind == GOAWAY && frame.code() == NO_ERROR), "{ended:?}");
            gate.open();
        };
        tokio::join!(gateway.stop_and_verify(), goodbye);
    };
    let (answer, ()) = tokio::join!(under_way, stopping);
    assert_eq!((answer.status, answer.text().as_str()), (200, "finished"));
    assert!(honest.connection.await.unwrap().is_ok(), "an orderly end");
}
