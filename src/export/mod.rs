//! The log leaves the house: each sink of `audit.sinks` gets every record, in order, at least once.
//!
//! What passes through: records that are durable, one or more events each, and signed heads. What it guarantees: a sink has all records up to the
//! place that is remembered for it in the state store, and goes on from there after any crash, of either side; what comes twice has the same id
//! (`<log>/<index>`) twice. What it costs calls: nothing. A sink reads the files of the log on a thread of its own, of low priority; the log is its buffer, so
//! its memory is one batch, and a sink that is away for a week is behind by a week and loses nothing, unless retention removes what it has not had:
//! that is counted and told. What it does not do: decide anything. A sink that fails is a warning of `/readyz`, never a reason to refuse a call
//! (SECURITY.md section 6: copies).
//!
//! ```text
//! log files ─ reader ─ batch ─ people (vault) ─ formats ─ events ─ sink ─▶ SIEM
//!                 ▲                                                  │ confirmed
//!                 └────────────── cursor (state store) ◀─────────────┘
//! ```

mod event;
mod exporter;
mod formats;
mod people;
mod reader;
mod record;
mod sinks;

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::apart::run_apart;
use crate::audit::{Draft, Kind, Log};
use crate::config;
use crate::state::Place;
use crate::telemetry::Metrics;
use crate::upstream::ConnectError;
use crate::vault::Vault;
use exporter::{Exporter, Parts};

/// Why exports cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// It cannot be reached as configured.
    #[error("the sink `{sink}` in `audit.sinks` cannot be used")]
    Sink {
        /// Its name.
        sink: String,
        /// Why.
        source: ConnectError,
    },
    /// There is no thread for it.
    #[error("there is no thread for the sink `{0}`")]
    Thread(String, #[source] io::Error),
}

/// All sinks, before they begin.
#[derive(Debug)]
pub struct Exports {
    all: Vec<Exporter>,
    standings: Vec<(String, watch::Receiver<bool>)>,
}

/// Which sinks are failing, for readiness.
#[derive(Clone, Debug, Default)]
pub struct Standings(Vec<(String, watch::Receiver<bool>)>);

impl Exports {
    /// Of an open log, as the configuration says. Nothing is reached yet.
    pub fn new(
        settings: &[config::Sink],
        log: &Arc<Log>,
        place: &Place,
        vault: &Arc<Vault>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, ExportError> {
        let (mut all, mut standings) = (Vec::with_capacity(settings.len()), Vec::with_capacity(settings.len()));
        for settings in settings {
            let (failing, standing) = watch::channel(false);
            let parts = Parts {
                log: Arc::clone(log),
                place: place.clone(),
                vault: Arc::clone(vault),
                metrics: Arc::clone(metrics),
                failing,
            };
            let exporter = Exporter::new(settings, parts);
            all.push(exporter.map_err(|source| ExportError::Sink { sink: settings.name.clone(), source })?);
            standings.push((settings.name.clone(), standing));
        }
        Ok(Self { all, standings })
    }

    /// How they stand.
    pub fn standings(&self) -> Standings {
        Standings(self.standings.clone())
    }

    /// Begins, each on a thread of its own, which ends some time after the log is closed; `tasks` waits for that.
    pub fn run(self, log: &Log, tasks: &TaskTracker) -> Result<(), ExportError> {
        for exporter in self.all {
            // Who gets what is part of the evidence.
            drop(log.append(began(&exporter)));
            let name = exporter.name().to_owned();
            let begun = run_apart("audit-export", format!("the export to the sink `{name}`"), || exporter.run(), tasks);
            begun.map_err(|source| ExportError::Thread(name, source))?;
        }
        Ok(())
    }
}

impl Standings {
    /// One line for each sink that is failing.
    pub fn troubles(&self) -> Vec<String> {
        let failing = self.0.iter().filter(|(_, standing)| *standing.borrow());
        failing.map(|(name, _)| format!("records do not reach the sink `{name}`; they wait in the log")).collect()
    }
}

fn began(exporter: &Exporter) -> Draft {
    let mut draft = Draft::new(Kind::Export);
    draft.object("what", |what| {
        what.text("act", "sink").text("format", exporter.format().as_str());
        what.text("identities", if exporter.tells_identities() { "resolved" } else { "pseudonyms" });
        what.text("target", exporter.name()).text("type", exporter.kind());
    });
    draft
}
