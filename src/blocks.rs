//! Many bytes at a time: where is the first one that needs a look?
//!
//! Heads, strings and texts are plain for long stretches. To look at a block costs little more than to look at a byte, so everything
//! that walks such bytes skips to the next one of interest with these. Pure, and portable: words of eight bytes at first, since most
//! strings are short, then blocks that the compiler turns into vectors.

const WORD: usize = 8;
const BLOCK: usize = 32;

const ONES: u64 = u64::from_ne_bytes([0x01; WORD]);
const HIGHS: u64 = u64::from_ne_bytes([0x80; WORD]);

/// The offset of the first byte at or after `from` that ends a stretch of plain bytes in a JSON string: a quote, a backslash or a
/// control character (RFC 8259, section 7); else the length.
#[inline]
pub(crate) fn string_end(bytes: &[u8], from: usize) -> usize {
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    find(bytes, from, is_special, |word| zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5C)) | below_space(word))
}

/// The offset of the first byte at or after `from` that is not printable ASCII (0x20 to 0x7E); else the length.
#[inline]
pub(crate) fn printable_end(bytes: &[u8], from: usize) -> usize {
    let is_special = |byte: u8| !(0x20..0x7F).contains(&byte);
    find(bytes, from, is_special, |word| zero(word ^ (ONES * 0x7F)) | below_space(word) | word)
}

/// `marks` sets the top bit of the first special byte of a word, and of none before it.
#[inline]
fn find(bytes: &[u8], from: usize, is_special: impl Fn(u8) -> bool, marks: impl Fn(u64) -> u64) -> usize {
    let mut at = from;
    for _ in 0..BLOCK / WORD {
        let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) else { break };
        let found = marks(u64::from_le_bytes(*word)) & HIGHS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    while let Some(block) = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
        // Nothing branches inside a block: where the next special byte stands is not predictable.
        if block.iter().fold(false, |any, &byte| any | is_special(byte)) {
            break;
        }
        at += BLOCK;
    }
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let found = marks(u64::from_le_bytes(*word)) & HIGHS;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += WORD;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| is_special(byte)).unwrap_or(rest.len())
}

/// Marks bytes that are zero. "Bit Twiddling Hacks" (Anderson), "haszero" and, below, "hasless": a borrow can set false marks above the
/// first true one only.
#[inline]
fn zero(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

#[inline]
fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of a block and of what is left behind the last one, among plain bytes and before other special ones.
    #[test]
    fn the_first_special_byte_is_found_wherever_it_stands() {
        type Find = fn(&[u8], usize) -> usize;
        type Special = fn(u8) -> bool;
        let table: [(Find, Special); 2] = [
            (string_end, |byte| byte < 0x20 || matches!(byte, b'"' | b'\\')),
            (printable_end, |byte| !(0x20..0x7F).contains(&byte)),
        ];
        for (find, is_special) in table {
            for byte in 0..=u8::MAX {
                for length in [1, 7, 8, 9, 16, 17, 31, 48, 49, 56, 85] {
                    for at in 0..length {
                        let mut bytes = vec![b'a'; length];
                        bytes[length - 1] = b'\n';
                        bytes[at] = byte;
                        let expected = bytes.iter().position(|&byte| is_special(byte)).unwrap_or(length);
                        for from in [0, at / 2, at] {
                            assert_eq!(find(&bytes, from), expected, "{byte:#x} at {at} of {length}, from {from}");
                        }
                    }
                }
            }
            assert_eq!(find(b"", 0), 0);
        }
    }
}
