//! Revisions of the protocol.

use std::fmt;

/// A revision of MCP this build serves over Streamable HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// The HTTP+SSE transport; spoken inside `initialize` by old clients of Streamable HTTP too.
    V2024_11_05,
    /// First Streamable HTTP.
    V2025_03_26,
    /// Version header; no batches.
    V2025_06_18,
    /// The newest with a handshake.
    V2025_11_25,
    /// Stateless.
    V2026_07_28,
}

impl ProtocolVersion {
    /// All of them, newest first, as a refusal lists them.
    pub const ALL: [Self; 5] = [Self::V2026_07_28, Self::V2025_11_25, Self::V2025_06_18, Self::V2025_03_26, Self::V2024_11_05];

    /// The revision of that date.
    pub fn from_date(date: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == date)
    }

    /// Its date.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Whether it starts with `initialize` and goes on in a session.
    pub fn has_sessions(self) -> bool {
        self < Self::V2026_07_28
    }

    /// Whether each request repeats method and name in headers that must equal the body.
    pub fn has_mirrored_headers(self) -> bool {
        !self.has_sessions()
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
