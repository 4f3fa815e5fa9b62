//! Looks after one process: starts it, shakes hands, notices when it fails or is not needed any more, and ends it with all it has started.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::FusedFuture as _;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::process::{Process, State};
use super::spawner::Spawner;
use super::stderr::Filter;
use super::{handshake, pipes};
use crate::chain::Reason;
use crate::config::{Per, Server, Stdio};
use crate::layers::audit::Unheard;
use crate::master_key::{hex, random_bytes};
use crate::protocol::{Access, Message, Method, Shape, Target};
use crate::telemetry::{Level, Metrics};
use crate::upstream::paired::Audience;

/// How long a process has to end by itself once its input is closed.
const CLOSED: Duration = Duration::from_millis(500);

/// How long one has that must end now.
const HURRY: Duration = Duration::from_secs(1);

/// How long what it has left in its pipes is read.
const LEFT: Duration = Duration::from_secs(1);

/// What it takes to start a process.
pub(super) struct Start {
    pub(super) run: u64,
    pub(super) audience: Audience,
    pub(super) server: Arc<Server>,
    pub(super) stdio: Arc<Stdio>,
    /// Largest message.
    pub(super) largest: usize,
    pub(super) spawner: Arc<Spawner>,
    /// Ends it now.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) metrics: Arc<Metrics>,
    /// Where questions stand that nobody hears.
    pub(super) unheard: Unheard,
    /// Told at the end whether it has failed, and how long it had served.
    pub(super) ended: Box<dyn FnOnce(bool, Duration) + Send + Sync>,
}

/// Why a process ends.
#[derive(Debug)]
enum End {
    /// It is of no use any more, or has ended by itself.
    Failed(&'static str),
    /// The gateway ends, and does not wait.
    Now,
    /// It has refused to shake hands, in these words.
    Refused(Bytes),
    /// Nobody needs it.
    Unneeded,
}

/// From the start to the end.
pub(super) async fn look_after(
    process: Arc<Process>,
    start: Start,
    hello: Option<Message>,
    unwritten: mpsc::Receiver<Bytes>,
    news: watch::Sender<State>,
) {
    let (server, run) = (start.server.name.as_str(), start.run);
    let token = random_bytes::<16>().map(|bytes| hex(&bytes));
    let began = Instant::now();
    let end = match token {
        None => End::Failed("start"),
        Some(token) => match start.spawner.start(&token).await {
            Ok(child) => serve(&process, &start, child, &token, hello, unwritten, &news).await,
            Err(error) => {
                tracing::error!(server, error = &error as &dyn std::error::Error, "the process of a server cannot be started");
                End::Failed("start")
            }
        },
    };
    let (last, failed) = match end {
        End::Unneeded => (State::Over(Reason::SessionNotFound), None),
        End::Now => (State::Over(Reason::Stopping), None),
        End::Failed(word) => (State::Over(Reason::UpstreamFailed(word)), Some(word)),
        End::Refused(said) => (State::Refused(said), Some("handshake")),
    };
    if let Some(reason) = failed {
        tracing::warn!(server, run, reason, "the process of a server is over");
    }
    start.metrics.process_ended(server, failed.unwrap_or("stopped"));
    // Before anybody hears of it: whoever asks again at once must find that it is to be left alone.
    (start.ended)(failed.is_some(), began.elapsed());
    process.stop.when_idle.cancel();
    process.paired.end(&last.reason());
    news.send_replace(last);
}

/// Serves until there is a reason not to, and ends the process.
async fn serve(
    process: &Process,
    start: &Start,
    mut child: Child,
    token: &str,
    hello: Option<Message>,
    unwritten: mpsc::Receiver<Bytes>,
    news: &watch::Sender<State>,
) -> End {
    let server = start.server.name.as_str();
    let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take()) else {
        return End::Failed("start");
    };
    let group = child.id();
    let _running = Running::one_of(start);
    let not_launched = Mutex::new(None);
    let told = |word| start.metrics.process_fault(server, word);
    let failed = |word| *not_launched.lock() = Some(word);
    let filter = Filter::hiding(&start.stdio.environment, Instant::now());
    let mut reading = Box::pin(pipes::read(stdout, &process.paired, start.largest, told).fuse());
    let mut logging = Box::pin(pipes::log(stderr, (server, group.unwrap_or_default()), token, filter, failed).fuse());
    let mut writing = Box::pin(pipes::write(stdin, unwritten));
    let mut shaking = Box::pin(shake(process, start, hello).fuse());
    let end = loop {
        tokio::select! {
            biased;
            () = process.stop.now.cancelled() => break End::Now,
            _status = child.wait() => break End::Failed("process_ended"),
            word = &mut reading => break End::Failed(word),
            word = &mut writing => break End::Failed(word),
            () = &mut logging => {}
            shaken = &mut shaking => match shaken {
                Ok(Shaken::Served(said)) => drop(news.send_replace(State::Serving(said))),
                Ok(Shaken::Refused(said)) => break End::Refused(said),
                Err(word) => break End::Failed(word),
            },
            () = unneeded(process, start), if shaking.is_terminated() => break End::Unneeded,
        }
    };
    drop(writing);
    let mut rest = Box::pin(
        async move {
            // What it says to its last moment is still read: answers, and why it was not launched.
            let messages = async { if reading.is_terminated() { "" } else { reading.await } };
            let lines = async {
                if !logging.is_terminated() {
                    logging.await;
                }
            };
            tokio::join!(messages, lines)
        }
        .fuse(),
    );
    tokio::select! {
        () = end_group(&mut child, group, start, matches!(end, End::Now)) => {}
        () = async { (&mut rest).await; std::future::pending::<()>().await } => {}
    }
    if !rest.is_terminated() {
        let _ = timeout(LEFT, &mut rest).await;
    }
    drop(rest);
    match (end, not_launched.into_inner()) {
        (End::Failed("process_ended"), Some(word)) => End::Failed(word),
        (end, _) => end,
    }
}

