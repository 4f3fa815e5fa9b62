//! What one connection may cost.

use std::time::Duration;

use super::head::HeadLimits;

/// What a connection may cost. The defaults are those of the manual.
#[derive(Clone, Copy, Debug)]
pub struct FramingLimits {
    /// Sizes of a head.
    pub head: HeadLimits,
    /// From the first byte of a head to its last; also from the connection to the first byte. 10 s.
    pub header_timeout: Duration,
    /// From the end of a reply to the next byte. 60 s.
    pub idle_timeout: Duration,
    /// What a client may take to send one body. Time that the gateway takes to read it does not count. 30 s.
    pub body_timeout: Duration,
    /// Least rate of a body in bytes per second, 500, over each [`body_window`](Self::body_window).
    pub body_rate: u32,
    /// 10 s.
    pub body_window: Duration,
    /// Requests on one connection; it is closed quietly after the reply to the last. 10,000.
    pub requests: u32,
    /// HTTP/2 streams at once on one connection. 100.
    pub streams: u32,
    /// How long a client may take nothing of what is written to it. 30 s.
    pub stall_timeout: Duration,
    /// How much of a reply waits for the client in this process. 64 KiB.
    pub queue: usize,
}

impl Default for FramingLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(1),
            body_timeout: Duration::from_secs(30),
            body_rate: 500,
            body_window: Duration::from_secs(10),
            requests: 10_000,
            streams: 100,
            stall_timeout: Duration::from_secs(30),
            queue: 64 * 1024,
        }
    }
}
