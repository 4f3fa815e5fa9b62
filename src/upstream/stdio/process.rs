//! One process, from its start to its end, and the pipes between it and us.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::supervise::{self, Start};
use crate::chain::{Reason, Rejection};
use crate::protocol::Message;
use crate::upstream::paired::{Paired, cancelled};
use crate::upstream::questions::{Questions, recorded};

/// Messages for a process that are not written yet; whoever has another one waits.
const UNWRITTEN: usize = 16;

/// A process, as its clients see it.
#[derive(Debug)]
pub(super) struct Process {
    /// Which run of the server it is; no two have the same.
    pub(super) run: u64,
    pub(super) paired: Arc<Paired>,
    outbox: mpsc::Sender<Bytes>,
    state: watch::Receiver<State>,
    /// Ends it.
    pub(super) stop: Stop,
    sessions: AtomicU64,
}

/// How a process is asked to end.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    /// As soon as nobody waits for it.
    pub(super) when_idle: CancellationToken,
    /// Now.
    pub(super) now: CancellationToken,
}

/// Where a process stands.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// It was started, and is to shake hands first if its revision does.
    Starting,
    /// It serves; a legacy one has said this in its handshake.
    Serving(Bytes),
    /// It has refused to shake hands, in these words, and is over.
    Refused(Bytes),
    /// It is over, or was never there.
    Over(Reason),
}

impl State {
    /// Why no call can begin.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Over(reason) => reason.clone(),
            Self::Refused(_) => Reason::UpstreamFailed("handshake"),
            Self::Serving(_) | Self::Starting => Reason::UpstreamFailed("not_sent"),
        }
    }
}

impl Process {
    /// Starts one, and has it looked after on the tasks of its server. Whoever looks at `state` sees what becomes of it.
    pub(super) fn start(start: Start, hello: Option<Message>) -> Arc<Self> {
        let (outbox, unwritten) = mpsc::channel(UNWRITTEN);
        let (news, state) = watch::channel(State::Starting);
        let (answers, cancels) = (outbox.clone(), outbox.clone());
        // What does not fit is not said: the server reads nothing in any case.
        let questions = Questions::new(move |answer| drop(answers.try_send(answer)));
        let abandon = move |wire| drop(cancels.try_send(cancelled(wire)));
        let unheard = recorded(&start.server.name, start.unheard.clone(), start.tasks.clone());
        let paired = Paired::new(start.audience, start.largest, questions, unheard, abandon);
        let now = start.stop.child_token();
        let stop = Stop { when_idle: now.child_token(), now };
        let process = Arc::new(Self { run: start.run, paired, outbox, state, stop, sessions: AtomicU64::new(0) });
        let tasks = start.tasks.clone();
        tasks.spawn(supervise::look_after(Arc::clone(&process), start, hello, unwritten, news));
        process
    }

    /// Whether no call can begin any more.
    pub(super) fn is_over(&self) -> bool {
        self.stop.when_idle.is_cancelled() || matches!(*self.state.borrow(), State::Over(_) | State::Refused(_))
    }

    /// What it has said in its handshake, once it has.
    pub(super) async fn serving(&self) -> Result<Bytes, Reason> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match settled.as_deref() {
            Ok(State::Serving(said) | State::Refused(said)) => Ok(said.clone()),
            Ok(other) => Err(other.reason()),
            Err(_) => Err(State::Starting.reason()),
        }
    }

    /// Hands a line over to be written; waits while too much is unwritten.
    pub(super) async fn write(&self, line: Bytes) -> Result<(), Rejection> {
        self.outbox.send(line).await.map_err(|_over| Reason::UpstreamFailed("not_sent").into())
    }

    /// The number of a new session.
    pub(super) fn new_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed)
    }
}
