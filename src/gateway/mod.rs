//! Puts the stations together, and takes them apart again without losing a record.

mod accounts;
mod binding;
mod certificates;
mod chains;
mod error;
mod following;
mod opening;
mod reload;
mod secrets;
mod start;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use error::StartError;
pub(crate) use opening::{aging, place};
use reload::Reloader;

use crate::admin::{NotReloaded, Operations, Reload as _, Reloaded};
use crate::audit::{Condition, Draft, Kind, Log};
use crate::health::Readiness;
use crate::layers::audit::Flood;
use crate::session::Sessions;
use crate::upstream::Upstream;

/// How long operators' own connections may take to end.
const SERVICES: Duration = Duration::from_secs(2);

/// How long calls that were broken off may take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// Where each listener listens, in the order of the configuration.
    pub addresses: Vec<SocketAddr>,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where health and metrics are served.
    pub health: SocketAddr,
    log: Arc<Log>,
    flood: Arc<Flood>,
    operations: Arc<Operations>,
    reloader: Arc<Reloader>,
    readiness: Arc<Readiness>,
    upstreams: Vec<Upstream>,
    sessions: Arc<Sessions>,
    /// Client and upstream connections.
    connections: TaskTracker,
    /// Listeners of operators, and housekeeping.
    services: TaskTracker,
    /// What follows the log to its end.
    followers: TaskTracker,
    /// Ends accepting, and idle client connections.
    stop_accepting: CancellationToken,
    /// Ends everything else.
    stop: CancellationToken,
    shutdown: crate::config::Shutdown,
}

impl Gateway {
    /// The log, for whoever cannot wait for [`Gateway::stop`]: closed, it takes no word of a call that is broken off, and the next
    /// start says that nobody knows how it ended.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Tasks that serve clients and hold connections to servers; what it counts when nothing happens is what is idle.
    pub fn open_tasks(&self) -> usize {
        self.connections.len()
    }

    /// What the admin API does, for commands in this process.
    pub fn operations(&self) -> &Arc<Operations> {
        &self.operations
    }

    /// Reads the configuration and the policies again, on behalf of `by`, and puts them into force: whole, or not at all.
    pub async fn reload(&self, by: &'static str) -> Result<Reloaded, NotReloaded> {
        self.reloader.reload(by).await
    }

    /// Ends when the audit log cannot be written any more. Then nothing can be served: the process has to end.
    pub async fn failed(&self) {
        // An error means that the log is gone, which is a failure too.
        let _ = self.log.condition().wait_for(|condition| *condition == Condition::Failed).await;
        self.readiness.serving.store(false, Ordering::Release);
        if let Some(cause) = self.log.failure() {
            tracing::error!(error = &*cause as &dyn std::error::Error, because = %cause.source, "the audit log has failed");
        }
    }

    /// Stops as SECURITY.md section 6 says: not ready at once, a while for balancers, calls in flight are finished, their outcomes
    /// and a `stop` record are durable. Subscriptions, which have no end to wait for, get their last message when the drain begins; what
    /// is left gets it when the drain is over. Returns whether the log was closed in order.
    pub async fn stop(self) -> bool {
        self.readiness.serving.store(false, Ordering::Release);
        tokio::time::sleep(self.shutdown.delay).await;
        self.stop_accepting.cancel();
        for upstream in &self.upstreams {
            upstream.close();
            upstream.end_subscriptions();
        }
        // What is under way in them is told first.
        self.sessions.close_streams();
        self.connections.close();
        if tokio::time::timeout(self.shutdown.drain, self.connections.wait()).await.is_err() {
            tracing::warn!(connections = self.connections.len(), "not everything ended within the drain time; it is broken off");
            for upstream in &self.upstreams {
                upstream.cut_off();
            }
            // What cannot be told to its caller in this time is `unknown` at the next start.
            let _ = tokio::time::timeout(LAST_WORDS, self.connections.wait()).await;
        }
        // Until here operators and balancers are answered; readiness has said no all the time.
        self.stop.cancel();
        self.services.close();
        let _ = tokio::time::timeout(SERVICES, self.services.wait()).await;
        // What was counted and not recorded yet; from here on nothing is counted.
        if let Err(error) = self.flood.close(&self.log).await {
            tracing::error!(error = &error as &dyn std::error::Error, "the last refusals could not be recorded");
        }
        self.operations.close().await;
        // Nothing stands behind it: what still ends after this moment is `unknown` at the next start, and its caller is told nothing.
        let stopped = self.log.append_last(Draft::new(Kind::Stop)).durable().await;
        if let Err(error) = &stopped {
            tracing::error!(error = error as &dyn std::error::Error, "the stop could not be recorded");
        }
        let log = Arc::clone(&self.log);
        // Closing waits for the disk, so not on a worker of the runtime.
        let _ = tokio::task::spawn_blocking(move || log.close()).await;
        // The last head is remembered outside too.
        self.followers.close();
        let _ = tokio::time::timeout(SERVICES, self.followers.wait()).await;
        stopped.is_ok()
    }
}
