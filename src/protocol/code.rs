//! JSON-RPC error codes, each with the text that defines it.

/// Invalid JSON. JSON-RPC 2.0, section 5.1.
pub const PARSE_ERROR: i64 = -32700;
/// Not a request we accept. JSON-RPC 2.0, section 5.1.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method, or none that this caller may use. JSON-RPC 2.0, section 5.1.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// Bad parameters, and what a server says of a name it does not know. JSON-RPC 2.0, section 5.1; MCP "Tools", error handling.
pub const INVALID_PARAMS: i64 = -32602;
/// The user is to be sent to a page first. MCP 2025-11-25, "URL Elicitation Required".
pub const URL_ELICITATION_REQUIRED: i64 = -32042;
/// A mirrored header is missing or differs from the body. MCP 2026-07-28, Streamable HTTP, "Server Validation".
pub const HEADER_MISMATCH: i64 = -32020;
/// The client has not declared what the request needs. MCP 2026-07-28, "Capability Negotiation".
pub const MISSING_CAPABILITY: i64 = -32021;
/// A revision we do not speak. MCP 2026-07-28, "Versioning".
pub const UNSUPPORTED_VERSION: i64 = -32022;

// Ours. They lie outside -32768..-32000, which JSON-RPC and MCP keep for themselves; each ends in the HTTP status it stands for.

/// The caller has to connect an account of theirs first.
pub const NOT_CONNECTED: i64 = -31203;
/// No valid credential.
pub const UNAUTHENTICATED: i64 = -31401;
/// Visible, but refused by a rule.
pub const FORBIDDEN: i64 = -31403;
/// The session is gone or was never the caller's.
pub const SESSION_NOT_FOUND: i64 = -31404;
/// Stopped by DLP or by the injection scan.
pub const BLOCKED: i64 = -31422;
/// Over the caller's own limit.
pub const RATE_LIMITED: i64 = -31429;
/// Our own failure, this call alone.
pub const INTERNAL: i64 = -31500;
/// The server behind the gateway failed.
pub const UPSTREAM_FAILED: i64 = -31502;
/// Overload, a store that is down, or the kill switch.
pub const UNAVAILABLE: i64 = -31503;
/// The server behind the gateway did not answer in time.
pub const UPSTREAM_TIMEOUT: i64 = -31504;
