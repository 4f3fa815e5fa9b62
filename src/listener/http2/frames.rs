//! Where the frames of HTTP/2 begin and end in a stream of bytes, and the few numbers in them that somebody counts (RFC 9113, sections 4
//! and 6).
//!
//! Header blocks are not decoded and bodies not looked at: the HTTP library does that.

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE`
pub(super) const INITIAL_WINDOW: u64 = 4;

/// What a client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD: usize = 9;

/// Codes of errors, section 7.
pub(super) mod code {
    pub(in super::super) const NO_ERROR: u64 = 0;
    pub(in super::super) const PROTOCOL_ERROR: u64 = 1;
    pub(in super::super) const INTERNAL_ERROR: u64 = 2;
    pub(in super::super) const REFUSED_STREAM: u64 = 7;
    pub(in super::super) const CANCEL: u64 = 8;
    pub(in super::super) const ENHANCE_YOUR_CALM: u64 = 11;
}

/// The nine bytes in front of each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl FrameHead {
    fn read([a, b, c, kind, flags, stream @ ..]: [u8; HEAD]) -> Self {
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        Self { length, kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1) }
    }

    /// Nothing more comes on this stream.
    pub(super) fn ends_stream(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The block of headers is whole.
    pub(super) fn ends_headers(self) -> bool {
        matches!(self.kind, HEADERS | CONTINUATION) && self.flags & END_HEADERS != 0
    }

    /// How long its counted numbers are: a window's increment, an error code, one setting, the last stream and an error code.
    fn number(self) -> usize {
        match self.kind {
            RST_STREAM | WINDOW_UPDATE => 4,
            SETTINGS => 6,
            GOAWAY => 8,
            _ => 0,
        }
    }
}

/// What a splitter comes upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A frame begins.
    Begin(FrameHead),
    /// So many bytes of what it carries.
    Part(FrameHead, usize),
    /// The first number in it; of settings each. Flush right.
    Number(FrameHead, u64),
    /// A frame ends.
    End(FrameHead),
}

/// Splits one direction of a connection. Small, and copied to look ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splitter {
    /// Of the preface.
    skip: usize,
    astray: bool,
    head: [u8; HEAD],
    have: usize,
    current: Option<FrameHead>,
    /// Of the current frame.
    left: usize,
    number: u64,
    digits: usize,
}

impl Splitter {
    /// Of what a client sends.
    pub(super) const fn inbound() -> Self {
        Self { skip: PREFACE.len(), ..Self::outbound() }
    }

    /// Of what a server sends.
    pub(super) const fn outbound() -> Self {
        Self { skip: 0, astray: false, head: [0; HEAD], have: 0, current: None, left: 0, number: 0, digits: 0 }
    }

    /// Whether the preface is through.
    pub(super) const fn is_greeted(&self) -> bool {
        self.skip == 0
    }

    /// Whether that was none.
    pub(super) const fn is_astray(&self) -> bool {
        self.astray
    }

    /// Whether the next byte is the first of a frame.
    pub(super) const fn is_between(&self) -> bool {
        self.skip == 0 && self.have == 0 && self.current.is_none()
    }

    /// Goes on as far as the next event, or through all bytes. Says how many were used.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Option<Event>) {
        let skipped = self.skip.min(bytes.len());
        let expected = PREFACE.len().checked_sub(self.skip).and_then(|done| PREFACE.get(done..done + skipped));
        self.astray |= skipped > 0 && expected != bytes.get(..skipped);
        self.skip -= skipped;
        let mut used = skipped;
        let Some(current) = self.current else {
            while self.have < HEAD {
                let Some(byte) = bytes.get(used) else { return (used, None) };
                if let Some(place) = self.head.get_mut(self.have) {
                    *place = *byte;
                }
                self.have += 1;
                used += 1;
            }
            let head = FrameHead::read(self.head);
            (self.have, self.current, self.left) = (0, Some(head), head.length);
            (self.number, self.digits) = (0, head.number());
            return (used, Some(Event::Begin(head)));
        };
        if self.left == 0 {
            self.current = None;
            return (used, Some(Event::End(current)));
        }
        let rest = bytes.get(used..).unwrap_or_default();
        if self.digits > 0 {
            let part = rest.get(..self.digits.min(self.left)).unwrap_or(rest);
            self.number = part.iter().fold(self.number, |number, byte| number << 8 | u64::from(*byte));
            self.digits -= part.len();
            self.left -= part.len();
            used += part.len();
            if self.digits > 0 {
                if self.left > 0 {
                    return (used, None);
                }
                // Too short for its kind; the library says so.
                self.digits = 0;
                self.current = None;
                return (used, Some(Event::End(current)));
            }
            let number = std::mem::take(&mut self.number);
            if current.kind == SETTINGS {
                self.digits = current.number();
            }
            return (used, Some(Event::Number(current, number)));
        }
        let part = self.left.min(rest.len());
        if part == 0 {
            return (used, None);
        }
        self.left -= part;
        (used + part, Some(Event::Part(current, part)))
    }
}

/// A frame that ends a connection: streams above `last` were not looked at.
pub(super) fn goaway(last: u32, code: u64) -> Vec<u8> {
    let mut frame = vec![0, 0, 8, GOAWAY, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last.to_be_bytes());
    frame.extend_from_slice(&u32::try_from(code).unwrap_or(u32::MAX).to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(mut splitter: Splitter, bytes: &[u8], step: usize) -> (Vec<Event>, Splitter) {
        let mut events = Vec::new();
        for piece in bytes.chunks(step) {
            let mut rest = piece;
            loop {
                let (used, event) = splitter.advance(rest);
                rest = &rest[used..];
                match event {
                    Some(Event::Part(head, more)) => match events.last_mut() {
                        Some(Event::Part(_, sum)) => *sum += more,
                        _ => events.push(Event::Part(head, more)),
                    },
                    Some(event) => events.push(event),
                    None => break,
                }
            }
            assert!(rest.is_empty());
        }
        (events, splitter)
    }

    #[test]
    fn frames_are_told_apart_however_they_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend([0, 0, 12, SETTINGS, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0, 3, 0, 0, 0, 100]);
        bytes.extend([0, 0, 2, HEADERS, 5, 0x80, 0, 0, 1, 0x82, 0x84]);
        bytes.extend([0, 0, 4, RST_STREAM, 0, 0, 0, 0, 1, 0, 0, 0, 8]);
        bytes.extend([0, 0, 0, DATA, 1, 0, 0, 0, 3]);
        let head = |length, kind, flags, stream| FrameHead { length, kind, flags, stream };
        let (settings, headers) = (head(12, SETTINGS, 0, 0), head(2, HEADERS, 5, 1));
        let (reset, data) = (head(4, RST_STREAM, 0, 1), head(0, DATA, 1, 3));
        let expected = [
            Event::Begin(settings),
            Event::Number(settings, (4 << 32) + 65_536),
            Event::Number(settings, (3 << 32) + 100),
            Event::End(settings),
            Event::Begin(headers),
            Event::Part(headers, 2),
            Event::End(headers),
            Event::Begin(reset),
            Event::Number(reset, code::CANCEL),
            Event::End(reset),
            Event::Begin(data),
            Event::End(data),
        ];
        for step in 1..=bytes.len() {
            let (events, splitter) = split(Splitter::inbound(), &bytes, step);
            assert_eq!(events, expected, "in steps of {step}");
            assert!(splitter.is_between() && splitter.is_greeted());
        }
        assert!(headers.ends_stream() && headers.ends_headers() && data.ends_stream() && !reset.ends_stream());
    }

    #[test]
    fn a_goaway_reads_as_it_was_written() {
        let (events, _) = split(Splitter::outbound(), &goaway(7, code::ENHANCE_YOUR_CALM), 5);
        assert!(
            matches!(events[1], Event::Number(FrameHead { kind: GOAWAY, .. }, number) if number == (7 << 32) + code::ENHANCE_YOUR_CALM),
            "{events:?}"
        );
    }
}
