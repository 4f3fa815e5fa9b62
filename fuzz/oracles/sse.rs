//! Event streams: the same events however the stream is cut, those that the standard's own words give, and the same again when they
//! are written out for a client.

use bytes::{Bytes, BytesMut};
use yett::endpoint::sse::{EventFields, encode_event_with};
use yett::upstream::sse::{Decoder, Event, SseError};

use super::cuts::ways;

/// The oracle.
pub fn check(input: &[u8]) {
    for limit in [24, 4096] {
        let expected = reference(input, limit);
        for pieces in ways(input) {
            assert_eq!(decode(&pieces, limit), expected, "limit {limit}");
        }
        check_writing(&expected.0);
    }
}

type Outcome = (Vec<Event>, Option<SseError>);

fn decode(pieces: &[&[u8]], limit: usize) -> Outcome {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next_event(), Err(error), "an error stays");
                    return (events, Some(error));
                }
            }
        }
    }
    (events, None)
}

/// WHATWG HTML 9.2.6 line by line, over the whole stream at once, with the limits of ours.
fn reference(stream: &[u8], limit: usize) -> Outcome {
    let mut rest = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let mut events = Vec::new();
    let mut event = Event::default();
    let mut data: Option<Vec<u8>> = None;
    let too_large = Some(SseError::TooLarge { limit });
    while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
        let line = &rest[..end];
        rest = if rest[end..].starts_with(b"\r\n") { &rest[end + 2..] } else { &rest[end + 1..] };
        if line.len() > limit + "event: ".len() {
            return (events, too_large);
        }
        if line.is_empty() {
            if data.is_some() || event.id.is_some() || event.retry.is_some() {
                events.push(Event { data: Bytes::from(data.take().unwrap_or_default()), ..std::mem::take(&mut event) });
            }
            (event, data) = (Event::default(), None);
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon.map_or((line, &b""[..]), |colon| (&line[..colon], &line[colon + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = std::str::from_utf8(value);
        match (name, text) {
            (b"event", Ok(text)) => event.event = Some(text.to_owned()).filter(|text| !text.is_empty()),
            (b"id", _) if value.contains(&0) => {}
            (b"id", Ok(text)) => event.id = Some(text.to_owned()),
            (b"event" | b"id", Err(_)) => return (events, Some(SseError::NotUtf8)),
            (b"retry", Ok(text)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                event.retry = text.parse().ok().or(event.retry);
            }
            (b"data", _) => match &mut data {
                Some(lines) => lines.extend_from_slice(&[b"\n", value].concat()),
                None => data = Some(value.to_vec()),
            },
            _ => {}
        }
        let size = data.as_ref().map_or(0, Vec::len)
            + event.event.as_ref().map_or(0, String::len)
            + event.id.as_ref().map_or(0, String::len);
        if size > limit {
            return (events, too_large);
        }
    }
    (events, too_large.filter(|_| rest.len() > limit + "event: ".len()))
}

/// What is passed on to a client is read there as it was read here, with a space for each line end: the same JSON.
fn check_writing(events: &[Event]) {
    // A type with NUL is left out when it is written.
    let events: Vec<_> = events.iter().filter(|event| !event.event.as_ref().is_some_and(|kind| kind.contains('\0'))).collect();
    let mut out = BytesMut::new();
    for event in &events {
        let fields = EventFields { event: event.event.as_deref(), id: event.id.as_deref(), retry: event.retry };
        encode_event_with(&mut out, fields, &event.data);
    }
    let (again, error) = decode(&[&out], usize::MAX);
    assert_eq!(error, None);
    let in_one_line = |event: &Event| {
        let data = event.data.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
        Event { data, ..event.clone() }
    };
    assert_eq!(again, events.into_iter().map(in_one_line).collect::<Vec<_>>());
}
