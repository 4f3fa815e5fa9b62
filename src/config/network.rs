//! A network of addresses, as an operator writes it: `10.0.0.0/8`, `fd00::/8`, or one address.

use std::net::IpAddr;

use crate::yaml::Invalid;

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

const NOT_A_NETWORK: Invalid = Invalid::new("is not a network", "write `10.0.0.0/8`, `fd00::/8`, or one address");

impl Network {
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_unspecific| NOT_A_NETWORK)?;
        if address.to_canonical() != address {
            return Err(Invalid::new("is an IPv4 address in an IPv6 one", "write it as IPv4"));
        }
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= most).ok_or(NOT_A_NETWORK)?
            }
            Some(_) => return Err(NOT_A_NETWORK),
        };
        let network = Self { address, bits };
        if bits == 0 {
            return Err(Invalid::new("is everybody", "then anybody could say that they are somebody else: name your proxies"));
        }
        if !network.is_exact() {
            return Err(Invalid::new("has bits set behind its prefix", "write the first address of the network"));
        }
        Ok(network)
    }

    /// Whether the address lies in it. An IPv4 address is the same one mapped into IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.bits,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    fn is_exact(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.to_bits().checked_shl(self.bits).unwrap_or(0) == 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(self.bits).unwrap_or(0) == 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_what_begins_alike() {
        let holds = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1") && !holds("10.0.0.0/8", "::a00:1"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.6"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe80::1") && !holds("fd00::/8", "10.0.0.1"));
        assert!(holds("2001:db8::1", "2001:db8::1") && holds("0.0.0.0/1", "127.0.0.1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "fd00::1/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "0.0.0.0/0",
            "::/0",
            "::ffff:10.0.0.1",
            "host",
        ] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }
}
