//! Quotas of each window, and a wall clock that jumps.

use serde_json::json;

use super::{assert_limited, client, echo, limited};

#[tokio::test]
async fn a_quota_is_whole_again_when_its_window_begins() {
    for (window, longest) in [("minute", 60), ("hour", 3_600), ("day", 86_400), ("week", 7 * 86_400), ("month", 31 * 86_400)] {
        let (_upstream, gateway) = limited(&[&format!("name: few, per: [subject], quota: 2/{window}")]).await;
        gateway.clock.freeze();
        let ada = client(&gateway, "ada", "staff").await;
        assert_eq!((echo(&ada).await, echo(&ada).await), (200, 200), "{window}");
        let answer = ada.call("echo", json!({})).await;
        assert_limited(&gateway, &answer, "few");
        let wait: i64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("Retry-After");
        assert!((1..=longest).contains(&wait), "{window}: {wait} s");
        gateway.clock.advance(wait - 1);
        assert_eq!(echo(&ada).await, 429, "{window}: a second early");
        gateway.clock.advance(1);
        assert_eq!((echo(&ada).await, echo(&ada).await, echo(&ada).await), (200, 200, 429), "{window}");
        gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn avl_028_a_jump_of_the_wall_clock_neither_refills_nor_blocks() {
    let limits = [
        "name: hourly, per: [subject], tools: [echo], quota: 1/hour",
        "name: paced, per: [subject], tools: [search], rate: 2/h, burst: 2",
    ];
    let (_upstream, gateway) = limited(&limits).await;
    gateway.clock.freeze();
    let ada = client(&gateway, "ada", "staff").await;
    assert_eq!(echo(&ada).await, 200);
    for number in 0..2 {
        assert_eq!(ada.call("search", json!({ "q": number })).await.status, 200);
    }
    let (hour, day) = (3_600, 86_400);
    // Each jump, and whether another hour has begun by a clock that only ever runs ahead.
    for (jump, renewed) in [(-hour, false), (-day, false), (hour + day, false), (hour, true), (-hour, false), (hour, false)] {
        gateway.clock.advance(jump);
        assert_eq!(echo(&ada).await, if renewed { 200 } else { 429 }, "after a jump of {jump} s");
        let paced = ada.call("search", json!({ "jump": jump })).await;
        assert_eq!(paced.status, 429, "a rate looked at the wall clock after a jump of {jump} s");
    }
    // Nobody who comes new is held to anything by it.
    assert_eq!(echo(&client(&gateway, "bob", "staff").await).await, 200);
    gateway.stop_and_verify().await;
}
