//! The strict reading of one HTTP/1 request head, in front of hyper.
//!
//! What passes is a head that every HTTP implementation frames alike. hyper 1.12 lets through what another hop may read otherwise:
//! `Content-Length` beside `Transfer-Encoding`, equal lengths twice, bare line feeds, no `Host` or two, `gzip, chunked`. Pure functions
//! over bytes; one pass each, no allocation. It guarantees framing, `Host` syntax and plain ASCII; it does not look at any other header,
//! so `Upgrade` passes (hyper ignores it), and which hosts, paths and methods are served is decided behind it.

use std::net::Ipv6Addr;

pub use super::head_end::HeadScan;
pub use super::refusal::HeadError;

/// How large a head may be. Sizes in bytes, the closing empty line included.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The whole head.
    pub bytes: usize,
    /// Header lines.
    pub headers: usize,
    /// The request target.
    pub uri: usize,
}

impl Default for HeadLimits {
    /// 16 KiB, 64 headers, 8 KiB.
    fn default() -> Self {
        Self { bytes: 16 * 1024, headers: 64, uri: 8 * 1024 }
    }
}

/// What the filter needs to know of a head that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method, as far as framing depends on it.
    pub method: MethodKind,
    /// How the body that follows is framed.
    pub body: BodyFraming,
}

/// Methods that framing rules tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodKind {
    /// `GET`
    Get,
    /// `HEAD`: its reply has no body, whatever its head says.
    Head,
    /// `POST`
    Post,
    /// `DELETE`
    Delete,
    /// `OPTIONS`: the one method with the target `*`.
    Options,
    /// Any other well-formed method; the endpoint answers 405.
    Other,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// After the chunk of size zero.
    Chunked,
}

/// Judges one head, from its first byte to the empty line that ends it, and nothing more.
pub fn check(head: &[u8], limits: &HeadLimits) -> Result<Head, HeadError> {
    if HeadScan::default().advance(head, limits)? != Some(head.len()) {
        return Err(HeadError::Unfinished);
    }
    check_scanned(head, limits)
}

/// [`check`] for a head whose end a [`HeadScan`] has just found.
pub(super) fn check_scanned(head: &[u8], limits: &HeadLimits) -> Result<Head, HeadError> {
    let mut lines = lines(head);
    let (method, version) = request_line(lines.next().unwrap_or_default(), limits)?;
    let mut fields = Fields::default();
    for (index, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
        if index >= limits.headers {
            return Err(HeadError::TooManyHeaders);
        }
        fields.read(line)?;
    }
    Ok(Head { method, body: fields.framing(method, version)? })
}

/// The pseudo-headers of a head that HTTP/2 has brought.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pseudo<'a> {
    /// `:method`
    pub(super) method: &'a [u8],
    /// `:path`
    pub(super) target: &'a [u8],
    /// `:authority`
    pub(super) authority: Option<&'a [u8]>,
}

/// [`check`] for a head that HTTP/2 has brought in pieces: the same rules, as far as its framing leaves any to break. Whatever passes could
/// be sent on by HTTP/1.1 as it is.
pub(super) fn check_pieces<'a>(
    pseudo: Pseudo<'_>,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    limits: &HeadLimits,
) -> Result<Head, HeadError> {
    check_method(pseudo.method)?;
    let method = kind_of(pseudo.method)?;
    check_target(pseudo.target, method, limits)?;
    let (mut known, mut hosts) = (Fields::default(), 0);
    if let Some(authority) = pseudo.authority {
        known.host(authority)?;
    }
    for (index, (name, value)) in fields.enumerate() {
        // The authority is what the Host line is in HTTP/1.1.
        if index + usize::from(known.host && hosts == 0) >= limits.headers {
            return Err(HeadError::TooManyHeaders);
        }
        check_value(value)?;
        match pseudo.authority {
            Some(authority) if name.eq_ignore_ascii_case(b"host") => {
                hosts += 1;
                if hosts > 1 {
                    return Err(HeadError::HostRepeated);
                }
                if !authority.eq_ignore_ascii_case(value) {
                    return Err(HeadError::HostDiffers);
                }
            }
            _ => known.field(name, value)?,
        }
    }
    Ok(Head { method, body: known.framing(method, Version::Http11)? })
}

