//! The strict reading of one reply head: status line, and the headers that frame the body. Pure, no allocation.

use crate::listener::head::{HeadError, lines};

/// What the filter needs to know of a reply head that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReplyHead {
    pub(super) status: u16,
    pub(super) body: ReplyBody,
    /// The server may be asked again on this connection.
    pub(super) stays_open: bool,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReplyBody {
    Length(u64),
    Chunked,
    /// With the connection: what was cut off looks like what was sent, so the message itself has to say that it is whole.
    UntilClose,
}

/// 19 decimal digits always fit 64 bits.
const LENGTH_DIGITS: usize = 19;

/// Judges a head whose bytes a [`HeadScan`](crate::listener::head::HeadScan) has passed: ASCII, every line ended by CRLF.
pub(super) fn check(head: &[u8], headers: usize) -> Result<ReplyHead, HeadError> {
    let mut lines = lines(head);
    let (status, old) = status_line(lines.next().unwrap_or_default())?;
    let mut fields = Fields::default();
    for (index, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
        if index >= headers {
            return Err(HeadError::TooManyHeaders);
        }
        fields.read(line)?;
    }
    let has_no_body = matches!(status, 100..=199 | 204 | 304);
    let body = match (fields.chunked, fields.length) {
        (true, Some(_)) => return Err(HeadError::LengthAndEncoding),
        (true, None) if old => return Err(HeadError::TransferEncodingOldVersion),
        (true, None) if has_no_body => return Err(HeadError::BodyNotAllowed),
        (true, None) => ReplyBody::Chunked,
        (false, Some(1..)) if has_no_body && status != 304 => return Err(HeadError::BodyNotAllowed),
        // A 304 may tell the length that another status would have had.
        (false, _) if has_no_body => ReplyBody::Length(0),
        (false, Some(length)) => ReplyBody::Length(length),
        (false, None) => ReplyBody::UntilClose,
    };
    let stays_open = !old && !fields.close && body != ReplyBody::UntilClose;
    Ok(ReplyHead { status, body, stays_open })
}

/// The status, and whether the version is the old one. What has no status line (HTTP/0.9) is no reply.
fn status_line(line: &[u8]) -> Result<(u16, bool), HeadError> {
    let (old, rest) = match line.split_at_checked(9) {
        Some((b"HTTP/1.1 ", rest)) => (false, rest),
        Some((b"HTTP/1.0 ", rest)) => (true, rest),
        _ => return Err(HeadError::StatusLine),
    };
    // Some servers leave out the space before an empty reason; that frames nothing.
    let ([digits @ .., b' '], _) = rest.split_at_checked(4).unwrap_or((b" ", rest)) else {
        return Err(HeadError::StatusLine);
    };
    let digits = if rest.len() == 3 { rest } else { digits };
    match digits {
        [first @ b'1'..=b'5', second, third] if second.is_ascii_digit() && third.is_ascii_digit() => {
            let status = [first, second, third].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0'));
            Ok((status, old))
        }
        _ => Err(HeadError::StatusLine),
    }
}

#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
}

impl Fields {
    fn read(&mut self, line: &[u8]) -> Result<(), HeadError> {
        if let [b' ' | b'\t', ..] = line {
            return Err(HeadError::FoldedHeader);
        }
        let (name, value) =
            memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)).ok_or(HeadError::HeaderLine)?;
        if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
            return Err(HeadError::HeaderName);
        }
        let value = trim(value.strip_prefix(b":").unwrap_or(value));
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"connection") => {
                self.close |= value.split(|&byte| byte == b',').any(|word| trim(word).eq_ignore_ascii_case(b"close"));
                Ok(())
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(value),
            // What some reader behind a careless one takes for the header above.
            14 | 17 if is_twin(name) => Err(HeadError::HeaderUnderscore),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                let repeated = std::mem::replace(&mut self.chunked, true);
                if repeated || !value.eq_ignore_ascii_case(b"chunked") { Err(HeadError::TransferEncoding) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if self.length.is_some() {
            return Err(HeadError::ContentLengthRepeated);
        }
        if value.is_empty() || value.len() > LENGTH_DIGITS || !value.iter().all(u8::is_ascii_digit) {
            return Err(HeadError::ContentLength);
        }
        self.length = Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')));
        Ok(())
    }
}

