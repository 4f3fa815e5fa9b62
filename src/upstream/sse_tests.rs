use super::*;

mod replay {
    include!("../../fuzz/replay.rs");
}

const LIMIT: usize = 4096;

fn decode_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, limit: usize) -> (Vec<Event>, Option<SseError>) {
    let mut decoder = Decoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

fn decode(stream: &[u8]) -> Vec<Event> {
    let (events, error) = decode_pieces([stream], LIMIT);
    assert_eq!(error, None);
    assert_eq!(decode_pieces(stream.chunks(1), LIMIT), (events.clone(), None), "byte by byte differs");
    events
}

fn data(text: &'static str) -> Event {
    Event { data: Bytes::from_static(text.as_bytes()), ..Event::default() }
}

#[test]
fn every_line_end_counts() {
    for stream in
        ["data: a\n\ndata: b\n\n", "data: a\r\n\r\ndata: b\r\n\r\n", "data: a\r\rdata: b\r\r", "data:a\r\n\ndata:b\n\r\n"]
    {
        assert_eq!(decode(stream.as_bytes()), [data("a"), data("b")], "{stream:?}");
    }
}

#[test]
fn a_carriage_return_at_the_border_neither_waits_nor_doubles() {
    let mut decoder = Decoder::new(LIMIT);
    decoder.push(b"data: a\r\n\r");
    assert_eq!(decoder.next_event(), Ok(Some(data("a"))));
    decoder.push(b"\ndata: b\r");
    assert_eq!(decoder.next_event(), Ok(None));
    decoder.push(b"\n");
    assert_eq!(decoder.next_event(), Ok(None));
    decoder.push(b"\r");
    assert_eq!(decoder.next_event(), Ok(Some(data("b"))));
    assert!(!decoder.is_mid_event());
}

#[test]
fn fields_are_read_as_the_standard_says() {
    let stream = "\u{feff}: comment\nevent: first\nid: 1\nretry: 3000\ndata: a\ndata\ndata:  b:c\nother: x\ndata2: y\n\n";
    let first =
        Event { event: Some("first".into()), data: Bytes::from_static(b"a\n\n b:c"), id: Some("1".into()), retry: Some(3000) };
    assert_eq!(decode(stream.as_bytes()), [first]);
    assert_eq!(decode(b"data\n\n"), [data("")]);
    assert_eq!(decode(b"event:\ndata: x\n\n"), [data("x")]);
    assert_eq!(decode(b"event: a\nevent: b\ndata: x\n\n"), [Event { event: Some("b".into()), ..data("x") }]);
    assert_eq!(decode(b" data: x\nDATA: y\ndata : z\n\n"), []);
    assert_eq!(decode("\u{feff}\u{feff}data: x\n\n".as_bytes()), []);
    assert_eq!(decode(b"\xef\xbbdata: x\n\n"), []);
}

#[test]
fn ids_and_retries_travel_without_data() {
    let id = |id: &str| Event { id: Some(id.into()), ..Event::default() };
    assert_eq!(decode(b"id: 7\ndata:\n\n"), [id("7")]);
    assert_eq!(decode(b"id: 7\n\n"), [id("7")]);
    assert_eq!(decode(b"id\n\n"), [id("")]);
    assert_eq!(decode(b"id: a\0b\n\n"), []);
    assert_eq!(decode(b"retry: 10\n\n"), [Event { retry: Some(10), ..Event::default() }]);
    for ignored in ["-1", "1.5", "1s", "", "0x1", "99999999999999999999"] {
        assert_eq!(decode(format!("retry: {ignored}\n\n").as_bytes()), [], "{ignored:?}");
    }
    assert_eq!(decode(b"event: x\n\n"), []);
}

#[test]
fn an_event_without_its_blank_line_is_dropped() {
    let mut decoder = Decoder::new(LIMIT);
    decoder.push(b"data: a\n\ndata: b\n");
    assert_eq!(decoder.next_event(), Ok(Some(data("a"))));
    assert_eq!(decoder.next_event(), Ok(None));
    assert!(decoder.is_mid_event());
}

#[test]
fn sizes_hold_to_the_byte() {
    let run = |stream: String| decode_pieces([stream.as_bytes()], 100).1;
    let too_large = Some(SseError::TooLarge { limit: 100 });
    assert_eq!(run(format!("data: {}\n\n", "x".repeat(100))), None);
    assert_eq!(run(format!("data: {}\n\n", "x".repeat(101))), too_large);
    assert_eq!(run(format!("data: {0}\ndata: {0}\n\n", "x".repeat(50))), too_large);
    assert_eq!(run(format!("id: {0}\ndata: {0}\n\n", "x".repeat(50))), None);
    assert_eq!(run(format!("id: {0}\ndata: {0}x\n\n", "x".repeat(50))), too_large);
    assert_eq!(run("data\n".repeat(102)), too_large);
    assert_eq!(run("x".repeat(108)), too_large);
    assert_eq!(run(format!(":{}", "x".repeat(107))), too_large);
    assert_eq!(run(": ping\n".repeat(1000)), None);
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new(4);
    decoder.push(b"event: \xff\n\n");
    assert_eq!(decoder.next_event(), Err(SseError::NotUtf8));
    decoder.push(b"data: a\n\n");
    assert_eq!(decoder.next_event(), Err(SseError::NotUtf8));
}

#[test]
fn what_the_endpoint_encodes_decodes_to_the_same_json() {
    let message = b"{\r\n  \"a\": 1,\r  \"b\":\n2 }";
    let mut out = BytesMut::new();
    crate::endpoint::sse::encode_event(&mut out, message);
    out.extend_from_slice(crate::endpoint::sse::KEEP_ALIVE);
    let expected = Event { event: Some("message".into()), ..data("{    \"a\": 1,   \"b\": 2 }") };
    assert_eq!(decode(&out), [expected]);
}

#[test]
fn the_corpus_of_streams_is_decoded_as_its_manifest_says() {
    replay::replay("sse", |bytes| {
        let whole = decode_pieces([bytes], LIMIT);
        assert_eq!(decode_pieces(bytes.chunks(1), LIMIT), whole, "byte by byte differs");
        let (events, error) = whole;
        let shown: Vec<String> = events
            .iter()
            .map(|event| {
                let retry = event.retry.map(|retry| retry.to_string());
                let fields = [event.event.as_deref(), event.id.as_deref(), retry.as_deref()];
                format!("{} {}", fields.map(|field| field.unwrap_or("-")).join(","), event.data.len())
            })
            .collect();
        let error = error.map_or_else(String::new, |error| format!(" error: {error}"));
        format!("[{}]{error}", shown.join("; "))
    });
}

proptest::proptest! {
    #[test]
    fn cuts_never_change_the_events(
        parts in proptest::collection::vec(
            proptest::sample::select(vec!["data: ab", "data", "id: 1", "event:e", "retry: 5", ":c", "\r", "\n", "\r\n", "\n\n", "\u{feff}", "x"]),
            0..40,
        ),
        size in 1_usize..9,
    ) {
        let stream = parts.concat();
        let whole = decode_pieces([stream.as_bytes()], 24);
        proptest::prop_assert_eq!(decode_pieces(stream.as_bytes().chunks(size), 24), whole);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
        let _ = decode_pieces([bytes.as_slice()], 16);
    }
}
