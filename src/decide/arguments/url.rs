//! URLs of some hosts.

use crate::policy::arguments::{UrlRule, is_host};

/// Longest URL, in bytes.
const MAX_URL: usize = 2048;

/// Whether `url` has an allowed scheme, host and port, and no reader could see another host in it. RFC 3986, but narrower: what
/// browsers and libraries disagree on (user information, backslashes, white space, other spellings of addresses) is refused.
pub(super) fn fits(rule: &UrlRule, url: &str) -> bool {
    if url.len() > MAX_URL || !url.bytes().all(is_plain) {
        return false;
    }
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    if !rule.schemes.iter().any(|allowed| allowed == scheme) {
        return false;
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let (host, port) = split_port(authority);
    let port_fits = match port {
        None => true,
        Some(port) => plain_port(port) && port.parse().is_ok_and(|port: u16| rule.ports.contains(&port)),
    };
    port_fits && is_host(host) && rule.hosts.iter().any(|pattern| pattern.matches(host)) && codes_are_complete(rest)
}

/// `parse` would take a sign, and some readers zeros in front.
fn plain_port(port: &str) -> bool {
    !port.starts_with('0') && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Visible ASCII without what stands in no URL, and without a fragment.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let behind = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(behind..).and_then(|rest| rest.find(':')).map(|at| at + behind);
    match colon.and_then(|at| authority.split_at_checked(at)) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => (authority, None),
    }
}

fn codes_are_complete(text: &str) -> bool {
    text.split('%').skip(1).all(|part| {
        let code = part.as_bytes().get(..2).unwrap_or_default();
        // NUL and line ends break out of what readers build from a URL.
        code.len() == 2 && code.iter().all(u8::is_ascii_hexdigit) && !matches!(code, b"00" | b"0a" | b"0A" | b"0d" | b"0D")
    })
}
