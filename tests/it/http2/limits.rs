//! Limits that are those of HTTP/1.1, on connections that are not.

use serde_json::{Value, json};

use super::raw::{
    DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, GOAWAY, HEADERS, NO_ERROR, PREFACE, REFUSED_STREAM, RST_STREAM, Raw,
    SETTINGS, block, frame, setting,
};
use super::{Honest, whole};
use crate::support::eventually;
use crate::support::http::Post;
use crate::support::reply::{Gate, Reply};
use crate::tls::{Secure, Setting};

async fn with(limits: &str) -> Secure {
    Secure::new(Setting { listener: &format!("limits: {{ {limits} }}"), ..Setting::default() }).await
}

/// The head and body of a call, to be sent on any stream.
pub(super) fn fields(secure: &Secure, post: &Post) -> (Vec<u8>, Vec<u8>) {
    let request = post.over_http2();
    let authority = secure.address.to_string();
    let pseudo = [(":method", "POST"), (":scheme", "https"), (":path", request.uri().path()), (":authority", authority.as_str())];
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let all: Vec<_> = pseudo.into_iter().chain(headers).collect();
    (block(&all), post.body_bytes().to_vec())
}

fn goodbye(frames: &[Frame]) -> Option<u32> {
    frames.iter().rev().find(|frame| frame.kind == GOAWAY).map(Frame::code)
}

#[tokio::test]
async fn http_056_streams_beyond_the_limit_are_refused_and_the_others_succeed() {
    const SENT: u32 = 1000;
    let secure = Secure::new(Setting::default()).await;
    let gate = Gate::default();
    secure.stage.upstream.on_tool("echo", Reply::text("well").after(&gate));
    let (head, body) = fields(&secure, &secure.keyed());
    let mut raw = Raw::open(&secure).await;
    let settings = raw.next_of(SETTINGS).await.unwrap();
    assert!(settings.payload.chunks(6).any(|found| found == setting(3, 100)), "{settings:?}");
    let each = |number: u32| {
        let stream = number * 2 + 1;
        [frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, &body)].concat()
    };
    raw.send(&(0..SENT).flat_map(each).collect::<Vec<_>>()).await;
    let mut refused = 0;
    while refused < SENT - 100 {
        let frame = raw.next().await.expect("all refusals");
        if frame.kind == RST_STREAM {
            assert!(frame.stream > 200, "{frame:?}");
            // Its body was on the way already, to a stream that is closed: said as well.
            refused += u32::from(frame.code() == REFUSED_STREAM);
        }
    }
    gate.open();
    let mut answered = 0;
    while answered < 100 {
        let frame = raw.next().await.expect("all answers");
        if frame.kind == HEADERS {
            assert_eq!(frame.payload[0], 0x88, "not 200: {frame:?}");
            answered += 1;
        }
    }
    assert_eq!(secure.stage.upstream.calls().len(), 100);
    secure.gateway().metric_is("yett_http2_streams_refused_total", f64::from(SENT - 100)).await;
    secure.end().await;
}

#[tokio::test]
async fn http_033_a_client_that_says_nothing_or_half_a_head_is_cut_off() {
    let secure = with("header_timeout: 300ms, idle_timeout: 600ms").await;
    let mut silent = Raw::silent(&secure).await;
    assert_eq!(goodbye(&silent.rest().await), Some(NO_ERROR), "nothing at all");
    let mut preface = Raw::silent(&secure).await;
    preface.send(&PREFACE[..20]).await;
    assert_eq!(goodbye(&preface.rest().await), Some(NO_ERROR), "half a preface");
    let mut greeted = Raw::open(&secure).await;
    assert_eq!(goodbye(&greeted.rest().await), Some(NO_ERROR), "no request");
    assert!(secure.denials().is_empty(), "none of them asked for anything: {:?}", secure.denials());

    let (head, _) = fields(&secure, &secure.keyed());
    let whole = frame(HEADERS, END_HEADERS, 1, &head);
    for half in [whole[..40].to_vec(), frame(HEADERS, 0, 1, &head[..40])] {
        let before = secure.denials().len();
        let mut raw = Raw::open(&secure).await;
        raw.send(&half).await;
        assert_eq!(goodbye(&raw.rest().await), Some(ENHANCE_YOUR_CALM));
        let fresh = secure.denials().split_off(before);
        assert_eq!(fresh.iter().map(|record| &record["dec"]["reason"]).collect::<Vec<_>>(), ["slow_head"], "{fresh:#?}");
    }
    secure.end().await;
}

