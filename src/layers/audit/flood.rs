//! Refusals of callers nobody knows, when they come in floods: counted exactly, recorded together.
//!
//! Anybody can cause a refusal by bad framing, a foreign Host or a made-up token, so a record for each would let anybody fill the
//! disk and hold up the records of calls that matter. Up to a rate each still gets a record of its own, durable before the answer;
//! above it a refusal is counted here and answered at once, and all counts become `auth.failure` records within a second. Nothing
//! is lost but the call's id: the sum of `n` over these records, and of the single ones, is the number of refusals.
//!
//! What a *known* caller is refused is never counted together: that is a decision about somebody, and rate limits bound it.
//!
//! Questions of servers that reach no call (`unheard.rs`) are counted in the same way, by themselves: neither flood takes the other's
//! share of single records.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::mem;
use std::net::{IpAddr, Ipv6Addr};

use jiff::Timestamp;
use parking_lot::Mutex;

use crate::audit::{AppendError, Condition, Draft, Kind, Log, ObjectWriter};
use crate::chain::{Reason, RequestContext};

/// Most kinds of refusals that are told apart between two records; what is beyond is counted by its reason alone.
const MAX_KINDS: usize = 256;

/// Kinds in one record. Each takes at most 400 bytes and one member of a record 3.5 KiB: none is ever cut.
const PER_RECORD: usize = 8;

/// How many refusals in a second get a record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone {
    /// Of one peer: an IPv4 address, or an IPv6 network of 64 bits. Of one server, where servers ask what nobody is to hear.
    pub per_peer: u32,
    /// Of all.
    pub total: u32,
}

/// Counts refusals that come too fast.
#[derive(Debug)]
pub struct Flood {
    alone: Alone,
    book: Mutex<Book>,
    questions: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// The second of the wall clock that `total` and `by_source` are about.
    second: i64,
    total: u32,
    /// At most as many as `Alone::total`.
    by_source: HashMap<Source, u32>,
    counted: HashMap<What, Tally>,
    /// By reason, which is one of few words of ours.
    others: BTreeMap<&'static str, Tally>,
    /// Nothing is counted any more: whoever is refused now gets a record, or is told that there is none.
    closed: bool,
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct What {
    reason: &'static str,
    detail: Option<&'static str>,
    source: Source,
    server: Option<String>,
    /// What a server has asked, by a word of ours.
    method: Option<&'static str>,
}

/// Whose share of single records it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Source {
    Peer(Peer),
    Server(String),
}

/// Whom one machine cannot help being: with IPv6 it has 2^64 addresses to come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Peer(IpAddr);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tally {
    n: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Flood {
    /// With nothing counted yet.
    pub fn new(alone: Alone) -> Self {
        Self { alone, book: Mutex::default(), questions: Mutex::default() }
    }

    /// Whether this refusal was counted here, so that it must not be recorded by itself.
    pub(super) fn counts(&self, context: &RequestContext, reason: &Reason) -> bool {
        // Our own failures are each worth a line, and are not the peer's to cause.
        !matches!(reason, Reason::Internal(_)) && self.counts_end(context, reason.word())
    }

    /// The same for a call that ends in another way, such as that its caller went away.
    pub(super) fn counts_end(&self, context: &RequestContext, word: &'static str) -> bool {
        let (known, detail) = context.trail.with(|decision| (decision.recorded || decision.who.is_some(), decision.detail));
        !known && self.book.lock().enter(self.alone, What::new(context, word, detail), context.received)
    }

    /// Counts a refusal for which there is no room in the queue. Whether that is still possible.
    pub(super) fn counts_without_room(&self, context: &RequestContext, reason: &Reason) -> bool {
        self.book.lock().add(What::new(context, reason.word(), None), context.received)
    }

    /// Whether this question of a server was counted here, so that it must not be recorded by itself.
    pub(super) fn counts_question(&self, what: What, now: Timestamp) -> bool {
        self.questions.lock().enter(self.alone, what, now)
    }

    /// Counts one for which there is no room in the queue. Whether that is still possible.
    pub(super) fn counts_question_without_room(&self, what: What, now: Timestamp) -> bool {
        self.questions.lock().add(what, now)
    }

    /// Records what was counted, and waits for the disk: while it is slow there is one batch of these records on the way, not many.
    /// While the volume is full counts stay here: what room there is, is for the outcomes of calls.
    pub async fn flush(&self, log: &Log) -> Result<(), AppendError> {
        if *log.condition().borrow() == Condition::Full && !self.book.lock().closed {
            return Ok(());
        }
        let (refused, asked) = (self.book.lock().take(), self.questions.lock().take());
        let drafts = refused.into_iter().chain(asked);
        let receipts: Vec<_> = drafts.map(|draft| log.append(draft)).collect();
        for receipt in receipts {
            receipt.durable().await?;
        }
        Ok(())
    }

    /// The last flush, before a log is closed.
    pub async fn close(&self, log: &Log) -> Result<(), AppendError> {
        self.book.lock().closed = true;
        self.questions.lock().closed = true;
        self.flush(log).await
    }
}

