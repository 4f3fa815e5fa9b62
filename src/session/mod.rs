//! What clients are handed to show again: sessions (revisions up to 2025-11-25), servers' states (2026-07-28; [`States`]), and ids of
//! tasks (both eras; [`Tasks`]). Only the endpoint uses them; the chain never sees one.
//!
//! The client knows an id that the gateway has minted (256 random bits) and that leads to the upstream's id here. A session belongs
//! to the caller and the route it began with; anybody else's use of it, and any unknown id, are one answer (404). The table is
//! bounded in all and per caller, and idle sessions expire. A session of the HTTP+SSE transport (2024-11-05) begins with its stream and
//! ends with it. Records name a session by its [`reference`](fn@reference), from which the id cannot be found.

mod kept;
mod live;
mod questions;
mod states;
mod streams;
mod tasks;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::{Kept, Listed, Outlet, Reason, Responder, Seat, Turn, Unsaid};
use crate::layers::authn::Principal;
use crate::master_key::{hex, random_bytes};
use crate::places::Share;
use crate::protocol::{Answerable, Asked, ListSet, ProtocolVersion, RequestId};
use crate::seal::{Key, StableKey};

pub use kept::StreamName;
pub use live::{Greeting, Live, Underway};
pub use questions::Question;
pub use states::{Bond, StateError, States};
pub use tasks::{CallersTasks, TaskError, Tasks};

/// Sessions in all, and of one caller on one route.
const MAX_SESSIONS: usize = 100_000;
const MAX_PER_CALLER: usize = 1_000;

/// How long a session may be idle. Clients do not all say goodbye (PROTOCOL.md, pitfall 14).
const IDLE: Duration = Duration::from_hours(1);

/// The sessions of one gateway.
#[derive(Default)]
pub struct Sessions {
    table: Mutex<HashMap<Box<str>, Entry>>,
    states: States,
    tasks: Arc<Tasks>,
    room: kept::Room,
    unsaid: Unsaid,
    /// No stream is opened any more.
    closing: AtomicBool,
    /// Whom the end of a session is told, by the server's id for it.
    farewell: OnceLock<Farewell>,
}

/// Takes the server's id of a session that is over.
type Farewell = Box<dyn Fn(&HeaderValue) + Send + Sync>;

/// A session and what is open in it.
struct Entry {
    session: Session,
    questions: questions::Questions,
    kept: kept::KeptStreams,
    /// Where everything is said, in a session of HTTP+SSE.
    seat: Option<Seat>,
}

/// What a session id leads to.
#[derive(Clone, Debug)]
pub struct Session {
    /// The upstream's id, if it gave one.
    pub upstream: Option<HeaderValue>,
    /// The revision agreed on.
    pub version: ProtocolVersion,
    /// What the client has said it can be asked.
    pub answerable: Answerable,
    /// The lists of whose changes its client was told that it would hear.
    pub lists: ListSet,
    /// What its client was shown of them.
    pub listed: Listed,
    /// Its name in records.
    pub reference: Arc<str>,
    /// Where everything is said, in a session of HTTP+SSE.
    pub outlet: Option<Outlet>,
    /// Whether its server has taken the handshake.
    pub begun: bool,
    /// Its handshake, if this message is that. Over HTTP+SSE a session is there before it.
    pub greeting: Option<Arc<Greeting>>,
    /// What is under way in it.
    pub live: Arc<Live>,
    /// The turn of one message in it, over HTTP+SSE.
    pub turn: Option<Arc<Turn>>,
    owner: Principal,
    resource: String,
    used: Instant,
}

/// Why no session could be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The table is full, or the caller's share of it.
    #[error("too many sessions")]
    Full,
    /// The system has no randomness.
    #[error("the system gives no random bytes")]
    Random,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids are handles: they are never printed.
        f.debug_struct("Sessions").field("open", &self.len()).finish()
    }
}

impl Sessions {
    /// None yet; servers' states are sealed by `key`, and ids of tasks by one that is made from it.
    pub fn sealed_by(key: Key) -> Self {
        // A key of another length is none that is made here; without it tasks are sealed by a key of this process.
        let tasks = StableKey::new(&key.derived("task ids")).map(Tasks::sealed_by).unwrap_or_default();
        Self { states: States::sealed_by(key), tasks: Arc::new(tasks), ..Self::default() }
    }

    /// Makes a session for `owner` on `resource` and returns its id.
    pub fn mint(
        &self,
        owner: &Principal,
        resource: &str,
        (version, answerable): (ProtocolVersion, Answerable),
        upstream: Option<HeaderValue>,
    ) -> Result<HeaderValue, SessionError> {
        let id = Self::draw()?;
        let session = Session { upstream, begun: true, ..Session::new(&id, owner, resource, (version, answerable)) };
        self.insert(&id, session, None)?;
        Ok(id)
    }

