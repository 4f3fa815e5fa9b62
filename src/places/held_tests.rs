//! Who is cut off, in paused time.

use futures_util::FutureExt as _;

use super::super::{Fair, Lane, Share};
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// Sixteen places.
fn lane() -> Arc<Lane> {
    Arc::new(Lane::new(Fair::new(16, 8), PATIENCE, <_>::default()))
}

fn share(name: &str) -> Share {
    Share::Caller(name.into())
}

fn place(lane: &Arc<Lane>, name: &str, places: usize) -> Place {
    lane.enter(share(name), places).now_or_never().expect("an answer at once").unwrap()
}

/// How long a client is left in peace that takes so much each second; `None` for longer than anybody waits.
async fn cut_after(untaken: &Untaken, each_second: usize) -> Option<Duration> {
    let begin = Instant::now();
    let takes = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            untaken.took(each_second);
        }
    };
    tokio::select! {
        () = untaken.pressed() => Some(begin.elapsed()),
        () = takes => None,
        () = tokio::time::sleep(PATIENCE) => None,
    }
}

fn soon(cut: Option<Duration>) -> bool {
    cut.is_some_and(|after| after >= LENT && after <= LENT + 2 * LOOK)
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_next_to_nothing_makes_room_for_its_own_callers_others() {
    for (each_second, is_cut) in [(0, true), (1, true), (20 << 10, true), (40 << 10, false), (1 << 20, false)] {
        let (lane, untaken) = (lane(), Untaken::default());
        let bytes = untaken.hold(Bytes::from_static(b"x"), place(&lane, "ada", 12));
        let mut waits = Box::pin(lane.enter(share("ada"), 8));
        assert!(futures_util::poll!(&mut waits).is_pending());
        let cut = cut_after(&untaken, each_second).await;
        assert_eq!(soon(cut), is_cut, "{each_second} bytes a second: {cut:?}");
        drop(bytes);
        assert!(waits.await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_most_makes_room_however_fast_it_takes_and_for_nobody_who_holds_more() {
    let (lane, [much, little]) = (lane(), [Untaken::default(), Untaken::default()]);
    let _much = much.hold(Bytes::from_static(b"x"), place(&lane, "ada", 12));
    let _little = little.hold(Bytes::from_static(b"x"), place(&lane, "bob", 2));
    let mut waits = Box::pin(lane.enter(share("ada"), 4));
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert_eq!(cut_after(&little, 1).await, None, "who holds more has presses who holds less");
    let mut eve = Box::pin(lane.enter(share("eve"), 4));
    assert!(futures_util::poll!(&mut eve).is_pending());
    let (much, little) = tokio::join!(cut_after(&much, 1 << 20), cut_after(&little, 1 << 20));
    assert!(much.is_some() && little.is_some(), "{much:?} {little:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_cut_while_nobody_waits() {
    let (lane, untaken) = (lane(), Untaken::default());
    let _bytes = untaken.hold(Bytes::from_static(b"x"), place(&lane, "ada", 12));
    assert_eq!(cut_after(&untaken, 0).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_comes_while_the_first_is_held_is_looked_at_after_it() {
    let (lane, untaken) = (lane(), Untaken::default());
    let first = untaken.hold(Bytes::from_static(b"x"), place(&lane, "ada", 2));
    let _second = untaken.hold(Bytes::from_static(b"x"), place(&lane, "ada", 10));
    let mut looks = Box::pin(untaken.pressed());
    assert!(futures_util::poll!(&mut looks).is_pending());
    drop(first);
    let mut waits = Box::pin(lane.enter(share("eve"), 8));
    assert!(futures_util::poll!(&mut waits).is_pending());
    tokio::time::timeout(PATIENCE, looks).await.expect("the second is looked at");
    // A connection that is to end is looked at anew.
    tokio::time::timeout(LOOK, untaken.pressed()).await.expect("it is looked at by whoever comes");
}
