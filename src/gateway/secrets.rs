//! Keeps the secrets of the configuration fresh while the gateway serves, and tells, counts and records what becomes of them.

use std::sync::Arc;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::audit::{Draft, Kind, Log};
use crate::clock::Clock;
use crate::secrets::{Finding, Keeper, Live, SecretError};
use crate::telemetry::{Metrics, SecretRead};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Secrets {
    keeper: Arc<Keeper>,
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl Secrets {
    /// Reads them for the first time.
    pub(super) async fn start(
        keeper: Arc<Keeper>,
        (log, metrics, clock): (Arc<Log>, Arc<Metrics>, Arc<dyn Clock>),
    ) -> Result<Self, SecretError> {
        let found = keeper.start(clock.now()).await?;
        let secrets = Self { keeper, log, metrics, clock };
        secrets.tell(&found).await;
        Ok(secrets)
    }

    pub(super) fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Reads them again until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        while stop.run_until_cancelled(self.keeper.next()).await.is_some() {
            if stop.run_until_cancelled(self.look()).await.is_none() {
                return;
            }
        }
    }

    /// Reads them now.
    pub(super) async fn look(&self) {
        let found = self.keeper.round(self.clock.now()).await;
        self.tell(&found).await;
    }

    async fn tell(&self, found: &[(Live, Finding)]) {
        let now = self.clock.now();
        for aged in self.keeper.ages() {
            let due = aged.due.is_some_and(|due| due <= now);
            self.metrics.secret(&aged.setting, aged.made, due);
        }
        for (live, finding) in found {
            let setting = live.setting();
            match finding {
                Finding::Changed => {
                    self.metrics.secret_read(setting, SecretRead::Changed);
                    tracing::info!(setting, "another value of a secret is in force");
                    self.record("secret.changed", setting, None).await;
                }
                Finding::Failing(trouble) => {
                    self.metrics.secret_read(setting, SecretRead::Failing);
                    tracing::error!(setting, because = %trouble, "a secret cannot be read; the last value stays in force until it is too old");
                }
                Finding::Recovered => {
                    self.metrics.secret_read(setting, SecretRead::Recovered);
                    tracing::info!(setting, "a secret can be read again");
                }
                Finding::Withdrawn => {
                    self.metrics.secret_read(setting, SecretRead::Withdrawn);
                    tracing::error!(setting, "a secret could not be read for too long: what needs it is refused from now on");
                    self.record("secret.withdrawn", setting, None).await;
                }
                Finding::Due(due) => {
                    tracing::warn!(setting, %due, "a secret is older than it may be: its rotation is due");
                    self.record("secret.rotation_due", setting, Some(*due)).await;
                }
            }
        }
    }

    /// What changed is a fact already: a record that cannot be written is told, and undoes nothing.
    async fn record(&self, act: &str, setting: &str, due: Option<Timestamp>) {
        let mut draft = Draft::new(Kind::Admin);
        draft.object("what", |what| {
            what.text("act", act).text("by", "gateway");
            if let Some(due) = due {
                what.text("due", &due.to_string());
            }
            what.text("target", setting);
        });
        if let Err(error) = self.log.append(draft).durable().await {
            tracing::error!(error = &error as &dyn std::error::Error, setting, "what became of a secret could not be recorded");
        }
    }
}
