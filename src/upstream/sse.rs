//! Event stream to events, bounded (WHATWG HTML, 9.2.6). Knows no MCP, does no I/O.
//!
//! What passes through are the `data` bytes as the server sent them; whether they are a message is judged behind this. An event that
//! holds nothing but an `id` or `retry` is handed out too, for a client resumes by them. An event without its blank line is never handed
//! out. Each byte is looked at a fixed number of times, however the stream is cut.

use bytes::{Buf, Bytes, BytesMut};
use memchr::{memchr, memchr2};

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The type; `None` when the server gave none, which means `message`.
    pub event: Option<String>,
    /// The `data` lines, joined by line feeds. Empty in a priming event.
    pub data: Bytes,
    /// The id, if this event gives one. An empty one takes back the last.
    pub id: Option<String>,
    /// How long a client waits before it reconnects, in milliseconds, if this event says so.
    pub retry: Option<u64>,
}

/// Why a stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// The fields of one event, or one line, are larger than the limit.
    #[error("an event is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A type or id is not UTF-8.
    #[error("the type or id of an event is not UTF-8")]
    NotUtf8,
}

/// The state of one stream. Call [`push`](Self::push), then [`next_event`](Self::next_event) until it has no more.
#[derive(Debug)]
pub struct Decoder {
    max_event: usize,
    buffer: BytesMut,
    /// So far the buffer holds no line end.
    scanned: usize,
    at_start: bool,
    /// A carriage return ended the last line; a line feed that follows belongs to it.
    skip_line_feed: bool,
    pending: Pending,
    failed: Option<SseError>,
}

#[derive(Debug, Default)]
struct Pending {
    event: Option<String>,
    data: Data,
    id: Option<String>,
    retry: Option<u64>,
}

/// Nearly all events have one line of data, which is cut out of the buffer without a copy.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    Line(Bytes),
    Joined(BytesMut),
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The memory of larger events is not kept for the next ones.
const SMALL: usize = 16 << 10;
/// What a line may have beside its value: the longest field name, colon, space.
const LINE_REST: usize = "event: ".len();

impl Decoder {
    /// A decoder for one stream. `max_event` is the most that type, id and data of one event may have together, in bytes.
    pub fn new(max_event: usize) -> Self {
        Self {
            max_event,
            buffer: BytesMut::new(),
            scanned: 0,
            at_start: true,
            skip_line_feed: false,
            pending: Pending::default(),
            failed: None,
        }
    }

    /// Takes what came. The buffer grows by it: draw all events before the next, then it holds one chunk and one line at most.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next whole event, or `None` when more bytes are needed. After an error, the same error for ever.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let outcome = self.advance();
        if let Err(error) = outcome {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
            self.pending = Pending::default();
        }
        outcome
    }

    /// Makes room at once for `all` bytes: a buffer that doubles again and again leaves as much behind as it holds.
    pub fn expect(&mut self, all: usize) {
        self.buffer.reserve(all.saturating_sub(self.buffer.len()));
    }

    /// How many bytes lie here, in events that were not drawn.
    pub fn held(&self) -> usize {
        self.buffer.len() + self.pending.size()
    }

    /// Whether the stream, if it ended here, would have been cut within an event.
    pub fn is_mid_event(&self) -> bool {
        !self.buffer.is_empty() || self.pending.is_begun()
    }

    fn advance(&mut self) -> Result<Option<Event>, SseError> {
        if self.at_start && !self.skip_byte_order_mark() {
            return Ok(None);
        }
        loop {
            if self.skip_line_feed && !self.buffer.is_empty() {
                self.skip_line_feed = false;
                if self.buffer.first() == Some(&b'\n') {
                    self.buffer.advance(1);
                }
            }
            let Some(line) = self.next_line()? else { return Ok(None) };
            if !line.is_empty() {
                self.field(&line)?;
            } else if let Some(event) = self.pending.take() {
                if event.data.len() > SMALL {
                    // What follows lies in the same piece of memory, which would stay as large for as long as the stream lives.
                    self.buffer = BytesMut::from(self.buffer.as_ref());
                }
                return Ok(Some(event));
            }
        }
    }

    /// False while it cannot be told.
    fn skip_byte_order_mark(&mut self) -> bool {
        if self.buffer.starts_with(BYTE_ORDER_MARK) {
            self.buffer.advance(BYTE_ORDER_MARK.len());
        } else if BYTE_ORDER_MARK.starts_with(&self.buffer) {
            return false;
        }
        self.at_start = false;
        true
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, SseError> {
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(found) = memchr2(b'\r', b'\n', unseen) else {
            self.scanned = self.buffer.len();
            self.check_line(self.scanned)?;
            return Ok(None);
        };
        let end = self.scanned + found;
        self.check_line(end)?;
        self.scanned = 0;
        let line = self.buffer.split_to(end).freeze();
        // The line ends here even if the line feed of a CRLF is still on its way: the event must not wait for it.
        self.skip_line_feed = self.buffer.first() == Some(&b'\r');
        self.buffer.advance(1);
        Ok(Some(line))
    }

    fn check_line(&self, length: usize) -> Result<(), SseError> {
        if length > self.max_event.saturating_add(LINE_REST) { Err(self.too_large()) } else { Ok(()) }
    }

    fn field(&mut self, line: &Bytes) -> Result<(), SseError> {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(colon).unwrap_or_default();
        let value = rest.strip_prefix(b":").unwrap_or(rest);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => self.pending.data.push(line.slice_ref(value)),
            b"event" => self.pending.event = Some(text(value)?).filter(|kind| !kind.is_empty()),
            b"id" if memchr(0, value).is_none() => self.pending.id = Some(text(value)?),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // Too many digits for 64 bits are as good as none.
                self.pending.retry = text(value)?.parse().ok().or(self.pending.retry);
            }
            // A comment (no name), or a field from the future.
            _ => {}
        }
        if self.pending.size() > self.max_event { Err(self.too_large()) } else { Ok(()) }
    }

    fn too_large(&self) -> SseError {
        SseError::TooLarge { limit: self.max_event }
    }
}

impl Pending {
    fn take(&mut self) -> Option<Event> {
        let Self { event, data, id, retry } = std::mem::take(self);
        let worth_telling = !matches!(data, Data::None) || id.is_some() || retry.is_some();
        worth_telling.then(|| Event { event, data: data.into_bytes(), id, retry })
    }

    fn is_begun(&self) -> bool {
        !matches!(self.data, Data::None) || self.event.is_some() || self.id.is_some() || self.retry.is_some()
    }

    fn size(&self) -> usize {
        let text = |field: &Option<String>| field.as_ref().map_or(0, String::len);
        self.data.len() + text(&self.event) + text(&self.id)
    }
}

impl Data {
    fn push(&mut self, line: Bytes) {
        let mut joined = match std::mem::take(self) {
            Self::None => {
                *self = Self::Line(line);
                return;
            }
            Self::Line(first) => BytesMut::from(first.as_ref()),
            Self::Joined(joined) => joined,
        };
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(&line);
        *self = Self::Joined(joined);
    }

    fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Line(line) => line.len(),
            Self::Joined(joined) => joined.len(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::None => Bytes::new(),
            Self::Line(line) => line,
            Self::Joined(joined) => joined.freeze(),
        }
    }
}

fn text(value: &[u8]) -> Result<String, SseError> {
    match std::str::from_utf8(value) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(SseError::NotUtf8),
    }
}

#[cfg(test)]
#[path = "sse_tests.rs"]
mod tests;
