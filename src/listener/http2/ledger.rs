//! What one HTTP/2 connection has asked for and got, by its frames alone: which streams are open, what of them the endpoint has seen, whether
//! the client takes its answers, and how much it sends that serves no purpose.
//!
//! The HTTP library bounds some of that by itself, and answers some requests without asking anybody. Here is what it lets through, and who
//! was answered by whom. No I/O: a frame comes in, a judgement comes out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Budget;
use super::frames::{
    CONTINUATION, DATA, Event, FrameHead, GOAWAY, HEADERS, INITIAL_WINDOW, RST_STREAM, SETTINGS, WINDOW_UPDATE, code,
};
use crate::listener::framing::FramingLimits;
use crate::listener::pace::after;
use crate::listener::refusal::HeadError;

/// A body that comes in pieces smaller than this costs more than it brings.
const CRUMB: usize = 64;
/// Frames that serve no purpose: at once, and how soon one more may come. A client that takes what it is sent tells so once or twice for
/// every frame of it, and earns as many.
const NOISE: u32 = 1000;
const NOISE_PACE: Duration = Duration::from_millis(50);
const NOISE_EARNED: u32 = 4;
/// A frame of ours that filled a window, and is smaller than this, was made small by the client.
const DRIBBLE: usize = 1024;
/// Requests that a client may take back before they are answered: fewer than may be under way, and no fewer than these; and how soon one more.
const FEW: u32 = 9;
const RESET_PACE: Duration = Duration::from_millis(200);
/// Streams that were refused, as a multiple of those that may be open: whoever does not know the limit yet runs into it.
const REFUSED: u32 = 20;
const REFUSED_PACE: Duration = Duration::from_millis(10);
/// Padding and priority of a block of headers are not part of the list.
const BLOCK_SLACK: usize = 512;
/// More frames than a block of the largest size needs.
const BLOCK_FRAMES: usize = 8;
const FRAME: usize = 16 * 1024;
/// How long a connection without a stream stays once it was told to go.
const LEAVING: Duration = Duration::from_secs(1);
/// `SETTINGS_INITIAL_WINDOW_SIZE` unless the client says otherwise.
const WINDOW: i64 = 65_535;

/// Bytes of a body that have come, complete frames or not.
pub(super) type Arrived = Arc<AtomicU64>;

/// One connection.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: FramingLimits,
    streams: BTreeMap<u32, Stream>,
    /// The newest stream of the client's.
    highest: u32,
    requests: u32,
    block: Option<Block>,
    /// What the client takes at once, of the connection and of a new stream.
    window: Window,
    initial: i64,
    noise: Budget,
    resets: Budget,
    refusals: Budget,
    /// When the first byte of an unfinished frame or block came, bodies aside.
    begun: Option<Instant>,
    /// Since when no stream is open.
    idle_since: Instant,
    /// Streams above it were told to go elsewhere.
    last: Option<u32>,
    over: Option<HeadError>,
    refused: u64,
    leave: bool,
}

#[derive(Debug)]
struct Stream {
    /// The endpoint has it. What is said on others is said by the library.
    reached: bool,
    answered: bool,
    window: Window,
    arrived: Arrived,
}

#[derive(Debug)]
struct Block {
    opens: bool,
    bytes: usize,
    frames: usize,
}

/// How much more the client takes, and since when that is nothing.
#[derive(Debug)]
struct Window {
    left: i64,
    shut: Option<Instant>,
}

impl Window {
    const fn new(left: i64) -> Self {
        Self { left, shut: None }
    }

    fn change(&mut self, by: i64, now: Instant) {
        self.left = self.left.saturating_add(by);
        self.shut = if self.left > 0 { None } else { self.shut.or(Some(now)) };
    }
}

/// What is to be done before a frame of the library's own may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Record that it refuses a request.
    Record(HeadError),
    /// Record it and end the connection with this last stream and this code.
    End(HeadError, u32, u64),
}

/// What is due when nothing comes for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The end, with or without a word.
    Idle,
    /// A head was begun and does not go on.
    SlowHead,
    /// The client takes nothing of an answer.
    Stalled,
}

impl Ledger {
    /// Of a new connection, whose peer may be known for a flood.
    pub(super) fn new(limits: FramingLimits, known: bool, now: Instant) -> Self {
        let streams = limits.streams;
        let resets = if known { FEW } else { streams.saturating_sub(1).max(FEW) };
        Self {
            limits,
            streams: BTreeMap::new(),
            highest: 0,
            requests: 0,
            block: None,
            window: Window::new(WINDOW),
            initial: WINDOW,
            noise: Budget::new(NOISE, NOISE_PACE, now),
            resets: Budget::new(resets, RESET_PACE, now),
            refusals: Budget::new(streams.saturating_mul(REFUSED).max(NOISE), REFUSED_PACE, now),
            begun: None,
            idle_since: now,
            last: None,
            over: None,
            refused: 0,
            leave: false,
        }
    }

