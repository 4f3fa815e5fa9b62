//! W3C Trace Context (Level 2): the tree of a call, taken from its caller and continued to its server.
//!
//! What a caller sends is parsed and written anew, never passed on as it came. Nothing here costs more than a few random bytes:
//! a call has a trace id whether or not spans of it are exported, so that records and other systems can be related.

mod context;

use std::fmt;

use uuid::Uuid;

pub use context::{Remote, State};

/// The id of a whole tree. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceId([u8; 16]);

/// The id of one span. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SpanId([u8; 8]);

/// Which calls are exported as spans.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Sampling {
    /// None: there is no collector. Contexts are passed on as they are.
    #[default]
    Off,
    /// Some.
    On {
        /// Whether the caller's own decision goes before the ratio, once it is known who calls.
        parent_based: bool,
        /// How many of those that decide themselves, from 0 to 1.
        ratio: f64,
    },
}

/// Where one call stands in its tree.
#[derive(Clone, Debug)]
pub struct Trace {
    id: TraceId,
    /// The span of the caller that this call hangs under.
    parent: Option<SpanId>,
    /// The span of this call, as the gateway sees it.
    span: SpanId,
    /// What the HTTP head said, where the message itself said something else.
    link: Option<(TraceId, SpanId)>,
    parent_sampled: bool,
    random: bool,
    sampled: bool,
    sampling: Sampling,
}

impl Default for Trace {
    fn default() -> Self {
        Self::begin(Sampling::Off, None)
    }
}

impl Trace {
    /// For an arrival whose head said `remote`. Nobody is known yet, so the ratio decides on sampling, not the sender.
    pub fn begin(sampling: Sampling, remote: Option<&Remote>) -> Self {
        let (span, draw) = SpanId::draw();
        let sampled = match sampling {
            Sampling::Off => false,
            Sampling::On { ratio, .. } => draw < ratio,
        };
        let own =
            Self { id: TraceId::fresh(), parent: None, span, link: None, parent_sampled: false, random: true, sampled, sampling };
        match remote {
            Some(remote) => own.under(remote),
            None => own,
        }
    }

    /// The caller is known, and the message said `remote`, which goes before what the head said: the head may be the work of a
    /// proxy between, `_meta` is the client's own. The caller's decision on sampling is believed from here on.
    pub fn adopt(&mut self, remote: Option<&Remote>) {
        if let Some(remote) = remote {
            let head = self.parent.map(|parent| (self.id, parent));
            let adopted = self.clone().under(remote);
            *self = Self { link: head.filter(|(id, parent)| *id != remote.trace || *parent != remote.span), ..adopted };
        }
        if matches!(self.sampling, Sampling::On { parent_based: true, .. }) && self.parent.is_some() {
            self.sampled = self.parent_sampled;
        }
    }

    fn under(self, remote: &Remote) -> Self {
        Self { id: remote.trace, parent: Some(remote.span), parent_sampled: remote.sampled, random: remote.random, ..self }
    }

    /// The tree's id.
    pub fn id(&self) -> TraceId {
        self.id
    }

    /// The span of this call.
    pub fn span(&self) -> SpanId {
        self.span
    }

    /// The caller's span.
    pub fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    /// Another context that came with the call.
    pub fn link(&self) -> Option<(TraceId, SpanId)> {
        self.link
    }

    /// Whether its spans are exported.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Whether its spans are exported, or could be once its caller is known.
    pub fn may_be_sampled(&self) -> bool {
        self.sampled || (self.sampling != Sampling::Off && self.parent_sampled)
    }

    /// The W3C flags of the spans of this call.
    pub fn flags(&self) -> u8 {
        let sampled = match self.sampling {
            Sampling::Off => self.parent_sampled,
            Sampling::On { .. } => self.sampled,
        };
        u8::from(sampled) | (u8::from(self.random) << 1)
    }

    /// The span id that the server behind the gateway gets as its parent. Without a collector that is the caller's, so that the
    /// tree has no hole where a span of ours would be.
    pub fn next_hop(&self) -> SpanId {
        match (self.sampling, self.parent) {
            (Sampling::Off, Some(parent)) => parent,
            (Sampling::Off, None) => self.span,
            (Sampling::On { .. }, _) => SpanId::fresh(),
        }
    }

    /// `traceparent` for a server whose parent is `span`.
    pub fn traceparent(&self, span: SpanId) -> String {
        format!("00-{}-{span}-{:02x}", self.id, self.flags())
    }
}

impl TraceId {
    fn fresh() -> Self {
        // The last seven bytes of a version 4 UUID are random throughout, as Level 2 has it for the random flag.
        Self(*Uuid::new_v4().as_bytes())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl SpanId {
    /// A new id.
    pub fn fresh() -> Self {
        Self::draw().0
    }

    /// A new id, and a random number from 0 to below 1 that has nothing to do with what a caller could choose.
    fn draw() -> (Self, f64) {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        // 52 random bits of the half that is not the id.
        #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
        let draw = (high >> 12 & 0x000f_ffff_ffff_ffff) as f64 / (1_u64 << 52) as f64;
        // The upper two bits are the UUID's variant, so it is never zero.
        (Self(low.to_be_bytes()), draw)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// On the way of every call, so digit by digit rather than by `{:02x}`.
fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
    }
    let written = text.get(..2 * bytes.len()).unwrap_or_default();
    f.write_str(std::str::from_utf8(written).unwrap_or_default())
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests;
