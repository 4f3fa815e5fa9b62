//! Which resource URIs are compared with policy at all.

/// Whether `uri` is written in the one form that policy patterns are compared with.
///
/// A server may read `file:///reports/../secrets/key` as another file than a pattern `file:///reports/**` meant, so anything
/// that two readers could resolve differently is refused rather than normalised: dot segments (plain or encoded), encoded
/// slashes, backslashes and NULs, percent codes that are malformed, written in lower case or of a character that needs none, an upper-case
/// scheme, userinfo, a host with a dot at its end, a port that its scheme has anyway, `file://localhost`, white space and control
/// characters, a fragment. RFC 3986, sections 3, 5.2.4, 6.2.2 and 6.2.3; RFC 8089, section 2.
pub fn is_canonical(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    if !scheme_ok || rest.is_empty() {
        return false;
    }
    if rest.chars().any(|c| c.is_control() || c.is_whitespace() || matches!(c, '\\' | '#')) {
        return false;
    }
    if let Some(after) = rest.strip_prefix("//") {
        let authority = after.split(['/', '?']).next().unwrap_or_default();
        if !is_one_authority(scheme, authority) {
            return false;
        }
    }
    let path = rest.split('?').next().unwrap_or_default();
    let opaque_start = path.strip_prefix("//").unwrap_or(path);
    percent_codes_are_plain(rest)
        && !opaque_start.split('/').any(|segment| matches!(segment, "." | ".."))
        // An empty segment inside a path (`a//b`) is dropped by some readers and kept by others.
        && !opaque_start.trim_start_matches('/').contains("//")
        && !path.starts_with("////")
}

/// Whether what stands between `//` and the path can be written in no other way. SECURITY: a rule that denies a host would not know it by
/// another spelling.
fn is_one_authority(scheme: &str, authority: &str) -> bool {
    if authority.contains('@') || authority.bytes().any(|byte| byte.is_ascii_uppercase() || byte == b'%') {
        return false;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let usual = match scheme {
        "http" | "ws" => "80",
        "https" | "wss" => "443",
        "ftp" => "21",
        _ => "",
    };
    // No port at all is what an empty one means, and a zero before it is no part of it.
    let port_ok = port.is_none_or(|port| !port.is_empty() && port != usual && !port.starts_with('0'));
    port_ok && !host.ends_with('.') && !(scheme == "file" && host == "localhost")
}

/// Whether a URI template (RFC 6570) is written in the one form that policy patterns are compared with: with something plain in place of
/// each of its expressions it is canonical, and no expression holds a path of its own.
pub fn is_canonical_template(template: &str) -> bool {
    let mut plain = String::with_capacity(template.len());
    if template.starts_with('{') {
        // Its scheme is in the expression.
        plain.push_str("x:");
    }
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((expression, after)) = after.split_once('}') else {
            return false;
        };
        if before.contains('}') || !is_expression(expression) {
            return false;
        }
        plain.push_str(before);
        plain.push('x');
        rest = after;
    }
    plain.push_str(rest);
    !rest.contains('}') && is_canonical(&plain)
}

/// What stands between braces: an operator, and variables with their modifiers. RFC 6570, sections 2.2 to 2.4.
fn is_expression(text: &str) -> bool {
    let variables = text.strip_prefix(['+', '#', '.', '/', ';', '?', '&']).unwrap_or(text);
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%' | b'.' | b',' | b':' | b'*');
    !variables.is_empty()
        && variables.bytes().all(known)
        && !variables.split(',').any(|name| name.is_empty() || name.contains("..") || name.starts_with('.'))
}

/// Percent codes must be complete and must not hide a character that structures a path.
fn percent_codes_are_plain(text: &str) -> bool {
    let mut parts = text.split('%');
    parts.next();
    parts.all(|part| {
        let Some(code) = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
            return false;
        };
        // `from_str_radix` would take a sign.
        let digits = part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
        let digits = digits && !part.bytes().take(2).any(|byte| byte.is_ascii_lowercase());
        // What needs no code has one to look like something else. RFC 3986, section 2.3.
        let needs_none = code.is_ascii_alphanumeric() || matches!(code, b'-' | b'.' | b'_' | b'~');
        digits && !needs_none && code >= 0x20 && code != 0x7f && !matches!(code, b'%' | b'/' | b'\\' | b'#' | b'?')
    })
}

#[cfg(test)]
mod tests {
    use super::{is_canonical, is_canonical_template};

    #[test]
    fn a_template_is_canonical_whatever_is_put_in_for_its_expressions() {
        for template in [
            "file:///reports/{name}",
            "file:///{path}",
            "test://template/{id}/data",
            "https://host.example/a{/path*}{?q,page}{#part}",
            "{+base}/a",
            "demo://resource/dynamic/{resource_id:3}.txt",
            "file:///reports/q1.txt",
        ] {
            assert!(is_canonical_template(template), "{template}");
        }
        for template in [
            "",
            "{}",
            "file:///reports/../secret/{x}",
            "file:///reports/%2e%2e/{x}",
            "file:///reports/{x}/../../secret",
            "file:///reports/{../../secret}",
            "file:///reports/{..}/secret",
            "file:///reports/{.,.}",
            "file:///reports/{x",
            "file:///reports/x}",
            "file:///reports/}{x}",
            "file:///reports/{{x}}",
            "file:///reports/{a b}",
            "FILE:///{x}",
        ] {
            assert!(!is_canonical_template(template), "{template}");
        }
    }

    #[test]
    fn plain_uris_of_several_schemes_are_canonical() {
        for uri in [
            "file:///reports/q1.txt",
            "test://static-text",
            "https://host.example/a/b?x=1",
            "https://host.example:8443/a",
            "http://[::1]:8080/a",
            "file:///reports/a%2Cb",
            "demo://resource/static/document/features.md",
            "urn:isbn:0451450523",
            "file:///reports/a%20b.txt",
            "demo://resource/dynamic/text/1",
        ] {
            assert!(is_canonical(uri), "{uri}");
        }
    }

    #[test]
    fn whatever_two_readers_could_resolve_differently_is_not_canonical() {
        for uri in [
            "",
            "no-scheme",
            "file:",
            "FILE:///reports/a",
            "file:///%73ecrets/key",
            "file:///reports/%7ea",
            "file:///reports/a%2cb",
            "file://localhost/reports/a",
            "file://host./reports/a",
            "https://host.example:443/a",
            "http://host.example:80/a",
            "https://host.example:/a",
            "https://host.example:08443/a",
            "https://h%6fst.example/a",
            "file:///reports/../secrets/key",
            "file:///reports/./a",
            "file:///reports/%2e%2e/key",
            "file:///reports/..%2fkey",
            "file:///reports//a",
            "file:////reports/a",
            "file:///reports\\..\\key",
            "file:///reports/a%0",
            "file:///reports/a%zz",
            "file:///reports/a%00",
            "file:///reports/a%+1",
            "https://user@host.example/a",
            "https://HOST.example/a",
            "file:///reports/a#b",
            "file:///reports/a b",
            "file:///reports/a\n",
            "file:///reports/%252e%252e/key",
        ] {
            assert!(!is_canonical(uri), "{uri:?}");
        }
    }
}
