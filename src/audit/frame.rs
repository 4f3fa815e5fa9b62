//! Compressed segments: one Zstandard frame, whose limits are checked before a decoder sees a byte of it.
//!
//! SECURITY: verification reads frames that anybody may have made. What memory a frame can take and how much can come out of it is known
//! from its first bytes and its length.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use memchr::memchr;
use zstd::stream::read::Decoder;

/// Largest window, and so the memory for one frame.
pub(crate) const WINDOW_LOG: u32 = 23;
const WINDOW_MAX: u64 = 1 << WINDOW_LOG;

/// How much longer content can be than its file: a line has 32 bytes that nothing can foresee, and at most 16,385 in all.
const RATIO_MAX: u64 = 512;

/// Longest header of a frame.
const HEADER_MAX: u64 = 18;

const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// Bytes taken from a source, and given out, at once.
const BUFFER: usize = 256 * 1024;

/// Why a file is no compressed segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFrame {
    /// It does not begin like one, or goes beyond its limits.
    #[error("it is no frame of a segment: {0}")]
    Header(&'static str),
    /// The decoder gave up, or the checksum is another.
    #[error("it cannot be decompressed: {0}")]
    Content(String),
    /// More than a frame.
    #[error("there is something behind its frame")]
    Behind,
    /// Not what a segment consists of.
    #[error("its content is not whole lines")]
    Lines,
}

/// Reads the content of a frame. Its end is reached only if the frame was right as a whole.
pub(crate) struct FrameReader<R: Read> {
    decoder: Decoder<'static, Source<R>>,
}

type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

impl<R: Read> FrameReader<R> {
    /// Of a file of `length` bytes.
    pub(crate) fn open(mut source: R, length: u64) -> io::Result<Self> {
        let mut begin = Vec::new();
        (&mut source).take(HEADER_MAX).read_to_end(&mut begin)?;
        content_size(&begin, length).map_err(invalid)?;
        let source = BufReader::with_capacity(BUFFER, Cursor::new(begin).chain(source));
        let mut decoder = Decoder::with_buffer(source)?.single_frame();
        decoder.window_log_max(WINDOW_LOG)?;
        Ok(Self { decoder })
    }
}

impl<R: Read> Read for FrameReader<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.decoder.read(into).map_err(|error| match error.raw_os_error() {
            Some(_) => error,
            // The decoder's own: content size and checksum are among what it checks.
            None => invalid(BadFrame::Content(error.to_string())),
        })?;
        if read == 0 && !into.is_empty() && !self.decoder.get_mut().fill_buf()?.is_empty() {
            return Err(invalid(BadFrame::Behind));
        }
        Ok(read)
    }
}

/// Reads a frame from its first byte to its last. The outer error is the disk's.
pub(crate) fn check(source: impl Read, length: u64) -> io::Result<Result<(), BadFrame>> {
    match check_lines(source, length) {
        Ok(()) => Ok(Ok(())),
        Err(error) => bad_frame(error).map(Err),
    }
}

/// What is wrong with a frame, if that is why it could not be read.
pub(crate) fn bad_frame(error: io::Error) -> io::Result<BadFrame> {
    error.downcast::<BadFrame>()
}

fn check_lines(source: impl Read, length: u64) -> io::Result<()> {
    let mut frame = FrameReader::open(source, length)?;
    let (mut buffer, mut last) = (vec![0; BUFFER], None);
    loop {
        let read = frame.read(&mut buffer)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return if last == Some(b'\n') { Ok(()) } else { Err(invalid(BadFrame::Lines)) };
        }
        if memchr(0, bytes).is_some() {
            return Err(invalid(BadFrame::Lines));
        }
        last = bytes.last().copied();
    }
}

