//! What goes to the client: messages as lines, one writer.

use bytes::{Bytes, BytesMut};
use memchr::memchr2;
use tokio::io::{self, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// Messages that wait for a client that reads slowly; what comes beyond them waits in the kernel, and then at the gateway.
const WAITING: usize = 16;

/// Where messages for the client are put.
#[derive(Clone, Debug)]
pub(super) struct Outbox(mpsc::Sender<Bytes>);

impl Outbox {
    /// With what [`write_all`] takes.
    pub(super) fn new() -> (Self, mpsc::Receiver<Bytes>) {
        let (sender, waiting) = mpsc::channel(WAITING);
        (Self(sender), waiting)
    }

    /// Puts a message, which must be strict JSON, once there is room. A client that is gone misses nothing.
    pub(super) async fn send(&self, message: Bytes) {
        let _ = self.0.send(one_line(&message)).await;
    }
}

/// Writes what is put, until nobody can put anything more, or the client reads no more.
pub(super) async fn write_all(mut waiting: mpsc::Receiver<Bytes>, mut output: impl AsyncWrite + Unpin) -> io::Result<()> {
    while let Some(line) = waiting.recv().await {
        output.write_all(&line).await?;
        output.flush().await?;
    }
    output.shutdown().await
}

/// A message with its line end. Between the values of strict JSON a line end is white space, and in a string there is none.
fn one_line(message: &[u8]) -> Bytes {
    let mut line = BytesMut::with_capacity(message.len() + 1);
    line.extend_from_slice(message);
    if memchr2(b'\n', b'\r', &line).is_some() {
        line.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    line.extend_from_slice(b"\n");
    line.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_written_on_many_lines_becomes_one() {
        let (outbox, waiting) = Outbox::new();
        outbox.send(Bytes::from_static(b"{\r\n  \"text\": \"a\\nb\"\n}")).await;
        outbox.send(Bytes::from_static(b"{}")).await;
        drop(outbox);
        let mut written = Vec::new();
        write_all(waiting, &mut written).await.unwrap();
        assert_eq!(written, b"{    \"text\": \"a\\nb\" }\n{}\n");
    }
}
