//! The segments of a log as its directory lists them, plain or compressed.

use std::io::{self, BufRead, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::super::frame::FrameReader;
use super::super::layout::{compressed_index, compressed_name, segment_index, segment_name};
use super::{Opened, VerifyIo, list, regular_file};

/// Bytes read at once.
const BUFFER: usize = 256 * 1024;

/// A segment file as its directory lists it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) compressed: bool,
}

/// The lines of a segment.
pub(crate) type Lines = Box<dyn BufRead + Send>;

/// The segments of a log in order of their names. Where one is there plain and compressed, the plain one counts.
pub(crate) fn segments(log: &Path) -> Result<Vec<SegmentFile>, VerifyIo> {
    let index = |name: &str| {
        let plain = segment_index(name).map(|first| (first, false));
        plain.or_else(|| compressed_index(name).map(|first| (first, true)))
    };
    let make = |(first, compressed), path, bytes| SegmentFile { first, path, bytes, compressed };
    let mut segments = list(&log.join("seg"), index, make)?;
    segments.dedup_by_key(|segment| segment.first);
    Ok(segments)
}

impl SegmentFile {
    /// The one of a log that begins at record `first`, in whatever form; `None` where it is not there.
    pub(crate) fn find(log: &Path, first: u64) -> Result<Option<Self>, VerifyIo> {
        let directory = log.join("seg");
        for (name, compressed) in [(segment_name(first), false), (compressed_name(first), true)] {
            let path = directory.join(name);
            if let Opened::File(file) = regular_file(&path)? {
                let bytes = file.metadata().map_or(0, |metadata| metadata.len());
                return Ok(Some(Self { first, path, bytes, compressed }));
            }
        }
        Ok(None)
    }

    /// Opens it as it is on the disk now: it may have been compressed since it was listed.
    pub(super) fn opened(&mut self) -> Result<Opened, VerifyIo> {
        let opened = regular_file(&self.path)?;
        if !matches!(opened, Opened::Missing) || self.compressed {
            return Ok(opened);
        }
        let compressed = self.path.with_file_name(compressed_name(self.first));
        let opened = regular_file(&compressed)?;
        if let Opened::File(file) = &opened {
            self.bytes = file.metadata().map_or(0, |metadata| metadata.len());
            (self.path, self.compressed) = (compressed, true);
        }
        Ok(opened)
    }

    /// Its lines from byte `offset` of them on; `None` where it is gone, or is no file.
    pub(crate) fn open(&mut self, offset: u64) -> Result<Option<Lines>, VerifyIo> {
        let Opened::File(file) = self.opened()? else { return Ok(None) };
        let lines = if self.compressed { frame(file, offset) } else { plain(file, offset) };
        lines.map(Some).map_err(|source| VerifyIo::Read { path: self.path.clone(), source })
    }
}

fn plain(mut file: std::fs::File, offset: u64) -> io::Result<Lines> {
    file.seek(SeekFrom::Start(offset))?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
}

fn frame(file: std::fs::File, offset: u64) -> io::Result<Lines> {
    let length = file.metadata()?.len();
    let mut frame = BufReader::with_capacity(BUFFER, FrameReader::open(file, length)?);
    io::copy(&mut (&mut frame).take(offset), &mut io::sink())?;
    Ok(Box::new(frame))
}
