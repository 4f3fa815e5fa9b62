//! Threads that check lines and signatures while the walk goes on in order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle, available_parallelism};

type Job = Box<dyn FnOnce() + Send>;

/// As many threads as the machine has cores; they end with the pool.
#[derive(Debug)]
pub(super) struct Pool {
    /// None when the pool ends.
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    /// Nobody waits for what is still to be done.
    ended: Arc<AtomicBool>,
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
        let ended = Arc::new(AtomicBool::new(false));
        let start = |_| {
            let (queue, ended) = (Arc::clone(&queue), Arc::clone(&ended));
            let work = move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match job {
                        Ok(job) if !ended.load(Ordering::Relaxed) => job(),
                        Ok(_) | Err(_) => return,
                    }
                }
            };
            Builder::new().name("audit-verify".to_owned()).spawn(work).ok()
        };
        let threads = (0..wanted).filter_map(start).collect();
        Self { jobs: Some(jobs), threads, ended }
    }

    /// How many jobs can be under way at once.
    pub(super) fn width(&self) -> usize {
        self.threads.len().max(1)
    }

    pub(super) fn submit<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Promise<T> {
        let (answer, promise) = sync_channel(1);
        let job: Job = Box::new(move || {
            let _ = answer.send(job());
        });
        match &self.jobs {
            Some(jobs) if !self.threads.is_empty() => {
                if let Err(unsent) = jobs.send(job) {
                    unsent.0();
                }
            }
            Some(_) | None => job(),
        }
        Promise(promise)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // One that died has told those who waited for it.
            let _ = thread.join();
        }
    }
}

impl<T> Promise<T> {
    /// Waits for it; `None` when the thread that was to give it died.
    pub(super) fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }
}