/// The lines of a head, without their ends.
pub(crate) fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(head);
    std::iter::from_fn(move || {
        let all = rest?;
        let end = memchr::memchr(b'\n', all);
        rest = end.and_then(|end| all.get(end + 1..));
        let line = all.get(..end.unwrap_or(all.len())).unwrap_or_default();
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    })
}

/// The longest registered method has 17 bytes (`UPDATEREDIRECTREF`).
const METHOD_MAX: usize = 24;
/// What a request line has beside its target: method, two spaces, version, line end.
pub(super) const REQUEST_LINE_REST: usize = METHOD_MAX + 2 + 8 + 2;
/// A host name has at most 253 bytes (RFC 1035), a port five, and there is one colon.
const HOST_MAX: usize = 259;
/// 19 decimal digits always fit 64 bits.
const LENGTH_DIGITS: usize = 19;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http10,
    Http11,
}

fn request_line(line: &[u8], limits: &HeadLimits) -> Result<(MethodKind, Version), HeadError> {
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(HeadError::RequestLine);
    };
    check_method(method)?;
    let version = match version {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            return Err(HeadError::Version);
        }
        _ => return Err(HeadError::RequestLine),
    };
    let kind = kind_of(method)?;
    check_target(target, kind, limits)?;
    Ok((kind, version))
}

fn check_method(method: &[u8]) -> Result<(), HeadError> {
    let is_method_byte = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
    let good = !method.is_empty() && method.len() <= METHOD_MAX && method.iter().all(is_method_byte);
    if good { Ok(()) } else { Err(HeadError::Method) }
}

fn kind_of(method: &[u8]) -> Result<MethodKind, HeadError> {
    Ok(match method {
        b"GET" => MethodKind::Get,
        b"HEAD" => MethodKind::Head,
        b"POST" => MethodKind::Post,
        b"DELETE" => MethodKind::Delete,
        b"OPTIONS" => MethodKind::Options,
        b"CONNECT" => return Err(HeadError::Connect),
        _ => MethodKind::Other,
    })
}

