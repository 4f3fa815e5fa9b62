//! Whether the `:path` of a request has a fragment. The `http` crate drops one before anybody sees it, and two hops that do not agree about
//! that do not agree about the path.
//!
//! This is no decoder of header blocks (RFC 7541): it steps over fields by their lengths, and looks into the value of one. A path that was
//! put in the client's table earlier is not looked up there. It was a literal when it was put there, and a fragment in it has ended the
//! connection then.

use super::frames::{FrameHead, HEADERS};

/// Pseudo-headers come first, and of a request there are four; a fifth is refused.
const PSEUDO: usize = 5;
/// Beyond these indices lies what the client has put there.
const STATIC: usize = 61;
const PATHS: std::ops::RangeInclusive<usize> = 4..=5;
const NAME: &[u8] = b":path";
/// The same by the code of HPACK.
const CODED_NAME: &[u8] = &[0xb9, 0x58, 0xd3, 0x3f];

const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// How many symbols have a code of 5 bits, of 6, ...; codes of one length follow each other, shorter ones first (RFC 7541, appendix B).
const CODES: [u32; 26] = [10, 26, 32, 6, 0, 5, 3, 2, 6, 2, 3, 0, 0, 0, 3, 8, 13, 26, 29, 12, 4, 15, 19, 29, 0, 4];
const SHORTEST: usize = 5;
/// `#` is the first of twelve bits.
const HASH: (usize, u32) = (12, 0xffa);

/// One header block, as it comes.
#[derive(Debug, Default)]
pub(super) struct HeaderBlock(Vec<u8>);

impl HeaderBlock {
    /// More of a frame that carries a part of it.
    pub(super) fn extend(&mut self, part: &[u8]) {
        self.0.extend_from_slice(part);
    }

    /// A frame of it has ended: what is padding, or a priority, is none of it.
    pub(super) fn frame_ended(&mut self, head: FrameHead) {
        if head.kind != HEADERS {
            return;
        }
        let padded = head.flags & PADDED != 0;
        let padding = if padded { self.0.first().copied().unwrap_or_default().into() } else { 0 };
        self.0.truncate(self.0.len().saturating_sub(padding));
        let before = usize::from(padded) + if head.flags & PRIORITY != 0 { 5 } else { 0 };
        self.0.drain(..before.min(self.0.len()));
    }

    /// It is whole. Whether there is a fragment in its path.
    pub(super) fn take_fragment(&mut self) -> bool {
        let block = std::mem::take(&mut self.0);
        let mut rest = block.as_slice();
        (0..PSEUDO).map_while(|_| field(&mut rest)).any(|found| found)
    }
}

/// Steps over one field. Whether it is a path with a fragment; `None` where that cannot be told, or at the end.
fn field(rest: &mut &[u8]) -> Option<bool> {
    let first = *rest.first()?;
    if first & 0x80 != 0 {
        // Name and value are in a table.
        number(rest, 7)?;
        return Some(false);
    }
    if first & 0xe0 == 0x20 {
        // Another size for the table: not a field at all.
        number(rest, 5)?;
        return field(rest);
    }
    let name = number(rest, if first & 0x40 != 0 { 6 } else { 4 })?;
    let known = match name {
        0 => Some(match string(rest)? {
            (true, name) => name == CODED_NAME,
            (false, name) => name == NAME,
        }),
        1..=STATIC => Some(PATHS.contains(&name)),
        _ => None,
    };
    let (coded, value) = string(rest)?;
    let has = || if coded { coded_hash(value) } else { memchr::memchr(b'#', value).is_some() };
    Some(match known {
        Some(is_path) => is_path && has(),
        // A name of the client's own: whatever stands here and looks like a path may be one. `/` is 011000 by the code.
        None => value.first().is_some_and(|first| if coded { first >> 2 == 0x18 } else { *first == b'/' }) && has(),
    })
}

