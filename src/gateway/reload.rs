//! Another policy, or another durability mode, without a restart.
//!
//! The whole configuration is read and checked as at a start. What cannot change while the gateway serves must say the same as before;
//! a reload takes effect whole or not at all. It is in the log before it takes effect, and so is one that was refused.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use super::certificates::Certificates;
use super::chains::Chains;
use super::secrets::Secrets;
use crate::admin::{NotReloaded, Reload, Reloaded};
use crate::audit::{Draft, Kind, Log};
use crate::config::{self, Config, Durability, Outline};
use crate::health::Readiness;
use crate::telemetry::{Metrics, Reload as Outcome};

/// Where a configuration may say something else than the one in force. Policies are read from the folder that `policies` names.
const MAY_CHANGE: [&str; 4] = ["accept_risks", "audit.durability", "audit.loss_window", "policies"];

/// See the module.
#[derive(Debug)]
pub(super) struct Reloader {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    secrets: Secrets,
    certificates: Option<Arc<Certificates>>,
    /// Held for a whole reload: they come one after the other.
    in_force: Mutex<InForce>,
}

#[derive(Debug)]
struct InForce {
    chains: Chains,
    file: Option<PathBuf>,
    outline: Outline,
    configuration: String,
    policy: String,
    durability: Durability,
}

impl Reloader {
    pub(super) fn new(
        chains: Chains,
        config: &Config,
        secrets: Secrets,
        (log, metrics, readiness): (&Arc<Log>, &Arc<Metrics>, &Arc<Readiness>),
    ) -> Self {
        let in_force = InForce {
            chains,
            file: config.file.clone(),
            outline: config.outline.clone(),
            configuration: config.hash.clone(),
            policy: config.policy.hash.clone(),
            durability: config.audit.durability,
        };
        Self {
            log: Arc::clone(log),
            metrics: Arc::clone(metrics),
            readiness: Arc::clone(readiness),
            secrets,
            certificates: None,
            in_force: Mutex::new(in_force),
        }
    }

    /// Has certificates read again with everything else.
    pub(super) fn renewing(self, certificates: Arc<Certificates>) -> Self {
        Self { certificates: Some(certificates), ..self }
    }

    async fn try_reload(&self, by: &'static str) -> Result<Reloaded, NotReloaded> {
        let mut in_force = self.in_force.lock().await;
        // Whatever becomes of the rest: whoever has put new secrets somewhere has said so by this.
        self.secrets.look().await;
        let config = read(in_force.file.clone()).await?;
        let fixed: Vec<_> = in_force.outline.differences(&config.outline);
        let fixed: Vec<String> = fixed.into_iter().filter(|name| !MAY_CHANGE.contains(name)).map(str::to_owned).collect();
        if !fixed.is_empty() {
            return Err(NotReloaded::NeedsRestart(fixed));
        }
        let policy_changes = config.policy.hash != in_force.policy;
        let policy = policy_changes.then(|| self.log.append(policy_change(&in_force, &config, by)));
        let declared = self.log.append(config_change(&in_force, &config, by));
        // Both are durable before either takes effect; the second is not there without the first.
        if let Some(policy) = policy {
            policy.durable().await?;
        }
        declared.durable().await?;
        in_force.chains.rule_by(&config);
        self.readiness.set_mode(config.audit.durability.as_str());
        // Their files were found good with the rest; what has changed since is told by itself.
        let renewed = match &self.certificates {
            Some(certificates) => certificates.renew(by).await,
            None => false,
        };
        let changed = renewed || policy_changes || config.hash != in_force.configuration;
        in_force.outline = config.outline;
        in_force.configuration.clone_from(&config.hash);
        in_force.policy.clone_from(&config.policy.hash);
        in_force.durability = config.audit.durability;
        Ok(Reloaded {
            configuration: config.hash,
            policy: config.policy.hash.clone(),
            mode: config.audit.durability.as_str(),
            changed,
        })
    }

    /// Counts and tells how it went, and records a refusal: whoever tried to change the rules is as much of interest as who did.
    async fn told(&self, by: &'static str) -> Result<Reloaded, NotReloaded> {
        let done = self.try_reload(by).await;
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
                self.metrics.reloaded(Outcome::Refused);
                tracing::error!(by, "the configuration is not reloaded, nothing has changed: {refused}");
                if let Err(error) = self.log.append(refusal(refused, by)).durable().await {
                    tracing::error!(error = &error as &dyn std::error::Error, "the refused reload could not be recorded");
                }
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

/// Off the workers: files are read and rules compiled.
async fn read(file: Option<PathBuf>) -> Result<Config, NotReloaded> {
    let Some(file) = file else { return Err(NotReloaded::NoFile) };
    match tokio::task::spawn_blocking(move || config::load(&file)).await {
        Ok(Ok(loaded)) => {
            if !loaded.warnings.is_empty() {
                tracing::warn!("{}", loaded.warnings);
            }
            Ok(loaded.config)
        }
        Ok(Err(report)) => Err(NotReloaded::Invalid(report.to_string())),
        Err(panicked) => Err(NotReloaded::Invalid(format!("it could not be read: {panicked}"))),
    }
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
