//! Where a server of HTTP+SSE wants its messages: whatever it announces, they go to the origin that is configured, to a path that can be
//! read in one way.

use http::Uri;
use yett::upstream::sse_endpoint::{EndpointError, resolve};

const BASES: [&str; 4] =
    ["http://crm.internal:7322/a/sse", "https://crm.internal/sse?x=1", "http://127.0.0.1", "https://[::1]:8443/a/b/c/sse"];

/// The oracle. The first byte chooses what is configured, the rest is announced.
pub fn check(input: &[u8]) {
    let Some((first, announced)) = input.split_first() else { return };
    let configured = BASES[usize::from(*first) % BASES.len()];
    let base: Uri = configured.parse().unwrap();
    let resolved = resolve(&base, announced);
    assert_eq!(resolved, resolve(&base, announced), "it is decided anew");
    match resolved {
        Ok(target) => {
            let text = std::str::from_utf8(announced).expect("text");
            check_target(target.as_str());
            assert_eq!(origin_and_target(configured, text), (origin(configured), target.to_string()), "{configured}, {text}");
        }
        Err(EndpointError::OtherOrigin | EndpointError::Unreadable) => {
            assert!(!is_plain(announced), "{} is refused", String::from_utf8_lossy(announced));
        }
    }
}

/// One path, which no reader shortens, and nothing that could end a line or a URI.
fn check_target(target: &str) {
    assert!(target.starts_with('/'), "{target:?} is no path");
    assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#')), "{target:?}");
    let path = target.split('?').next().unwrap();
    for segment in path.split('/') {
        let decoded = segment.replace("%2e", ".").replace("%2E", ".");
        assert!(!matches!(&*decoded, "." | ".."), "{target:?} is shortened by some");
    }
}

/// Where a browser would go, which takes every slash, and the last `@`, for what they may be. WHATWG URL, 4.4, as far as is let through.
fn origin_and_target(base: &str, announced: &str) -> (String, String) {
    let (scheme, _) = base.split_once("://").unwrap();
    let slashes = announced.starts_with("//");
    let absolute = announced.split_once(':').filter(|(scheme, _)| !scheme.contains(['/', '?']));
    let whole = match absolute {
        Some((scheme, rest)) => format!("{}://{}", scheme.to_ascii_lowercase(), rest.trim_start_matches('/')),
        None if slashes => format!("{scheme}://{}", announced.trim_start_matches('/')),
        None => {
            let path = path_of(base);
            let target = match announced.as_bytes()[0] {
                b'/' => announced.to_owned(),
                b'?' => format!("{path}{announced}"),
                _ => format!("{}/{announced}", path.rsplit_once('/').unwrap().0),
            };
            return (origin(base), target);
        }
    };
    let after = &whole[whole.find("://").unwrap() + 3..];
    let target = after.find(['/', '?']).map_or("", |at| &after[at..]);
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    (origin(&whole), target)
}

fn path_of(base: &str) -> &str {
    let after = &base[base.find("://").unwrap() + 3..];
    let path = after.find('/').map_or("/", |at| &after[at..]);
    path.split('?').next().unwrap()
}

/// Scheme, host and port, written in one way.
fn origin(uri: &str) -> String {
    let (scheme, after) = uri.split_once("://").unwrap();
    let authority = after.split(['/', '?']).next().unwrap().to_ascii_lowercase();
    let host_and_port = authority.rsplit_once('@').map_or(&*authority, |(_, host)| host);
    let (host, port) = match host_and_port.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (host_and_port, ""),
    };
    let port: u16 = if port.is_empty() { if scheme == "https" { 443 } else { 80 } } else { port.parse().unwrap() };
    format!("{scheme}://{host}:{port}")
}

/// What every server may announce.
fn is_plain(announced: &[u8]) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'_' | b'=' | b'&');
    let text = announced.strip_prefix(b"/").unwrap_or(announced);
    !announced.is_empty() && announced.len() < 1024 && !text.starts_with(b"/") && announced.iter().all(plain)
}
