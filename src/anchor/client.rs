//! Requests to one witness or collector.

use std::time::Duration;

use bytes::Bytes;
use http::Uri;

use crate::outbound::{Ask, Bounds};
use crate::secrets::Live;
use crate::upstream::ConnectError;

pub(super) use crate::outbound::Silence;

/// The largest answer is some cosignatures, or a line that says why not.
const BOUNDS: Bounds = Bounds { connect: Duration::from_secs(3), total: Duration::from_secs(5), answer: 16 * 1024, at_once: 1 };

/// What came back.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

/// Knows how to reach one of them.
#[derive(Debug)]
pub(super) struct Client {
    outbound: crate::outbound::Client,
    bearer: Option<Live>,
}

impl Client {
    pub(super) fn new(url: &Uri) -> Result<Self, ConnectError> {
        Ok(Self { outbound: crate::outbound::Client::new(url, BOUNDS, None)?, bearer: None })
    }

    /// With a credential in every request.
    pub(super) fn authorized(self, bearer: Option<Live>) -> Self {
        Self { bearer, ..self }
    }

    /// `POST <submission prefix><path>`
    pub(super) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Reply, Silence> {
        let target = format!("{}{path}", self.outbound.prefix());
        let mut ask = Ask::text(body).at(if target.is_empty() { "/".to_owned() } else { target });
        if let Some(token) = &self.bearer {
            // Without one the collector refuses, and that is told.
            if let Ok(token) = token.current() {
                ask = ask.bearer(&token.secret)?;
            }
        }
        let answer = self.outbound.send(ask).await?;
        Ok(Reply { status: answer.status.as_u16(), body: answer.body })
    }
}
