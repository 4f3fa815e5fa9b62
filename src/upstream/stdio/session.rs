//! What a session of a client is behind the gateway: a number on one run of one process. With the process it is gone, and its client
//! starts again, as it would at a server over HTTP.

use http::HeaderValue;

use crate::protocol::ProtocolVersion;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session {
    /// The revision that the client has asked for, which is what processes are kept by.
    pub(super) version: ProtocolVersion,
    /// Which run of the process.
    pub(super) run: u64,
    /// Which session on it.
    pub(super) number: u64,
}

impl Session {
    /// As the session's id, which no client and no server ever sees.
    pub(super) fn to_header(self) -> Option<HeaderValue> {
        HeaderValue::try_from(format!("{}.{}.{}", self.version, self.run, self.number)).ok()
    }

    /// Reads it.
    pub(super) fn from_header(id: &HeaderValue) -> Option<Self> {
        let mut parts = id.to_str().ok()?.split('.');
        let version = ProtocolVersion::from_date(parts.next()?)?;
        let (run, number) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_none().then_some(Self { version, run, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_read_as_it_was_written() {
        let session = Session { version: ProtocolVersion::V2025_03_26, run: 7, number: u64::MAX };
        assert_eq!(Session::from_header(&session.to_header().unwrap()), Some(session));
        for id in ["", "2025-03-26.7", "2025-03-26.7.1.1", "2025-03-27.7.1", "2025-03-26.x.1"] {
            assert_eq!(Session::from_header(&HeaderValue::from_static(id)), None, "{id}");
        }
    }
}
