//! Addresses of public ledgers: they name the holder of everything that was ever paid to them.
//!
//! Two forms are not checked here. Bitcoin's older base58 addresses carry a double SHA-256, and the case of Ethereum's letters a
//! Keccak-256 (EIP-55); `checks` computes no hashes. `bitcoin_base58` is the name kept for the first, should it ever get one.

/// BIP 173: the letters of five bits.
const CHARSET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// What the checksum leaves: BIP 173 for witness version 0, BIP 350 for all later ones.
const BECH32: u32 = 1;
const BECH32M: u32 = 0x2bc8_30a3;
const CHECKSUM: usize = 6;

/// A segregated-witness address of the main network: BIP 173, BIP 350, and the lengths of BIP 141.
pub(super) fn bitcoin_bech32(value: &[u8]) -> bool {
    let mixed = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    !mixed && is_segwit(value).unwrap_or(false)
}

fn is_segwit(value: &[u8]) -> Option<bool> {
    let (prefix, data) = value.split_at_checked(3)?;
    if !prefix.eq_ignore_ascii_case(b"bc1") {
        return Some(false);
    }
    // The human-readable part `bc`, spread as BIP 173 says: high bits, a zero, low bits.
    let mut checksum = [3, 3, 0, 2, 3].iter().fold(1, |checksum, value| step(checksum, *value));
    for byte in data {
        checksum = step(checksum, five_bits(*byte)?);
    }
    let version = five_bits(*data.first()?)?;
    let bits = data.len().checked_sub(CHECKSUM + 1)? * 5;
    let expected = if version == 0 { BECH32 } else { BECH32M };
    Some(checksum == expected && version <= 16 && has_program(bits / 8, bits % 8, version))
}

fn five_bits(byte: u8) -> Option<u32> {
    CHARSET.iter().zip(0..).find(|(letter, _)| letter.eq_ignore_ascii_case(&byte)).map(|(_, value)| value)
}

/// BIP 141: 2 to 40 bytes, and 20 or 32 in version 0. Fewer than five bits are left over.
fn has_program(bytes: usize, left_over: usize, version: u32) -> bool {
    left_over < 5 && if version == 0 { matches!(bytes, 20 | 32) } else { (2..=40).contains(&bytes) }
}

/// One step of the BCH code, as in the reference code of BIP 173.
fn step(checksum: u32, value: u32) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = checksum >> 25;
    let shifted = ((checksum & 0x01ff_ffff) << 5) ^ value;
    let taps = GENERATOR.iter().zip(0..).filter(|(_, bit)| top >> bit & 1 == 1);
    taps.fold(shifted, |checksum, (generator, _)| checksum ^ generator)
}

/// Twenty bytes of hexadecimal behind `0x`, written in both cases as EIP-55 has it. Whether the case is the right one is not
/// checked (it needs Keccak-256); all small letters may be any other hash of twenty bytes, and do not pass.
pub(super) fn ethereum_mixed_case(value: &[u8]) -> bool {
    let Some(digits) = value.strip_prefix(b"0x") else { return false };
    let capitals = digits.iter().any(|byte| matches!(byte, b'A'..=b'F'));
    let small = digits.iter().any(|byte| matches!(byte, b'a'..=b'f'));
    digits.len() == 40 && capitals && small && digits.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, refuses};
    use super::*;

    /// BIP 173 and BIP 350, "Test vectors".
    const PUBLISHED: &[&str] = &[
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
        "BC1SW50QGDZ25J",
        "bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ];

    #[test]
    fn test_vectors_pass_and_no_other_letter_in_any_place_does() {
        accepts(bitcoin_bech32, PUBLISHED);
        for address in PUBLISHED {
            let letters = CHARSET.map(|letter| if address.starts_with("BC") { letter.to_ascii_uppercase() } else { letter });
            for place in 3..address.len() {
                for other in letters.iter().filter(|letter| **letter != address.as_bytes()[place]) {
                    let mut wrong = address.as_bytes().to_vec();
                    wrong[place] = *other;
                    assert!(!bitcoin_bech32(&wrong), "{}", String::from_utf8_lossy(&wrong));
                }
            }
        }
    }

    #[test]
    fn invalid_test_vectors_do_not_pass() {
        refuses(
            bitcoin_bech32,
            &[
                "tc1qw508d6qejxtdg4y5r3zarvary0c5xw7kg3g4ty",                     // no such network
                "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd", // bech32 where bech32m belongs
                "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL", // the same, version 16
                "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",                     // bech32m in version 0
                "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4", // letter that is none
                "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R", // version 17
                "bc1pw5dgrnzv",                                                   // program of one byte
                "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",                           // version 0 with 16 bytes
                "bc1gmk9yu",
                "bc1",
                "bc",
                "",
                "bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq",
                "bc1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
            ],
        );
    }

    #[test]
    fn ethereum_needs_both_cases() {
        // EIP-55, "Test Cases".
        accepts(
            ethereum_mixed_case,
            &["0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359"],
        );
        refuses(
            ethereum_mixed_case,
            &[
                "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed",
                "0x52908400098527886E0F7030069857D2E4169EE7",
                "",
                "0x0000000000000000000000000000000000000000",
                "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedd",
                "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
            ],
        );
    }
}
