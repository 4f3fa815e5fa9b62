//! OTLP logs over HTTP: `ExportLogsServiceRequest` in protobuf (opentelemetry-proto 1.x, `logs/v1/logs.proto`); 2xx without rejected records means
//! that the collector has them.
//!
//! A record is a `LogRecord` whose body is the text of the event, whose `event_name` is `yett.` and the record's kind, and whose attributes
//! `yett.uid`, `yett.log` and `yett.index` say which it is.

use http::Uri;

use super::http::client;
use super::{SinkError, retry_after};
use crate::config::UpstreamTls;
use crate::export::event::Event;
use crate::export::record::Severity;
use crate::outbound::{Ask, Client};
use crate::protobuf::{Message, bytes_of, varint_of};
use crate::secrets::Live;
use crate::upstream::ConnectError;

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct Otlp {
    client: Client,
    bearer: Option<Live>,
}

impl Otlp {
    pub(super) fn new(url: &Uri, tls: &UpstreamTls, bearer: Option<Live>) -> Result<Self, ConnectError> {
        Ok(Self { client: client(url, tls)?, bearer })
    }

    pub(super) async fn deliver(&self, events: &[Event]) -> Result<(), SinkError> {
        let mut ask = Ask::post("application/x-protobuf", request(events));
        if let Some(bearer) = &self.bearer {
            let token = bearer.current().map_err(|_gone| SinkError::Secret)?;
            ask = ask.bearer(&token.secret).map_err(|_form| SinkError::Secret)?;
        }
        let answer = self.client.send(ask).await?;
        if !answer.status.is_success() {
            let after = retry_after(&answer.headers);
            return Err(SinkError::Refused { status: answer.status.as_u16(), code: None, after });
        }
        // A collector that takes some says so in a success. OTLP wants no other try; here nothing is passed over.
        let rejected = bytes_of(&answer.body, 1).and_then(|partial| varint_of(partial, 1)).unwrap_or(0);
        if rejected > 0 { Err(SinkError::Rejected(rejected)) } else { Ok(()) }
    }
}

fn request(events: &[Event]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_logs| {
        resource_logs.message(1, |resource| {
            attribute(resource, 1, "service.name", |value| value.text(1, "yett"));
            attribute(resource, 1, "service.version", |value| value.text(1, env!("CARGO_PKG_VERSION")));
        });
        resource_logs.message(2, |scope_logs| {
            scope_logs.message(1, |scope| {
                scope.text(1, "yett.audit");
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            for event in events {
                scope_logs.message(2, |record| write(record, event));
            }
        });
    });
    request.into_bytes()
}

fn write(record: &mut Message, event: &Event) {
    let nanoseconds = u64::try_from(event.time.as_nanosecond()).unwrap_or(0);
    // `SeverityNumber`: INFO, INFO2, WARN, ERROR.
    let (number, text) = match event.severity {
        Severity::Informational => (9, "INFO"),
        Severity::Low => (10, "INFO2"),
        Severity::Medium => (13, "WARN"),
        Severity::High => (17, "ERROR"),
    };
    record.fixed64(1, nanoseconds);
    record.number(2, number);
    record.text(3, text);
    record.message(5, |body| body.text(1, &String::from_utf8_lossy(&event.body)));
    attribute(record, 6, "yett.uid", |value| value.text(1, &event.uid));
    attribute(record, 6, "yett.log", |value| value.text(1, &event.log));
    attribute(record, 6, "yett.index", |value| value.number(3, event.index));
    record.fixed64(11, nanoseconds);
    record.text(12, &format!("yett.{}", event.kind));
}

fn attribute(message: &mut Message, field: u32, key: &str, value: impl FnOnce(&mut Message)) {
    message.message(field, |attribute| {
        attribute.text(1, key);
        attribute.message(2, value);
    });
}
