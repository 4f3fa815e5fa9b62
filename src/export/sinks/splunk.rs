//! Splunk's HTTP Event Collector, with indexer acknowledgement: events are safe when an indexer has them, not when the collector took them.
//!
//! Answers as Splunk documents them: `{"text":"Success","code":0,"ackId":7}`; 503 with code 9 where it is busy; acknowledgements at
//! `/services/collector/ack?channel=` the channel's id.

use std::time::Duration;

use http::Uri;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::http::client;
use super::{SinkError, retry_after};
use crate::config::UpstreamTls;
use crate::export::event::Event;
use crate::outbound::{Answer, Ask, Client};
use crate::secret::Secret;
use crate::secrets::Live;
use crate::upstream::ConnectError;

/// How long an indexer may take, and how often it is asked.
const INDEXED: Duration = Duration::from_mins(2);
const ASK: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct Splunk {
    client: Client,
    token: Live,
    acknowledge: bool,
    /// Names this sender to the collector; another one after a restart, as Splunk wants it.
    channel: String,
}

impl Splunk {
    pub(super) fn new(url: &Uri, tls: &UpstreamTls, token: Live, acknowledge: bool) -> Result<Self, ConnectError> {
        Ok(Self { client: client(url, tls)?, token, acknowledge, channel: uuid::Uuid::new_v4().to_string() })
    }

    pub(super) async fn deliver(&self, events: &[Event]) -> Result<(), SinkError> {
        let body: Vec<u8> = events.iter().flat_map(envelope).collect();
        let (answer, said) = self.ask("/services/collector/event", body).await?;
        if !answer.status.is_success() || code(&said) != Some(0) {
            return Err(refused(&answer, &said));
        }
        if !self.acknowledge {
            return Ok(());
        }
        // A collector whose token has no acknowledgement says none: then its word has to do, and that would go unseen.
        let id = said.get("ackId").and_then(Value::as_u64).ok_or_else(|| refused(&answer, &said))?;
        let until = Instant::now() + INDEXED;
        while Instant::now() < until {
            let path = format!("/services/collector/ack?channel={}", self.channel);
            let (answer, said) = self.ask(&path, json!({ "acks": [id] }).to_string()).await?;
            if !answer.status.is_success() {
                return Err(refused(&answer, &said));
            }
            if said.get("acks").and_then(|acks| acks.get(id.to_string())).and_then(Value::as_bool) == Some(true) {
                return Ok(());
            }
            sleep(ASK).await;
        }
        Err(SinkError::NotIndexed(INDEXED))
    }

    async fn ask(&self, path: &str, body: impl Into<bytes::Bytes>) -> Result<(Answer, Value), SinkError> {
        let token = self.token.current().map_err(|_gone| SinkError::Secret)?;
        let credential = Secret::new(format!("Splunk {}", token.secret.expose()));
        let channel = HeaderValue::from_str(&self.channel).map_err(|_form| SinkError::Secret)?;
        let ask = Ask::json(body).at(format!("{}{path}", self.client.prefix()));
        let ask = ask.header(HeaderName::from_static("x-splunk-request-channel"), channel);
        let ask = ask.secret(AUTHORIZATION, &credential).map_err(|_form| SinkError::Secret)?;
        let answer = self.client.send(ask).await?;
        let said = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Ok((answer, said))
    }
}

fn code(said: &Value) -> Option<i64> {
    said.get("code").and_then(Value::as_i64)
}

fn refused(answer: &Answer, said: &Value) -> SinkError {
    SinkError::Refused { status: answer.status.as_u16(), code: code(said), after: retry_after(&answer.headers) }
}

/// `{"time":1796083200.000001,"source":"yett","sourcetype":"yett:audit","event":...,"fields":{"uid":"a/audit/r1/7"}}`: objects one after the other, nothing
/// between them. What is no JSON (CEF) is a string.
fn envelope(event: &Event) -> Vec<u8> {
    let said: Value = serde_json::from_slice(&event.body)
        .unwrap_or_else(|_no_json| Value::from(String::from_utf8_lossy(&event.body).into_owned()));
    let (seconds, micros) = (event.time.as_second(), event.time.subsec_microsecond());
    // A number that keeps its microseconds: as text, since a float of that size would not.
    let time = format!("{seconds}.{micros:06}");
    let fields = json!({ "uid": event.uid, "kind": event.kind });
    format!(r#"{{"time":{time},"source":"yett","sourcetype":"yett:audit","event":{said},"fields":{fields}}}"#).into_bytes()
}
