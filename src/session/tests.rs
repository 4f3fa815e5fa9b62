//! The table of sessions.

use super::*;
use crate::chain::End;

const VERSION: (ProtocolVersion, Answerable) = (ProtocolVersion::V2025_11_25, Answerable::NOTHING);

fn ada() -> Principal {
    Principal::for_test("ada", &[])
}

#[test]
fn a_session_is_found_by_its_owner_on_its_route_only() {
    let sessions = Sessions::default();
    let id = sessions.mint(&ada(), "http://gw/mcp/a", VERSION, None).unwrap();
    assert!(sessions.find(&id, &ada(), "http://gw/mcp/a").is_some());
    assert!(sessions.find(&id, &ada(), "http://gw/mcp/b").is_none());
    assert!(sessions.find(&id, &Principal::for_test("eve", &[]), "http://gw/mcp/a").is_none());
    assert!(sessions.find(&HeaderValue::from_static("1"), &ada(), "http://gw/mcp/a").is_none());
    sessions.end(&id);
    assert!(sessions.find(&id, &ada(), "http://gw/mcp/a").is_none());
}

#[test]
fn ids_are_256_random_bits() {
    let sessions = Sessions::default();
    let one = sessions.mint(&ada(), "r", VERSION, None).unwrap();
    let two = sessions.mint(&ada(), "r", VERSION, None).unwrap();
    assert_eq!(one.len(), 43);
    assert_ne!(one, two);
}

#[test]
fn records_name_a_session_by_a_hash_of_its_id() {
    let sessions = Sessions::default();
    let id = sessions.mint(&ada(), "r", VERSION, None).unwrap();
    let named = sessions.find(&id, &ada(), "r").unwrap().reference;
    assert_eq!((named.len(), &named), (16, &reference(&id)));
    assert_eq!(&*reference(&HeaderValue::from_static("abc")), "ba7816bf8f01cfea");
}

#[tokio::test(start_paused = true)]
async fn idle_sessions_expire() {
    let sessions = Sessions::default();
    let id = sessions.mint(&ada(), "r", VERSION, None).unwrap();
    tokio::time::advance(IDLE / 2).await;
    assert!(sessions.find(&id, &ada(), "r").is_some(), "used in time");
    tokio::time::advance(IDLE + Duration::from_secs(1)).await;
    assert!(sessions.find(&id, &ada(), "r").is_none());
    assert!(sessions.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_session_with_an_open_stream_is_not_idle_and_its_end_is_the_streams() {
    let sessions = Sessions::default();
    let id = sessions.mint(&ada(), "r", VERSION, None).unwrap();
    let stream = End::default();
    sessions.find(&id, &ada(), "r").unwrap().live.open(&stream);
    for _ in 0..3 {
        tokio::time::advance(IDLE).await;
        sessions.expire();
    }
    tokio::time::advance(IDLE / 2).await;
    assert!(!stream.has_come());
    sessions.end(&id);
    assert!(stream.has_come());
    assert!(sessions.find(&id, &ada(), "r").is_none());
}

#[test]
fn one_caller_cannot_fill_the_table() {
    let sessions = Sessions::default();
    for _ in 0..MAX_PER_CALLER {
        sessions.mint(&ada(), "r", VERSION, None).unwrap();
    }
    assert_eq!(sessions.mint(&ada(), "r", VERSION, None), Err(SessionError::Full));
    assert!(sessions.mint(&Principal::for_test("bob", &[]), "r", VERSION, None).is_ok());
}
