//! Follows hyper's own replies on their way out, to know whether a request is still being answered.
//!
//! Nothing else tells the filter: hyper reads while it answers (to notice a client that hung up) just as it reads for the next request,
//! and an error in answer to the first kind of read would cut off the reply. What is read here is our own output, so the reading is
//! plain; a reply whose end cannot be told (no length, not chunked) ends with the connection, as it does for the client.

use std::io::IoSlice;

use memchr::memmem;

use super::chunked::ChunkedBody;
use super::head::MethodKind;

/// One reply at a time: the filter hands out a request only when the reply to the one before has been written.
#[derive(Debug)]
pub(super) struct ReplyWatch {
    state: State,
    to_head: bool,
}

#[derive(Debug)]
enum State {
    /// No request is being answered.
    Idle,
    /// A request was handed out; so much of the head of its reply has been written.
    Head(Vec<u8>),
    Length(u64),
    Chunked(ChunkedBody),
    UntilClose,
}

impl ReplyWatch {
    pub(super) const fn new() -> Self {
        Self { state: State::Idle, to_head: false }
    }

    /// A request was handed out.
    pub(super) fn expect(&mut self, method: MethodKind) {
        self.state = State::Head(Vec::new());
        self.to_head = method == MethodKind::Head;
    }

    /// A request was handed out and its reply has not been written to the end.
    pub(super) fn in_flight(&self) -> bool {
        !matches!(self.state, State::Idle)
    }

    /// A request was handed out and not a byte of its final reply has been written.
    pub(super) fn unanswered(&self) -> bool {
        matches!(&self.state, State::Head(written) if written.is_empty())
    }

    /// So many bytes of `slices` were written.
    pub(super) fn observe_vectored(&mut self, slices: &[IoSlice<'_>], mut written: usize) {
        for slice in slices {
            let part = written.min(slice.len());
            self.observe(slice.get(..part).unwrap_or_default());
            written -= part;
        }
    }

    /// These bytes were written.
    pub(super) fn observe(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.in_flight() {
            let consumed = self.step(bytes);
            bytes = bytes.get(consumed..).unwrap_or_default();
        }
    }

    fn step(&mut self, bytes: &[u8]) -> usize {
        match &mut self.state {
            State::Idle | State::UntilClose => bytes.len(),
            State::Head(earlier) => {
                // hyper writes a head in one piece unless the socket takes only part of it.
                if earlier.is_empty()
                    && let Some(found) = memmem::find(bytes, b"\r\n\r\n")
                {
                    self.state = after_head(bytes.get(..found + 4).unwrap_or_default(), self.to_head);
                    return found + 4;
                }
                let before = earlier.len();
                earlier.extend_from_slice(bytes);
                // The empty line may lie across the border of two writes.
                let from = before.saturating_sub(3);
                let Some(found) = earlier.get(from..).and_then(|tail| memmem::find(tail, b"\r\n\r\n")) else {
                    return bytes.len();
                };
                let end = from + found + 4;
                self.state = after_head(earlier.get(..end).unwrap_or_default(), self.to_head);
                end - before
            }
            State::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= taken as u64;
                if *left == 0 {
                    self.state = State::Idle;
                }
                taken
            }
            State::Chunked(body) => {
                let Ok(consumed) = body.advance(bytes) else {
                    self.state = State::UntilClose;
                    return bytes.len();
                };
                if body.is_done() {
                    self.state = State::Idle;
                }
                consumed
            }
        }
    }
}

fn after_head(head: &[u8], to_head: bool) -> State {
    let mut lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let status = lines.next().and_then(|line| line.get(9..12)).unwrap_or_default();
    match status {
        b"101" => return State::UntilClose,
        // `100 Continue`: the reply itself is still to come.
        [b'1', ..] => return State::Head(Vec::new()),
        b"204" | b"304" => return State::Idle,
        _ if to_head => return State::Idle,
        _ => {}
    }
    let mut state = State::UntilClose;
    for line in lines {
        let (name, value) = memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)).unwrap_or_default();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return State::Chunked(ChunkedBody::new());
        }
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
            state = length.map_or(State::UntilClose, |length| if length == 0 { State::Idle } else { State::Length(length) });
        }
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finishes(method: MethodKind, reply: &str) -> bool {
        let whole = {
            let mut watch = ReplyWatch::new();
            watch.expect(method);
            watch.observe(reply.as_bytes());
            watch.in_flight()
        };
        let mut watch = ReplyWatch::new();
        watch.expect(method);
        for (index, byte) in reply.bytes().enumerate() {
            assert!(watch.in_flight(), "done after {index} of {reply:?}");
            watch.observe_vectored(&[IoSlice::new(&[]), IoSlice::new(&[byte, b'?'])], 1);
        }
        assert_eq!(watch.in_flight(), whole, "{reply:?}");
        !whole
    }

    #[test]
    fn every_kind_of_reply_ends_where_it_ends() {
        for reply in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
        ] {
            assert!(finishes(MethodKind::Post, reply), "{reply:?}");
        }
        assert!(finishes(MethodKind::Head, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"));
        assert!(!finishes(MethodKind::Post, "HTTP/1.0 200 OK\r\n\r\nabc"));
    }

    #[test]
    fn an_interim_reply_is_no_answer() {
        let mut watch = ReplyWatch::new();
        watch.expect(MethodKind::Post);
        watch.observe(b"HTTP/1.1 100 Continue\r\n\r\n");
        assert!(watch.unanswered());
        watch.observe(b"H");
        assert!(!watch.unanswered());
    }
}
