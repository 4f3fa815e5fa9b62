//! Where things are: URLs, origins, hosts, addresses. What may not be reached from configuration is refused here.

use std::net::Ipv6Addr;

use http::Uri;

use crate::reach::{self, Unreachable, is_loopback};
use crate::yaml::Invalid;

const NOT_A_URL: Invalid = Invalid::new("is not an http or https URL", "write `https://host/path`");
const NOT_AN_ORIGIN: Invalid = Invalid::new(
    "is not an origin",
    "write it as browsers send it: `https://host`, with `:port` unless it is the default, without a path",
);
const NOT_A_HOST: Invalid = Invalid::new("is not a host", "write `host` or `host:port`, without a scheme");

/// The endpoint of a server: `http` or `https`, and nothing in it that belongs elsewhere.
pub(super) fn endpoint(text: &str) -> Result<Uri, Invalid> {
    let uri = absolute(text)?;
    if uri.query().is_some() {
        return Err(Invalid::new("has a query", "a server's endpoint is a path; credentials belong under `auth`"));
    }
    check_host(uri.host().unwrap_or_default())?;
    Ok(uri)
}

/// The endpoint of a gateway, whom a credential is shown: `https`, and `http` on this machine alone unless that is insisted on.
pub(crate) fn gateway_url(text: &str, insecure: bool) -> Result<Uri, Invalid> {
    let uri = endpoint(text)?;
    if uri.scheme_str() == Some("http") && !insecure && !is_loopback(uri.host().unwrap_or_default()) {
        return Err(Invalid::new("is not https", "the token could be read on its way; `--insecure-http` accepts that"));
    }
    Ok(uri)
}

/// Where an issuer publishes its keys: `https`, since whoever can change them can be anybody; `http` on this machine alone.
pub(super) fn key_set_url(text: &str) -> Result<Uri, Invalid> {
    let uri = absolute(text)?;
    let host = uri.host().unwrap_or_default();
    check_host(host)?;
    if uri.scheme_str() == Some("http") && !is_loopback(host) {
        return Err(Invalid::new("is not https", "whoever can change the keys on their way can sign as anybody"));
    }
    Ok(uri)
}

/// The URL by which clients reach a listener, lower case and without a trailing slash.
pub(super) fn public_url(text: &str) -> Result<String, Invalid> {
    let uri = absolute(text)?;
    if uri.query().is_some() || !matches!(uri.path(), "" | "/") {
        return Err(Invalid::new("has a path", "Yett serves `/mcp` at the root of its host: write `https://host`"));
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    if uri.port_u16() == default_port(scheme) {
        return Err(Invalid::new(
            "names the default port",
            "leave it out: tokens and metadata are compared with it letter by letter",
        ));
    }
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    Ok(format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

/// The host of a URL that [`public_url`] has accepted, with its port where it has one.
pub(super) fn authority(public_url: &str) -> &str {
    public_url.split_once("://").map_or(public_url, |(_, authority)| authority)
}

/// An origin, exactly as a browser sends it.
pub(super) fn origin(text: &str) -> Result<String, Invalid> {
    if text == "*" || text == "null" {
        return Err(Invalid::new("would let any page call", "name each origin"));
    }
    let (scheme, host) = text.split_once("://").ok_or(NOT_AN_ORIGIN)?;
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
    let (_, port) = host_and_port(host).ok_or(NOT_AN_ORIGIN)?;
    if !scheme_ok || host != host.to_ascii_lowercase() || (port.is_some() && port == default_port(scheme)) {
        return Err(NOT_AN_ORIGIN);
    }
    Ok(text.to_owned())
}

/// A value of the `Host` header, lower case.
pub(super) fn host(text: &str) -> Result<String, Invalid> {
    if text.contains('*') {
        return Err(Invalid::new("is a pattern", "name each host"));
    }
    host_and_port(text).ok_or(NOT_A_HOST)?;
    Ok(text.to_ascii_lowercase())
}

/// Whether this text names, as a URL, an address that only a machine's own network segment has.
pub(super) fn is_link_local_url(text: &str) -> bool {
    text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| reach::literal(host) == Err(Unreachable::LinkLocal)))
}

fn absolute(text: &str) -> Result<Uri, Invalid> {
    // `Uri` drops a fragment without a word.
    if text.contains('#') {
        return Err(Invalid::new("has a fragment", "leave out `#` and what follows"));
    }
    let uri: Uri = text.parse().map_err(|_unprintable| NOT_A_URL)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(NOT_A_URL);
    }
    let authority = uri.authority().ok_or(NOT_A_URL)?.as_str();
    if authority.contains('@') {
        return Err(Invalid::new("holds a user or password", "credentials belong under `auth`, as references"));
    }
    host_and_port(authority).ok_or(NOT_A_URL)?;
    Ok(uri)
}

