//! One JSON-RPC message: strictly parsed bytes, the envelope's places in them, and the edits made so far.

use std::borrow::Cow;

use bytes::Bytes;

use super::RequestId;
use super::envelope::{Envelope, EnvelopeError, Shape, Side};
use super::json::{Document, Edits, Limits, NodeId, Value};

/// What a client sent to the endpoint.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "nearly all are messages, and what carries them is on the heap")]
pub enum ClientMessage {
    /// A JSON-RPC message.
    Rpc(Message),
    /// HTTP DELETE: the end of a legacy session. It has no body, but it is a message all the same.
    EndSession,
    /// HTTP GET: the stream of a legacy session on which its server says what belongs to no request.
    OpenStream,
}

impl ClientMessage {
    /// The JSON-RPC message, if it is one.
    pub fn rpc(&self) -> Option<&Message> {
        match self {
            Self::Rpc(message) => Some(message),
            Self::EndSession | Self::OpenStream => None,
        }
    }

    /// The JSON-RPC message for editing, if it is one.
    pub fn rpc_mut(&mut self) -> Option<&mut Message> {
        match self {
            Self::Rpc(message) => Some(message),
            Self::EndSession | Self::OpenStream => None,
        }
    }
}

/// A message, and what layers have changed in it.
///
/// Reads always show what the peer wrote; edits show in [`Message::encode`] only.
#[derive(Debug)]
pub struct Message {
    document: Document,
    edits: Edits,
    /// Values in place of tokens.
    restored: Edits,
    /// How many edits the document holds already.
    settled: usize,
    shape: Shape,
    id: Option<RequestId>,
    method: Option<NodeId>,
    params: Option<NodeId>,
    result: Option<NodeId>,
    error: Option<NodeId>,
}