fn invalid(reason: BadFrame) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// The content size that a frame says, if its header is within all limits (RFC 8878, section 3.1.1.1).
fn content_size(begin: &[u8], length: u64) -> Result<u64, BadFrame> {
    let rest = begin.strip_prefix(&MAGIC).ok_or(BadFrame::Header("another magic number"))?;
    let (flags, rest) = rest.split_first().ok_or(BadFrame::Header("it is cut off"))?;
    if flags & 0b1000 != 0 {
        return Err(BadFrame::Header("a reserved bit is set"));
    }
    if flags & 0b11 != 0 {
        return Err(BadFrame::Header("it asks for a dictionary"));
    }
    if flags & 0b100 == 0 {
        return Err(BadFrame::Header("it has no checksum"));
    }
    let single = flags & 0b10_0000 != 0;
    let (window, rest) = match rest.split_first() {
        Some((descriptor, rest)) if !single => (Some(window_size(*descriptor)), rest),
        _ => (None, rest),
    };
    let (width, more) = match flags >> 6 {
        0 if !single => return Err(BadFrame::Header("it does not say its content size")),
        0 => (1, 0),
        1 => (2, 256),
        2 => (4, 0),
        _ => (8, 0),
    };
    let bytes = rest.get(..width).ok_or(BadFrame::Header("it is cut off"))?;
    let said = bytes.iter().rev().fold(0_u64, |size, byte| size << 8 | u64::from(*byte));
    let size = said.checked_add(more).ok_or(BadFrame::Header("its content is too long"))?;
    if window.unwrap_or(size) > WINDOW_MAX {
        return Err(BadFrame::Header("its window is larger than 8 MiB"));
    }
    if size > length.saturating_mul(RATIO_MAX) {
        return Err(BadFrame::Header("its content is more than 512 times as long as the file"));
    }
    Ok(size)
}

fn window_size(descriptor: u8) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3));
    base + base / 8 * u64::from(descriptor & 0b111)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn frame(content: &[u8], set: impl FnOnce(&mut zstd::stream::write::Encoder<'_, Vec<u8>>)) -> Vec<u8> {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.set_pledged_src_size(Some(content.len() as u64)).unwrap();
        set(&mut encoder);
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn judged(bytes: &[u8]) -> Result<(), BadFrame> {
        check(bytes, bytes.len() as u64).unwrap()
    }

    #[test]
    fn a_frame_of_whole_lines_within_the_limits_is_a_segment_and_nothing_else_is() {
        let lines = b"{\"i\":0}\n{\"i\":1}\n";
        let good = frame(lines, |_| ());
        assert_eq!(judged(&good), Ok(()));
        let mut read = Vec::new();
        FrameReader::open(&good[..], good.len() as u64).unwrap().read_to_end(&mut read).unwrap();
        assert_eq!(read, lines);
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            // One bit of the descriptor has no meaning.
            assert_eq!(judged(&bad).is_ok(), bit == 4 * 8 + 4, "bit {bit}");
        }
        for length in 0..good.len() {
            assert!(judged(&good[..length]).is_err(), "cut at {length}");
        }
        assert_eq!(judged(&[&good[..], b"\0"].concat()), Err(BadFrame::Behind));
        assert_eq!(judged(&[&good[..], &good].concat()), Err(BadFrame::Behind));
        // A skippable frame, which decoders pass over.
        let skipped = [0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, b'x'];
        assert_eq!(judged(&[&good[..], &skipped].concat()), Err(BadFrame::Behind));
        assert!(matches!(judged(&[&skipped[..], &good].concat()), Err(BadFrame::Header(_))));
        for content in [&b""[..], b"{}", b"{}\n\0", b"a\0b\n"] {
            assert_eq!(judged(&frame(content, |_| ())), Err(BadFrame::Lines), "{content:?}");
        }
    }

    #[test]
    fn what_would_take_too_much_memory_or_time_is_refused_by_its_header() {
        let large = b"0123456789abcde\n".repeat(2 << 16);
        let long = frame(&large, |encoder| encoder.long_distance_matching(true).and(encoder.window_log(24)).unwrap());
        assert_eq!(judged(&long), Err(BadFrame::Header("its content is more than 512 times as long as the file")));
        assert_eq!(content_size(&long, 1 << 40), Ok(large.len() as u64));
        let wide: Vec<u8> = (0..20_u32 << 20)
            .map(|n| if n % 64 == 63 { b'\n' } else { b'a' + u8::try_from((n * 7 + n / 999) % 25).unwrap() })
            .collect();
        let wide = frame(&wide, |encoder| encoder.window_log(24).unwrap());
        assert_eq!(content_size(&wide, 1 << 40), Err(BadFrame::Header("its window is larger than 8 MiB")));
        let unsaid = frame(b"{}\n", |encoder| encoder.include_contentsize(false).unwrap());
        assert_eq!(judged(&unsaid), Err(BadFrame::Header("it does not say its content size")));
        let unchecked = frame(b"{}\n", |encoder| encoder.include_checksum(false).unwrap());
        assert_eq!(judged(&unchecked), Err(BadFrame::Header("it has no checksum")));
        // A header that claims an exabyte.
        let claims = [&MAGIC[..], &[0b1100_0100, 0x50], &[0xff; 8], &[0; 16]].concat();
        assert!(matches!(judged(&claims), Err(BadFrame::Header(_))));
    }
}
