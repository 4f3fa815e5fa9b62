//! Whose request a proxy hands on: `Forwarded` (RFC 7239) and `X-Forwarded-For`, read from the right.
//!
//! Everybody can write these headers, so only what proxies of the operator have added counts: each of them adds the address it was
//! reached from at the right. The client is the first one from the right that is no such proxy. What stands further left is its own tale.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::FORWARDED;

use crate::config::Network;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The client behind `socket`; `None` where the socket's own address is all that can be believed.
///
/// SECURITY: where both headers stand and differ, one of them is the client's: proxies mostly write one and pass on the other. Then
/// neither is believed.
pub(super) fn client(headers: &HeaderMap, socket: IpAddr, trusted: &[Network]) -> Option<IpAddr> {
    if !is_trusted(socket, trusted) {
        return None;
    }
    let standard = walk(hops(headers, FORWARDED.as_str()).map(|hop| forwarded_for(&hop)), trusted);
    let usual = walk(hops(headers, X_FORWARDED_FOR).map(|hop| address(hop.trim())), trusted);
    match (standard, usual) {
        (Some(one), Some(other)) if one != other => None,
        (standard, usual) => standard.or(usual),
    }
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The farthest hop that trusted proxies vouch for. What cannot be read ends the way: who stood there is not known.
fn walk(hops: impl Iterator<Item = Option<IpAddr>>, trusted: &[Network]) -> Option<IpAddr> {
    let mut farthest = None;
    for hop in hops {
        let Some(hop) = hop else { break };
        farthest = Some(hop);
        if !is_trusted(hop, trusted) {
            break;
        }
    }
    farthest
}

/// The elements of a header from right to left, over all its lines. Quoted commas do not stand in addresses.
fn hops<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let lines: Vec<_> = headers.get_all(name).iter().collect();
    lines.into_iter().rev().flat_map(|line| {
        let line = String::from_utf8_lossy(line.as_bytes()).into_owned();
        line.rsplit(',').map(str::to_owned).collect::<Vec<_>>()
    })
}

/// The one `for` of an element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = named.next()?;
    if named.next().is_some() {
        return None;
    }
    let value = value.trim();
    let value = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
    address(value)
}

/// An address, with or without a port. Words such as `unknown` and `_hidden` are none.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behind(socket: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let trusted: Vec<_> = ["10.0.0.0/8", "fd00::/8"].iter().map(|text| Network::parse(text).unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        client(&map, socket.parse().unwrap(), &trusted).map(|address| address.to_string())
    }

    #[test]
    fn nobody_but_a_trusted_proxy_is_believed() {
        let lie = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.1")];
        assert_eq!(behind("198.51.100.1", &lie), None);
        assert_eq!(behind("10.0.0.1", &lie).as_deref(), Some("192.0.2.1"));
        assert_eq!(behind("::ffff:10.0.0.1", &lie).as_deref(), Some("192.0.2.1"));
        assert_eq!(behind("10.0.0.1", &[]), None);
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_no_proxy() {
        for value in ["192.0.2.1", "1.2.3.4, 192.0.2.1", "evil, 192.0.2.1, 10.0.0.7", "10.9.9.9, 192.0.2.1:4711 , 10.1.1.1"] {
            assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", value)]).as_deref(), Some("192.0.2.1"), "{value}");
        }
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "10.0.0.7")];
        assert_eq!(behind("10.0.0.1", &lines).as_deref(), Some("192.0.2.1"));
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "10.0.0.3, 10.0.0.2")]).as_deref(), Some("10.0.0.3"));
    }

    #[test]
    fn what_cannot_be_read_ends_the_way() {
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "192.0.2.1, unknown")]), None);
        assert_eq!(behind("10.0.0.1", &[("x-forwarded-for", "192.0.2.1, bad, 10.0.0.2")]).as_deref(), Some("10.0.0.2"));
        for hidden in ["for=_hidden", "for=unknown", "by=10.0.0.2", "for=192.0.2.1;for=192.0.2.2", "for=\"192.0.2.1", ""] {
            assert_eq!(behind("10.0.0.1", &[("forwarded", hidden)]), None, "{hidden}");
        }
    }

    #[test]
    fn every_form_of_an_address_is_read() {
        for (value, expected) in [
            ("for=192.0.2.1", "192.0.2.1"),
            ("FOR = \"192.0.2.1:80\";proto=https", "192.0.2.1"),
            ("proto=http;for=\"[2001:db8::1]\"", "2001:db8::1"),
            ("for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
        ] {
            assert_eq!(behind("fd00::1", &[("forwarded", value)]).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn two_tales_that_differ_are_none() {
        let differ = [("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=192.0.2.2")];
        assert_eq!(behind("10.0.0.1", &differ), None);
    }
}
