//! Syslog: RFC 5424 messages, octet-counted (RFC 6587, section 3.4.1) over TLS (RFC 5425) or TCP.
//!
//! The protocol has no answer: what was written to a connection may be lost with the receiver, and the first write after its end seems to succeed. So
//! nothing is taken for safe until it is ten seconds old and its connection still stands; after a broken one everything that is younger is
//! sent again, out of the log. A receiver tells what comes twice by the event's id.
//!
//! On Linux a connection whose peer confirms nothing for eight seconds breaks (`TCP_USER_TIMEOUT`), so that a network that swallows packets is no
//! connection that stands.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::num::NonZeroU16;
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

use super::SinkError;
use crate::audit::Cursor;
use crate::config::{ServerLimits, UpstreamTls};
use crate::export::event::Event;
use crate::export::record::Severity;
use crate::upstream::{ConnectError, Connector, Link, Sockets};

/// How old what was sent has to be before it counts as received: longer than what a receiver keeps in memory, and than the network is silent.
const SAFE: Duration = Duration::from_secs(10);

/// For how many seconds the peer may confirm nothing that was sent.
const UNCONFIRMED: NonZeroU16 = NonZeroU16::new(8).unwrap();

/// How long the receiver may take nothing more.
const PATIENCE: Duration = Duration::from_secs(20);

/// Log audit (RFC 5424, section 6.2.1).
const FACILITY: u8 = 13;

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct Syslog {
    connector: Connector,
    host: String,
    link: Option<Open>,
    /// What was sent over this connection and is not safe yet, oldest first.
    sent: VecDeque<(Instant, Cursor)>,
    safe: Option<Cursor>,
}

struct Open(Box<dyn Link>);

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

impl Syslog {
    pub(super) fn new(url: &Uri, tls: &UpstreamTls) -> Result<Self, ConnectError> {
        let connector = Connector::with_tls(url, ServerLimits::default(), Sockets::new(2), tls)?.breaking_after(UNCONFIRMED);
        Ok(Self { connector, host: host(), link: None, sent: VecDeque::new(), safe: None })
    }

    pub(super) async fn deliver(&mut self, events: &[Event], cursor: Cursor) -> Result<(), SinkError> {
        let mut text = Vec::new();
        for event in events {
            frame(event, &self.host, &mut text);
        }
        let sent = self.send(&text).await;
        match sent {
            Ok(()) => {
                let now = Instant::now();
                // One mark a second will do: there are never many.
                match self.sent.back_mut() {
                    Some((at, last)) if now.duration_since(*at) < Duration::from_secs(1) => *last = cursor,
                    Some(_) | None => self.sent.push_back((now + Duration::from_secs(1), cursor)),
                }
                Ok(())
            }
            Err(error) => Err(self.broken(error)),
        }
    }

    pub(super) async fn confirmed(&mut self) -> Result<Option<Cursor>, SinkError> {
        if let Err(error) = self.stands().await {
            return Err(self.broken(error));
        }
        let now = Instant::now();
        while let Some((at, cursor)) = self.sent.front().copied() {
            if now.saturating_duration_since(at) < SAFE {
                break;
            }
            self.safe = Some(cursor);
            self.sent.pop_front();
        }
        Ok(self.safe.take())
    }

    /// Whether something was sent that is not safe yet.
    pub(super) fn is_waiting(&self) -> bool {
        !self.sent.is_empty()
    }

    async fn send(&mut self, text: &[u8]) -> Result<(), SinkError> {
        if self.link.is_none() {
            self.link = Some(Open(self.connector.raw().await?));
        }
        let Some(Open(link)) = &mut self.link else { return Ok(()) };
        let write = async {
            link.write_all(text).await?;
            link.flush().await
        };
        Ok(timeout(PATIENCE, write).await.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()))?)
    }

    /// A receiver says nothing; what is to be read is its end.
    async fn stands(&mut self) -> Result<(), SinkError> {
        let Some(Open(link)) = &mut self.link else { return Ok(()) };
        let mut bytes = [0; 256];
        match timeout(Duration::ZERO, link.read(&mut bytes)).await {
            Ok(Ok(0)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(Err(error)) => Err(error.into()),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    fn broken(&mut self, error: SinkError) -> SinkError {
        (self.link, self.safe) = (None, None);
        self.sent.clear();
        error
    }
}

/// `<109>1 2026-12-01T00:00:00.000001Z host yett - call.decision [meta sequenceId="8"] ...`, its length before it.
fn frame(event: &Event, host: &str, out: &mut Vec<u8>) {
    // RFC 5424, table 2: warning, notice and so on.
    let severity = match event.severity {
        Severity::Informational => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 2,
    };
    let mut head = String::with_capacity(128);
    // Its section 7.3.1: from 1 to 2147483647, and then from 1 again.
    let sequence = event.index % 2_147_483_647 + 1;
    let kind: String = event.kind.chars().filter(char::is_ascii_graphic).take(32).collect();
    let kind = if kind.is_empty() { "-" } else { &kind };
    // Writing to a String cannot fail.
    let _ =
        write!(head, "<{}>1 {:.6} {host} yett - {kind} [meta sequenceId=\"{sequence}\"] ", FACILITY * 8 + severity, event.time);
    out.extend_from_slice(format!("{} {head}", head.len() + event.body.len()).as_bytes());
    out.extend_from_slice(&event.body);
}

/// Name of this host as RFC 5424 writes it; `-` where it has none.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name: String = name.chars().filter(char::is_ascii_graphic).take(255).collect();
    if name.is_empty() { "-".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_its_length_before_it_and_names_what_it_is() {
        let event = Event {
            log: "a/audit/r1".into(),
            uid: "a/audit/r1/7".to_owned(),
            kind: "call.decision".to_owned(),
            time: "2026-12-01T00:00:00.000001Z".parse().unwrap(),
            severity: Severity::Low,
            index: 7,
            body: "{\"ä\":1}".as_bytes().to_vec(),
        };
        let mut out = Vec::new();
        frame(&event, "host", &mut out);
        let said = String::from_utf8(out).unwrap();
        let (length, message) = said.split_once(' ').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), message.len());
        assert_eq!(message, "<109>1 2026-12-01T00:00:00.000001Z host yett - call.decision [meta sequenceId=\"8\"] {\"ä\":1}");
    }
}
