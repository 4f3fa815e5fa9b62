//! Why the listener refuses a request before HTTP is spoken, and what it answers then.
//!
//! A refusal is of the bytes, not of the caller: nobody has been authenticated, nothing was parsed as MCP. The connection is always
//! closed after one, for whoever framed a message wrongly cannot be trusted about where the next one starts.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// One reason to refuse what a client sent. `Display` is for the operator, [`reason`](Self::reason) for the audit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// A line feed without a carriage return before it.
    #[error("a line ends in a bare line feed")]
    BareLineFeed,
    /// A carriage return without a line feed after it.
    #[error("a carriage return is not followed by a line feed")]
    BareCarriageReturn,
    /// NUL, DEL or another control byte that is not a tab.
    #[error("the head holds a control byte")]
    ControlByte,
    /// A byte of 0x80 or above, anywhere in the head.
    #[error("the head holds a byte that is not ASCII")]
    NonAscii,
    /// The bytes are not one head ending in an empty line.
    #[error("the head is not complete")]
    Unfinished,
    /// Not `method SP target SP HTTP/d.d`.
    #[error("the request line is malformed")]
    RequestLine,
    /// A method that is not upper-case letters and dashes.
    #[error("the method is malformed")]
    Method,
    /// Not `HTTP/1.0` or `HTTP/1.1`, a status from 100 to 599 and a reason: of replies, which are read as strictly.
    #[error("the status line is malformed")]
    StatusLine,
    /// `CONNECT`: this is not a forward proxy.
    #[error("CONNECT is not served")]
    Connect,
    /// Neither HTTP/1.0 nor HTTP/1.1; an HTTP/2 preface ends here as well.
    #[error("the HTTP version is not served")]
    Version,
    /// Absolute or authority form, or `*` with a method other than `OPTIONS`.
    #[error("the request target is not a path")]
    TargetForm,
    /// A byte that RFC 3986 does not allow in a path or query, or a broken percent escape.
    #[error("the request target holds a forbidden byte")]
    Target,
    /// The target is longer than the limit.
    #[error("the request target is too long")]
    UriTooLong,
    /// The head is longer than the limit.
    #[error("the head is too large")]
    HeadTooLarge,
    /// More header lines than the limit.
    #[error("the head has too many headers")]
    TooManyHeaders,
    /// A header line that starts with a space or tab.
    #[error("a header is folded over two lines")]
    FoldedHeader,
    /// A header line without a colon.
    #[error("a header line has no colon")]
    HeaderLine,
    /// A header name that is empty, ends in a space, or is not a token.
    #[error("a header name is malformed")]
    HeaderName,
    /// A header name with an underscore: some peer behind us may read it as a dash.
    #[error("a header name holds an underscore")]
    HeaderUnderscore,
    /// White space behind the value of `Authorization`: one reader trims it, the next takes it for a part of the token.
    #[error("the Authorization header ends in white space")]
    AuthorizationSpace,
    /// No `Host`.
    #[error("the Host header is missing")]
    HostMissing,
    /// More than one `Host`.
    #[error("there is more than one Host header")]
    HostRepeated,
    /// Not `name`, `address` or `[address]`, with an optional port up to 65535.
    #[error("the Host header is malformed")]
    HostInvalid,
    /// HTTP/2: `:authority` and `Host` that do not say the same.
    #[error("the Host header and the authority differ")]
    HostDiffers,
    /// HTTP/2: a scheme that is not the listener's.
    #[error("the scheme is not https")]
    Scheme,
    /// HTTP/2: white space around a value, which has no lines to indent.
    #[error("a header value begins or ends in white space")]
    ValueSpace,
    /// HTTP/2: the library takes the head for malformed.
    #[error("the head breaks the rules of HTTP/2")]
    Malformed,
    /// HTTP/2: the library takes the frames for wrong.
    #[error("the frames break the rules of HTTP/2")]
    Frames,
    /// HTTP/2: more frames that ask for nothing, or more requests taken back, than anybody needs.
    #[error("too many frames or resets that serve no purpose")]
    Flood,
    /// Not 1 to 19 decimal digits.
    #[error("Content-Length is malformed")]
    ContentLength,
    /// More than one `Content-Length`, equal or not.
    #[error("there is more than one Content-Length")]
    ContentLengthRepeated,
    /// Both ways of framing a body at once.
    #[error("Content-Length and Transfer-Encoding are both present")]
    LengthAndEncoding,
    /// Other than one header that says `chunked`.
    #[error("Transfer-Encoding is not exactly `chunked`")]
    TransferEncoding,
    /// `Transfer-Encoding` in HTTP/1.0, which does not have it.
    #[error("Transfer-Encoding is not part of HTTP/1.0")]
    TransferEncodingOldVersion,
    /// `Expect` with anything but `100-continue`.
    #[error("Expect is not `100-continue`")]
    Expect,
    /// A `GET` or `HEAD` that announces a body.
    #[error("the method does not take a body")]
    BodyNotAllowed,
    /// A chunk size that is not 1 to 8 hexadecimal digits, or a chunk that does not end where it said.
    #[error("a chunk is malformed")]
    Chunk,
    /// Chunk extensions beyond the limit, or with control bytes.
    #[error("chunk extensions are malformed or too long")]
    ChunkExtension,
    /// A trailer section that is not empty.
    #[error("the body has trailers")]
    Trailers,
    /// The head did not arrive in time.
    #[error("the head arrived too slowly")]
    SlowHead,
    /// The body did not arrive in time, or slower than the least rate.
    #[error("the body arrived too slowly")]
    SlowBody,
}

