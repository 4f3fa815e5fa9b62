//! A collector that takes lines by POST (`application/x-ndjson`); 2xx means that it has them. A sink of alerts alone is a webhook: each alert is a request
//! (`application/json`).
//!
//! Where there is a key, requests are signed as Standard Webhooks says (<https://www.standardwebhooks.com>, version 1.0): `webhook-id`,
//! `webhook-timestamp`, and in `webhook-signature` `v1,` and the base64 of HMAC-SHA256 over the three, the body last, with dots between. The id is that of
//! the first event and their number, so that what comes twice has it twice.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use http::header::{HeaderName, HeaderValue};

use super::{SinkError, retry_after};
use crate::config::{ServerLimits, UpstreamTls};
use crate::export::event::Event;
use crate::outbound::{Ask, Bounds, Client, Silence};
use crate::secrets::Live;
use crate::upstream::{ConnectError, Connector, Sockets};

pub(super) const BOUNDS: Bounds =
    Bounds { connect: Duration::from_secs(5), total: Duration::from_secs(30), answer: 64 * 1024, at_once: 1 };

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct Http {
    client: Client,
    bearer: Option<Live>,
    sign: Option<Live>,
    /// Whether each event is a request of its own: a webhook.
    each: bool,
}

/// The bytes of a key: those that `whsec_` stands before are in base64, as Standard Webhooks writes keys; any other text is one itself.
fn key_of(text: &str) -> Vec<u8> {
    let decoded = text.strip_prefix("whsec_").and_then(|key| STANDARD.decode(key).ok());
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

/// A client for one collector.
pub(super) fn client(url: &Uri, tls: &UpstreamTls) -> Result<Client, ConnectError> {
    client_within(url, tls, BOUNDS.total)
}

/// The same with another time for everything.
pub(super) fn client_within(url: &Uri, tls: &UpstreamTls, total: Duration) -> Result<Client, ConnectError> {
    let connector = Connector::with_tls(url, ServerLimits::default(), Sockets::new(BOUNDS.at_once + 1), tls)?;
    Client::over(connector, url, Bounds { total, ..BOUNDS })
}

impl Http {
    pub(super) fn new(
        (url, tls): (&Uri, &UpstreamTls),
        bearer: Option<Live>,
        sign: Option<Live>,
        each: bool,
    ) -> Result<Self, ConnectError> {
        Ok(Self { client: client(url, tls)?, bearer, sign, each })
    }

    /// Whether each event is a request of its own.
    pub(super) fn is_webhook(&self) -> bool {
        self.each
    }

    pub(super) async fn deliver(&self, events: &[Event]) -> Result<(), SinkError> {
        let Some(first) = events.first() else { return Ok(()) };
        let (kind, id, body) = if self.each {
            ("application/json", first.uid.clone(), first.body.clone())
        } else {
            let lines = events.iter().flat_map(|event| event.body.iter().chain(b"\n")).copied().collect();
            ("application/x-ndjson", format!("{}+{}", first.uid, events.len()), lines)
        };
        match self.client.send(self.signed(Ask::post(kind, body.clone()), &id, &body)?).await {
            Ok(answer) if answer.status.is_success() => Ok(()),
            // It is the status that counts; what it says besides may be long, or in another form.
            Err(Silence::TooLarge { status, .. } | Silence::Encoded { status }) if (200..300).contains(&status) => Ok(()),
            Ok(answer) => {
                let after = retry_after(&answer.headers);
                Err(SinkError::Refused { status: answer.status.as_u16(), code: None, after })
            }
            Err(silence) => Err(silence.into()),
        }
    }

    fn signed(&self, mut ask: Ask, id: &str, body: &[u8]) -> Result<Ask, SinkError> {
        if let Some(bearer) = &self.bearer {
            let token = bearer.current().map_err(|_gone| SinkError::Secret)?;
            ask = ask.bearer(&token.secret).map_err(|_form| SinkError::Secret)?;
        }
        let time = jiff::Timestamp::now().as_second().to_string();
        let header = |ask: Ask, name: &'static str, value: &str| {
            let value = HeaderValue::from_str(value).map_err(|_form| SinkError::Secret)?;
            Ok::<_, SinkError>(ask.header(HeaderName::from_static(name), value))
        };
        ask = header(ask, "webhook-id", id)?;
        ask = header(ask, "webhook-timestamp", &time)?;
        let Some(sign) = &self.sign else { return Ok(ask) };
        let key = sign.current().map_err(|_gone| SinkError::Secret)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key_of(key.secret.expose()));
        let mut over = hmac::Context::with_key(&key);
        for part in [id.as_bytes(), b".", time.as_bytes(), b".", body] {
            over.update(part);
        }
        header(ask, "webhook-signature", &format!("v1,{}", STANDARD.encode(over.sign())))
    }
}