    /// An id for a session that is yet to be.
    pub fn draw() -> Result<HeaderValue, SessionError> {
        let id = URL_SAFE_NO_PAD.encode(random_bytes::<32>().ok_or(SessionError::Random)?);
        HeaderValue::from_str(&id).map_err(|_unprintable| SessionError::Random)
    }

    fn insert(&self, id: &HeaderValue, session: Session, seat: Option<Seat>) -> Result<(), SessionError> {
        let id = id.to_str().map_err(|_unprintable| SessionError::Random)?;
        let mut table = self.table.lock();
        if table.len() >= MAX_SESSIONS {
            let now = Instant::now();
            // Nothing hangs on them: whoever has a stream is not idle, and none is kept for so long.
            table.retain(|_, entry| !entry.session.is_idle(now));
        }
        let own = table.values().filter(|entry| entry.session.belongs_to(&session.owner, &session.resource)).count();
        if table.len() >= MAX_SESSIONS || own >= MAX_PER_CALLER {
            return Err(SessionError::Full);
        }
        let (questions, kept) = (questions::Questions::default(), kept::KeptStreams::default());
        table.insert(id.into(), Entry { session, questions, kept, seat });
        Ok(())
    }

    /// The session of that id, if it is this caller's on this route and not idle for too long. Using it keeps it.
    pub fn find(&self, id: &HeaderValue, caller: &Principal, resource: &str) -> Option<Session> {
        let id = id.to_str().ok()?;
        let mut table = self.table.lock();
        let now = Instant::now();
        if table.get(id)?.session.is_idle(now) {
            let idle = table.remove(id);
            drop(table);
            self.say_farewell(idle);
            return None;
        }
        let entry = table.get_mut(id)?;
        let session = Some(&mut entry.session).filter(|session| session.belongs_to(caller, resource))?;
        session.used = now;
        let outlet = entry.seat.as_ref().map(|seat| seat.outlet().clone());
        Some(Session { outlet, ..session.clone() })
    }

    /// Notes the revision that the server has agreed on, where that is known only after the session was made.
    pub fn agree(&self, id: &HeaderValue, version: ProtocolVersion) {
        let Ok(id) = id.to_str() else { return };
        if let Some(entry) = self.table.lock().get_mut(id) {
            entry.session.version = version;
        }
    }

    /// Notes of whose changes the client was told that it would hear.
    pub fn promise(&self, id: &HeaderValue, lists: ListSet) {
        self.with(id, |entry| {
            entry.session.lists = lists;
            entry.seat.iter().for_each(|seat| seat.outlet().promise(lists));
            Some(())
        });
    }

    /// Our id for what the server asks in this session, and our progress token for `token`; `None` when too much is open, or the session is
    /// gone.
    pub fn ask(
        &self,
        id: &HeaderValue,
        theirs: &RequestId,
        asked: Asked,
        token: Option<RequestId>,
        responder: Option<Arc<dyn Responder>>,
    ) -> Option<u64> {
        self.with_questions(id, |questions| questions.ask(theirs, asked, token, responder))
    }

    /// The server's progress token of what it asks in this session, by ours.
    pub fn token_of_question(&self, id: &HeaderValue, ours: &RequestId) -> Option<RequestId> {
        self.with_questions(id, |questions| questions.token_of(ours))
    }

    /// Takes the question that the client answers by that id.
    pub fn answer(&self, id: &HeaderValue, ours: &RequestId) -> Option<Question> {
        self.with_questions(id, |questions| questions.answer(ours))
    }

    /// Puts a question back whose answer did not get through.
    pub fn restore(&self, id: &HeaderValue, ours: &RequestId, question: Question) {
        self.with_questions(id, |questions| {
            questions.restore(ours, question);
            Some(())
        });
    }

    /// Takes the question that the server no longer wants answered; our id for it.
    pub fn withdraw(&self, id: &HeaderValue, theirs: &RequestId) -> Option<u64> {
        self.with_questions(id, |questions| questions.withdraw(theirs))
    }

    /// A name for a stream of this session: of what its server pushes, or of the reply to a request.
    pub fn name_stream(&self, id: &HeaderValue, pushes: bool) -> Option<StreamName> {
        self.with(id, |entry| Some(entry.kept.name(pushes)))
    }

    /// Keeps a stream that has lost its connection; `taken` is cancelled once it is kept no longer.
    pub fn keep(&self, id: &HeaderValue, name: StreamName, stream: Box<Kept>, taken: CancellationToken) {
        let share = self.with(id, |entry| Some(Share::of(&entry.session.owner)));
        let mut kept = share.and_then(|share| self.room.enter(name, share, stream, taken));
        // What is too much, or too old, or of no session any more, is dropped only after the lock is given back: much hangs on it.
        let gone = self.with(id, |entry| kept.take().map(|kept| entry.kept.keep(kept)));
        gone.into_iter().flatten().chain(kept).for_each(kept::Waiting::close);
    }