impl Book {
    fn enter(&mut self, alone: Alone, what: What, now: Timestamp) -> bool {
        if self.closed {
            return false;
        }
        // Another second, not a later one: a clock that was set back must not make every refusal one of the flood.
        if self.second != now.as_second() {
            self.second = now.as_second();
            self.total = 0;
            self.by_source.clear();
        }
        if self.total < alone.total {
            let of_source = self.by_source.entry(what.source.clone()).or_default();
            if *of_source < alone.per_peer {
                *of_source += 1;
                self.total += 1;
                return false;
            }
        }
        self.add(what, now)
    }

    fn add(&mut self, what: What, now: Timestamp) -> bool {
        if self.closed {
            return false;
        }
        let new = Tally { n: 0, first: now, last: now };
        let known = self.counted.len() < MAX_KINDS || self.counted.contains_key(&what);
        let tally = if known { self.counted.entry(what).or_insert(new) } else { self.others.entry(what.reason).or_insert(new) };
        tally.n += 1;
        tally.first = tally.first.min(now);
        tally.last = tally.last.max(now);
        true
    }

    fn take(&mut self) -> Vec<Draft> {
        let counted = mem::take(&mut self.counted).into_iter().map(|(what, tally)| (Some(what.clone()), what.reason, tally));
        let others = mem::take(&mut self.others).into_iter().map(|(reason, tally)| (None, reason, tally));
        let mut all: Vec<_> = counted.chain(others).collect();
        // The largest first: that is what a reader looks for.
        all.sort_by_key(|(_, _, tally)| std::cmp::Reverse(tally.n));
        all.chunks(PER_RECORD).map(draft).collect()
    }
}

impl What {
    fn new(context: &RequestContext, reason: &'static str, detail: Option<&'static str>) -> Self {
        let server = context.route.server.as_ref().map(|server| server.name.clone());
        Self { reason, detail, source: Source::Peer(Peer::of(context.peer.address)), server, method: None }
    }

    /// What a server asks that nobody is to hear.
    pub(super) fn question(server: &str, method: &'static str, reason: &'static str, detail: &'static str) -> Self {
        let (source, server) = (Source::Server(server.to_owned()), Some(server.to_owned()));
        Self { reason, detail: Some(detail), source, server, method: Some(method) }
    }
}

impl Peer {
    fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }

    fn text(self) -> String {
        let mut text = self.0.to_string();
        if self.0.is_ipv6() {
            // Writing to a String cannot fail.
            let _ = write!(text, "/64");
        }
        text
    }
}