    /// The client has sent this. A new stream, once its head is complete.
    pub(super) fn came(&mut self, event: Event, now: Instant) -> Result<Option<(u32, Arrived)>, HeadError> {
        match event {
            Event::Begin(head) => self.began(head, now)?,
            Event::Part(head, bytes) => self.part(head, bytes)?,
            Event::Number(head, number) => self.number(head, number, now)?,
            Event::End(head) => return self.ended(head),
        }
        Ok(None)
    }

    fn began(&mut self, head: FrameHead, now: Instant) -> Result<(), HeadError> {
        if head.kind != DATA {
            self.begun.get_or_insert(now);
        }
        match head.kind {
            HEADERS => {
                let opens = head.stream > self.highest;
                self.block = Some(Block { opens, bytes: 0, frames: 0 });
                self.highest = self.highest.max(head.stream);
                if !opens {
                    self.noise(now)?;
                }
            }
            CONTINUATION => {
                let most = self.limits.head.bytes / FRAME + BLOCK_FRAMES;
                if let Some(block) = &mut self.block {
                    block.frames += 1;
                    if block.frames > most {
                        return Err(HeadError::HeadTooLarge);
                    }
                }
            }
            DATA if head.length >= CRUMB || head.ends_stream() => {}
            _ => self.noise(now)?,
        }
        Ok(())
    }