#[tokio::test]
async fn http_034_a_body_that_comes_too_slowly_or_is_too_large_is_refused() {
    let secure = with("body_timeout: 400ms, body: 4KiB").await;
    let (head, body) = fields(&secure, &secure.keyed());
    let mut raw = Raw::open(&secure).await;
    raw.send(&[frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, 0, 1, &body[..20])].concat()).await;
    assert_eq!(raw.next_on(1).await.status(), 408);
    // Part of a frame is no more of a body than none.
    let mut raw = Raw::open(&secure).await;
    let data = frame(DATA, END_STREAM, 1, &body);
    raw.send(&[&frame(HEADERS, END_HEADERS, 1, &head)[..], &data[..data.len() - 1]].concat()).await;
    assert_eq!(raw.next_on(1).await.status(), 408);
    let reasons: Vec<Value> = secure.denials().iter().map(|record| record["dec"]["reason"].clone()).collect();
    assert_eq!(reasons, ["body_too_slow", "body_too_slow"]);
    let honest = Honest::connect(&secure).await;
    let large = secure.keyed().body("x".repeat(5 << 10));
    assert_eq!(whole(honest.begin(large.over_http2()).await.unwrap()).await.status, 413);
    assert_eq!(secure.stage.upstream.count(), 0);
    secure.end().await;
}

#[tokio::test]
async fn a_slow_body_that_keeps_the_least_rate_is_waited_for_though_its_frame_is_large() {
    let secure = with("body_window: 200ms, body_rate: 100, body_timeout: 20s").await;
    let (head, body) = fields(&secure, &secure.keyed());
    let mut raw = Raw::open(&secure).await;
    raw.send(&frame(HEADERS, END_HEADERS, 1, &head)).await;
    // Forty bytes each fortieth of a second: fewer than a frame in a window, more than the rate.
    for piece in frame(DATA, END_STREAM, 1, &body).chunks(10) {
        raw.send(piece).await;
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    assert_eq!(raw.next_on(1).await.status(), 200);
    secure.end().await;
}

#[tokio::test]
async fn after_its_last_request_a_connection_ends_in_order() {
    let secure = with("requests_per_connection: 3").await;
    let honest = Honest::connect(&secure).await;
    for _ in 0..3 {
        assert_eq!(honest.send(&secure.keyed()).await.status, 200);
    }
    assert!(honest.connection.await.unwrap().is_ok(), "an orderly end");
    // Whoever does not want to hear it is cut off.
    let (head, body) = fields(&secure, &secure.keyed());
    let mut raw = Raw::open(&secure).await;
    for number in 0..300 {
        let stream = number * 2 + 1;
        raw.send(&[frame(HEADERS, END_HEADERS, stream, &head), frame(DATA, END_STREAM, stream, &body)].concat()).await;
    }
    assert!(goodbye(&raw.rest().await).is_some());
    let most = 3 + 3 + 2 * 100;
    assert!(secure.stage.upstream.calls().len() <= most, "{} calls", secure.stage.upstream.calls().len());
    secure.end().await;
}

#[tokio::test]
async fn http_035_a_client_that_takes_nothing_of_one_answer_is_cut_off() {
    let secure = with("stall_timeout: 400ms").await;
    secure.stage.upstream.on_tool("echo", Reply::text(&"x".repeat(200_000)));
    let (head, body) = fields(&secure, &secure.keyed());
    for (number, settings) in [(1.0, Vec::new()), (2.0, setting(4, 0))] {
        let mut raw = Raw::silent(&secure).await;
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()).await;
        raw.send(&[frame(HEADERS, END_HEADERS, 1, &head), frame(DATA, END_STREAM, 1, &body)].concat()).await;
        // It reads all that comes, and opens no window.
        let taken: usize = raw.rest().await.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
        assert!(taken <= 65_535, "{taken}");
        secure.gateway().metric_is("yett_connections_stalled_total", number).await;
    }
    // One that is given a stream with nothing on it, and has room for it, is not.
    let slow = Gate::default();
    secure.stage.upstream.on_tool("echo", Reply::text("late").after(&slow));
    let honest = Honest::connect(&secure).await;
    let (mut sender, request) = (honest.sender.clone(), secure.keyed().over_http2());
    let asking = sender.send_request(request);
    let opening = async {
        eventually("the call is there", || (secure.stage.upstream.calls().len() == 3).then_some(())).await;
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        slow.open();
    };
    let (answer, ()) = tokio::join!(asking, opening);
    assert_eq!(whole(answer.unwrap()).await.json()["result"]["content"][0]["text"], json!("late"));
    secure.end().await;
}