/// Ends a process with all that it has started. No more input, then a signal, then force: MCP 2025-11-25, "Shutdown".
async fn end_group(child: &mut Child, group: Option<u32>, start: &Start, hurry: bool) {
    let patience = if hurry { HURRY.min(start.stdio.stop_timeout) } else { start.stdio.stop_timeout };
    for (signal, patience) in [(None, CLOSED), (Some(Signal::TERM), patience), (Some(Signal::KILL), LEFT)] {
        signal.inspect(|signal| send(group, *signal));
        if timeout(patience, child.wait()).await.is_ok() {
            break;
        }
    }
    // Whatever it has left behind.
    send(group, Signal::KILL);
}

/// To a process and whatever it has started that has not left its group.
fn send(group: Option<u32>, signal: Signal) {
    let group = group.and_then(|group| i32::try_from(group).ok()).and_then(Pid::from_raw);
    // That there is none left is what is wanted.
    group.map(|group| kill_process_group(group, signal));
}

/// What came of a handshake.
enum Shaken {
    /// It serves, and has said this; nothing where the revision has no handshake.
    Served(Bytes),
    /// It has said no.
    Refused(Bytes),
}

async fn shake(process: &Process, start: &Start, hello: Option<Message>) -> Result<Shaken, &'static str> {
    let Some(mut hello) = hello else { return Ok(Shaken::Served(Bytes::new())) };
    let access = Access { method: Method::Initialize, target: Target::None, shape: Shape::Request, answers: false, task: false };
    let (line, mut call) = process.paired.open(&mut hello, &access, None).map_err(|_over| "handshake")?;
    let exchange = async {
        process.write(line).await.ok()?;
        loop {
            let message = call.response_or_more().await.ok()?;
            if message.is_final() {
                return Some(message.message);
            }
        }
    };
    let answer = timeout(start.server.timeout, exchange).await.ok().flatten().ok_or("handshake")?;
    if answer.result().is_none() {
        return Ok(Shaken::Refused(answer.encode()));
    }
    process.write(Bytes::from_static(handshake::INITIALIZED)).await.map_err(|_over| "handshake")?;
    Ok(Shaken::Served(handshake::offered(*answer, start.audience)))
}

/// Waits until nobody needs the process.
async fn unneeded(process: &Process, start: &Start) {
    let idle = async {
        match start.stdio.per {
            Per::Principal | Per::Tenant => process.paired.idle_for(start.stdio.idle_timeout).await,
            // It is everybody's, and stays.
            Per::Server => std::future::pending().await,
        }
    };
    let asked = async {
        process.stop.when_idle.cancelled().await;
        process.paired.drained().await;
    };
    tokio::select! {
        () = idle => {}
        () = asked => {}
    }
}

/// Counts a process while it lives.
struct Running(Level);

impl Running {
    fn one_of(start: &Start) -> Self {
        let level = start.metrics.upstream_connections(&start.server.name);
        level.inc();
        Self(level)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
