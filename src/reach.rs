//! Which addresses may be reached, by who has named them. Pure.
//!
//! SECURITY: three kinds of addresses. **Forbidden** ones are reached by nothing that Yett does: link-local addresses and the others at which
//! clouds serve their machines' credentials, and what is not the address of one machine. Of the rest an operator may write **any** into
//! `yett.yaml`, since private networks are where MCP servers live; but what was *discovered* (metadata, a key set, an endpoint that a peer
//! has named) must be **public**, or on the host that the operator has written. An IPv6 address counts as every IPv4 address in it, by
//! each way of putting one there, so that a translator on the way reaches nothing that could not be reached directly.
//!
//! Spellings are checked where text is read ([`configured`], [`discovered`]), what a name leads to where it is resolved ([`Reach::check`]),
//! and the address that is checked is the address that is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Who has named what is to be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The operator: everything that is not forbidden.
    Configured,
    /// A peer, or a document: public addresses alone.
    Discovered,
}

/// Why something may not be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// Where clouds keep what their machines may know of themselves.
    #[error("is a link-local address, or another where clouds keep their credentials")]
    LinkLocal,
    /// Unspecified, multicast or broadcast.
    #[error("is not the address of one machine")]
    NotOneMachine,
    /// Named by a peer, in clear text.
    #[error("is not an https URL without a user")]
    NotHttps,
    /// Named by a peer, and of this machine or a private network.
    #[error("is not public, and not on a configured host")]
    NotPublic,
    /// An address that only some readers take for the one it is.
    #[error("has an address in an unusual spelling")]
    Spelling,
}

/// Where clouds serve metadata besides the link-local addresses: AWS, Google, Alibaba, Oracle, Azure.
const METADATA: [IpAddr; 5] = [
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

impl Reach {
    /// Whether this address, which a name was resolved to, may be connected to.
    pub fn check(self, address: IpAddr) -> Result<(), Unreachable> {
        allowed(address)?;
        if self == Self::Discovered && !is_public(address) { Err(Unreachable::NotPublic) } else { Ok(()) }
    }
}

/// Whether an operator may write this host of a URL (IPv6 in brackets): an address in its one usual spelling, or a name.
pub fn configured(host: &str) -> Result<(), Unreachable> {
    let Some(address) = literal(host)? else { return Ok(()) };
    allowed(address)
}

/// Whether a URL may be asked that was discovered, where `configured` is the host that the operator has written (of a URL); and which
/// addresses its host may then have.
///
/// It is an `https` URL with no user in it. One on the configured host may be private as that host is, and in clear text where that host is
/// this machine; the host is compared as it is written.
pub fn discovered(url: &Uri, configured: &str) -> Result<Reach, Unreachable> {
    let host = url.host().unwrap_or_default();
    let named = !configured.is_empty() && host.eq_ignore_ascii_case(configured);
    let https = url.scheme_str() == Some("https") || (named && url.scheme_str() == Some("http") && is_loopback(host));
    let user = url.authority().is_none_or(|authority| authority.as_str().contains('@'));
    if !https || user || host.is_empty() {
        return Err(Unreachable::NotHttps);
    }
    let reach = if named { Reach::Configured } else { Reach::Discovered };
    match literal(host)? {
        Some(address) => reach.check(address)?,
        None if !named && is_loopback(host) => return Err(Unreachable::NotPublic),
        None => {}
    }
    Ok(reach)
}

/// Whether this host (of a URL, IPv6 in brackets) is this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let name = host.strip_suffix('.').unwrap_or(&host);
    parse(&host).map_or(name == "localhost" || name.ends_with(".localhost"), |address| address.to_canonical().is_loopback())
}

/// The address that this host (of a URL) is; `None` for a name.
///
/// SECURITY: an address has one spelling. Resolvers read others (`2852039166`, `0xa9.254.43518`, `127.1`), and two readers could take them
/// for different ones; an IPv4 address in an IPv6 one that a translator might undo is such a spelling too.
pub fn literal(host: &str) -> Result<Option<IpAddr>, Unreachable> {
    let lower = host.to_ascii_lowercase();
    let Some(address) = parse(&lower) else {
        // WHATWG URL, "ends in a number": whoever follows it reads the whole host as an address.
        let last = lower.strip_suffix('.').unwrap_or(&lower).rsplit('.').next().unwrap_or_default();
        let numeric = last.bytes().all(|byte| byte.is_ascii_digit())
            || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let other = numeric || lower.starts_with('[') || lower.ends_with('.');
        return if other { Err(Unreachable::Spelling) } else { Ok(None) };
    };
    allowed(address)?;
    let usual = match address {
        IpAddr::V4(v4) => lower == v4.to_string(),
        IpAddr::V6(v6) => lower == format!("[{v6}]") && embedded(v6).is_empty(),
    };
    if usual { Ok(Some(address)) } else { Err(Unreachable::Spelling) }
}

