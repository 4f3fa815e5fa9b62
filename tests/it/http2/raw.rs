//! HTTP/2 by hand: every frame that is sent is the test's, and heads are literals without compression.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::within;
use crate::tls::Secure;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

pub(super) const NO_ERROR: u32 = 0;
pub(super) const PROTOCOL_ERROR: u32 = 1;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection that has said its preface and its settings.
pub(super) struct Raw {
    stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

/// A frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The error code of a reset or a goodbye.
    pub(super) fn code(&self) -> u32 {
        let code = match self.kind {
            RST_STREAM => &self.payload[..4],
            GOAWAY => &self.payload[4..8],
            _ => panic!("{self:?} has no code"),
        };
        u32::from_be_bytes(code.try_into().unwrap())
    }

    /// The status of an answer: the first of its head.
    pub(super) fn status(&self) -> u16 {
        assert_eq!(self.kind, HEADERS, "{self:?}");
        match self.payload[0] {
            0x88 => 200,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            // A literal behind the name `:status`, and three digits by Huffman or plain.
            0x48 | 0x08 if self.payload[1] & 0x80 == 0 => String::from_utf8_lossy(&self.payload[2..5]).parse().unwrap(),
            0x48 | 0x08 => digits(&self.payload[2..2 + usize::from(self.payload[1] & 0x7f)]),
            other => panic!("no status in {other:#x}"),
        }
    }
}

/// Three digits by the Huffman code of HPACK: 0 to 2 in five bits, 3 to 9 in six.
fn digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u32> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1))).collect();
    let take = |from: usize, count: usize| bits[from..from + count].iter().fold(0, |sum, bit| sum << 1 | bit);
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let short = take(at, 5);
        let (digit, used) = if short < 3 { (short, 5) } else { (take(at, 6) - 22, 6) };
        at += used;
        number = number * 10 + digit;
    }
    u16::try_from(number).unwrap()
}

impl Raw {
    pub(super) async fn open(secure: &Secure) -> Self {
        let mut raw = Self::silent(secure).await;
        raw.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await;
        raw
    }

    /// A connection on which nothing was said.
    pub(super) async fn silent(secure: &Secure) -> Self {
        let client = secure.client.offering(&["h2"]);
        Self::on(client.shake(secure.address).await.expect("a handshake"))
    }

    pub(super) fn on(stream: TlsStream<TcpStream>) -> Self {
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self { stream, unread: Vec::new() }
    }

    /// Sends bytes. That the other side has closed already is not an error here.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let sent = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        let _ = within("room to send", sent).await;
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let [a, b, c, kind, flags, d, e, f, g, rest @ ..] = &self.unread[..] {
                let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
                if rest.len() >= length {
                    let stream = u32::from_be_bytes([*d, *e, *f, *g]);
                    let found = Frame { kind: *kind, flags: *flags, stream, payload: rest[..length].to_vec() };
                    self.unread.drain(..9 + length);
                    return Some(found);
                }
            }
            let read = within("a frame, or the end", self.stream.read_buf(&mut self.unread)).await;
            if !read.is_ok_and(|count| count > 0) {
                return None;
            }
        }
    }

    /// The next frame of this kind, whatever comes before it.
    pub(super) async fn next_of(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// The next frame on this stream.
    pub(super) async fn next_on(&mut self, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("a frame on the stream");
            if frame.stream == stream {
                return frame;
            }
        }
    }

    /// What comes until the connection ends.
    pub(super) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

pub(super) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// Literals without indexing.
pub(super) fn block<'a>(fields: impl IntoIterator<Item = &'a (&'a str, &'a str)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        string(&mut bytes, name);
        string(&mut bytes, value);
    }
    bytes
}

fn string(bytes: &mut Vec<u8>, text: &str) {
    if text.len() < 127 {
        bytes.push(u8::try_from(text.len()).unwrap());
    } else {
        bytes.push(127);
        let mut rest = text.len() - 127;
        while rest >= 128 {
            bytes.push(u8::try_from(rest % 128).unwrap() | 128);
            rest /= 128;
        }
        bytes.push(u8::try_from(rest).unwrap());
    }
    bytes.extend(text.as_bytes());
}

/// A request without a body.
pub(super) fn head(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(fields))
}

/// A request with one.
pub(super) fn with_body(stream: u32, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    [frame(HEADERS, END_HEADERS, stream, &block(fields)), frame(DATA, END_STREAM, stream, body)].concat()
}