    /// Drops a stream that nobody has come back for, unless it was taken, or has lost its connection again since.
    pub fn forget_kept(&self, id: &HeaderValue, name: StreamName, taken: &CancellationToken) {
        let dropped = self.with(id, |entry| if taken.is_cancelled() { None } else { entry.kept.forget(name) });
        dropped.into_iter().for_each(kept::Waiting::close);
    }

    /// Drops the streams of pushes that wait for the client: it asks for another one.
    pub fn forget_pushes(&self, id: &HeaderValue) {
        let dropped = self.with(id, |entry| Some(entry.kept.forget_pushes()));
        dropped.into_iter().flatten().for_each(kept::Waiting::close);
    }

    /// Whether a stream of that name goes on after that event.
    pub fn has_kept(&self, id: &HeaderValue, name: StreamName, after: u64) -> bool {
        self.with(id, |entry| entry.kept.goes_on(name, after).then_some(())).is_some()
    }

    /// Takes it.
    pub fn take_kept(&self, id: &HeaderValue, name: StreamName, after: u64) -> Option<Box<Kept>> {
        self.with(id, |entry| entry.kept.take(name, after))
    }

    fn with_questions<T>(&self, id: &HeaderValue, f: impl FnOnce(&mut questions::Questions) -> Option<T>) -> Option<T> {
        self.with(id, |entry| f(&mut entry.questions))
    }

    fn with<T>(&self, id: &HeaderValue, f: impl FnOnce(&mut Entry) -> Option<T>) -> Option<T> {
        f(self.table.lock().get_mut(id.to_str().ok()?)?)
    }

    /// Has the end of every session told to `farewell`, by the server's id for it. The first word holds.
    pub fn at_end(&self, farewell: impl Fn(&HeaderValue) + Send + Sync + 'static) {
        let _first = self.farewell.set(Box::new(farewell));
    }

    /// Forgets a session, and ends its streams.
    pub fn end(&self, id: &HeaderValue) {
        self.end_because(id, &Reason::SessionEnded);
    }

    /// The same, where its streams are to say why.
    pub fn end_because(&self, id: &HeaderValue, because: &Reason) {
        let gone = id.to_str().ok().and_then(|id| self.table.lock().remove(id));
        if let Some(entry) = &gone {
            entry.session.live.end(because);
        }
        self.say_farewell(gone);
    }

    /// After the lock is given back: much hangs on what is dropped here.
    fn say_farewell(&self, gone: impl IntoIterator<Item = Entry>) {
        for entry in gone {
            if let Some((farewell, id)) = self.farewell.get().zip(entry.session.upstream.as_ref()) {
                farewell(id);
            }
            entry.end();
        }
    }

    /// Forgets sessions that have been idle for too long; called now and then. One with an open stream is in use: its client listens.
    pub fn expire(&self) {
        let now = Instant::now();
        let idle = |entry: &mut Entry| {
            if entry.session.live.has_streams() {
                entry.session.used = now;
            }
            entry.session.is_idle(now)
        };
        let gone: Vec<Entry> = self.table.lock().extract_if(|_, entry| idle(entry)).map(|(_, entry)| entry).collect();
        self.say_farewell(gone);
    }

    /// The tasks of a caller at the resource of a route.
    pub fn tasks_of(&self, caller: &Principal, resource: &str) -> CallersTasks {
        CallersTasks::new(Arc::clone(&self.tasks), caller, resource)
    }

    /// Memory for what clients of HTTP+SSE have not taken yet.
    pub fn unsaid(&self) -> &Unsaid {
        &self.unsaid
    }

    /// Seals what servers have clients keep.
    pub fn states(&self) -> &States {
        &self.states
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Entry {
    /// Outside the lock: much may hang on it.
    fn end(self) {
        self.session.live.end(&Reason::SessionEnded);
        self.kept.close();
    }
}

impl Session {
    fn new(id: &HeaderValue, owner: &Principal, resource: &str, (version, answerable): (ProtocolVersion, Answerable)) -> Self {
        Self {
            upstream: None,
            version,
            answerable,
            lists: ListSet::default(),
            listed: Listed::default(),
            reference: reference(id),
            outlet: None,
            begun: false,
            greeting: None,
            live: Arc::default(),
            turn: None,
            owner: owner.clone(),
            resource: resource.to_owned(),
            used: Instant::now(),
        }
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.duration_since(self.used) > IDLE && !self.live.has_streams()
    }

    fn belongs_to(&self, caller: &Principal, resource: &str) -> bool {
        self.owner.is_same_caller(caller) && self.resource == resource
    }
}

/// What records call the session of that id: the first 64 bits of its SHA-256. Whoever holds the id finds the records; the records lead
/// nobody to the id, which is 256 random bits, so that no guess can be tested either.
pub fn reference(id: &HeaderValue) -> Arc<str> {
    let digest = digest(&SHA256, id.as_bytes());
    hex(digest.as_ref().get(..8).unwrap_or_default()).into()
}

#[cfg(test)]
mod tests;