impl HeadError {
    /// The HTTP status that says so to the client.
    pub const fn status(self) -> u16 {
        match self {
            Self::Connect => 405,
            Self::SlowHead | Self::SlowBody => 408,
            Self::UriTooLong => 414,
            Self::HeadTooLarge | Self::TooManyHeaders => 431,
            Self::Version => 505,
            Self::BareLineFeed
            | Self::BareCarriageReturn
            | Self::ControlByte
            | Self::NonAscii
            | Self::Unfinished
            | Self::RequestLine
            | Self::StatusLine
            | Self::Method
            | Self::TargetForm
            | Self::Target
            | Self::FoldedHeader
            | Self::HeaderLine
            | Self::HeaderName
            | Self::HeaderUnderscore
            | Self::AuthorizationSpace
            | Self::HostMissing
            | Self::HostRepeated
            | Self::HostInvalid
            | Self::HostDiffers
            | Self::Scheme
            | Self::ValueSpace
            | Self::Malformed
            | Self::Frames
            | Self::Flood
            | Self::ContentLength
            | Self::ContentLengthRepeated
            | Self::LengthAndEncoding
            | Self::TransferEncoding
            | Self::TransferEncodingOldVersion
            | Self::Expect
            | Self::BodyNotAllowed
            | Self::Chunk
            | Self::ChunkExtension
            | Self::Trailers => 400,
        }
    }

