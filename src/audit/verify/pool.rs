//! Threads that check lines and signatures while the walk goes on in order.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, available_parallelism};

type Job = Box<dyn FnOnce() + Send>;

/// As many threads as the machine has cores; they end with the pool.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: SyncSender<Job>,
    threads: usize,
}

/// What a job will give. A thread that died gives nothing.
#[derive(Debug)]
pub(super) struct Promise<T>(Receiver<T>);

impl Pool {
    /// Where no thread can be started, jobs are done by whoever submits them.
    pub(super) fn new() -> Self {
        let wanted = available_parallelism().map_or(1, usize::from);
        let (jobs, queue) = sync_channel::<Job>(2 * wanted);
        let queue = Arc::new(Mutex::new(queue));
        let mut threads = 0;
        for _ in 0..wanted {
            let queue = Arc::clone(&queue);
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    job();
                }
            };
            threads += usize::from(Builder::new().name("audit-verify".to_owned()).spawn(work).is_ok());
        }
        Self { jobs, threads }
    }

    /// How many jobs can be under way at once.
    pub(super) fn width(&self) -> usize {
        self.threads.max(1)
    }

    pub(super) fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Promise<T> {
        let (answer, promise) = sync_channel(1);
        let job: Job = Box::new(move || {
            let _ = answer.send(job());
        });
        if self.threads == 0 {
            job();
        } else if let Err(unsent) = self.jobs.send(job) {
            unsent.0();
        }
        Promise(promise)
    }
}

impl<T> Promise<T> {
    /// Waits for it; `None` when the thread that was to give it died.
    pub(super) fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }
}