fn check_target(target: &[u8], method: MethodKind, limits: &HeadLimits) -> Result<(), HeadError> {
    if target.len() > limits.uri {
        return Err(HeadError::UriTooLong);
    }
    if target == b"*" && method == MethodKind::Options {
        return Ok(());
    }
    if target.first() != Some(&b'/') {
        return Err(if target.is_empty() { HeadError::RequestLine } else { HeadError::TargetForm });
    }
    let mut bytes = target.iter();
    while let Some(&byte) = bytes.next() {
        let allowed = match byte {
            b'%' => {
                matches!((bytes.next(), bytes.next()), (Some(high), Some(low)) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
            }
            // RFC 3986: unreserved, sub-delims, `:`, `@`, `/`, `?`. Thus no fragment, backslash, quote, bracket or brace.
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&'..=b',' | b';' | b'=' | b':' | b'@' | b'/' | b'?' => true,
            _ => byte.is_ascii_alphanumeric(),
        };
        if !allowed {
            return Err(HeadError::Target);
        }
    }
    Ok(())
}

#[derive(Default)]
struct Fields {
    host: bool,
    length: Option<u64>,
    chunked: bool,
}

impl Fields {
    fn read(&mut self, line: &[u8]) -> Result<(), HeadError> {
        if let [b' ' | b'\t', ..] = line {
            return Err(HeadError::FoldedHeader);
        }
        let (name, value) =
            memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)).ok_or(HeadError::HeaderLine)?;
        self.field(name, value.strip_prefix(b":").unwrap_or(value))
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        check_name(name)?;
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => self.host(trim(value)),
            6 if name.eq_ignore_ascii_case(b"expect") => {
                if trim(value).eq_ignore_ascii_case(b"100-continue") {
                    Ok(())
                } else {
                    Err(HeadError::Expect)
                }
            }
            13 if name.eq_ignore_ascii_case(b"authorization") => match (value, trim(value)) {
                ([.., b' ' | b'\t'], [_, ..]) => Err(HeadError::AuthorizationSpace),
                _ => Ok(()),
            },
            14 if name.eq_ignore_ascii_case(b"content-length") => self.content_length(trim(value)),
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => self.transfer_encoding(trim(value)),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), HeadError> {
        if std::mem::replace(&mut self.host, true) {
            return Err(HeadError::HostRepeated);
        }
        if is_host(value) { Ok(()) } else { Err(HeadError::HostInvalid) }
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

    fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), HeadError> {
        let repeated = std::mem::replace(&mut self.chunked, true);
        if repeated || !value.eq_ignore_ascii_case(b"chunked") { Err(HeadError::TransferEncoding) } else { Ok(()) }
    }

    fn framing(&self, method: MethodKind, version: Version) -> Result<BodyFraming, HeadError> {
        if !self.host {
            return Err(HeadError::HostMissing);
        }
        let body = match (self.chunked, self.length) {
            (true, Some(_)) => return Err(HeadError::LengthAndEncoding),
            (true, None) if version == Version::Http10 => return Err(HeadError::TransferEncodingOldVersion),
            (true, None) => BodyFraming::Chunked,
            (false, Some(length)) => BodyFraming::Length(length),
            (false, None) => BodyFraming::None,
        };
        let has_body = !matches!(body, BodyFraming::None | BodyFraming::Length(0));
        if has_body && matches!(method, MethodKind::Get | MethodKind::Head) {
            return Err(HeadError::BodyNotAllowed);
        }
        Ok(body)
    }
}

fn check_name(name: &[u8]) -> Result<(), HeadError> {
    if name.is_empty() {
        return Err(HeadError::HeaderName);
    }
    for &byte in name {
        match byte {
            b'_' => return Err(HeadError::HeaderUnderscore),
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'`' | b'|' | b'~' => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(HeadError::HeaderName),
        }
    }
    Ok(())
}

/// What [`HeadScan`] looks for in bytes. White space around a value belongs to lines; here some reader would take it for a part of the value.
fn check_value(value: &[u8]) -> Result<(), HeadError> {
    if let Some(byte) = value.iter().find(|byte| !matches!(byte, b'\t' | b' '..=b'~')) {
        return Err(if byte.is_ascii() { HeadError::ControlByte } else { HeadError::NonAscii });
    }
    if trim(value).len() == value.len() { Ok(()) } else { Err(HeadError::ValueSpace) }
}

fn is_host(value: &[u8]) -> bool {
    if value.len() > HOST_MAX {
        return false;
    }
    let (is_name, port) = if let Some(rest) = value.strip_prefix(b"[") {
        let Some((address, port)) = memchr::memchr(b']', rest).and_then(|end| rest.split_at_checked(end)) else {
            return false;
        };
        let is_address = std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
        (is_address, port.get(1..).unwrap_or_default())
    } else {
        let (name, port) = value.split_at_checked(memchr::memchr(b':', value).unwrap_or(value.len())).unwrap_or((value, b""));
        let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        (!name.is_empty() && name.iter().all(is_name_byte), port)
    };
    is_name && (port.is_empty() || is_port(port))
}

fn is_port(with_colon: &[u8]) -> bool {
    let Some(digits) = with_colon.strip_prefix(b":") else {
        return false;
    };
    let in_range = || digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')) <= 65_535;
    (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) && in_range()
}

/// Optional white space is space and tab only; `trim_ascii` would take a vertical tab or form feed as well.
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
#[path = "head_tests.rs"]
mod tests;
