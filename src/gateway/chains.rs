//! The chains in force, one for each listener, and how others take their place.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::audit::{Log, Tempo};
use crate::chain::{self, Chain, Vigil};
use crate::config::{self, Durability, Limits};
use crate::endpoint::BodyMemory;
use crate::layers::audit::Flood;
use crate::layers::authn::{Issuers, Settings};
use crate::layers::fair_share::FairShare;
use crate::layers::injection::{Quarantine, Scanner};
use crate::limits::Ledger;
use crate::policy::Policy;
use crate::session::Sessions;
use crate::state::{ApiKeys, Switches};
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
    pub(super) scanner: Arc<Scanner>,
    pub(super) quarantine: Arc<Quarantine>,
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
pub(super) struct Ruling {
    policy: Arc<Policy>,
    durability: Durability,
    tempo: Tempo,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Chains {
    lasting: Lasting,
    in_force: Vec<(Limits, Arc<ArcSwap<Chain>>)>,
    ruling: Ruling,
}

impl Chains {
    pub(super) fn new(lasting: Lasting, config: &config::Config) -> Self {
        let ruling =
            Ruling { policy: Arc::clone(&config.policy), durability: config.audit.durability, tempo: tempo(&config.audit) };
        Self { lasting, in_force: Vec::new(), ruling }
    }

    /// The chain of one more listener: whoever serves from it serves from its successors too.
    pub(super) fn add(&mut self, limits: &Limits) -> Arc<ArcSwap<Chain>> {
        let chain = Arc::new(ArcSwap::from_pointee(self.build(limits, &self.ruling)));
        self.in_force.push((limits.clone(), Arc::clone(&chain)));
        chain
    }

    /// Judges every call that begins from now on by `config`. What has begun ends as it began, except subscriptions, which would never
    /// end: under another policy their clients have to ask again.
    pub(super) fn rule_by(&mut self, config: &config::Config) {
        let ruling =
            Ruling { policy: Arc::clone(&config.policy), durability: config.audit.durability, tempo: tempo(&config.audit) };
        // All are built before the first is in force.
        let chains: Vec<_> = self.in_force.iter().map(|(limits, _)| Arc::new(self.build(limits, &ruling))).collect();
        for ((_, place), chain) in self.in_force.iter().zip(chains) {
            place.store(chain);
        }
        self.lasting.log.set_tempo(ruling.tempo);
        if ruling.policy.hash != self.ruling.policy.hash {
            self.lasting.upstreams.iter().for_each(Upstream::renew_subscriptions);
        }
        self.ruling = ruling;
    }

    fn build(&self, limits: &Limits, ruling: &Ruling) -> Chain {
        let lasting = &self.lasting;
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
            scanner: Arc::clone(&lasting.scanner),
            quarantine: Arc::clone(&lasting.quarantine),
            memory: lasting.memory.clone(),
            shares: lasting.shares.clone(),
            admission: lasting.admission.clone(),
            vigil: Arc::clone(&lasting.vigil),
            upstream: Upstreams::new(lasting.upstreams.iter().cloned()),
        })
    }
}
