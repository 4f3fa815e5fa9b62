//! Inflate (RFC 1951) within gzip (RFC 1952) and zlib (RFC 1950), up to a length. Check sums are not compared: a damaged archive that
//! still opens is read.

/// What `bytes` are the archive of, up to `most` bytes of it; `None` where they are none. What is broken ends where it breaks.
pub(super) fn inflated(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let body = match bytes {
        [0x1F, 0x8B, 8, flags, ..] => gzip_body(bytes, *flags)?,
        _ => bytes.get(2..)?,
    };
    let mut inflate = Inflate { bytes: body, at: 0, bits: 0, count: 0, out: Vec::new(), most };
    let _ended = inflate.blocks();
    Some(inflate.out)
}

fn gzip_body(bytes: &[u8], flags: u8) -> Option<&[u8]> {
    let mut rest = bytes.get(10..)?;
    if flags & 4 != 0 {
        let length = usize::from(*rest.first()?) | (usize::from(*rest.get(1)?) << 8);
        rest = rest.get(2 + length..)?;
    }
    // A name and a comment, each closed by a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & 2 != 0 { rest.get(2..) } else { Some(rest) }
}

struct Inflate<'b> {
    bytes: &'b [u8],
    at: usize,
    bits: u32,
    count: u8,
    out: Vec<u8>,
    most: usize,
}

/// Codes of one alphabet: how many there are of each length, and their symbols in order.
#[derive(Default)]
struct Codes {
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut codes = Self::default();
        for length in 1..16 {
            let with = (0..).zip(lengths).filter(|(_, own)| **own == length).map(|(symbol, _)| symbol);
            let before = codes.symbols.len();
            codes.symbols.extend(with);
            if let Some(count) = codes.counts.get_mut(usize::from(length)) {
                *count = u16::try_from(codes.symbols.len() - before).unwrap_or(u16::MAX);
            }
        }
        codes
    }
}

/// RFC 1951 section 3.2.5: lengths 3 to 258 and distances 1 to 32768, with the bits that follow.
const LENGTHS: [u16; 29] =
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS: [u8; 29] = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCES: [u16; 30] = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193,
    12289, 16385, 24577,
];
/// Section 3.2.7: the order of the lengths of the codes for lengths.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

impl Inflate<'_> {
    fn blocks(&mut self) -> Option<()> {
        loop {
            let is_last = self.read(1)? == 1;
            match self.read(2)? {
                0 => self.stored()?,
                1 => {
                    let lengths: Vec<u8> = (0..288)
                        .map(|symbol| match symbol {
                            144..=255 => 9,
                            256..=279 => 7,
                            _ => 8,
                        })
                        .collect();
                    self.symbols(&Codes::new(&lengths), &Codes::new(&[5; 30]))?;
                }
                2 => {
                    let (letters, distances) = self.codes()?;
                    self.symbols(&letters, &distances)?;
                }
                _ => return None,
            }
            if is_last {
                return Some(());
            }
        }
    }

    fn read(&mut self, wanted: u8) -> Option<u32> {
        while self.count < wanted {
            self.bits |= u32::from(*self.bytes.get(self.at)?) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let value = self.bits & ((1 << wanted) - 1);
        self.bits >>= wanted;
        self.count -= wanted;
        Some(value)
    }

    fn stored(&mut self) -> Option<()> {
        (self.bits, self.count) = (0, 0);
        let head = self.bytes.get(self.at..self.at + 4)?;
        let length = usize::from(*head.first()?) | (usize::from(*head.get(1)?) << 8);
        let body = self.bytes.get(self.at + 4..)?;
        let body = body.get(..length).unwrap_or(body);
        self.at += 4 + body.len();
        self.out.extend_from_slice(body);
        (self.out.len() < self.most).then_some(())
    }

    fn symbol(&mut self, codes: &Codes) -> Option<u16> {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for count in codes.counts.iter().skip(1) {
            code |= self.read(1)? as usize;
            let count = usize::from(*count);
            if let Some(offset) = code.checked_sub(first).filter(|offset| *offset < count) {
                return codes.symbols.get(index + offset).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }

    fn codes(&mut self) -> Option<(Codes, Codes)> {
        let letters = self.read(5)? as usize + 257;
        let distances = self.read(5)? as usize + 1;
        let written = self.read(4)? as usize + 4;
        let mut lengths = [0_u8; 19];
        for place in ORDER.iter().take(written) {
            *lengths.get_mut(*place)? = u8::try_from(self.read(3)?).ok()?;
        }
        let codes = Codes::new(&lengths);
        let mut lengths: Vec<u8> = Vec::with_capacity(letters + distances);
        while lengths.len() < letters + distances {
            let symbol = self.symbol(&codes)?;
            let (value, times) = match symbol {
                16 => (*lengths.last()?, 3 + self.read(2)?),
                17 => (0, 3 + self.read(3)?),
                18 => (0, 11 + self.read(7)?),
                _ => (u8::try_from(symbol).ok()?, 1),
            };
            lengths.extend((0..times).map(|_| value));
        }
        Some((Codes::new(lengths.get(..letters)?), Codes::new(lengths.get(letters..)?)))
    }

    fn symbols(&mut self, letters: &Codes, distances: &Codes) -> Option<()> {
        loop {
            let symbol = self.symbol(letters)?;
            if let Ok(byte) = u8::try_from(symbol) {
                self.out.push(byte);
            } else if symbol == 256 {
                return Some(());
            } else {
                let place = usize::from(symbol - 257);
                let length = usize::from(*LENGTHS.get(place)?) + self.read(*LENGTH_BITS.get(place)?)? as usize;
                let place = usize::from(self.symbol(distances)?);
                let more = u8::try_from(place.saturating_sub(2) / 2).ok()?;
                let distance = usize::from(*DISTANCES.get(place)?) + self.read(more)? as usize;
                for _ in 0..length {
                    let from = self.out.len().checked_sub(distance)?;
                    self.out.push(*self.out.get(from)?);
                }
            }
            if self.out.len() >= self.most {
                return None;
            }
        }
    }
}
