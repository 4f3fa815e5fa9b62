//! The handshake of a legacy process, and how it is answered to clients. Pure.
//!
//! A process shakes hands once, and clients come and go. A process that one caller has for themselves is shown the first client's own
//! `initialize`; one that is shared hears the gateway's, which declares nothing that a server could ask of a client. Every client is
//! answered with what the process said, under their own id. What a shared process cannot do for one client without doing it to all,
//! logging levels and subscriptions to resources, is left out of what it can do.

use bytes::Bytes;

use super::super::paired::Audience;
use crate::chain::{McpResponse, ServerMessage};
use crate::protocol::json::{Limits, RawJson, Value};
use crate::protocol::{Message, Method, ProtocolVersion, RequestId, Side, code};

/// What is sent once the process has answered.
pub(super) const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// What a process hears first.
pub(super) fn hello(audience: Audience, version: ProtocolVersion, client: &Message) -> Option<Message> {
    let bytes = match audience {
        Audience::One => client.encode(),
        Audience::Many => format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{{}},"clientInfo":{{"name":"yett","version":"{}"}}}}}}"#,
            env!("CARGO_PKG_VERSION")
        )
        .into(),
    };
    Message::parse(bytes, Limits::NONE, Side::Client).ok()
}

/// What a process can do, as far as it can do so for one client.
pub(super) fn offered(mut answer: Message, audience: Audience) -> Bytes {
    if audience == Audience::Many {
        let capabilities = answer.result().and_then(|result| result.get("capabilities"));
        let places =
            [capabilities, capabilities.and_then(|capabilities| capabilities.get("resources"))].map(|found| found.map(Value::id));
        let (document, edits) = answer.split();
        for (place, left_out) in places.into_iter().zip(["logging", "subscribe"]) {
            if let Some(place) = place.filter(|place| document.value(*place).get(left_out).is_some()) {
                edits.retain(document, place, |member| member.key().and_then(Value::as_str) != Some(left_out));
            }
        }
    }
    answer.encode()
}

/// That answer under the client's own id.
pub(super) fn answer(offered: Bytes, id: &RequestId) -> Option<ServerMessage> {
    let mut message = Message::parse(offered, Limits::NONE, Side::Server).ok()?;
    let place = message.id_place()?;
    let (document, edits) = message.split();
    edits.replace(document, place, RawJson::id(id));
    Some(ServerMessage::new(Message::parse(message.encode(), Limits::NONE, Side::Server).ok()?))
}

/// Whether a client asks for what a shared process would do to all.
pub(super) fn concerns_others(method: Method) -> bool {
    matches!(method, Method::ResourcesSubscribe | Method::ResourcesUnsubscribe | Method::SetLevel)
}

/// That there is no such method.
pub(super) fn not_offered(id: &RequestId) -> Option<McpResponse> {
    let (id, code) = (id.as_json(), code::METHOD_NOT_FOUND);
    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"Method not found"}}}}"#);
    Message::parse(text.into(), Limits::NONE, Side::Server).ok().map(McpResponse::json)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"logging":{},"tools":{},"resources":{"subscribe":true,"listChanged":true}}}}"#;

    fn message(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::NONE, Side::Server).unwrap()
    }

    #[test]
    fn a_shared_process_hears_nothing_of_its_clients() {
        let client = message(r#"{"jsonrpc":"2.0","id":"x","method":"initialize","params":{"capabilities":{"sampling":{}}}}"#);
        let shared = hello(Audience::Many, ProtocolVersion::V2025_06_18, &client).unwrap();
        assert_eq!(shared.param("protocolVersion").unwrap().as_str(), Some("2025-06-18"));
        assert_eq!(shared.param("capabilities").unwrap().raw(), "{}");
        let own = hello(Audience::One, ProtocolVersion::V2025_06_18, &client).unwrap();
        assert_eq!(own.original(), client.original());
    }

    #[test]
    fn what_would_be_done_to_all_is_not_offered() {
        let shared = offered(message(ANSWER), Audience::Many);
        assert_eq!(
            std::str::from_utf8(&shared).unwrap(),
            r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{"listChanged":true}}}}"#
        );
        assert_eq!(offered(message(ANSWER), Audience::One), ANSWER);
        let bare = r#"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"no"}}"#;
        assert_eq!(offered(message(bare), Audience::Many), bare);
    }

    #[test]
    fn every_client_is_answered_under_its_own_id() {
        let id =
            RequestId::read(message(r#"{"jsonrpc":"2.0","id":"mine","result":{}}"#).value(message(ANSWER).id_place().unwrap()));
        let id = id.unwrap();
        let answered = answer(Bytes::from_static(ANSWER.as_bytes()), &id).unwrap();
        assert_eq!(answered.message.id(), Some(&id));
        assert_eq!(answered.message.edit_count(), 0);
    }
}
