//! Host list, against DNS rebinding: a page of `evil.example` whose name is made to resolve to us still sends its own Host.

use http::HeaderMap;
use http::header::HOST;

/// Whether the one Host is on the list. Names compare without case (RFC 9110, section 4.2.3).
pub(super) fn is_ours(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let Some(host) = hosts.next().and_then(|value| value.to_str().ok()) else {
        return false;
    };
    hosts.next().is_none() && allowed.iter().any(|known| known.eq_ignore_ascii_case(host))
}
