//! The strict reading of a chunked body, without taking it apart: it tells how far the body goes, the bytes go on as they are.

use super::refusal::HeadError;

/// Follows one chunked body (RFC 9112, 7.1) to its last byte.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkedBody {
    state: State,
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { size: u64, digits: u8 },
    Extension { size: u64, length: usize },
    SizeLineFeed { size: u64 },
    Data { left: u64 },
    DataCarriageReturn,
    DataLineFeed,
    LastCarriageReturn,
    LastLineFeed,
    Done,
}

/// 8 hexadecimal digits: chunks below 4 GiB, and no overflow to think about.
const SIZE_DIGITS: u8 = 8;
/// Extension bytes on one chunk line. Nobody sends any.
const EXTENSION_LINE: usize = 256;
/// Extension bytes in one body, or short ones on very many chunks would be free.
const EXTENSION_BODY: usize = 4096;

const START: State = State::Size { size: 0, digits: 0 };

impl ChunkedBody {
    pub(crate) const fn new() -> Self {
        Self { state: START, extensions: 0 }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// How many bytes at the front of `bytes` belong to the body; all of them until it [is done](Self::is_done).
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, HeadError> {
        let mut rest = bytes;
        while !self.is_done() {
            if let State::Data { left } = self.state {
                let taken = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(taken..).unwrap_or_default();
                let left = left - taken as u64;
                self.state = if left == 0 { State::DataCarriageReturn } else { State::Data { left } };
            }
            let Some((&byte, after)) = rest.split_first() else { break };
            if !matches!(self.state, State::Data { .. }) {
                self.state = self.step(byte)?;
                rest = after;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn step(&mut self, byte: u8) -> Result<State, HeadError> {
        match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Ok(State::Size { size: size * 16 + u64::from(digit), digits: digits + 1 })
            }
            (State::Size { size, digits: 1.. } | State::Extension { size, .. }, b'\r') => Ok(State::SizeLineFeed { size }),
            (State::Size { size, digits: 1.. }, b';') => self.extension(size, 0),
            (State::Extension { size, length }, b'\t' | b' '..=b'~') => self.extension(size, length),
            (State::Extension { .. }, _) => Err(HeadError::ChunkExtension),
            (State::SizeLineFeed { size: 0 }, b'\n') => Ok(State::LastCarriageReturn),
            (State::SizeLineFeed { size }, b'\n') => Ok(State::Data { left: size }),
            (State::DataCarriageReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(START),
            (State::LastCarriageReturn, b'\r') => Ok(State::LastLineFeed),
            (State::LastLineFeed, b'\n') => Ok(State::Done),
            // SECURITY: a trailer is a header that comes after the headers were judged.
            (State::LastCarriageReturn, _) => Err(HeadError::Trailers),
            _ => Err(HeadError::Chunk),
        }
    }

    fn extension(&mut self, size: u64, length: usize) -> Result<State, HeadError> {
        self.extensions += 1;
        if length >= EXTENSION_LINE || self.extensions > EXTENSION_BODY {
            return Err(HeadError::ChunkExtension);
        }
        Ok(State::Extension { size, length: length + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(bytes: &[u8]) -> Result<(usize, bool), HeadError> {
        let mut whole = ChunkedBody::new();
        let outcome = whole.advance(bytes).map(|consumed| (consumed, whole.is_done()));

        let mut piecewise = ChunkedBody::new();
        let by_byte = bytes.iter().try_fold(0, |sum, &byte| Ok(sum + piecewise.advance(&[byte])?));
        assert_eq!(outcome, by_byte.map(|consumed| (consumed, piecewise.is_done())), "pieces change the outcome");
        outcome
    }

    #[test]
    fn a_body_ends_at_its_last_byte() {
        for body in ["0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n", "0000000A;a=\"b\"\r\n0123456789\r\n1\r\nx\r\n000\r\n\r\n"] {
            assert_eq!(follow(body.as_bytes()), Ok((body.len(), true)), "{body:?}");
            assert_eq!(follow(format!("{body}GET /").as_bytes()), Ok((body.len(), true)), "{body:?} and more");
            for cut in 0..body.len() {
                assert_eq!(follow(&body.as_bytes()[..cut]), Ok((cut, false)), "{body:?} up to {cut}");
            }
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let table: &[(&str, HeadError)] = &[
            ("\r\n", HeadError::Chunk),
            (";a\r\n", HeadError::Chunk),
            ("+3\r\nabc\r\n", HeadError::Chunk),
            ("0x3\r\nabc\r\n", HeadError::Chunk),
            (" 3\r\nabc\r\n", HeadError::Chunk),
            ("3 \r\nabc\r\n", HeadError::Chunk),
            ("3 ;a\r\nabc\r\n", HeadError::Chunk),
            ("000000003\r\nabc\r\n", HeadError::Chunk),
            ("3\nabc\r\n", HeadError::Chunk),
            ("3\rXabc\r\n", HeadError::Chunk),
            ("3\r\nabcd\r\n", HeadError::Chunk),
            ("3\r\nabc\n", HeadError::Chunk),
            ("3\r\nabc\rX", HeadError::Chunk),
            ("3;a\nabc\r\n", HeadError::ChunkExtension),
            ("3;a\0\r\nabc\r\n", HeadError::ChunkExtension),
            ("3;\u{e9}\r\nabc\r\n", HeadError::ChunkExtension),
            ("0\r\nX: y\r\n\r\n", HeadError::Trailers),
            ("0\r\n\n", HeadError::Trailers),
            ("0\r\n\rX", HeadError::Chunk),
        ];
        for (body, error) in table {
            assert_eq!(follow(body.as_bytes()), Err(*error), "{body:?}");
        }
    }

    #[test]
    fn extensions_are_capped_per_line_and_per_body() {
        let line = |length: usize| format!("1;{}\r\na\r\n", "x".repeat(length - 1));
        assert!(follow(line(256).as_bytes()).is_ok());
        assert_eq!(follow(line(257).as_bytes()), Err(HeadError::ChunkExtension));
        assert!(follow(line(256).repeat(16).as_bytes()).is_ok());
        assert_eq!(follow((line(256).repeat(16) + "1;").as_bytes()), Err(HeadError::ChunkExtension));
    }
}