/// One record for a few kinds. Its `n` is the sum of theirs.
fn draft(kinds: &[(Option<What>, &'static str, Tally)]) -> Draft {
    let mut draft = Draft::new(Kind::AuthFailure);
    draft.object("dec", |dec| {
        dec.text("effect", "deny");
    });
    let sum: u64 = kinds.iter().map(|(_, _, tally)| tally.n).sum();
    draft.integer("n", sum);
    draft.list("refused", |list| {
        for (what, reason, tally) in kinds {
            list.object(|out| item(out, what.as_ref(), reason, tally));
        }
    });
    draft
}

fn item(out: &mut ObjectWriter<'_>, what: Option<&What>, reason: &str, tally: &Tally) {
    if let Some(detail) = what.and_then(|what| what.detail) {
        out.text("detail", detail);
    }
    out.text("first", &format!("{:.6}", tally.first));
    out.text("last", &format!("{:.6}", tally.last));
    if let Some(method) = what.and_then(|what| what.method) {
        out.text("method", method);
    }
    out.integer("n", tally.n);
    if let Some(Source::Peer(peer)) = what.map(|what| &what.source) {
        out.text("peer", &peer.text());
    }
    out.text("reason", reason);
    if let Some(server) = what.and_then(|what| what.server.as_ref()) {
        out.text("server", server);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Alone = Alone { per_peer: 20, total: 50 };

    fn what(peer: &str, reason: &'static str) -> What {
        let source = Source::Peer(Peer::of(peer.parse().unwrap()));
        What { reason, detail: None, source, server: Some("crm".to_owned()), method: None }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + second).unwrap()
    }

    fn sum(book: &Book) -> u64 {
        book.counted.values().chain(book.others.values()).map(|tally| tally.n).sum()
    }

    #[test]
    fn up_to_the_rate_each_refusal_stands_alone() {
        let mut book = Book::default();
        let one = || what("192.0.2.1", "unauthenticated");
        for second in [0, 1, 2, 1] {
            let before = sum(&book);
            let counted = (0..25).filter(|_| book.enter(ALONE, one(), at(second))).count();
            assert_eq!((counted, sum(&book) - before), (5, 5), "second {second}");
        }
        // Another reason does not buy another share, another address does.
        assert!(book.enter(ALONE, what("192.0.2.1", "host_not_allowed"), at(1)));
        assert!(!book.enter(ALONE, what("192.0.2.2", "unauthenticated"), at(1)));
        let tally = book.counted[&one()];
        assert_eq!(tally, Tally { n: 20, first: at(0), last: at(2) });
    }

    #[test]
    fn many_peers_share_what_there_is() {
        let mut book = Book::default();
        let alone = (0..200_u8).filter(|peer| !book.enter(ALONE, what(&format!("192.0.2.{peer}"), "unauthenticated"), at(0)));
        assert_eq!(alone.count(), 50);
        assert_eq!((sum(&book), book.by_source.len()), (150, 50));
    }

    #[test]
    fn a_server_that_asks_without_end_has_a_share_of_its_own() {
        let flood = Flood::new(ALONE);
        let asked =
            |server: &str| flood.counts_question(What::question(server, "roots/list", "blocked", "shared_process"), at(0));
        assert_eq!((0..1_000).filter(|_| asked("crm")).count(), 980);
        assert!(!asked("files") && !flood.book.lock().enter(ALONE, what("192.0.2.1", "unauthenticated"), at(0)));
        assert_eq!((sum(&flood.questions.lock()), sum(&flood.book.lock())), (980, 0));
    }

    #[test]
    fn memory_is_bounded_and_the_sum_exact() {
        let mut book = Book::default();
        for number in 0..10_000_u32 {
            let peer = format!("2001:db8:{:x}:{:x}::{:x}", number >> 4, number & 15, number);
            let reason = if number % 2 == 0 { "unauthenticated" } else { "host_missing" };
            assert!(book.add(what(&peer, reason), at(0)));
        }
        assert_eq!((book.counted.len(), book.others.len(), sum(&book)), (MAX_KINDS, 2, 10_000));
        let drafts = book.take();
        assert_eq!((drafts.len(), sum(&book)), ((MAX_KINDS + 2).div_ceil(PER_RECORD), 0));
        assert!(book.take().is_empty());
    }

    #[test]
    fn a_peer_is_an_address_or_a_network_of_64_bits() {
        let text = |address: &str| Peer::of(address.parse().unwrap()).text();
        assert_eq!(text("192.0.2.1"), "192.0.2.1");
        assert_eq!(text("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(text("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(what("2001:db8::1", "x"), what("2001:db8::2", "x"));
    }

    #[test]
    fn once_closed_nothing_is_counted() {
        let mut book = Book { closed: true, ..Book::default() };
        assert!((0..100).all(|_| !book.enter(ALONE, what("192.0.2.1", "x"), at(0))));
        assert!(!book.add(what("192.0.2.1", "x"), at(0)));
        assert_eq!(sum(&book), 0);
    }
}