fn parse(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?.parse().ok().map(IpAddr::V6),
        None => host.strip_suffix('.').unwrap_or(host).parse().ok().map(IpAddr::V4),
    }
}

/// Whether anything may be reached there at all.
fn allowed(address: IpAddr) -> Result<(), Unreachable> {
    let readings = readings(address);
    if readings.iter().any(|reading| is_link_local(*reading) || METADATA.contains(reading)) {
        return Err(Unreachable::LinkLocal);
    }
    if readings.iter().any(|reading| is_not_one_machine(*reading)) {
        return Err(Unreachable::NotOneMachine);
    }
    Ok(())
}

/// The address, and every IPv4 address in it.
fn readings(address: IpAddr) -> Vec<IpAddr> {
    match address {
        IpAddr::V4(_) => vec![address],
        IpAddr::V6(v6) => std::iter::once(address).chain(embedded(v6).into_iter().map(IpAddr::V4)).collect(),
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

fn is_not_one_machine(address: IpAddr) -> bool {
    match address {
        // RFC 1122, section 3.2.1.3: `0.0.0.0/8` is "this network", and Linux takes its first address for this machine.
        IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.is_multicast() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    }
}

/// Whether an address is of the public Internet: the registries of special-purpose addresses of IANA (RFC 6890), closed on doubt.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => match v6.segments() {
            // What translators of IPv6-only networks give for a name (RFC 6052), and what a dual-stack socket shows (RFC 4291).
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0, 0, 0, 0, 0, 0xffff, high, low] => is_public_v4(join(high, low)),
            // 2001::/23 is protocols' (Teredo, benchmarks, ORCHID), then documentation, and 6to4, which nobody routes any more.
            [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
            // Only this eighth is given out at all.
            [first, ..] => first & 0xe000 == 0x2000,
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || a == 0
        // Carriers' (RFC 6598), protocols' (RFC 6890), 6to4 relays (RFC 7526), benchmarks (RFC 2544), multicast and reserved.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 224;
    !special && !METADATA.contains(&IpAddr::V4(address))
}

/// The IPv4 addresses that this one carries: mapped and compatible (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo
/// (RFC 4380: its server, and its client with every bit turned), ISATAP (RFC 5214).
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let either = match address.segments() {
        // The unspecified address and loopback carry none.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return Vec::new(),
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            return vec![join(high, low)];
        }
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => return vec![join(high, low)],
        // Of a local prefix either the address of a prefix of 48 bits, which leaves eight in its middle empty, or of one of 96.
        [0x64, 0xff9b, 1, high, middle, next, last, low] => [join(high, ((middle & 0xff) << 8) | (next >> 8)), join(last, low)],
        [0x2001, 0, high, low, _, _, turned_high, turned_low] => [join(high, low), join(!turned_high, !turned_low)],
        _ => return Vec::new(),
    };
    // What begins with a zero is an empty part.
    either.into_iter().filter(|one| one.octets()[0] != 0).collect()
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATOR: &str = "login.corp.example";

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn found(url: &str, configured: &str) -> Result<Reach, Unreachable> {
        discovered(&url.parse().unwrap(), configured)
    }

    #[test]
    fn what_carries_a_link_local_address_is_one() {
        for bad in [
            "169.254.169.254",
            "fe80::1",
            "febf::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:a9fe:a9fe::1",
            "2001:0:808:808:0:0:5601:5601",
            "fd12::5efe:169.254.169.254",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "::ffff:168.63.129.16",
        ] {
            assert_eq!(Reach::Configured.check(ip(bad)), Err(Unreachable::LinkLocal), "{bad}");
            assert!(!is_public(ip(bad)), "{bad}");
        }
        for bad in ["0.0.0.0", "0.1.2.3", "255.255.255.255", "224.0.0.1", "::", "ff02::1", "::ffff:0.0.0.0", "64:ff9b::"] {
            assert_eq!(Reach::Configured.check(ip(bad)), Err(Unreachable::NotOneMachine), "{bad}");
        }
        for good in ["127.0.0.1", "::1", "10.0.0.1", "fd00::1", "100.64.0.1", "8.8.8.8", "2606:4700::1111"] {
            assert_eq!(Reach::Configured.check(ip(good)), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_special_is_not_public() {
        for bad in [
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "172.16.0.1",
            "192.0.0.9",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "240.0.0.1",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::808:808",
            "100::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "2002:808:808::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fec0::1",
        ] {
            assert_eq!(Reach::Discovered.check(ip(bad)), Err(Unreachable::NotPublic), "{bad}");
        }
        for good in
            ["8.8.8.8", "100.63.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1111", "64:ff9b::808:808", "2001:4860::8888"]
        {
            assert_eq!(Reach::Discovered.check(ip(good)), Ok(()), "{good}");
        }
    }

    /// The spellings of the row, and more of the same.
    const SPELLINGS: [&str; 20] = [
        "0x7f000001",
        "0X7F000001",
        "127.1",
        "2130706433",
        "0",
        "0x",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "localhost.",
        "127.0.0.1.",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.0.0.0x1",
        "[0:0:0:0:0:0:0:1]",
        "[fd00:0::1]",
    ];

    #[test]
    fn mcp_053_this_machine_is_reached_by_none_of_its_spellings_that_a_peer_has_named() {
        for host in SPELLINGS.into_iter().chain(["127.0.0.1", "localhost", "api.localhost", "[::1]", "10.0.0.1", "[fd00::1]"]) {
            for url in [format!("https://{host}/jwks"), format!("https://{host}:8443/jwks")] {
                let Ok(url) = url.parse::<Uri>() else { continue };
                assert!(discovered(&url, OPERATOR).is_err(), "{url}");
            }
        }
    }

    #[test]
    fn mcp_053_an_operator_writes_an_address_in_its_one_spelling() {
        for host in SPELLINGS {
            assert!(configured(host).is_err(), "{host}");
        }
        for host in ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "[fd00::1]", "[FD00::1]", "crm.internal", "1.2.3.4.example"] {
            assert_eq!(configured(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn what_is_discovered_is_https_and_public_or_on_the_configured_host() {
        assert_eq!(found("https://keys.example/jwks", OPERATOR), Ok(Reach::Discovered));
        assert_eq!(found("https://8.8.8.8/jwks", OPERATOR), Ok(Reach::Discovered));
        assert_eq!(found("https://LOGIN.corp.example:8443/jwks", OPERATOR), Ok(Reach::Configured));
        assert_eq!(found("https://10.0.0.1/jwks", "10.0.0.1"), Ok(Reach::Configured));
        assert_eq!(found("http://127.0.0.1:9000/jwks", "127.0.0.1"), Ok(Reach::Configured));
        for (bad, configured, why) in [
            ("http://keys.example/jwks", OPERATOR, Unreachable::NotHttps),
            ("http://login.corp.example/jwks", OPERATOR, Unreachable::NotHttps),
            ("http://127.0.0.1/jwks", OPERATOR, Unreachable::NotHttps),
            ("http://127.0.0.2/jwks", "127.0.0.1", Unreachable::NotHttps),
            ("https://login.corp.example@8.8.8.8/", OPERATOR, Unreachable::NotHttps),
            ("ftp://keys.example/jwks", OPERATOR, Unreachable::NotHttps),
            ("/jwks", "", Unreachable::NotHttps),
            ("https://10.0.0.2/jwks", "10.0.0.1", Unreachable::NotPublic),
            ("https://169.254.169.254/", "169.254.169.254", Unreachable::LinkLocal),
            ("https://login.corp.example./jwks", OPERATOR, Unreachable::Spelling),
        ] {
            assert_eq!(found(bad, configured), Err(why), "{bad} {configured}");
        }
    }

    #[test]
    fn loopback_is_told_by_address_or_reserved_name() {
        assert!(
            ["localhost", "LOCALHOST", "a.localhost", "localhost.", "127.9.9.9", "[::1]"].iter().all(|host| is_loopback(host))
        );
        assert!(!["localhost.example", "128.0.0.1", "[::2]", "example", "alocalhost"].iter().any(|host| is_loopback(host)));
    }
}