/// An integer with a prefix of so many bits.
fn number(rest: &mut &[u8], bits: u32) -> Option<usize> {
    let mask = (1_usize << bits) - 1;
    let (first, mut tail) = rest.split_first()?;
    let mut value = usize::from(*first) & mask;
    if value == mask {
        for shift in [0, 7, 14, 21] {
            let (byte, behind) = tail.split_first()?;
            tail = behind;
            value += (usize::from(*byte) & 0x7f) << shift;
            if byte & 0x80 == 0 {
                *rest = tail;
                return Some(value);
            }
        }
        return None;
    }
    *rest = tail;
    Some(value)
}

/// A string as it stands, and whether that is by the code.
fn string<'a>(rest: &mut &'a [u8]) -> Option<(bool, &'a [u8])> {
    let coded = rest.first()? & 0x80 != 0;
    let length = number(rest, 7)?;
    let (text, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some((coded, text))
}

fn coded_hash(bytes: &[u8]) -> bool {
    // `first` is the first code of this length, `code` the bits since the last symbol.
    let (mut length, mut code, mut first) = (0, 0_u32, 0_u32);
    for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)) {
        (length, code) = (length + 1, code << 1 | u32::from(bit));
        if length < SHORTEST {
            continue;
        }
        let Some(codes) = CODES.get(length - SHORTEST) else { return false };
        if code.wrapping_sub(first) < *codes {
            if (length, code) == HASH {
                return true;
            }
            (length, code, first) = (0, 0, 0);
        } else {
            first = (first + codes) << 1;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: &[u8]) -> bool {
        let mut block = HeaderBlock::default();
        block.extend(bytes);
        block.take_fragment()
    }

    fn literal(first: &[u8], value: &[u8]) -> Vec<u8> {
        [&[0x83, 0x87], first, &[u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn a_fragment_is_found_however_the_path_is_written() {
        let named: &[u8] = b"\0\x05:path";
        let coded_name: &[u8] = &[0x40, 0x84, 0xb9, 0x58, 0xd3, 0x3f];
        for first in [&[0x44_u8][..], &[0x04], &[0x14], &[0x45], &[0x7f, 0x00], &[0x0f, 0x2f], named, coded_name] {
            assert!(block(&literal(first, b"/mcp#x")), "{first:x?}");
            assert!(!block(&literal(first, b"/mcp/x")), "{first:x?}");
        }
        assert!(block(&[&[0x20, 0x3f, 0xe1, 0x1f][..], &literal(&[0x44], b"/#")].concat()), "behind other sizes of the table");
        assert!(!block(&literal(&[0x41], b"/mcp#x")), "an authority, for others to judge");
        assert!(!block(&literal(&[0x7f, 0x00], b"a#b")), "no path");
    }

    #[test]
    fn a_fragment_is_found_behind_the_code() {
        // `/a#b` by the code: 011000 00011 111111111010 100011, and ones to the end.
        let bits = "01100000011111111111010100011111";
        let bytes: Vec<u8> =
            bits.as_bytes().chunks(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | (bit - b'0'))).collect();
        let coded = |bytes: &[u8]| [&[0x44, 0x80 | u8::try_from(bytes.len()).unwrap()][..], bytes].concat();
        assert!(block(&coded(&bytes)));
        // `www.example.com` of RFC 7541, appendix C.4.1, and what ends in the middle of a symbol.
        assert!(!block(&coded(&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff])));
        assert!(!block(&coded(&[0xff; 9])));
        assert_eq!(CODES.iter().sum::<u32>(), 257);
    }

    #[test]
    fn what_cannot_be_read_is_left_to_the_library() {
        for bytes in [&[0x44_u8][..], &[0x44, 0x7f], &[0x44, 9, b'#'], &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff], &[0x00, 0xff], &[]]
        {
            assert!(!block(bytes), "{bytes:x?}");
        }
    }

    #[test]
    fn padding_and_priority_are_no_part_of_a_block() {
        let head = FrameHead { length: 0, kind: HEADERS, flags: PADDED | PRIORITY, stream: 1 };
        let mut block = HeaderBlock::default();
        block.extend(&[3, 0, 0, 0, 0, 9, 0x44, 2, b'/', 0, 0, 0]);
        block.frame_ended(head);
        block.extend(b"#");
        assert!(block.take_fragment());
        block.extend(&[3, 0]);
        block.frame_ended(head);
        assert!(!block.take_fragment());
    }
}
