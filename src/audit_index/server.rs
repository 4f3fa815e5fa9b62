//! The thread of a running gateway that keeps the index and answers from it.
//!
//! Its own thread, since SQLite and reading segments block; of low priority, so that it takes what calls leave; its searches come one
//! after the other, so that operators together cannot take more than that either.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::query::{Count, Page, Query};
use super::store::{Index, IndexError};
use crate::audit::{Condition, durable};

/// How often it looks whether there is more, and how long it leaves an index alone that has failed.
const IDLE: Duration = Duration::from_secs(1);
const REST: Duration = Duration::from_secs(30);

/// How long a search waits for the index to reach what the log had when it was asked.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Searches that wait for their turn.
const WAITING: usize = 8;

/// What the thread is told to find.
struct Request {
    query: Query,
    count: bool,
    answer: oneshot::Sender<Result<Answer, IndexError>>,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The records.
    pub page: Page,
    /// How many there are in all, if that was asked.
    pub count: Option<Count>,
}

/// Handle on the thread.
#[derive(Debug)]
pub struct Indexer {
    requests: mpsc::Sender<Request>,
}

/// The thread's own side.
struct Worker {
    log: PathBuf,
    condition: watch::Receiver<Condition>,
    index: Option<Index>,
    /// Lines taken in, as far as this process knows.
    position: u64,
    rests_until: Option<Instant>,
}

impl Indexer {
    /// Starts it on the log in that directory. It ends with `stop`, or with the handle.
    pub fn start(
        log: &Path,
        condition: watch::Receiver<Condition>,
        stop: CancellationToken,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        // A runtime of its own: sqlx waits for its connections in one, and the gateway's has calls to serve.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (requests, received) = mpsc::channel(WAITING);
        let worker = Worker { log: log.to_owned(), condition, index: None, position: 0, rests_until: None };
        let thread = Builder::new().name("audit-index".to_owned()).spawn(move || {
            // Of the thread alone, and of those of SQLite that it starts, on Linux; elsewhere it would be the process.
            #[cfg(target_os = "linux")]
            let _ = rustix::process::nice(19);
            runtime.block_on(worker.run(received, stop));
        })?;
        Ok((Self { requests }, thread))
    }

    /// The page that `query` selects, with all that was durable when it was asked, unless that takes longer than two seconds:
    /// [`Page::indexed`] and [`Page::log`] tell.
    pub async fn search(&self, query: Query, count: bool) -> Result<Answer, IndexError> {
        let (answer, answered) = oneshot::channel();
        let gone = |_| IndexError::Stopped;
        self.requests.send(Request { query, count, answer }).await.map_err(|_closed| IndexError::Stopped)?;
        answered.await.map_err(gone)?
    }
}

impl Worker {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, stop: CancellationToken) {
        loop {
            let wait = if self.look().await { Duration::ZERO } else { IDLE };
            let request = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                request = requests.recv() => match request {
                    Some(request) => request,
                    None => break,
                },
                () = sleep(wait) => continue,
            };
            let answer = tokio::select! {
                biased;
                () = stop.cancelled() => Err(IndexError::Stopped),
                answer = self.answer(&request.query, request.count) => answer,
            };
            if let Err(error) = &answer
                && !matches!(error, IndexError::Slow | IndexError::Stopped)
            {
                self.drop_index(error).await;
            }
            // Whoever has asked may be gone.
            let _ = request.answer.send(answer);
        }
        if let Some(index) = self.index.take() {
            index.close().await;
        }
    }

    /// Takes in a batch, if there is one and nothing speaks against it. Returns whether there is more.
    async fn look(&mut self) -> bool {
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        match self.take_in(false).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the search index of the audit log failed; calls go on");
                self.drop_index(&error).await;
                self.rests_until = Some(Instant::now() + REST);
                false
            }
        }
    }

    /// Whether there is more. Who is `asked` looks for lines that are under no head yet.
    async fn take_in(&mut self, asked: bool) -> Result<bool, IndexError> {
        // What is left of a full volume is for the outcomes of calls.
        if *self.condition.borrow() != Condition::Writing {
            return Ok(false);
        }
        let known = self.index.as_ref().is_some_and(Index::is_current);
        if known && !asked && durable(&self.log).is_some_and(|durable| durable <= self.position) {
            return Ok(false);
        }
        if !known {
            self.index = None;
        }
        let index = match &mut self.index {
            Some(index) => index,
            none => none.insert(Index::open(&self.log, None).await?),
        };
        let taken = index.take_in().await?;
        self.position = taken.position;
        Ok(taken.more)
    }

    async fn answer(&mut self, query: &Query, count: bool) -> Result<Answer, IndexError> {
        let deadline = Instant::now() + CATCH_UP;
        // Somebody asks: now is when to try again.
        self.rests_until = None;
        while self.take_in(true).await? && Instant::now() < deadline {}
        let index = match &mut self.index {
            Some(index) => index,
            none => none.insert(Index::open(&self.log, None).await?),
        };
        let page = index.search(query).await?;
        let count = if count { Some(index.count(query).await?) } else { None };
        Ok(Answer { page, count })
    }

    /// Leaves an index that has failed; a broken one is not opened again.
    async fn drop_index(&mut self, error: &IndexError) {
        let Some(index) = self.index.take() else { return };
        if error.is_broken()
            && let Err(error) = index.discard().await
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "a broken search index cannot be removed");
        }
    }
}