    /// A stable short name for the audit record; part of its format, never reworded.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BareLineFeed => "bare_lf",
            Self::BareCarriageReturn => "bare_cr",
            Self::ControlByte => "control_byte",
            Self::NonAscii => "non_ascii",
            Self::Unfinished => "unfinished",
            Self::RequestLine => "request_line",
            Self::StatusLine => "status_line",
            Self::Method => "method",
            Self::Connect => "connect",
            Self::Version => "http_version",
            Self::TargetForm => "target_form",
            Self::Target => "target",
            Self::UriTooLong => "uri_too_long",
            Self::HeadTooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::FoldedHeader => "folded_header",
            Self::HeaderLine => "header_line",
            Self::HeaderName => "header_name",
            Self::HeaderUnderscore => "header_underscore",
            Self::AuthorizationSpace => "authorization_space",
            Self::HostMissing => "host_missing",
            Self::HostRepeated => "host_repeated",
            Self::HostInvalid => "host_invalid",
            Self::HostDiffers => "host_differs",
            Self::Scheme => "scheme",
            Self::ValueSpace => "value_space",
            Self::Malformed => "http2_malformed",
            Self::Frames => "http2_frames",
            Self::Flood => "http2_flood",
            Self::ContentLength => "content_length",
            Self::ContentLengthRepeated => "content_length_repeated",
            Self::LengthAndEncoding => "content_length_and_transfer_encoding",
            Self::TransferEncoding => "transfer_encoding",
            Self::TransferEncodingOldVersion => "transfer_encoding_http_1_0",
            Self::Expect => "expect",
            Self::BodyNotAllowed => "body_not_allowed",
            Self::Chunk => "chunk",
            Self::ChunkExtension => "chunk_extension",
            Self::Trailers => "trailers",
            Self::SlowHead => "slow_head",
            Self::SlowBody => "slow_body",
        }
    }

    /// The refusal at the bottom of `error`, if there is one: what a service finds when the body it reads breaks off.
    pub fn in_chain(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(*found);
            }
            // `io::Error::source` skips the error that it wraps and answers with that one's source.
            let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            if let Some(found) = wrapped.and_then(|inner| inner.downcast_ref::<Self>()) {
                return Some(*found);
            }
            next = error.source();
        }
        None
    }
}

impl From<HeadError> for io::Error {
    fn from(refusal: HeadError) -> Self {
        let kind = if refusal.status() == 408 { io::ErrorKind::TimedOut } else { io::ErrorKind::InvalidData };
        Self::new(kind, refusal)
    }
}

/// Where a [`FilteredStream`](super::framing::FilteredStream) leaves the refusal that its owner has to answer.
#[derive(Clone, Debug, Default)]
pub struct RefusalHandle(Arc<Mutex<Option<HeadError>>>);

impl RefusalHandle {
    /// The refusal that nobody has answered yet, once. Ask when hyper's connection future has ended, *whether with an error or not*:
    /// hyper takes an error between two requests for an ordinary end.
    ///
    /// `None` after a refusal in a body when the service has answered that request itself.
    pub fn take(&self) -> Option<HeadError> {
        self.cell().take()
    }

    pub(super) fn set(&self, refusal: HeadError) {
        *self.cell() = Some(refusal);
    }

    fn cell(&self) -> MutexGuard<'_, Option<HeadError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The raw answer to a refused request. `call_id` is the id of its audit record; left out when it could not be a header value.
pub fn refusal_response(error: HeadError, call_id: &str) -> Vec<u8> {
    let phrase = match error.status() {
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Bad Request",
    };
    let mut answer = format!("HTTP/1.1 {} {phrase}\r\nConnection: close\r\nContent-Length: 0\r\n", error.status());
    if error.status() == 405 {
        answer.push_str("Allow: GET, POST, DELETE, OPTIONS\r\n");
    }
    if !call_id.is_empty() && call_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        answer.push_str("Yett-Call: ");
        answer.push_str(call_id);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n");
    answer.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_found_below_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);

        let outer = Outer(HeadError::Trailers.into());
        assert_eq!(HeadError::in_chain(&outer), Some(HeadError::Trailers));
        assert_eq!(HeadError::in_chain(&HeadError::Chunk), Some(HeadError::Chunk));
        assert_eq!(HeadError::in_chain(&Outer(io::Error::other("else"))), None);
    }

    #[test]
    fn the_answer_closes_and_names_the_call() {
        let answer = refusal_response(HeadError::HostMissing, "0198-abc");
        assert_eq!(answer, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\nYett-Call: 0198-abc\r\n\r\n");
    }

    #[test]
    fn a_call_id_cannot_add_a_header() {
        let answer = refusal_response(HeadError::Connect, "x\r\nSet-Cookie: a");
        assert!(!String::from_utf8(answer).unwrap().contains("Cookie"));
    }
}