/// Names are checked where they are resolved; here are the spellings of addresses.
fn check_host(host: &str) -> Result<(), Invalid> {
    reach::configured(host).map_err(|why| match why {
        Unreachable::LinkLocal => {
            Invalid::new("is a link-local address", "that is where cloud metadata lives, nothing that Yett talks to")
        }
        Unreachable::NotOneMachine => Invalid::new("is not the address of one machine", "write the address of the server"),
        Unreachable::NotHttps | Unreachable::NotPublic | Unreachable::Spelling => {
            Invalid::new("has an address in an unusual spelling", "write it as `10.0.0.1` or `[fd00::1]`")
        }
    })
}

/// Splits `host[:port]`, and checks both.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
            (host, Some(port.parse().ok().filter(|_| digits)?))
        }
        _ => (text, None),
    };
    let good = if host.starts_with('[') { is_ipv6(host) } else { host.len() <= 253 && host.split('.').all(is_label) };
    good.then_some((host, port))
}

fn is_ipv6(host: &str) -> bool {
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok())
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_may_be_private_but_never_where_metadata_lives() {
        for good in [
            "http://127.0.0.1:7321/mcp",
            "https://crm.internal/mcp",
            "http://10.0.0.1/",
            "http://[::1]:80/mcp",
            "http://[fd00::1]/mcp",
            "https://a_b.example",
            "http://192.168.1.1.nip.io/",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "http://169.254.169.254/latest",
            "http://169.254.169.254./",
            "http://[fe80::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
            "http://[fd00:ec2::254]/",
            "http://2852039166/",
            "http://0xA9FEA9FE/",
            "http://0XA9FEA9FE/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://127.1/",
            "http://0/",
            "http://localhost./",
            "http://[2001:0:a9fe:a9fe::1]/",
            "http://[64:ff9b:1::a9fe:a9fe]/",
            "http://255.255.255.255/",
            "http://0xa9.254.169.254/",
            "http://169.254.43518/",
            "http://0251.0376.0251.0376/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://224.0.0.1/",
            "https://user:password@host/",
            "https://user@host/",
            "https://host/#fragment",
            "https://host/?query",
            "ftp://host/",
            "/mcp",
            "host/mcp",
            "https://",
            "https:///mcp",
            "https://host:0/",
            "https://host:99999/",
            "https://ho st/",
            "https://-host/",
            "https://a..b/",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for good in ["https://login.example/jwks?p=policy", "https://10.0.0.1/", "http://127.0.0.1:8080/jwks", "http://[::1]/"] {
            assert!(key_set_url(good).is_ok(), "{good}");
        }
        for bad in ["http://login.example/jwks", "http://10.0.0.1/", "https://169.254.169.254/", "https://u:p@host/", "file:///k"]
        {
            assert!(key_set_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_public_url_is_an_origin_in_lower_case() {
        assert_eq!(public_url("https://MCP.Example.com/"), Ok("https://mcp.example.com".to_owned()));
        assert_eq!(public_url("http://127.0.0.1:8080"), Ok("http://127.0.0.1:8080".to_owned()));
        for bad in [
            "https://a.example/gateway",
            "https://a.example:443",
            "http://a.example:80/",
            "wss://a.example",
            "a.example",
            "https://a.example/?x",
        ] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_gateway_is_spoken_to_in_plain_text_on_this_machine_alone() {
        for good in
            ["https://mcp.example.com/mcp/crm", "http://localhost:8080/mcp/crm", "http://127.0.0.1/mcp/crm", "http://[::1]/x"]
        {
            assert!(gateway_url(good, false).is_ok(), "{good}");
        }
        for bad in ["http://mcp.example.com/mcp/crm", "http://10.0.0.1/mcp/crm"] {
            assert!(gateway_url(bad, false).is_err(), "{bad}");
            assert!(gateway_url(bad, true).is_ok(), "{bad}");
        }
        for bad in ["ftp://localhost/x", "https://me:secret@mcp.example.com/x", "https://mcp.example.com/x?token=1", "/mcp/crm"] {
            assert!(gateway_url(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn origins_and_hosts_are_exact() {
        for good in ["https://claude.ai", "http://localhost:6274", "chrome-extension://abcdef", "https://[::1]:8080"] {
            assert_eq!(origin(good), Ok(good.to_owned()));
        }
        for bad in [
            "*",
            "null",
            "https://claude.ai/",
            "https://Claude.ai",
            "https://*.claude.ai",
            "https://claude.ai:443",
            "claude.ai",
            "",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert_eq!(host("MCP.example.com:8443"), Ok("mcp.example.com:8443".to_owned()));
        for bad in ["", "https://a.example", "*.a.example", "a.example/", "a.example:", "a.example:0443", "::1"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
