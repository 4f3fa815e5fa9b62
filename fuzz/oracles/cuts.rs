//! Places to cut a stream of bytes at, decided by the bytes alone.

/// The whole, every byte on its own, and two ways in between.
pub fn ways(bytes: &[u8]) -> [Vec<&[u8]>; 4] {
    let seed =
        bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3));
    [vec![bytes], bytes.chunks(1).collect(), cut(bytes, seed, 3), cut(bytes, seed.rotate_left(17), 40)]
}

fn cut(mut bytes: &[u8], mut seed: u64, longest: u64) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let length = usize::try_from((seed >> 33) % longest).unwrap() + 1;
        let (piece, rest) = bytes.split_at(length.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
