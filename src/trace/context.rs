//! `traceparent` and `tracestate`, read strictly: W3C Trace Context, sections 3.2 and 3.3.

use super::{SpanId, TraceId};

/// Longest `tracestate` that is continued. The standard asks for at least this much.
const STATE_BYTES: usize = 512;

/// Most members of a `tracestate`.
const STATE_MEMBERS: usize = 32;

/// The context that a caller has sent, in `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remote {
    pub(super) trace: TraceId,
    pub(super) span: SpanId,
    pub(super) sampled: bool,
    pub(super) random: bool,
}

impl Remote {
    /// Reads a `traceparent`. `None` is not an error: whoever cannot read a context starts one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace, span, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let [version] = hex::<1>(version)?;
        // A later version may add fields behind the four; `ff` is none.
        if version == 0xff || (version == 0 && fields.next().is_some()) {
            return None;
        }
        let (trace, span, [flags]) = (hex::<16>(trace)?, hex::<8>(span)?, hex::<1>(flags)?);
        if trace == [0; 16] || span == [0; 8] {
            return None;
        }
        Some(Self { trace: TraceId(trace), span: SpanId(span), sampled: flags & 1 == 1, random: flags & 2 == 2 })
    }
}

/// A `tracestate` that may be continued: what other systems have noted about the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(String);

impl State {
    /// Reads the members, which may stand in more than one header. One that is malformed, given twice, or one too many voids all:
    /// half of it could say something else.
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut text = String::new();
        let mut keys: Vec<&str> = Vec::new();
        let members = lines.into_iter().flat_map(|line| line.split(',')).map(|member| member.trim_matches([' ', '\t']));
        for member in members.filter(|member| !member.is_empty()) {
            let (key, value) = member.split_once('=')?;
            let good = is_key(key) && is_value(value) && !keys.contains(&key);
            if !good || keys.len() == STATE_MEMBERS {
                return None;
            }
            keys.push(key);
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(member);
            if text.len() > STATE_BYTES {
                return None;
            }
        }
        (!text.is_empty()).then_some(Self(text))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_key(key: &str) -> bool {
    let head = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    key.len() <= 256
        && key.bytes().next().is_some_and(head)
        && key.bytes().all(|b| head(b) || matches!(b, b'_' | b'-' | b'*' | b'/' | b'@'))
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b',' | b'='))
        && !value.ends_with(' ')
}

/// Exactly `N` bytes in lower-case hex.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = pair.iter().try_fold(0, |value, digit| Some(value << 4 | nibble(*digit)?))?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
