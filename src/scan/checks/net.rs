//! Addresses of machines that point at a person or a household: public IP addresses, hardware addresses.
//!
//! Private, loopback, link-local, multicast, documentation and reserved ranges say nothing about anybody: IANA IPv4 and IPv6
//! Special-Purpose Address Registries (RFC 6890).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str;

/// A host's address in the public Internet. `120.0.0.0` is a version of a browser more often than a host: no last byte of zero.
pub(super) fn ipv4_public(value: &[u8]) -> bool {
    let address = str::from_utf8(value).ok().and_then(|text| text.parse::<Ipv4Addr>().ok());
    address.is_some_and(|address| is_public_v4(address) && address.octets().last() != Some(&0) && !is_resolver(address))
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let shared = |[a, b, ..]: [u8; 4]| a == 100 && (64..128).contains(&b); // RFC 6598
    let assigned = |[a, b, c, _]: [u8; 4]| a == 192 && b == 0 && c == 0; // RFC 6890
    let relays = |[a, b, c, _]: [u8; 4]| a == 192 && b == 88 && c == 99; // RFC 7526
    let benchmarks = |[a, b, ..]: [u8; 4]| a == 198 && b & 0xFE == 18; // RFC 2544
    let octets = address.octets();
    let special = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation();
    // 0.0.0.0/8, multicast (224/4), reserved (240/4) and broadcast.
    let outside = octets.first().is_none_or(|first| *first == 0 || *first >= 224);
    !(special || outside || shared(octets) || assigned(octets) || relays(octets) || benchmarks(octets))
}

/// Public resolvers, which stand in every tutorial and configuration.
fn is_resolver(address: Ipv4Addr) -> bool {
    let known = [[8, 8, 8, 8], [8, 8, 4, 4], [1, 1, 1, 1], [1, 0, 0, 1], [9, 9, 9, 9], [208, 67, 222, 222], [208, 67, 220, 220]];
    known.contains(&address.octets())
}

