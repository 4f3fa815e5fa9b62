//! Another policy, or another durability mode, without a restart.
//!
//! The whole configuration is read and checked as at a start. What cannot change while the gateway serves must say the same as before;
//! a reload takes effect whole or not at all. It is in the log before it takes effect, and so is one that was refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, watch};

use super::certificates::Certificates;
use super::chains::{Chains, Successors};
use super::secrets::Secrets;
use crate::admin::{NotReloaded, Reload, Reloaded};
use crate::alerts::AlertRules;
use crate::audit::{Draft, Kind, Log};
use crate::config::{self, Config, Durability, Loaded, OnDisk, Outline};
use crate::health::Readiness;
use crate::telemetry::{Metrics, Reload as Outcome};

/// Where a configuration may say something else than the one in force. Policies are read from the folder that `policies` names.
const MAY_CHANGE: [&str; 4] = ["accept_risks", "audit.durability", "audit.loss_window", "policies"];

/// The same below a server: what decisions and records know of it, and no connection depends on.
const OF_SERVER: [&str; 4] = ["capture", "classification", "owner", "purpose"];

/// And below one of its tools.
const OF_TOOL: [&str; 2] = ["capture", "operation"];

/// How often files are loaded that change while that is done.
const LOADS: usize = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Reloader {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    secrets: Secrets,
    certificates: Arc<Certificates>,
    /// Told the rules of alerts that come into force.
    alerts: watch::Sender<AlertRules>,
    /// The file that is read again; `None` for a configuration that was in none.
    file: Option<PathBuf>,
    /// What stood in the files when they were read last, whatever came of it; `None` if the same may fare better another time.
    tried: parking_lot::Mutex<Option<Said>>,
    /// Held for a whole reload: they come one after the other.
    in_force: Mutex<InForce>,
}

/// What files say, by hashes of the configuration and of the policy; as in [`OnDisk`].
type Said = (Option<String>, Option<String>);

#[derive(Debug)]
struct InForce {
    chains: Chains,
    outline: Outline,
    configuration: String,
    policy: String,
    durability: Durability,
}

impl Reloader {
    pub(super) fn new(
        chains: Chains,
        config: &Config,
        secrets: &Secrets,
        certificates: Arc<Certificates>,
        (log, metrics, readiness): (&Arc<Log>, &Arc<Metrics>, &Arc<Readiness>),
    ) -> Arc<Self> {
        let in_force = InForce {
            chains,
            outline: config.outline.clone(),
            configuration: config.hash.clone(),
            policy: config.policy.hash.clone(),
            durability: config.audit.durability,
        };
        Arc::new(Self {
            log: Arc::clone(log),
            metrics: Arc::clone(metrics),
            readiness: Arc::clone(readiness),
            secrets: secrets.clone(),
            certificates,
            alerts: watch::Sender::new(config.policy.alerts.clone().into()),
            file: config.file.clone(),
            tried: parking_lot::Mutex::new(Some(said_by(config))),
            in_force: Mutex::new(in_force),
        })
    }

    /// The rules of alerts in force, and those that follow.
    pub(super) fn alert_rules(&self) -> watch::Receiver<AlertRules> {
        self.alerts.subscribe()
    }

    async fn try_reload(&self, by: &'static str) -> Result<Reloaded, NotReloaded> {
        let mut in_force = self.in_force.lock().await;
        // Whatever becomes of the rest: whoever has put new secrets somewhere has said so by this.
        self.secrets.look().await;
        let config = self.read().await?;
        let fixed: Vec<_> = in_force.outline.differences(&config.outline);
        let fixed: Vec<String> = fixed.into_iter().filter(|name| !may_change(name)).map(str::to_owned).collect();
        if !fixed.is_empty() {
            return Err(NotReloaded::NeedsRestart(fixed));
        }
        let config = Arc::new(config);
        let policy_changes = config.policy.hash != in_force.policy;
        let says_else = policy_changes || config.hash != in_force.configuration;
        let compiled = if says_else { Some(compile(&in_force.chains, &config).await) } else { None };
        let next = compiled.transpose().inspect_err(|_panicked| self.forget_tried())?;
        let policy = policy_changes.then(|| self.log.append(policy_change(&in_force, &config, by)));
        let declared = self.log.append(config_change(&in_force, &config, by));
        // Both are durable before either takes effect; the second is not there without the first.
        if let Some(policy) = policy {
            policy.durable().await.inspect_err(|_error| self.forget_tried())?;
        }
        declared.durable().await.inspect_err(|_error| self.forget_tried())?;
        if let Some(next) = next {
            in_force.chains.rule_by(next);
            self.alerts.send_replace(config.policy.alerts.clone().into());
        }
        self.readiness.set_mode(config.audit.durability.as_str());
        // Their files were found good with the rest; what has changed since is told by itself.
        let renewed = self.certificates.renew(by).await;
        let changed = renewed || says_else;
        in_force.outline = config.outline.clone();
        in_force.configuration.clone_from(&config.hash);
        in_force.policy.clone_from(&config.policy.hash);
        in_force.durability = config.audit.durability;
        Ok(Reloaded {
            configuration: config.hash.clone(),
            policy: config.policy.hash.clone(),
            mode: config.audit.durability.as_str(),
            changed,
        })
    }

    /// The file that is read again.
    pub(super) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether what stands in the files now has been read before: whoever looks at them has nothing to do.
    pub(super) fn has_tried(&self, found: &OnDisk) -> bool {
        let tried = self.tried.lock();
        tried.as_ref().is_some_and(|(configuration, policy)| *configuration == found.configuration && *policy == found.policy)
    }