fn is_twin(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"content_length") || name.eq_ignore_ascii_case(b"transfer_encoding")
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// White space around a value is space and tab only.
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Result<ReplyHead, HeadError> {
        check(format!("{lines}\r\n\r\n").as_bytes(), 64)
    }

    #[test]
    fn a_good_head_says_where_its_body_ends() {
        let table = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 5", 200, ReplyBody::Length(5), true),
            ("HTTP/1.1 200 \r\ncontent-length:\t5 ", 200, ReplyBody::Length(5), true),
            ("HTTP/1.1 200\r\nTransfer-Encoding: Chunked", 200, ReplyBody::Chunked, true),
            ("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: keep-alive", 202, ReplyBody::Length(0), true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, Close", 200, ReplyBody::Length(5), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive", 200, ReplyBody::Length(5), false),
            ("HTTP/1.1 200 OK", 200, ReplyBody::UntilClose, false),
            ("HTTP/1.1 204 No Content", 204, ReplyBody::Length(0), true),
            ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9", 304, ReplyBody::Length(0), true),
            ("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\nX_Y: 1", 103, ReplyBody::Length(0), true),
        ];
        for (lines, status, body, stays_open) in table {
            assert_eq!(head(lines), Ok(ReplyHead { status, body, stays_open }), "{lines:?}");
        }
    }

    #[test]
    fn anything_that_two_readers_may_frame_differently_is_refused() {
        let table = [
            ("HTTP/0.9 200 OK", HeadError::StatusLine),
            ("HTTP/2 200", HeadError::StatusLine),
            ("HTTP/1.2 200 OK", HeadError::StatusLine),
            ("http/1.1 200 OK", HeadError::StatusLine),
            (" HTTP/1.1 200 OK", HeadError::StatusLine),
            ("HTTP/1.1  200 OK", HeadError::StatusLine),
            ("HTTP/1.1 20 OK", HeadError::StatusLine),
            ("HTTP/1.1 2000 OK", HeadError::StatusLine),
            ("HTTP/1.1 +20 OK", HeadError::StatusLine),
            ("HTTP/1.1 099 OK", HeadError::StatusLine),
            ("HTTP/1.1 600 OK", HeadError::StatusLine),
            ("HTTP/1.1 ", HeadError::StatusLine),
            ("HTTP/1.1 200\tOK", HeadError::StatusLine),
            ("<html>", HeadError::StatusLine),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked", HeadError::LengthAndEncoding),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1", HeadError::ContentLengthRepeated),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1", HeadError::ContentLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: +1", HeadError::ContentLength),
            ("HTTP/1.1 200 OK\r\nContent-Length:", HeadError::ContentLength),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999", HeadError::ContentLength),
            ("HTTP/1.1 200 OK\r\nContent_Length: 1", HeadError::HeaderUnderscore),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", HeadError::TransferEncoding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked", HeadError::TransferEncoding),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked", HeadError::TransferEncoding),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked", HeadError::TransferEncodingOldVersion),
            ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked", HeadError::BodyNotAllowed),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 1", HeadError::BodyNotAllowed),
            ("HTTP/1.1 200 OK\r\nX: a\r\n b", HeadError::FoldedHeader),
            ("HTTP/1.1 200 OK\r\nX", HeadError::HeaderLine),
            ("HTTP/1.1 200 OK\r\nContent-Length : 1", HeadError::HeaderName),
            ("HTTP/1.1 200 OK\r\n: 1", HeadError::HeaderName),
        ];
        for (lines, error) in table {
            assert_eq!(head(lines), Err(error), "{lines:?}");
        }
    }

    #[test]
    fn headers_are_counted() {
        let head = |count: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(count));
        assert!(check(head(64).as_bytes(), 64).is_ok());
        assert_eq!(check(head(65).as_bytes(), 64), Err(HeadError::TooManyHeaders));
    }
}