impl Message {
    /// Parses `bytes` strictly: SECURITY.md 4.2, PROTOCOL.md 6.2.
    pub fn parse(bytes: Bytes, limits: Limits, side: Side) -> Result<Self, EnvelopeError> {
        if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            // SECURITY: said before anything inside is looked at, so that no batch, empty, single or broken, is half read.
            return Err(EnvelopeError::Batch);
        }
        let document = Document::parse(bytes, limits).map_err(EnvelopeError::Json)?;
        let envelope = Envelope::read(&document, side)?;
        Ok(Self {
            shape: envelope.shape,
            id: envelope.id,
            method: envelope.method,
            params: envelope.params,
            result: envelope.result,
            error: envelope.error,
            document,
            edits: Edits::default(),
            restored: Edits::default(),
            settled: 0,
        })
    }

    /// Makes what is sent the document itself: for a layer that has to read what others have changed. Its peer is `side`.
    ///
    /// # Errors
    /// What is sent is no message.
    pub fn settle(&mut self, side: Side) -> Result<(), EnvelopeError> {
        if self.edits.is_empty() && self.restored.is_empty() {
            return Ok(());
        }
        // What came was within the limits.
        let again = Self::parse(self.encode(), Limits::NONE, side)?;
        *self = Self { settled: self.edit_count(), ..again };
        Ok(())
    }

    /// Request, notification or response.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The id; `None` for a notification, and for a server's error that names none.
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }

    /// Where the id stands, for a relay that numbers its own requests.
    pub fn id_place(&self) -> Option<NodeId> {
        self.document.root().get("id").map(Value::id)
    }

    /// The method of a request or notification.
    pub fn method(&self) -> Option<&str> {
        self.method.and_then(|id| self.document.value(id).as_str())
    }

    /// The parameters, an object.
    pub fn params(&self) -> Option<Value<'_>> {
        self.params.map(|id| self.document.value(id))
    }

    /// The member `key` of the parameters.
    pub fn param(&self, key: &str) -> Option<Value<'_>> {
        self.params()?.get(key)
    }

    /// The result of a response.
    pub fn result(&self) -> Option<Value<'_>> {
        self.result.map(|id| self.document.value(id))
    }

    /// The error of a response.
    pub fn error(&self) -> Option<Value<'_>> {
        self.error.map(|id| self.document.value(id))
    }

    /// The bytes as the peer wrote them.
    pub fn original(&self) -> &Bytes {
        self.document.bytes()
    }

    /// The index, for cursors, and the edits, for changes: apart, so that a layer reads while it writes.
    pub fn split(&mut self) -> (&Document, &mut Edits) {
        (&self.document, &mut self.edits)
    }

    /// The same for edits that put values in place of tokens: they are sent, and kept nowhere.
    pub fn restore(&mut self) -> (&Document, &mut Edits) {
        (&self.document, &mut self.restored)
    }

    /// The value at `id`.
    pub fn value(&self, id: NodeId) -> Value<'_> {
        self.document.value(id)
    }

    /// How many edits were made.
    pub fn edit_count(&self) -> usize {
        self.settled + self.edits.len() + self.restored.len()
    }

    /// Whether what is sent would have a key twice; see [`Edits::would_duplicate`].
    pub fn would_duplicate(&self) -> bool {
        self.all_edits().would_duplicate(&self.document)
    }

    /// What is sent: the original bytes with the edits spliced in. Without edits, the same buffer.
    pub fn encode(&self) -> Bytes {
        self.all_edits().apply(&self.document)
    }

    /// The same with tokens where values were restored: what may be kept of it.
    pub fn encode_unrestored(&self) -> Bytes {
        self.edits.apply(&self.document)
    }

    fn all_edits(&self) -> Cow<'_, Edits> {
        if self.restored.is_empty() { Cow::Borrowed(&self.edits) } else { Cow::Owned(self.edits.and(&self.restored)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Message, EnvelopeError> {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default(), Side::Client)
    }

    #[test]
    fn a_request_a_notification_and_a_response_are_told_apart() {
        let shape = |text| parse(text).unwrap().shape();
        assert_eq!(shape(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), Shape::Request);
        assert_eq!(shape(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), Shape::Notification);
        assert_eq!(shape(r#"{"jsonrpc":"2.0","id":"a","result":{}}"#), Shape::Response);
    }

    #[test]
    fn envelopes_that_readers_could_disagree_on_are_refused() {
        use EnvelopeError as E;
        let cases = [
            (r#" [{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, E::Batch),
            ("[]", E::Batch),
            (r#""text""#, E::NotAnObject),
            (r#"{"id":1,"method":"ping"}"#, E::Version),
            (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, E::Version),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, E::Version),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}"#, E::UnknownMember),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","constructor":{}}"#, E::UnknownMember),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, E::Shape),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, E::Shape),
            (r#"{"jsonrpc":"2.0","id":1}"#, E::Shape),
            (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, E::Method),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, E::Method),
            (r#"{"jsonrpc":"2.0","id":1,"method":"pi\u0000ng"}"#, E::Method),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, E::Params),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"no"}}"#, E::ErrorCode),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.0,"message":"no"}}"#, E::ErrorCode),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":true,"message":"no"}}"#, E::ErrorCode),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-0,"message":"no"}}"#, E::ErrorCode),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"x"}}"#, E::CaseVariant),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"argument\u017f":{}}}"#, E::CaseVariant),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"tas\u212a":{}}}"#, E::CaseVariant),
        ];
        for (text, reason) in cases {
            assert_eq!(parse(text).unwrap_err(), reason, "{text}");
        }
    }

    #[test]
    fn ids_that_a_reader_could_round_or_lose_are_refused() {
        for id in ["1.0", "-0", "9007199254740993", "18446744073709551616", "null", "true", "{}", "[]", "1e2"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(parse(&text).unwrap_err(), EnvelopeError::Id, "{id}");
        }
        let long = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(300));
        assert_eq!(parse(&long).unwrap_err(), EnvelopeError::Id);
        for id in ["0", "-5", "9007199254740991", r#""""#, r#""a\u0062""#] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(parse(&text).unwrap().id().unwrap().as_json(), id);
        }
    }

    #[test]
    fn a_server_may_leave_the_id_out_of_an_error_and_a_client_may_not() {
        let text = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}}"#;
        let bytes = Bytes::from_static(text.as_bytes());
        assert!(Message::parse(bytes.clone(), Limits::default(), Side::Server).unwrap().id().is_none());
        assert_eq!(Message::parse(bytes, Limits::default(), Side::Client).unwrap_err(), EnvelopeError::Id);
    }
}
