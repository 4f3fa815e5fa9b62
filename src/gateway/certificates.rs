//! The renewal of what listeners show and trust, while they serve.
//!
//! Files are looked at every second, and read on a reload. A pair that does not fit, or a list that is out of date, changes nothing: what
//! is in force stays so. What takes its place is recorded before it does. Connections that are open go on; those by client certificate
//! are held against what is trusted now (`tls/certificate.rs`).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::audit::{AppendError, Draft, Kind, Log};
use crate::clock::Clock;
use crate::config;
use crate::telemetry::{Metrics, TlsReload};
use crate::tls::{Renewal, Server, Unusable};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Certificates {
    log: Arc<Log>,
    metrics: Arc<Metrics>,
    listeners: Vec<(String, Arc<Server>)>,
    /// Held for a whole renewal: they come one after the other.
    renewing: Mutex<()>,
}

/// Why what was in force stays in force.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("the renewal could not be recorded")]
    NotRecorded(#[from] AppendError),
    #[error("the files could not be read")]
    Panicked(#[from] tokio::task::JoinError),
}

impl Certificates {
    pub(super) fn new(log: &Arc<Log>, metrics: &Arc<Metrics>) -> Self {
        Self { log: Arc::clone(log), metrics: Arc::clone(metrics), listeners: Vec::new(), renewing: Mutex::new(()) }
    }

    /// Reads what one more listener shows and trusts, if it speaks TLS.
    pub(super) fn add(&mut self, listener: &config::Listener, clock: &Arc<dyn Clock>) -> Result<Option<Arc<Server>>, StartError> {
        let Some(settings) = listener.tls.clone() else { return Ok(None) };
        let failed = |source| StartError::Tls { listener: listener.name.clone(), source };
        let server = Arc::new(Server::new(settings, Arc::clone(clock)).map_err(failed)?);
        self.show(&listener.name, &server);
        self.listeners.push((listener.name.clone(), Arc::clone(&server)));
        Ok(Some(server))
    }

    /// Reads every listener's files again on behalf of `by`. Whether anything is other than it was.
    pub(super) async fn renew(&self, by: &'static str) -> bool {
        let mut changed = false;
        for (name, server) in &self.listeners {
            changed |= self.renew_one(name, server, by).await;
        }
        changed
    }

    /// Reads the files of a listener when one of them has changed, until `stop`.
    pub(super) async fn look_after(self: Arc<Self>, stop: CancellationToken) {
        if self.listeners.is_empty() {
            return;
        }
        while tokio::time::timeout(LOOK, stop.cancelled()).await.is_err() {
            for (name, server) in &self.listeners {
                // Whoever writes a certificate and then its key is between the two for a moment: they have to hold still for a look.
                if server.has_settled() {
                    self.renew_one(name, server, "file").await;
                }
            }
        }
    }

    async fn renew_one(&self, name: &str, server: &Arc<Server>, by: &'static str) -> bool {
        let _one_at_a_time = self.renewing.lock().await;
        match self.try_renew(name, server, by).await {
            Ok(false) => false,
            Ok(true) => {
                let (certificate, until) = server.shown();
                self.metrics.tls_reloaded(TlsReload::Applied);
                self.show(name, server);
                tracing::info!(listener = name, by, certificate, %until, "TLS files are renewed");
                true
            }
            Err(refused) => {
                tracing::error!(
                    listener = name,
                    by,
                    error = &refused as &dyn std::error::Error,
                    "TLS files cannot be renewed; what was in force stays so"
                );
                if let Err(error) = self.log.append(refusal(name, &refused, by)).durable().await {
                    tracing::error!(error = &error as &dyn std::error::Error, "the refused renewal could not be recorded");
                }
                // After the record: whoever sees the count finds it.
                self.metrics.tls_reloaded(TlsReload::Refused);
                false
            }
        }
    }

    async fn try_renew(&self, name: &str, server: &Arc<Server>, by: &str) -> Result<bool, Refused> {
        let reading = Arc::clone(server);
        let read = tokio::task::spawn_blocking(move || reading.read_again()).await??;
        let Some(renewal) = read else { return Ok(false) };
        self.log.append(renewed(name, server, &renewal, by)).durable().await?;
        server.put_into_force(renewal);
        Ok(true)
    }

    fn show(&self, name: &str, server: &Server) {
        let lists = server.trusted().and_then(|(_, until)| until);
        self.metrics.tls_in_force(name, server.shown().1, lists);
    }
}

fn renewed(name: &str, server: &Server, renewal: &Renewal, by: &str) -> Draft {
    let mut draft = Draft::new(Kind::ConfigChange);
    let (before, _) = server.shown();
    draft.object("what", |what| {
        what.text("act", "tls.renew").text("after", renewal.certificate()).text("before", &before).text("by", by);
        if let Some(trusted) = renewal.trusted() {
            what.text("clients", trusted);
        }
        what.text("target", name);
    });
    draft
}

fn refusal(name: &str, refused: &Refused, by: &str) -> Draft {
    let reason = match refused {
        Refused::Unusable(unusable) => unusable.problem.word(),
        Refused::NotRecorded(_) => "not_recorded",
        Refused::Panicked(_) => "internal",
    };
    let mut draft = Draft::new(Kind::Admin);
    draft.object("what", |what| {
        what.text("act", "tls.renew.refused").text("by", by).text("reason", reason).text("target", name);
    });
    draft
}
