//! Lines of standard input, a few at a time.

use std::io::{self, BufRead as _, BufReader, Read};

use super::judge::Line;

/// A batch is full when its lines have so many bytes: enough for all processors, and soon answered.
const FULL: usize = 1 << 20;

const BUFFER: usize = 1 << 20;

/// Lines that are judged at once.
pub(super) struct Batch(Vec<Line>);

/// Makes batches of what it reads.
pub(super) struct Batches<R> {
    input: BufReader<R>,
    longest: usize,
}

impl Batch {
    /// The lines in order, in so many parts of about the same number of bytes.
    pub(super) fn parts(&self, workers: usize) -> impl Iterator<Item = &[Line]> {
        let each = self.0.iter().map(Line::len).sum::<usize>() / workers.max(1) + 1;
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let mut bytes = 0;
            let fits = |line: &&Line| {
                let is_room = bytes < each;
                bytes += line.len() + 1;
                is_room
            };
            let count = rest.iter().take_while(fits).count();
            let (part, behind) = rest.split_at_checked(count)?;
            rest = behind;
            (!part.is_empty()).then_some(part)
        })
    }
}

impl<R: Read> Batches<R> {
    pub(super) fn new(input: R, longest: usize) -> Self {
        Self { input: BufReader::with_capacity(BUFFER, input), longest }
    }

    /// The next lines, without empty ones; `None` at the end.
    ///
    /// What has arrived is answered before more is waited for, so that one can ask and listen by turns.
    pub(super) fn next(&mut self) -> io::Result<Option<Batch>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while bytes < FULL {
            let Some(line) = self.line()? else { break };
            bytes += line.len();
            if !line.is_blank() {
                lines.push(line);
            }
            // The rest of the next line may take its time.
            if !lines.is_empty() && memchr::memchr(b'\n', self.input.buffer()).is_none() {
                break;
            }
        }
        Ok((!lines.is_empty()).then_some(Batch(lines)))
    }

    fn line(&mut self) -> io::Result<Option<Line>> {
        let mut line = Vec::new();
        let mut is_too_long = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr::memchr(b'\n', available);
            let taken = end.map_or(available.len(), |end| end + 1);
            if taken == 0 && line.is_empty() && !is_too_long {
                return Ok(None);
            }
            let part = available.get(..end.unwrap_or(taken)).unwrap_or_default();
            is_too_long |= line.len() + part.len() > self.longest;
            if is_too_long {
                line = Vec::new();
            } else {
                line.extend_from_slice(part);
            }
            self.input.consume(taken);
            if end.is_some() || taken == 0 {
                return Ok(Some(if is_too_long { Line::TooLong } else { Line::Json(line) }));
            }
        }
    }
}
