//! Where a server wants its messages: what it announces as `endpoint` is believed on its own origin only. Pure.
//!
//! SECURITY: a server that could name another host would have our messages, and our credential for it, sent there (MCP 2024-11-05,
//! "HTTP with SSE"; PROTOCOL.md, pitfall 13).

use http::Uri;
use http::uri::{PathAndQuery, Scheme};

/// Longest URI that is taken.
const LONGEST: usize = 2048;

/// Why a URI is not one to POST to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Another scheme, host or port than the configured one, or a user in front of it.
    #[error("the endpoint is not on the origin of the configured URL")]
    OtherOrigin,
    /// No URI, or one that two readers could take for different ones.
    #[error("the endpoint cannot be read in one way only")]
    Unreadable,
}

impl EndpointError {
    /// A word for records.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::OtherOrigin => "endpoint_origin",
            Self::Unreadable => "endpoint_unreadable",
        }
    }
}

/// The path and query of `announced` on the origin of `base`. RFC 3986, section 5.2, but for dot segments, which are refused.
pub fn resolve(base: &Uri, announced: &[u8]) -> Result<PathAndQuery, EndpointError> {
    let text = std::str::from_utf8(announced).map_err(|_bytes| EndpointError::Unreadable)?;
    let plain = |byte: u8| {
        byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
    };
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(plain) {
        return Err(EndpointError::Unreadable);
    }
    let target = if has_scheme(text) {
        on_origin(base, text)?
    } else if text.starts_with("//") {
        on_origin(base, &format!("{}:{text}", base.scheme_str().unwrap_or_default()))?
    } else if text.starts_with('/') {
        text.to_owned()
    } else if text.starts_with('?') {
        format!("{}{text}", base.path())
    } else {
        let folder = base.path().rfind('/').and_then(|slash| base.path().get(..=slash)).unwrap_or("/");
        format!("{folder}{text}")
    };
    let path = target.split('?').next().unwrap_or_default();
    if path.split('/').any(is_dots) {
        return Err(EndpointError::Unreadable);
    }
    target.parse().map_err(|_invalid| EndpointError::Unreadable)
}

/// RFC 3986, section 3.1; a colon in a path or query comes after a slash or question mark.
fn has_scheme(text: &str) -> bool {
    text.find([':', '/', '?']).is_some_and(|at| text.as_bytes().get(at) == Some(&b':'))
}

fn on_origin(base: &Uri, absolute: &str) -> Result<String, EndpointError> {
    let uri: Uri = absolute.parse().map_err(|_invalid| EndpointError::Unreadable)?;
    let authority = uri.authority().ok_or(EndpointError::OtherOrigin)?;
    let same_host = base.host().zip(uri.host()).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs));
    let same = base.scheme() == uri.scheme() && same_host && port(base) == port(&uri);
    if !same || authority.as_str().contains('@') {
        return Err(EndpointError::OtherOrigin);
    }
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    // A URI may have a query and no path; a request has a path. RFC 9112, section 3.2.1.
    Ok(if target.starts_with('/') { target.to_owned() } else { format!("/{target}") })
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| uri.scheme().map(|scheme| if *scheme == Scheme::HTTPS { 443 } else { 80 }))
}

/// `.` or `..`, however it is written.
fn is_dots(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(base: &str, announced: &str) -> Result<String, EndpointError> {
        resolve(&base.parse().unwrap(), announced.as_bytes()).map(|target| target.as_str().to_owned())
    }

    #[test]
    fn an_endpoint_of_the_same_origin_is_taken() {
        const BASE: &str = "http://crm.internal:7322/a/sse";
        for (announced, target) in [
            ("/message?sessionId=1", "/message?sessionId=1"),
            ("message?sessionId=1", "/a/message?sessionId=1"),
            ("?sessionId=1", "/a/sse?sessionId=1"),
            ("http://crm.internal:7322/message?u=http://x", "/message?u=http://x"),
            ("HTTP://CRM.internal:7322/message", "/message"),
            ("//crm.internal:7322/message", "/message"),
            ("/mcp/a:b", "/mcp/a:b"),
            ("http://crm.internal:7322", "/"),
            ("http://crm.internal:7322?sessionId=1", "/?sessionId=1"),
            ("/..hidden/message", "/..hidden/message"),
        ] {
            assert_eq!(from(BASE, announced).as_deref(), Ok(target), "{announced}");
        }
        assert_eq!(from("https://crm.internal/sse", "https://crm.internal:443/m").as_deref(), Ok("/m"));
        assert_eq!(from("http://crm.internal", "m").as_deref(), Ok("/m"));
    }

    #[test]
    fn every_other_origin_is_refused() {
        const BASE: &str = "https://crm.internal/sse";
        for announced in [
            "http://crm.internal/message",
            "https://crm.internal:8443/message",
            "https://evil.example/message",
            "https://crm.internal.evil.example/message",
            "https://crm.internal@evil.example/message",
            "https://user@crm.internal/message",
            "//evil.example/message",
            "https://169.254.169.254/latest/meta-data",
        ] {
            assert_eq!(from(BASE, announced), Err(EndpointError::OtherOrigin), "{announced}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        const BASE: &str = "https://crm.internal/a/sse";
        let long = format!("/{}", "x".repeat(LONGEST));
        for announced in [
            "",
            " /message",
            "/mess age",
            "/message#x",
            "/\\evil.example/",
            "\\\\evil.example",
            "/a/../admin",
            "../admin",
            "./message",
            "/a/%2e%2E/admin",
            "/a/.%2e",
            "/message\r\nHost: evil.example",
            "/m\u{e9}ssage",
            "javascript:alert(1)",
            "file:///etc/passwd",
            &long,
        ] {
            assert!(from(BASE, announced).is_err(), "{announced:?}");
        }
    }
}