/// An address of a host in `2000::/3`, the part of IPv6 that is given out, and no resolver's.
pub(super) fn ipv6_public(value: &[u8]) -> bool {
    let address = str::from_utf8(value).ok().and_then(|text| text.parse::<Ipv6Addr>().ok());
    address.is_some_and(|address| is_public_v6(address) && !is_resolver_v6(address))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let network = segments.last_chunk::<4>() == Some(&[0; 4]);
    let [first, second, third, ..] = segments;
    let special = match (first, second) {
        // RFC 3056: an IPv4 address stands inside.
        (0x2002, _) => !is_public_v4(embedded(second, third)),
        // RFC 2928 (IETF protocols, Teredo among them), RFC 3849 and RFC 9637 (documentation).
        (0x2001, 0..=0x01FF | 0x0DB8) | (0x3FFF, 0..=0x0FFF) => true,
        _ => first & 0xE000 != 0x2000,
    };
    !special && !network
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

fn is_resolver_v6(address: Ipv6Addr) -> bool {
    // Google, Cloudflare, Quad9.
    let known = [(0x2001, 0x4860, 0x4860), (0x2606, 0x4700, 0x4700), (0x2620, 0x00FE, 0)];
    let [first, second, third, ..] = address.segments();
    known.contains(&(first, second, third))
}

/// The address of one network card: IEEE 802, six bytes in pairs with colons or hyphens, or in Cisco's three groups of four.
///
/// Not of a group (multicast and broadcast have the lowest bit of the first byte set), not zero, not for documentation (RFC 9542).
pub(super) fn mac_address(value: &[u8]) -> bool {
    let pairs = [b':', b'-'].iter().any(|gap| is_grouped(value, *gap, 6, 2)) || is_grouped(value, b'.', 3, 4);
    let mut digits = [0; 12];
    let values = value.iter().filter_map(|byte| char::from(*byte).to_digit(16));
    digits.iter_mut().zip(values).for_each(|(digit, value)| *digit = value);
    let [_, group, ..] = digits;
    let documentation = digits.starts_with(&[0, 0, 0, 0, 5, 14, 0, 0, 5, 3]);
    let varied = digits.iter().any(|digit| *digit != group);
    pairs && group & 1 == 0 && varied && !documentation
}

fn is_grouped(value: &[u8], gap: u8, groups: usize, length: usize) -> bool {
    let mut parts = value.split(|byte| *byte == gap);
    let fits = |part: &[u8]| part.len() == length && part.iter().all(u8::is_ascii_hexdigit);
    parts.clone().count() == groups && parts.all(fits)
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, refuses};
    use super::*;

    #[test]
    fn hosts_of_the_public_internet_pass() {
        // Root name servers, as published in the root hints.
        accepts(ipv4_public, &["198.41.0.4", "193.0.14.129", "199.7.83.42", "100.63.0.1", "172.32.0.1", "223.255.255.254"]);
        accepts(ipv6_public, &["2001:503:ba3e::2:30", "2001:7fd::1", "2001:7FD:0:0:0:0:0:1", "2002:c629:0004::1"]);
    }

    #[test]
    fn ranges_that_point_at_nobody_do_not() {
        refuses(
            ipv4_public,
            &[
                "10.1.2.3",
                "172.16.0.1",
                "172.31.255.255",
                "192.168.1.1",
                "127.0.0.1",
                "169.254.1.1",
                "0.1.2.3",
                "100.64.0.1",
                "100.127.255.254",
                "192.0.0.8",
                "192.0.2.1",
                "198.51.100.7",
                "203.0.113.9",
                "198.18.0.1",
                "198.19.255.1",
                "192.88.99.1",
                "224.0.0.1",
                "239.1.2.3",
                "240.0.0.1",
                "255.255.255.255",
                "0.0.0.0",
                "8.8.8.8",
                "1.1.1.1",
            ],
        );
        refuses(
            ipv6_public,
            &[
                "::1",
                "::",
                "fe80::1",
                "fc00::1",
                "fd12:3456:789a::1",
                "ff02::1",
                "2001:db8::1",
                "3fff:0fff::1",
                "2001:0:1::1",
                "2002:c0a8:0101::1",
                "64:ff9b::c629:4",
                "::ffff:198.41.0.4",
                "2001:4860:4860::8888",
                "2001:503:ba3e::",
            ],
        );
    }

    #[test]
    fn what_is_no_address_does_not() {
        refuses(
            ipv4_public,
            &[
                "",
                "1.2.3",
                "198.41.0.4.1",
                "198.041.0.4",
                "256.1.1.1",
                "198.41.0.4/24",
                "120.0.0.0",
                "198.41.0",
                "a.b.c.d",
                "1..2.3",
            ],
        );
        refuses(
            ipv6_public,
            &["", "2001", "2001:503:ba3e:2:30", "2001:503::ba3e::1", "2001:503:ba3e::g", "12:34:56", "[2001:7fd::1]"],
        );
    }

    #[test]
    fn network_cards_are_told_from_groups_and_placeholders() {
        accepts(mac_address, &["00:1B:63:84:45:E6", "00-1b-63-84-45-e6", "001b.6384.45e6", "02:42:ac:11:00:02"]);
        refuses(
            mac_address,
            &[
                "00:00:00:00:00:00",
                "ff:ff:ff:ff:ff:ff",
                "01:00:5e:00:00:fb",
                "33:33:00:00:00:01",
                "01:80:c2:00:00:00",
                "00:00:5e:00:53:01",
                "00:1B:63:84:45",
                "00:1B:63:84:45:E6:01",
                "00:1B-63:84:45:E6",
                "00:1B:63:84:45:G6",
                "001B638445E6",
                "22:22:22:22:22:22",
                "",
                "::::::",
            ],
        );
    }
}