    /// Whether the last reload was refused for a reason that may pass without a change of the files.
    pub(super) fn may_fare_better(&self) -> bool {
        self.tried.lock().is_none()
    }

    /// What was refused just now says nothing against the files.
    fn forget_tried(&self) {
        *self.tried.lock() = None;
    }

    /// Off the workers: files are read and checked.
    async fn read(&self) -> Result<Config, NotReloaded> {
        let Some(file) = self.file.clone() else { return Err(NotReloaded::NoFile) };
        let read = tokio::task::spawn_blocking(move || load_whole(&file)).await;
        let (said, loaded) = read.map_err(|panicked| {
            self.forget_tried();
            NotReloaded::Invalid(format!("it could not be read: {panicked}"))
        })?;
        *self.tried.lock() = said;
        let loaded = loaded?;
        if !loaded.warnings.is_empty() {
            tracing::warn!("{}", loaded.warnings);
        }
        Ok(loaded.config)
    }

    /// Counts and tells how it went, and records a refusal: whoever tried to change the rules is as much of interest as who did.
    async fn told(&self, by: &'static str) -> Result<Reloaded, NotReloaded> {
        let done = self.try_reload(by).await;
        self.readiness.set_reload(done.as_ref().err().map(NotReloaded::code));
        match &done {
            Ok(reloaded) => {
                self.metrics.reloaded(if reloaded.changed { Outcome::Applied } else { Outcome::Unchanged });
                tracing::info!(
                    by,
                    changed = reloaded.changed,
                    policy = reloaded.policy,
                    configuration = reloaded.configuration,
                    mode = reloaded.mode,
                    "reloaded"
                );
            }
            Err(refused) => {
                tracing::error!(by, "the configuration is not reloaded, nothing has changed: {refused}");
                if let Err(error) = self.log.append(refusal(refused, by)).durable().await {
                    tracing::error!(error = &error as &dyn std::error::Error, "the refused reload could not be recorded");
                }
                // After the record: whoever sees the count finds it.
                self.metrics.reloaded(Outcome::Refused);
            }
        }
        done
    }
}

impl Reload for Reloader {
    fn reload<'a>(&'a self, by: &'static str) -> BoxFuture<'a, Result<Reloaded, NotReloaded>> {
        self.told(by).boxed()
    }
}

fn may_change(name: &str) -> bool {
    // `servers.crm.owner`, `servers.crm.tools.search.operation`: a tool's name may have dots in it, a server's has none.
    let of_server = name.strip_prefix("servers.").and_then(|rest| rest.split_once('.')).map(|(_server, rest)| rest);
    let of_tool = of_server.and_then(|rest| rest.strip_prefix("tools.")?.rsplit_once('.')).map(|(_tool, key)| key);
    MAY_CHANGE.contains(&name)
        || of_server.is_some_and(|key| OF_SERVER.contains(&key))
        || of_tool.is_some_and(|key| OF_TOOL.contains(&key))
}

/// Loads the files, and tells what they said. What changes meanwhile, as when a mounted map is swapped, may be read half as it was and half as
/// it is to be, which nobody has written: only what the files said before and say after is taken.
fn load_whole(file: &Path) -> (Option<Said>, Result<Loaded, NotReloaded>) {
    let mut before = config::on_disk(file);
    for _ in 0..LOADS {
        let loaded = config::load(file);
        let after = config::on_disk(file);
        let same = before == after;
        before = after.clone();
        let found = (after.configuration, after.policy);
        if same && loaded.as_ref().ok().is_none_or(|loaded| said_by(&loaded.config) == found) {
            return (Some(found), loaded.map_err(|report| NotReloaded::Invalid(report.to_string())));
        }
    }
    (None, Err(NotReloaded::Invalid("the files keep changing while they are read".to_owned())))
}

fn said_by(config: &Config) -> Said {
    (Some(config.hash.clone()), Some(config.policy.hash.clone()))
}

/// Off the workers: compiling a policy takes as long as it is long.
async fn compile(chains: &Chains, config: &Arc<Config>) -> Result<Successors, NotReloaded> {
    let (make, config) = (chains.successors(), Arc::clone(config));
    let compiled = tokio::task::spawn_blocking(move || make(&config)).await;
    let successors = compiled.map_err(|panicked| NotReloaded::Invalid(format!("it could not be compiled: {panicked}")))?;
    successors.map_err(|error| NotReloaded::Invalid(error.to_string()))
}

fn policy_change(before: &InForce, after: &Config, by: &str) -> Draft {
    let mut draft = Draft::new(Kind::PolicyChange);
    draft.object("what", |what| {
        what.text("act", "reload").text("after", &after.policy.hash).text("before", &before.policy).text("by", by);
    });
    draft
}

fn config_change(before: &InForce, after: &Config, by: &str) -> Draft {
    let mut draft = Draft::new(Kind::ConfigChange);
    if before.durability != after.audit.durability {
        draft.text("mode", after.audit.durability.as_str());
    }
    draft.object("what", |what| {
        what.text("act", "reload").text("after", &after.hash).text("before", &before.configuration).text("by", by);
    });
    draft
}

fn refusal(refused: &NotReloaded, by: &str) -> Draft {
    let mut draft = Draft::new(Kind::Admin);
    draft.object("what", |what| {
        what.text("act", "reload.refused").text("by", by).text("reason", refused.code()).text("target", "configuration");
    });
    draft
}
