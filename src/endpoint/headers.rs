//! Headers of Streamable HTTP: which revision is spoken, and whether mirrored headers equal the body.
//!
//! MCP 2026-07-28, Streamable HTTP, "Server Validation"; PROTOCOL.md 1.1 and 3.6. Policy reads the body only. A difference is
//! refused, since somebody in front of us may have decided on the header.

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};

use crate::chain::{Mirrored, Reason};
use crate::protocol::json::Value;
use crate::protocol::{Access, AccessError, Message, Method, PARAM_PREFIX, ProtocolVersion, Shape, Target, code, decode_header};

/// The revision of a request.
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The session of a legacy request.
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// The id of a call's records, on every answer.
pub(crate) const YETT_CALL: HeaderName = HeaderName::from_static("yett-call");

const EVENTS: &str = "text/event-stream";

const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// What a client of 2026-07-28 can do, in `_meta` of each request.
pub(super) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// What head and body together say about the revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Era {
    /// A request inside a legacy session, or one that must be.
    Legacy,
    /// The legacy handshake, with the revision the client asks for.
    Handshake(ProtocolVersion),
    /// Stateless.
    Modern(ProtocolVersion),
}

/// Media types: JSON in, JSON and event streams out, no content coding.
pub(super) fn check_media(headers: &HeaderMap) -> Result<(), Reason> {
    check_content(headers)?;
    if accepts(headers, "application/json") && accepts(headers, EVENTS) { Ok(()) } else { Err(Reason::NotAcceptable) }
}

/// For a message whose answer is not in the answer to its request.
pub(super) fn check_content(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.contains_key(CONTENT_ENCODING) {
        // Nothing is decompressed: a body of 10 MB could become one of 10 GB, and scanners would see neither.
        return Err(Reason::UnsupportedMedia);
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let json = types.next().and_then(|value| value.to_str().ok()).is_some_and(|text| media_type(text) == "application/json");
    if json && types.next().is_none() { Ok(()) } else { Err(Reason::UnsupportedMedia) }
}

/// For a request whose only answer is a stream.
pub(super) fn check_accepts_events(headers: &HeaderMap) -> Result<(), Reason> {
    if accepts(headers, EVENTS) { Ok(()) } else { Err(Reason::NotAcceptable) }
}

fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).any(|range| {
        let kind = media_type(range);
        let family = wanted.split('/').next().unwrap_or_default();
        let fits = kind == wanted || kind == "*/*" || kind.strip_suffix("/*") == Some(family);
        fits && !range.split(';').any(|parameter| matches!(parameter.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn media_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Which era a POST belongs to. Decided per request, never per connection.
pub(super) fn era(headers: &HeaderMap, message: &Message) -> Result<Era, Reason> {
    let header = single(headers, &PROTOCOL_VERSION)?;
    if message.shape() == Shape::Response && header == Some(ProtocolVersion::V2026_07_28.as_str()) {
        // 2026-07-28 has no answers from clients: what they are asked stands in a result, and comes back in a request.
        return Err(Reason::Malformed(code::INVALID_REQUEST, AccessError::UnexpectedAnswer.to_string()));
    }
    let named = message.param("_meta").and_then(|meta| meta.get(META_VERSION)).map(|value| value.as_str().unwrap_or_default());
    if let (Some(header), Some(named)) = (header, named)
        && header != named
    {
        // Also where one of them is unknown: which of the two is meant cannot be told.
        return Err(Reason::HeaderMismatch("MCP-Protocol-Version"));
    }
    let known = |text: &str| ProtocolVersion::from_date(text).ok_or_else(|| Reason::UnsupportedVersion(clip(text)));
    let version = header.map(known).transpose()?;
    let body = named.map(known).transpose()?;
    let is_modern = |version: Option<ProtocolVersion>| version.is_some_and(|version| !version.has_sessions());
    if is_modern(version) || is_modern(body) {
        return modern(version, body, message);
    }
    if message.method() == Some("initialize") {
        let asked = message.param("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        // A revision we have not heard of is the server's to answer with one it has; only a modern one cannot be shaken hands on.
        let asked = ProtocolVersion::from_date(asked).filter(|version| version.has_sessions());
        return Ok(Era::Handshake(asked.unwrap_or(ProtocolVersion::V2025_11_25)));
    }
    Ok(Era::Legacy)
}

fn modern(header: Option<ProtocolVersion>, body: Option<ProtocolVersion>, message: &Message) -> Result<Era, Reason> {
    let Some(version) = header else {
        return Err(Reason::HeaderMismatch("MCP-Protocol-Version"));
    };
    if body.is_none() {
        return Err(Reason::MissingMeta(META_VERSION));
    }
    if message.param("_meta").and_then(|meta| meta.get(META_CAPABILITIES)).is_none() {
        return Err(Reason::MissingMeta(META_CAPABILITIES));
    }
    Ok(Era::Modern(version))
}

/// Compares every mirrored header with the body.
pub(super) fn check_mirrored(headers: &HeaderMap, message: &Message, access: &Access) -> Result<(), Reason> {
    let method = single(headers, &MCP_METHOD)?.ok_or(Reason::HeaderMismatch("Mcp-Method"))?;
    if Some(method) != message.method() {
        return Err(Reason::HeaderMismatch("Mcp-Method"));
    }
    let name = single(headers, &MCP_NAME)?;
    let name = name.map(|text| decode_header(text).ok_or(Reason::HeaderMismatch("Mcp-Name"))).transpose()?;
    let expected = access.mirrored_name();
    let obliged = matches!(access.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
        || matches!(access.target, Target::Task(_));
    match (name, expected) {
        (Some(name), Some(expected)) if name == expected => Ok(()),
        (None, None) if !obliged => Ok(()),
        _ => Err(Reason::HeaderMismatch("Mcp-Name")),
    }
}

/// The `Mcp-Param-*` headers, to be forwarded. Each may come once.
pub(super) fn mirrored(headers: &HeaderMap) -> Result<Vec<Mirrored>, Reason> {
    let mut found = Vec::new();
    for name in headers.keys().filter(|name| name.as_str().starts_with(PARAM_PREFIX)) {
        let value = single(headers, name)?;
        // SECURITY: what one reader takes for text and another for broken base64 is not for us to guess.
        value.and_then(decode_header).ok_or(Reason::HeaderMismatch("Mcp-Param"))?;
        found.extend(headers.get(name).map(|value| Mirrored::new(name.clone(), value.clone())));
    }
    Ok(found)
}

/// The one value of a header, trimmed. Twice, or not text, is a mismatch: two readers could take different ones.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Reason> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return Ok(None);
    };
    let text = first.to_str().ok().filter(|_| values.next().is_none());
    text.map(|text| Some(text.trim_matches([' ', '\t']))).ok_or(Reason::HeaderMismatch(shown(name)))
}

fn shown(name: &HeaderName) -> &'static str {
    match name.as_str() {
        "mcp-method" => "Mcp-Method",
        "mcp-name" => "Mcp-Name",
        "mcp-protocol-version" => "MCP-Protocol-Version",
        _ => "Mcp-Param",
    }
}

/// A caller's text in an error: short, and printable.
fn clip(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(32).collect()
}
