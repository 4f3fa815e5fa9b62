//! Messages to an event stream for the client: bytes in, bytes out.
//!
//! A message leaves as it was judged, except that each line end between its tokens becomes a space, which JSON reads as the same white
//! space. Inside strings there is none, since the strict parser refuses raw control bytes there. So a message is one `data` line, and no
//! longer than it was: with a line of its own for each line end it could become seven times as long.

use bytes::{BufMut, Bytes, BytesMut};
use memchr::{memchr2, memchr2_iter};

/// A comment that keeps proxies and clients from taking a quiet stream for a dead one.
pub const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// What an event has beside its data, when an upstream's event is passed on.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventFields<'a> {
    /// The type; `None` leaves it out, which means `message`.
    pub event: Option<&'a str>,
    /// The id to resume from.
    pub id: Option<&'a str>,
    /// Milliseconds to wait before reconnecting.
    pub retry: Option<u64>,
}

/// Appends one message as an event of type `message`.
pub fn encode_event(out: &mut BytesMut, data: &[u8]) {
    encode_event_with(out, EventFields { event: Some("message"), ..EventFields::default() }, data);
}

/// The pieces of the same event around a message that is too large to be copied for nothing: larger than 16 KiB, and one line.
pub fn event_around(data: &Bytes) -> Option<[Bytes; 3]> {
    let worth_it = data.len() > 16 << 10 && memchr2(b'\r', b'\n', data).is_none();
    worth_it.then(|| [Bytes::from_static(b"event: message\ndata: "), data.clone(), Bytes::from_static(b"\n\n")])
}

/// Appends one event with the fields given. A type or id with a line end or NUL is left out: it would be another field, or none.
///
/// `data` is JSON, or has no line ends. Empty `data` is one empty `data:` line, which with an id makes a priming event.
pub fn encode_event_with(out: &mut BytesMut, fields: EventFields<'_>, data: &[u8]) {
    // One reservation for nearly all.
    out.reserve(data.len() + 64);
    text_field(out, b"event: ", fields.event);
    text_field(out, b"id: ", fields.id);
    if let Some(retry) = fields.retry {
        text_field(out, b"retry: ", Some(&retry.to_string()));
    }
    out.put_slice(b"data: ");
    let mut written = 0;
    for end in memchr2_iter(b'\r', b'\n', data) {
        out.put_slice(data.get(written..end).unwrap_or_default());
        out.put_u8(b' ');
        written = end + 1;
    }
    out.put_slice(data.get(written..).unwrap_or_default());
    out.put_slice(b"\n\n");
}

fn text_field(out: &mut BytesMut, name: &[u8], value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.contains(['\r', '\n', '\0'])) {
        out.put_slice(name);
        out.put_slice(value.as_bytes());
        out.put_u8(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(data: &[u8]) -> String {
        let mut out = BytesMut::new();
        encode_event(&mut out, data);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn a_message_is_one_data_line() {
        assert_eq!(encoded(br#"{"a": 1}"#), "event: message\ndata: {\"a\": 1}\n\n");
        assert_eq!(encoded(b""), "event: message\ndata: \n\n");
    }

    #[test]
    fn a_large_message_of_one_line_is_the_same_event_in_pieces() {
        let large = |rest: &str| Bytes::from(format!("\"{}\"{rest}", "x".repeat(20_000)));
        let pieces = event_around(&large("")).unwrap();
        assert_eq!(pieces.concat(), encoded(&large("")).as_bytes());
        assert_eq!((event_around(&large("\n")), event_around(&Bytes::from_static(b"1"))), (None, None));
    }

    #[test]
    fn a_line_end_is_white_space_and_costs_no_more() {
        assert_eq!(encoded(b"{\r\n\"a\"\r:\n\n1}\r"), "event: message\ndata: {  \"a\" :  1} \n\n");
        let lines = b"\n".repeat(1 << 20);
        assert_eq!(encoded(&lines).len(), encoded(b"").len() + lines.len());
    }

    #[test]
    fn fields_cannot_break_out_of_their_line() {
        let mut out = BytesMut::new();
        let fields = EventFields { event: Some("a\ndata: x"), id: Some("7\0"), retry: Some(3000) };
        encode_event_with(&mut out, fields, b"");
        assert_eq!(out, "retry: 3000\ndata: \n\n");
        encode_event_with(&mut out, EventFields { id: Some("7"), ..EventFields::default() }, b"{}");
        assert_eq!(out, "retry: 3000\ndata: \n\nid: 7\ndata: {}\n\n");
    }
}