    fn part(&mut self, head: FrameHead, bytes: usize) -> Result<(), HeadError> {
        if head.kind == DATA
            && let Some(stream) = self.streams.get(&head.stream)
        {
            stream.arrived.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if let (HEADERS | CONTINUATION, Some(block)) = (head.kind, &mut self.block) {
            block.bytes = block.bytes.saturating_add(bytes);
            // A field takes no more room in a block than in the list, where 32 bytes are added to each.
            if block.bytes > self.limits.head.bytes.saturating_add(BLOCK_SLACK) {
                return Err(HeadError::HeadTooLarge);
            }
        }
        Ok(())
    }

    fn number(&mut self, head: FrameHead, number: u64, now: Instant) -> Result<(), HeadError> {
        let low = i64::from(u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX));
        match (head.kind, head.stream) {
            (WINDOW_UPDATE, 0) => self.window.change(low, now),
            (WINDOW_UPDATE, stream) => {
                if let Some(stream) = self.streams.get_mut(&stream) {
                    stream.window.change(low, now);
                }
            }
            (SETTINGS, _) if number >> 32 == INITIAL_WINDOW => {
                let change = low - std::mem::replace(&mut self.initial, low);
                for stream in self.streams.values_mut() {
                    stream.window.change(change, now);
                }
            }
            (RST_STREAM, stream) => {
                let unanswered = self.close(stream, now).is_some_and(|stream| !stream.answered);
                if unanswered && !self.resets.spend(now) {
                    return Err(HeadError::Flood);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn ended(&mut self, head: FrameHead) -> Result<Option<(u32, Arrived)>, HeadError> {
        if head.ends_headers()
            && let Some(block) = self.block.take()
            && block.opens
        {
            self.begun = None;
            return self.opened().map(Some);
        }
        if self.block.is_none() {
            self.begun = None;
        }
        Ok(None)
    }

    fn opened(&mut self) -> Result<(u32, Arrived), HeadError> {
        self.requests = self.requests.saturating_add(1);
        // Some may be on their way when it is told to open no more.
        let most = self.limits.requests.saturating_add(self.limits.streams.saturating_mul(2));
        // The library answers each stream that it refuses before it reads on.
        let open = self.limits.streams.saturating_mul(2).saturating_add(16) as usize;
        if self.requests > most || self.streams.len() > open {
            return Err(HeadError::Flood);
        }
        self.leave |= self.requests >= self.limits.requests;
        self.noise.earn(2 * NOISE_EARNED);
        let arrived = Arrived::default();
        let window = Window::new(self.initial);
        self.streams.insert(self.highest, Stream { reached: false, answered: false, window, arrived: Arc::clone(&arrived) });
        Ok((self.highest, arrived))
    }

    /// The newest stream has come to the endpoint, or the library keeps it from there.
    pub(super) fn resolved(&mut self, stream: u32, reached: bool, now: Instant) {
        if let Some(known) = self.streams.get_mut(&stream) {
            known.reached = reached;
        }
        if !reached && self.last.is_some_and(|last| stream > last) {
            // Nobody will answer it.
            self.close(stream, now);
        }
    }

    /// What has to be done before this of the library's may leave.
    pub(super) fn judge(&self, event: Event) -> Option<Gate> {
        let unreached = |stream| self.streams.get(&stream).is_some_and(|stream: &Stream| !stream.reached);
        match event {
            Event::Begin(head) if head.kind == HEADERS && unreached(head.stream) => Some(Gate::Record(HeadError::HeadTooLarge)),
            Event::Number(head, number) if head.kind == RST_STREAM => {
                let refuses = number != code::REFUSED_STREAM && unreached(head.stream);
                refuses.then_some(Gate::Record(HeadError::Malformed))
            }
            Event::Number(head, number) if head.kind == GOAWAY => {
                let (last, reason) = (u32::try_from(number >> 32).unwrap_or_default(), number & u64::from(u32::MAX));
                let error = if reason == code::ENHANCE_YOUR_CALM { HeadError::Flood } else { HeadError::Frames };
                (reason != code::NO_ERROR).then_some(Gate::End(error, last, reason))
            }
            Event::Begin(_) | Event::Part(..) | Event::Number(..) | Event::End(_) => None,
        }
    }

    /// This has left.
    pub(super) fn sent(&mut self, event: Event, now: Instant) {
        match event {
            Event::Begin(head) if head.kind == DATA => {
                let bytes = i64::try_from(head.length).unwrap_or(i64::MAX);
                self.window.change(-bytes, now);
                let mut shut = self.window.left <= 0;
                if let Some(stream) = self.streams.get_mut(&head.stream) {
                    stream.window.change(-bytes, now);
                    shut |= stream.window.left <= 0;
                }
                // A client that lets out a few bytes at a time pays for the frames it makes of them.
                if head.length >= DRIBBLE || !shut {
                    self.noise.earn(NOISE_EARNED);
                }
            }
            Event::Begin(head) if head.kind == HEADERS => {
                if let Some(stream) = self.streams.get_mut(&head.stream) {
                    stream.answered = true;
                    stream.window.change(0, now);
                    // Whoever sends heads beyond the limit is answered, and may not go on.
                    self.leave |= !stream.reached;
                }
                self.noise.earn(NOISE_EARNED);
            }
            Event::Number(head, reason) if head.kind == RST_STREAM => self.reset(head.stream, reason, now),
            Event::Number(head, number) if head.kind == GOAWAY => self.last = u32::try_from(number >> 32).ok(),
            Event::End(head) if head.ends_stream() && self.close(head.stream, now).is_some() => self.resets.earn(1),
            Event::Begin(_) | Event::Part(..) | Event::Number(..) | Event::End(_) => {}
        }
    }

    /// The library has reset a stream, on its own or because nobody reads what comes on it any more.
    fn reset(&mut self, stream: u32, reason: u64, now: Instant) {
        let known = self.close(stream, now).is_some();
        let within = match reason {
            code::REFUSED_STREAM => {
                self.refused += 1;
                self.refusals.spend(now)
            }
            code::NO_ERROR | code::CANCEL | code::INTERNAL_ERROR => true,
            _ if known => self.resets.spend(now),
            // Frames on a stream that is over.
            _ => self.noise.spend(now),
        };
        if !within {
            self.over = Some(HeadError::Flood);
        }
    }

    fn noise(&mut self, now: Instant) -> Result<(), HeadError> {
        if self.noise.spend(now) { Ok(()) } else { Err(HeadError::Flood) }
    }

    fn close(&mut self, stream: u32, now: Instant) -> Option<Stream> {
        let closed = self.streams.remove(&stream);
        if closed.is_some() {
            self.idle_since = now;
        }
        closed
    }

    /// Why the connection has to end, if what has left says so.
    pub(super) fn take_over(&mut self) -> Option<HeadError> {
        self.over.take()
    }

    /// Streams that were refused for want of a place since this was asked last.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Whether it is time to open no more streams; once.
    pub(super) fn take_leave(&mut self) -> bool {
        std::mem::take(&mut self.leave)
    }

    /// The newest stream.
    pub(super) const fn highest(&self) -> u32 {
        self.highest
    }

    /// What is due next, and when.
    pub(super) fn due(&self, greeted: bool) -> Option<(Instant, Due)> {
        let limits = &self.limits;
        if !greeted {
            return Some((after(self.idle_since, limits.header_timeout), Due::Idle));
        }
        let slow = self.begun.map(|begun| (after(begun, limits.header_timeout), Due::SlowHead));
        let open = self.streams.values().filter(|stream| stream.answered);
        let shut = open.filter_map(|stream| match (stream.window.shut, self.window.shut) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        });
        let stalled = shut.min().map(|since| (after(since, limits.stall_timeout), Due::Stalled));
        let allowed = if self.last.is_some() { LEAVING } else { limits.idle_timeout };
        let idle = self.streams.is_empty().then(|| (after(self.idle_since, allowed), Due::Idle));
        [slow, stalled, idle].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
