//! The stream of a session by itself: what it bounds, and how it ends.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::*;
use crate::chain::End;

fn shown(until: Option<i64>) -> Shown {
    let until = until.map(|until| Timestamp::from_second(until).unwrap());
    let holds = move |now| if until.is_some_and(|until| now >= until) { Err(Reason::CredentialExpired) } else { Ok(()) };
    Shown { until, holds: Arc::new(holds) }
}

fn open(bytes: usize, shown: Shown) -> (Channel, Outlet) {
    Channel::open(bytes, shown, (Unsaid::default(), Share::Caller("ada".into())))
}

async fn next(channel: &mut Channel) -> Option<Bytes> {
    poll_fn(|cx| channel.poll_event(cx)).await.map(|(bytes, _)| bytes)
}

#[tokio::test]
async fn what_waits_for_a_slow_client_is_bounded_and_one_large_event_still_fits() {
    let (mut channel, outlet) = open(8, shown(None));
    outlet.say(Bytes::from_static(b"12345"), None).await.unwrap();
    let second = outlet.say(Bytes::from_static(b"6789"), None);
    let mut second = Box::pin(second);
    assert!((&mut second).now_or_never().is_none(), "there is no room for nine bytes");
    assert_eq!(next(&mut channel).await.unwrap(), "12345");
    second.await.unwrap();
    assert_eq!(next(&mut channel).await.unwrap(), "6789");
    outlet.say(Bytes::from_static(b"larger than all of it"), None).await.unwrap();
    assert_eq!(next(&mut channel).await.unwrap(), "larger than all of it");
}

#[tokio::test]
async fn the_stream_ends_when_the_session_is_over_and_everything_is_told() {
    let (mut channel, outlet) = open(64, shown(None));
    let seat = outlet.seat();
    let call = seat.outlet().clone();
    drop(seat);
    call.over().await;
    call.say(Bytes::from_static(b"last"), None).await.unwrap();
    drop(call);
    assert_eq!(next(&mut channel).await.unwrap(), "last");
    assert_eq!(next(&mut channel).await, None);
}

#[tokio::test]
async fn a_client_that_is_gone_is_told_to_everybody() {
    let told = Arc::new(AtomicBool::new(false));
    let (channel, outlet) = open(64, shown(None));
    let tell = Arc::clone(&told);
    let channel = channel.at_end(move |_because| tell.store(true, Ordering::Relaxed));
    assert!(outlet.lost().now_or_never().is_none());
    drop(channel);
    outlet.lost().await;
    assert!(told.load(Ordering::Relaxed));
    assert_eq!(outlet.say(Bytes::from_static(b"x"), None).await, Err(Closed));
}

#[tokio::test(start_paused = true)]
async fn one_asks_for_pushes_and_nobody_again_at_once() {
    let (_channel, outlet) = open(64, shown(None));
    let turn = outlet.ask_for_pushes().unwrap();
    assert!(outlet.ask_for_pushes().is_none(), "two at once");
    drop(turn);
    assert!(outlet.ask_for_pushes().is_none(), "at once");
    tokio::time::advance(PAUSE).await;
    assert!(outlet.ask_for_pushes().is_some());
}

#[tokio::test]
async fn what_is_ended_from_outside_ends_its_session_tells_what_is_under_way_and_says_why() {
    let (end, word) = (End::default(), Arc::new(Mutex::new(None)));
    let (channel, outlet) = open(64, shown(None));
    let (call, session) = (outlet.clone(), Arc::new(Mutex::new(Some(outlet.seat()))));
    let (entry, told) = (Arc::clone(&session), Arc::clone(&word));
    let mut channel = channel
        .at_end(move |because| {
            assert_eq!(because, Reason::Killed);
            entry.lock().take();
        })
        .watched(end.wait(), move |closing| *told.lock() = Some(closing));
    assert!(next(&mut channel).now_or_never().is_none());
    end.come(Reason::Killed);
    assert!(next(&mut channel).now_or_never().is_none(), "a call is under way");
    assert!(session.lock().is_none(), "the session goes on");
    call.say(Bytes::from_static(b"last"), None).await.unwrap();
    drop(call);
    assert_eq!(next(&mut channel).await.unwrap(), "last");
    assert_eq!(next(&mut channel).await, None);
    assert!(matches!(word.lock().take(), Some(Closing::Because(Reason::Killed))));
}

#[test]
fn requests_under_way_are_bounded() {
    let (_channel, outlet) = open(64, shown(None));
    let under_way: Vec<_> = (0..REQUESTS).map(|_| outlet.enter().unwrap()).collect();
    assert!(outlet.enter().is_none());
    drop(under_way);
    assert!(outlet.enter().is_some());
}

#[test]
fn the_credential_counts_that_lasts_longest_or_else_one_that_holds() {
    let second = |second| Timestamp::from_second(second).unwrap();
    let (channel, outlet) = open(64, shown(Some(10)));
    let holds = channel.ground();
    outlet.is_shown(shown(Some(20)), second(0));
    outlet.is_shown(shown(Some(15)), second(0));
    assert!(holds(second(19)).is_ok() && holds(second(20)).is_err());
    outlet.is_shown(shown(None), second(0));
    outlet.is_shown(shown(Some(30)), second(0));
    assert!(holds(second(40)).is_ok(), "this one does not expire");
    let revoked = Shown { until: None, holds: Arc::new(|_now| Err(Reason::CredentialRevoked)) };
    outlet.is_shown(revoked, second(0));
    assert_eq!(holds(second(1)), Err(Reason::CredentialRevoked), "the newest of those that last as long");
    outlet.is_shown(shown(Some(30)), second(1));
    assert!(holds(second(2)).is_ok() && holds(second(30)).is_err());
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off_before_it_takes_all_memory() {
    let large = || Bytes::from(vec![b'x'; 1 << 20]);
    let (mut channel, outlet) = open(64, shown(None));
    let mut waiting: Vec<_> = (0..12).map(|_| Box::pin(outlet.say(large(), None))).collect();
    for say in &mut waiting {
        assert_ne!(say.now_or_never(), Some(Err(Closed)));
    }
    assert_eq!(outlet.say(large(), None).await, Err(Closed));
    assert!(outlet.is_lost() && next(&mut channel).await.is_none());
    for say in waiting.split_off(1) {
        assert_eq!(say.now_or_never(), Some(Err(Closed)), "it is held still");
    }
}
