//! Waiting for a place, in paused time.

use futures_util::FutureExt as _;

use tokio::time::Instant;

use super::*;
use crate::telemetry::Metrics;

const PATIENCE: Duration = Duration::from_secs(1);

fn lane(places: usize, queue: usize) -> Arc<Lane> {
    let metrics = Metrics::new();
    let levels = (metrics.upstream_in_flight("crm", "calls"), metrics.upstream_waiting("crm", "calls"));
    Arc::new(Lane::new(Fair::new(places, queue), PATIENCE, levels))
}

fn share(name: &str) -> Share {
    Share::Caller(name.into())
}

/// What nobody has to wait for.
fn at_once(lane: &Arc<Lane>, name: &str) -> Result<Place, Refused> {
    lane.enter(share(name), 1).now_or_never().expect("an answer at once")
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_the_place_of_who_leaves() {
    let lane = lane(1, 1);
    let place = at_once(&lane, "ada").unwrap();
    let mut waits = Box::pin(lane.enter(share("bob"), 1));
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert_eq!(at_once(&lane, "eve").unwrap_err(), Refused::Full);
    assert_eq!((lane.in_flight.get(), lane.waiting.get()), (1, 1));
    drop(place);
    let place = waits.await.unwrap();
    assert_eq!((lane.in_flight.get(), lane.waiting.get()), (1, 0));
    drop(place);
    assert_eq!(lane.in_flight.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_queue_time() {
    let lane = lane(1, 1);
    let _place = at_once(&lane, "ada").unwrap();
    let begin = Instant::now();
    assert_eq!(lane.enter(share("bob"), 1).await.unwrap_err(), Refused::Late);
    assert_eq!(begin.elapsed(), PATIENCE);
    assert_eq!((lane.in_flight.get(), lane.waiting.get()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_while_waiting_leaves_no_trace() {
    let lane = lane(1, 1);
    let place = at_once(&lane, "ada").unwrap();
    let mut waits = Box::pin(lane.enter(share("bob"), 1));
    assert!(futures_util::poll!(&mut waits).is_pending());
    drop(waits);
    assert_eq!(lane.waiting.get(), 0);
    drop(place);
    assert_eq!(lane.in_flight.get(), 0, "the place went to somebody who is gone");
}

#[tokio::test(start_paused = true)]
async fn a_place_that_comes_to_somebody_who_has_just_gone_goes_on_to_the_next() {
    let lane = lane(1, 2);
    let place = at_once(&lane, "ada").unwrap();
    let mut gone = Box::pin(lane.enter(share("bob"), 1));
    let mut next = Box::pin(lane.enter(share("eve"), 1));
    assert!(futures_util::poll!(&mut gone).is_pending());
    assert!(futures_util::poll!(&mut next).is_pending());
    // Bob is called, and is gone before he hears it.
    drop(place);
    drop(gone);
    assert!(next.now_or_never().expect("a place").is_ok());
    assert_eq!((lane.in_flight.get(), lane.waiting.get()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_loses_the_room_to_wait_is_told_at_once() {
    let lane = lane(1, 2);
    let _place = at_once(&lane, "hog").unwrap();
    let mut first = Box::pin(lane.enter(share("hog"), 1));
    let mut second = Box::pin(lane.enter(share("hog"), 1));
    assert!(futures_util::poll!(&mut first).is_pending());
    assert!(futures_util::poll!(&mut second).is_pending());
    let mut other = Box::pin(lane.enter(share("bob"), 1));
    assert!(futures_util::poll!(&mut other).is_pending());
    assert_eq!(second.now_or_never().expect("an answer").unwrap_err(), Refused::Full);
    assert_eq!(lane.waiting.get(), 2);
}
