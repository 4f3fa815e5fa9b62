//! Where a request head ends, in bytes that come one after the other.

use super::head::{HeadLimits, REQUEST_LINE_REST};
use super::refusal::HeadError;
use crate::blocks::printable_end;

/// Looks for the end of a head in a buffer that grows, and at every byte once: a head fed byte by byte costs what one in one piece does.
///
/// It refuses forbidden bytes and sizes as soon as they are seen, so that a client that never sends an empty line is answered at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadScan {
    scanned: usize,
    line_start: usize,
    lines: usize,
    after_carriage_return: bool,
}

impl HeadScan {
    /// The length of the head at the front of `buffer` once it is there. `buffer` is what was given before, and more.
    pub fn advance(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        let line_max = limits.uri.saturating_add(REQUEST_LINE_REST);
        let whole = buffer.get(..limits.bytes).unwrap_or(buffer);
        let mut offset = self.scanned;
        loop {
            // In the request line only as far as it may go: the reason must not depend on how the head was cut.
            let part = if self.lines == 0 { whole.get(..line_max).unwrap_or(whole) } else { whole };
            if !self.after_carriage_return {
                offset = printable_end(part, offset);
            }
            if self.lines == 0 && offset >= line_max && offset < whole.len() {
                return Err(HeadError::UriTooLong);
            }
            let Some(&byte) = whole.get(offset) else { break };
            if byte == b'\n' {
                if !self.after_carriage_return {
                    return Err(HeadError::BareLineFeed);
                }
                if offset == self.line_start + 1 {
                    // An empty line before the request line may be skipped (RFC 9112, 2.2); two hops that do not agree on it may not.
                    return if self.lines == 0 { Err(HeadError::RequestLine) } else { Ok(Some(offset + 1)) };
                }
                self.line_start = offset + 1;
                self.lines += 1;
                self.after_carriage_return = false;
            } else if self.after_carriage_return {
                return Err(HeadError::BareCarriageReturn);
            } else if byte == b'\r' {
                self.after_carriage_return = true;
            } else if byte >= 0x80 {
                return Err(HeadError::NonAscii);
            } else if byte != b'\t' {
                return Err(HeadError::ControlByte);
            }
            offset += 1;
        }
        self.scanned = buffer.len().min(limits.bytes);
        match (buffer.len() >= limits.bytes, self.lines == 0) {
            (true, true) => Err(HeadError::UriTooLong),
            (true, false) => Err(HeadError::HeadTooLarge),
            (false, _) => Ok(None),
        }
    }
}
