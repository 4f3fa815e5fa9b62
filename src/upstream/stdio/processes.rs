//! Which processes of a server there are: one for each revision that clients speak, and where the configuration says so for each caller.
//!
//! A process is started for the first call that needs it. One that fails is started again for the next, but not at once: the time doubles
//! with each failure.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::handshake;
use super::process::Process;
use super::spawner::Spawner;
use super::supervise::Start;
use crate::chain::Reason;
use crate::config::{Per, Server, Stdio};
use crate::layers::authn::Principal;
use crate::protocol::{Message, ProtocolVersion};
use crate::upstream::paired::Audience;
use crate::upstream::transport::Shared;

/// How long a process is not started again after its first failure, and at most.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A process that has served for so long is no worse than a new one.
const PROVEN: Duration = Duration::from_secs(10);

/// Whose process it is, and which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    owner: Option<[Option<Box<str>>; 4]>,
    pub(super) version: ProtocolVersion,
}

/// Those of one server.
#[derive(Debug)]
pub(super) struct Processes {
    server: Arc<Server>,
    stdio: Arc<Stdio>,
    spawner: Arc<Spawner>,
    shared: Shared,
    /// Ends all of them now.
    stop: CancellationToken,
    runs: AtomicU64,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    of: HashMap<Key, Slot>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Slot {
    process: Option<Arc<Process>>,
    /// Failures in a row, and until when it is left alone for them.
    failures: u32,
    until: Option<Instant>,
}

impl Processes {
    /// None yet; `stop` ends them.
    pub(super) fn new(
        server: Arc<Server>,
        stdio: Arc<Stdio>,
        spawner: Spawner,
        shared: Shared,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let (runs, slots) = (AtomicU64::new(0), Mutex::default());
        Arc::new(Self { server, stdio, spawner: Arc::new(spawner), shared, stop, runs, slots })
    }

    /// Who hears what names no call.
    pub(super) fn audience(&self) -> Audience {
        match self.stdio.per {
            Per::Principal => Audience::One,
            Per::Server | Per::Tenant => Audience::Many,
        }
    }

    /// Whose process a call of that caller and revision goes to.
    pub(super) fn key(&self, principal: &Principal, version: ProtocolVersion) -> Key {
        let owner = match self.stdio.per {
            Per::Principal => Some(principal.identity().map(|part| part.map(Into::into))),
            Per::Tenant => Some(shared_by(principal).map(|part| part.map(Into::into))),
            Per::Server => None,
        };
        Key { owner, version }
    }

    /// The process of that run, if it still serves.
    pub(super) fn find(&self, key: &Key, run: u64) -> Option<Arc<Process>> {
        let slots = self.slots.lock();
        let process = slots.of.get(key)?.process.as_ref().filter(|process| process.run == run && !process.is_over())?;
        Some(Arc::clone(process))
    }

    /// The process, started if there is none; a legacy one shakes hands as `client` does.
    pub(super) fn get(self: &Arc<Self>, key: &Key, client: Option<&Message>) -> Result<Arc<Process>, Reason> {
        let mut slots = self.slots.lock();
        if slots.closed {
            return Err(Reason::Stopping);
        }
        if let Some(slot) = slots.of.get(key) {
            if let Some(process) = slot.process.as_ref().filter(|process| !process.is_over()) {
                return Ok(Arc::clone(process));
            }
            if slot.until.is_some_and(|until| Instant::now() < until) {
                return Err(Reason::UpstreamFailed("restarting"));
            }
        }
        if key.owner.is_some() {
            slots.make_room(self.stdio.processes)?;
        }
        let hello = match client {
            Some(client) => Some(handshake::hello(self.audience(), key.version, client).ok_or(Reason::Internal("handshake"))?),
            None => None,
        };
        let process = Process::start(self.start_of(key), hello);
        slots.of.entry(key.clone()).or_default().process = Some(Arc::clone(&process));
        Ok(process)
    }

    /// Forgets what is over.
    pub(super) fn expire(&self) {
        self.slots.lock().forget();
    }

    /// Starts no others, and ends each as soon as nobody waits for it.
    pub(super) fn close(&self) {
        let mut slots = self.slots.lock();
        slots.closed = true;
        slots.of.values().filter_map(|slot| slot.process.as_ref()).for_each(|process| process.stop.when_idle.cancel());
    }

    fn start_of(self: &Arc<Self>, key: &Key) -> Start {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let (processes, ended_key) = (Arc::downgrade(self), key.clone());
        let ended = move |failed, served| {
            if let Some(processes) = processes.upgrade() {
                processes.slots.lock().ended(&ended_key, run, failed, served);
            }
        };
        Start {
            run,
            audience: self.audience(),
            server: Arc::clone(&self.server),
            stdio: Arc::clone(&self.stdio),
            largest: self.shared.largest_message_of(&self.server),
            spawner: Arc::clone(&self.spawner),
            stop: self.stop.clone(),
            tasks: self.shared.tasks.clone(),
            metrics: Arc::clone(&self.shared.metrics),
            unheard: self.shared.unheard.clone(),
            ended: Box::new(ended),
        }
    }
}

impl Slots {
    /// Room for one more of a caller: where there is none, the one that has been idle for the longest ends.
    fn make_room(&mut self, most: usize) -> Result<(), Reason> {
        self.forget();
        let running = |slot: &&Slot| slot.process.as_ref().is_some_and(|process| !process.is_over());
        if self.of.values().filter(running).count() < most {
            return Ok(());
        }
        let processes = self.of.values().filter_map(|slot| slot.process.as_ref()).filter(|process| !process.is_over());
        let idle = processes.filter_map(|process| Some((process.paired.idle_since()?, process)));
        let (_, longest) = idle.min_by_key(|(since, _)| *since).ok_or(Reason::Overloaded)?;
        longest.stop.when_idle.cancel();
        Ok(())
    }

    fn forget(&mut self) {
        let now = Instant::now();
        self.of.retain(|_, slot| {
            slot.process.as_ref().is_some_and(|process| !process.is_over())
                || slot.until.is_some_and(|until| now < until + PROVEN)
        });
    }

    fn ended(&mut self, key: &Key, run: u64, failed: bool, served: Duration) {
        let Some(slot) = self.of.get_mut(key).filter(|slot| slot.process.as_ref().is_some_and(|process| process.run == run))
        else {
            return;
        };
        slot.process = None;
        if !failed {
            (slot.failures, slot.until) = (0, None);
            return;
        }
        slot.failures = if served >= PROVEN { 1 } else { slot.failures.saturating_add(1) };
        let pause = PAUSE.saturating_mul(1 << (slot.failures - 1).min(16)).min(LONGEST_PAUSE);
        slot.until = Some(Instant::now() + pause);
    }
}

/// Whoever shares a process with them: their tenant, as their issuer names it.
///
/// SECURITY: who has no tenant is not of the tenant of all who have none.
fn shared_by(principal: &Principal) -> [Option<&str>; 4] {
    match principal.tenant() {
        Some(tenant) => [Some(principal.issuer()), None, None, Some(tenant)],
        None => principal.identity(),
    }
}
