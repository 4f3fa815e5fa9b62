//! The three pipes of a process. Whoever floods one of them is slowed down: it costs the gateway a small part of a core, and no memory.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep_until, timeout};

use super::launch::failure_in;
use super::lines::{Line, Lines};
use super::stderr::{Filter, LONGEST};
use crate::upstream::paired::Paired;

/// Lines on standard output that are no messages, until the process is given up: what it says cannot be told apart any more.
const MOST_FAULTS: u32 = 100;

/// How long a process may leave its standard input unread.
const STALLED: Duration = Duration::from_secs(30);

/// What is read of one pipe in each of these times.
const WINDOW: Duration = Duration::from_millis(100);
const LINES: u32 = 500;
const BYTES: usize = 8 << 20;

/// Reads messages until there are no more; the word says why. `told` is told of each fault.
pub(super) async fn read(
    stdout: ChildStdout,
    paired: &Paired,
    longest: usize,
    mut told: impl FnMut(&'static str),
) -> &'static str {
    let mut source = Paced::new(stdout, longest);
    let mut faults = 0;
    while let Some(line) = source.next().await {
        let fault = match line {
            Line::Whole(line) => paired.receive(&line).err().map(|fault| fault.0),
            Line::TooLong(edges) => {
                paired.broken(&edges, "too_large");
                Some("too_large")
            }
        };
        if let Some(word) = fault {
            told(word);
            faults += 1;
            if faults >= MOST_FAULTS {
                return "too_many_faults";
            }
        }
    }
    "process_ended"
}

/// Writes what is to be written; the word says why that is over.
pub(super) async fn write(mut stdin: ChildStdin, mut unwritten: Receiver<Bytes>) -> &'static str {
    while let Some(message) = unwritten.recv().await {
        let mut line = message.to_vec();
        // One line: in JSON these are nothing but space, since strings hold them escaped.
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        line.push(b'\n');
        match timeout(STALLED, stdin.write_all(&line)).await {
            Ok(Ok(())) => {}
            // It reads no more, and will be found to have ended.
            Ok(Err(_)) => break,
            Err(_) => return "stalled",
        }
    }
    std::future::pending().await
}

/// Logs what a process says beside messages; `failed` is told why it was not launched, if it was not.
pub(super) async fn log(
    stderr: ChildStderr,
    (server, process): (&str, u32),
    token: &str,
    mut filter: Filter,
    mut failed: impl FnMut(&'static str),
) {
    let mut source = Paced::new(stderr, 4 * LONGEST);
    while let Some(line) = source.next().await {
        let (Line::Whole(line) | Line::TooLong(line)) = line;
        if let Some((word, cause)) = std::str::from_utf8(&line).ok().and_then(|line| failure_in(line.trim_end(), token)) {
            tracing::error!(server, reason = word, cause, "the program of a server is not started");
            failed(word);
        } else if let Some(logged) = filter.pass(&line, Instant::now()) {
            if logged.suppressed > 0 {
                tracing::warn!(server, process, lines = logged.suppressed, "lines of a server's process were not logged");
            }
            tracing::info!(server, process, line = logged.line, "a server's process says");
        }
    }
}

/// Lines of a pipe, no faster than they may come.
struct Paced<R> {
    pipe: R,
    lines: Lines,
    since: Instant,
    count: u32,
    bytes: usize,
}

impl<R: AsyncRead + Unpin> Paced<R> {
    fn new(pipe: R, longest: usize) -> Self {
        Self { pipe, lines: Lines::of_at_most(longest), since: Instant::now(), count: 0, bytes: 0 }
    }

    /// The next line; `None` when the other end is closed.
    async fn next(&mut self) -> Option<Line> {
        loop {
            if self.count >= LINES || self.bytes >= BYTES {
                sleep_until(self.since + WINDOW).await;
            }
            let now = Instant::now();
            if now.duration_since(self.since) >= WINDOW {
                (self.since, self.count, self.bytes) = (now, 0, 0);
            }
            if let Some(line) = self.lines.next_line() {
                self.count += 1;
                return Some(line);
            }
            let read = self.pipe.read_buf(self.lines.room()).await.ok().filter(|read| *read > 0)?;
            self.bytes += read;
        }
    }
}
