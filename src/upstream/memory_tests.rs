//! Memory for large replies, in paused time.

use futures_util::FutureExt as _;
use tokio::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn share(name: &str) -> Share {
    Share::Caller(name.into())
}

#[tokio::test(start_paused = true)]
async fn a_reply_waits_for_its_memory_and_is_lost_after_a_while_and_a_neighbour_has_its_own() {
    let memory = ReplyMemory::new(8 << 20, PATIENCE, &Metrics::new());
    let take = |name: &str, bytes| memory.take(share(name), bytes);
    let (_one, two) = (take("ada", 3 << 20).await.unwrap(), take("ada", 3 << 20).await.unwrap());
    let begin = Instant::now();
    let mut waits = Box::pin(take("ada", 3 << 20));
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert!(take("bob", 1 << 20).now_or_never().expect("room at once").is_ok());
    assert_eq!(waits.await.unwrap_err(), Reason::Overloaded);
    assert_eq!(begin.elapsed(), PATIENCE);
    let mut waits = Box::pin(take("ada", 3 << 20));
    assert!(futures_util::poll!(&mut waits).is_pending());
    drop(two);
    assert!(waits.now_or_never().expect("what was given back").is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_is_larger_than_all_of_it_has_all_of_it() {
    let memory = ReplyMemory::new(1 << 20, PATIENCE, &Metrics::new());
    let all = memory.take(share("ada"), 64 << 20).await.unwrap();
    assert_eq!(memory.take(share("bob"), SMALL).await.unwrap_err(), Reason::Overloaded);
    drop(all);
    assert!(memory.take(share("bob"), SMALL).await.is_ok());
}
