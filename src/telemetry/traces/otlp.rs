//! OTLP's `ExportTraceServiceRequest` in protobuf's wire format (opentelemetry-proto, `trace/v1/trace.proto`).

use super::span::{Span, Value};
use crate::protobuf::Message;

/// What every batch says of this process.
#[derive(Debug)]
pub(super) struct Resource(Vec<u8>);

impl Resource {
    pub(super) fn new(service: &str, attributes: &[(String, String)]) -> Self {
        let mut resource = Message::default();
        let version = ("service.version", env!("CARGO_PKG_VERSION"));
        let given = attributes.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        for (key, value) in [("service.name", service), version].into_iter().chain(given) {
            resource.message(1, |attribute| key_value(attribute, key, |any| any.text(1, value)));
        }
        Self(resource.into_bytes())
    }
}

/// A batch of spans, as it is posted.
pub(super) fn request(resource: &Resource, spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.bytes(1, &resource.0);
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.text(1, "yett");
                scope.text(2, env!("CARGO_PKG_VERSION"));
            });
            for span in spans {
                scope_spans.message(2, |message| write(message, span));
            }
        });
    });
    request.into_bytes()
}

fn write(message: &mut Message, span: &Span) {
    /// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`.
    const HAS_IS_REMOTE: u32 = 0x100;
    const IS_REMOTE: u32 = 0x200;
    const STATUS_ERROR: u64 = 2;

    message.bytes(1, span.trace.as_bytes());
    message.bytes(2, span.id.as_bytes());
    if let Some(parent) = &span.parent {
        message.bytes(4, parent.as_bytes());
    }
    message.text(5, &span.name);
    message.number(6, span.kind as u64);
    message.fixed64(7, span.start);
    message.fixed64(8, span.end);
    for (key, value) in &span.attributes {
        message.message(9, |attribute| {
            key_value(attribute, key, |any| match value {
                Value::Integer(integer) => any.number(3, integer.cast_unsigned()),
                Value::Text(text) => any.text(1, text),
                Value::Word(word) => any.text(1, word),
            });
        });
    }
    for (time, name) in &span.events {
        message.message(11, |event| {
            event.fixed64(1, *time);
            event.text(2, name);
        });
    }
    if let Some((trace, parent)) = &span.link {
        message.message(13, |link| {
            link.bytes(1, trace.as_bytes());
            link.bytes(2, parent.as_bytes());
            link.fixed32(6, HAS_IS_REMOTE | IS_REMOTE);
        });
    }
    if span.failed {
        message.message(15, |status| status.number(3, STATUS_ERROR));
    }
    message.fixed32(16, u32::from(span.flags) | HAS_IS_REMOTE | if span.remote { IS_REMOTE } else { 0 });
}

fn key_value(message: &mut Message, key: &str, value: impl FnOnce(&mut Message)) {
    message.text(1, key);
    message.message(2, value);
}
