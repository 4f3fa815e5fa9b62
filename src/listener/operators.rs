//! The listeners of operators (health, admin): the same accept loop and the same filter, and few connections.
//!
//! A probe or a command line needs one connection for a moment. What is refused here is no message, and leaves no record.
//!
//! A request that has been read is carried out to its end, though whoever sent it hangs up: what an operator orders is recorded before it is
//! done, and a record of what was not done would be a lie.
//!
//! Connections may be kept. Where they get scarce, each that comes closes the one that has been idle for the longest, so that
//! nobody can hold them all by doing nothing.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::{Request, Response};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::accept::accept;
use super::connections::Connections;
use super::conversation::hold;
use super::framing::FramingLimits;
use super::refusal::refusal_response;
use crate::places::Untaken;

/// Connections to one such listener; they are part of what [`descriptors`](super::descriptors) reserves.
pub const CONNECTIONS: usize = 32;

/// Open connections beyond which one that is idle has to go for each that comes. What is left is for those who come meanwhile.
const CROWDED: usize = CONNECTIONS - 8;

/// How long one that has to go may take to send what it has left, or to end a request it has begun to send.
const LEAVING: Duration = Duration::from_millis(500);

/// Kept by the kernel for each direction of a connection.
pub const BUFFER: usize = 64 * 1024;

/// Nobody who means well needs long.
fn limits() -> FramingLimits {
    FramingLimits {
        header_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(30),
        body_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        ..FramingLimits::default()
    }
}

/// Serves until `stop`, and until what is being answered then has been.
pub async fn serve<S, B>(socket: TcpListener, service: S, stop: CancellationToken)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let tasks = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = Arc::new(Connections::new(CONNECTIONS, CONNECTIONS, places));
    let guests = Guests::default();
    let serve_one = |stream, _peer, place| {
        let guest = Arc::new(Guest::new(stop.child_token()));
        guests.make_room_for(&guest);
        let watched = Watched { service: service.clone(), guest: Arc::clone(&guest), tasks: tasks.clone() };
        let (service, leave) = (watched, guest.leave.clone());
        let conversation =
            hold(stream, limits(), service, (leave, Untaken::default()), async |error| refusal_response(error, ""));
        tasks.spawn(async move {
            tokio::select! {
                _ended = conversation => {}
                () = guest.overstays() => {}
            }
            drop(place);
        });
    };
    accept(&socket, &connections, &stop, serve_one, || ()).await;
    drop(socket);
    tasks.close();
    tasks.wait().await;
}

/// Open connections, oldest first.
#[derive(Debug, Default)]
struct Guests(Mutex<Vec<Weak<Guest>>>);

/// A connection that may be asked to leave.
#[derive(Debug)]
struct Guest {
    /// Requests that are being answered.
    busy: AtomicUsize,
    idle_since: Mutex<Instant>,
    leave: CancellationToken,
}

impl Guests {
    fn make_room_for(&self, newcomer: &Arc<Guest>) {
        let mut all = self.0.lock();
        all.retain(|guest| guest.strong_count() > 0);
        if all.len() >= CROWDED {
            let idle = all.iter().filter_map(Weak::upgrade).filter(|guest| guest.is_idle());
            if let Some(oldest) = idle.min_by_key(|guest| *guest.idle_since.lock()) {
                oldest.leave.cancel();
            }
        }
        all.push(Arc::downgrade(newcomer));
    }
}

impl Guest {
    fn new(leave: CancellationToken) -> Self {
        Self { busy: AtomicUsize::new(0), idle_since: Mutex::new(Instant::now()), leave }
    }

    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0 && !self.leave.is_cancelled()
    }

    /// Ends when it was asked to leave and is still there. A request that is being answered is answered.
    async fn overstays(&self) {
        self.leave.cancelled().await;
        loop {
            tokio::time::sleep(LEAVING).await;
            if self.busy.load(Ordering::Relaxed) == 0 && self.idle_since.lock().elapsed() >= LEAVING {
                return;
            }
        }
    }
}

/// A service that knows when it is at work, and ends what it has begun.
#[derive(Clone, Debug)]
struct Watched<S> {
    service: S,
    guest: Arc<Guest>,
    tasks: TaskTracker,
}

/// A request that is being answered.
struct Busy(Arc<Guest>);

impl Busy {
    fn with(guest: &Arc<Guest>) -> Self {
        guest.busy.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(guest))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.idle_since.lock() = Instant::now();
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S, B> Service<Request<Incoming>> for Watched<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (busy, answer) = (Busy::with(&self.guest), self.tasks.spawn(self.service.call(request)));
        Box::pin(async move {
            let answer = match answer.await {
                Ok(answer) => answer,
                Err(broken) => match broken.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The process ends.
                    Err(_cancelled) => pending().await,
                },
            };
            drop(busy);
            answer
        })
    }
}
