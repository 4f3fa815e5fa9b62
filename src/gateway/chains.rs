//! The chains in force, one for each listener, and how others take their place.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::audit::{Log, Tempo};
use crate::chain::{self, Chain, Vigil};
use crate::config::{self, Durability, Limits};
use crate::decide::Engine;
use crate::endpoint::BodyMemory;
use crate::layers::audit::Flood;
use crate::layers::authn::{Issuers, Settings};
use crate::layers::authz::{InForce, Rulebook};
use crate::layers::dlp::Rules;
use crate::layers::fair_share::FairShare;
use crate::layers::injection::Quarantine;
use crate::limits::Ledger;
use crate::policy::Policy;
use crate::scan::NotCompiled;
use crate::scan::injection::Scanner;
use crate::session::Sessions;
use crate::state::{ApiKeys, Approvals, Switches};
use crate::telemetry::Metrics;
use crate::upstream::{Admission, Upstream, Upstreams};
use crate::vault::Vault;

/// Records a second from which on a batch waits a millisecond in `response` mode: two in the millisecond.
const RESPONSE_GATHER: u32 = 2_000;

/// How long records may wait for company in the mode that `audit` declares.
pub(super) fn tempo(audit: &config::Audit) -> Tempo {
    let usual = Tempo::default();
    match audit.durability {
        Durability::Strict => usual,
        // Who chose one sync a call chose cost over the shortest answer: here a batch is worth its millisecond much earlier.
        Durability::Response => Tempo { gather: RESPONSE_GATHER, ..usual },
        Durability::Async => Tempo { linger: audit.loss_window, ..usual },
    }
}

/// What every chain is made of, and what outlives each of them.
#[derive(Debug)]
pub(super) struct Lasting {
    pub(super) log: Arc<Log>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) flood: Arc<Flood>,
    pub(super) issuers: Issuers,
    pub(super) api_keys: Option<Arc<ApiKeys>>,
    pub(super) callers: Settings,
    pub(super) vault: Arc<Vault>,
    pub(super) switches: Arc<Switches>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) quarantine: Arc<Quarantine>,
    pub(super) approvals: Arc<Approvals>,
    pub(super) memory: BodyMemory,
    pub(super) shares: FairShare,
    /// One set of counters for all listeners: a second port is not a second allowance.
    pub(super) ledger: Ledger,
    pub(super) admission: Admission,
    pub(super) vigil: Arc<Vigil>,
    pub(super) upstreams: Vec<Upstream>,
}

/// By what calls are judged, until another takes its place.
#[derive(Clone, Debug)]
struct Ruling {
    policy: Arc<Policy>,
    book: Arc<Rulebook>,
    dlp: Arc<Rules>,
    scanner: Arc<Scanner>,
    durability: Durability,
    tempo: Tempo,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Chains {
    lasting: Arc<Lasting>,
    in_force: Vec<(Limits, Arc<ArcSwap<Chain>>)>,
    ruling: Ruling,
    /// What judges streams that lie open.
    open: InForce,
}

/// Chains for all listeners by another configuration, not in force yet.
#[derive(Debug)]
pub(super) struct Successors {
    ruling: Ruling,
    chains: Vec<Arc<Chain>>,
}

impl Ruling {
    /// Compiles the policy: one engine for all listeners.
    fn of(config: &config::Config) -> Result<Self, NotCompiled> {
        let policy = Arc::clone(&config.policy);
        let book = Arc::new(Rulebook::new(Engine::new(&policy), &policy.hash, &config.servers));
        let dlp = Arc::new(Rules::among(policy.catalogue()?, policy.dlp.as_ref())?.excepting(&policy.exceptions));
        let scanner = Arc::new(Scanner::of(policy.rules_of_scan.as_deref())?);
        Ok(Self { policy, book, dlp, scanner, durability: config.audit.durability, tempo: tempo(&config.audit) })
    }
}

impl Chains {
    pub(super) fn new(lasting: Lasting, config: &config::Config) -> Result<Self, NotCompiled> {
        let ruling = Ruling::of(config)?;
        let open = InForce::new(Arc::clone(&ruling.book)).with_approvals(Arc::clone(&lasting.approvals));
        Ok(Self { lasting: Arc::new(lasting), in_force: Vec::new(), ruling, open })
    }

    /// The chain of one more listener: whoever serves from it serves from its successors too.
    pub(super) fn add(&mut self, limits: &Limits) -> Arc<ArcSwap<Chain>> {
        let chain = Arc::new(ArcSwap::from_pointee(build(&self.lasting, limits, &self.ruling, &self.open)));
        self.in_force.push((limits.clone(), Arc::clone(&chain)));
        chain
    }

    /// Makes what judges by `config` every call that begins from now on. It takes as long as policies are long, so it belongs off the workers.
    pub(super) fn successors(&self) -> impl FnOnce(&config::Config) -> Result<Successors, NotCompiled> + Send + use<> {
        let (lasting, open) = (Arc::clone(&self.lasting), self.open.clone());
        let listeners: Vec<Limits> = self.in_force.iter().map(|(limits, _)| limits.clone()).collect();
        move |config| {
            let ruling = Ruling::of(config)?;
            let chains = listeners.iter().map(|limits| Arc::new(build(&lasting, limits, &ruling, &open))).collect();
            Ok(Successors { ruling, chains })
        }
    }

    /// Puts them into force. A call that has begun ends as it began, unless it streams: what lies open is judged again, and ends if it is
    /// no longer allowed (`layers/authz`).
    pub(super) fn rule_by(&mut self, next: Successors) {
        let Successors { ruling, chains } = next;
        // First: a stream that begins by the new policy is never held against the old one.
        self.open.put(Arc::clone(&ruling.book));
        for ((_, place), chain) in self.in_force.iter().zip(chains) {
            place.store(chain);
        }
        self.lasting.log.set_tempo(ruling.tempo);
        let before = std::mem::replace(&mut self.ruling, ruling);
        // What scans a subscription's messages was chosen when it began, and it would never end: its client has to ask again.
        if !before.policy.scans_like(&self.ruling.policy) || self.ruling.book.reclassifies(&before.book) {
            self.lasting.upstreams.iter().for_each(Upstream::renew_subscriptions);
        }
    }
}

fn build(lasting: &Lasting, limits: &Limits, ruling: &Ruling, open: &InForce) -> Chain {
    Chain::build(chain::Parts {
        log: Arc::clone(&lasting.log),
        metrics: Arc::clone(&lasting.metrics),
        flood: Arc::clone(&lasting.flood),
        durability: ruling.durability,
        issuers: lasting.issuers.clone(),
        api_keys: lasting.api_keys.clone(),
        callers: lasting.callers.clone(),
        vault: Arc::clone(&lasting.vault),
        switches: Arc::clone(&lasting.switches),
        sessions: Arc::clone(&lasting.sessions),
        limits: limits.clone(),
        ledger: lasting.ledger.clone(),
        policy: Arc::clone(&ruling.policy),
        book: Arc::clone(&ruling.book),
        in_force: open.clone(),
        scanner: Arc::clone(&ruling.scanner),
        dlp: Arc::clone(&ruling.dlp),
        quarantine: Arc::clone(&lasting.quarantine),
        memory: lasting.memory.clone(),
        shares: lasting.shares.clone(),
        admission: lasting.admission.clone(),
        vigil: Arc::clone(&lasting.vigil),
        upstream: Upstreams::new(lasting.upstreams.iter().cloned()),
    })
}
