//! Everything that the logs hold about somebody, for themselves: which records these are is counted and recorded before any of them leaves.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::privacy::{PER_RECORD, Privacy, PrivacyError, is_fit, list};
use crate::audit::{BundleError, Kind, ProveError, Prover, count_about, logs_below};
use crate::vault::Identity;

/// Longest wait for a head over all that is written; there is one within about a second.
const HEAD: Duration = Duration::from_secs(10);

/// What an export consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Under which names somebody stands in the logs.
    pub pseudonyms: Vec<String>,
    /// Where.
    pub logs: Vec<ExportedLog>,
}

/// The part of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedLog {
    /// Its name.
    pub name: String,
    /// Records under the head by which all are proven.
    pub size: u64,
    /// The root in it, base64.
    pub root: String,
    /// Records about them.
    pub records: u64,
}

impl Privacy {
    /// Counts what there is about somebody, in all logs and under all names they ever had, and records that it is given away. Who is
    /// unknown, or was erased, has nothing that anybody could find.
    pub async fn export(&self, who: &Identity, requester: &str) -> Result<Exported, PrivacyError> {
        is_fit(requester, Some(&who.subject))?;
        let pseudonyms = self.known(who).await?;
        self.covered().await?;
        let (directory, names) = (self.logs.clone(), pseudonyms.clone());
        // Others need not wait until all logs are read.
        let logs = tokio::task::spawn_blocking(move || count(&directory, &names)).await??;
        if self.known(who).await? != pseudonyms {
            return Err(PrivacyError::Unknown);
        }
        let _turn = self.begin().await?;
        for log in &logs {
            for names in pseudonyms.chunks(PER_RECORD) {
                self.record(Kind::Export, |what| {
                    what.text("act", "export").integer("n", log.records).text("of", &log.name).text("requester", requester);
                    what.text("root", &log.root).integer("size", log.size);
                    list(what, "subs", names);
                })
                .await?;
            }
        }
        Ok(Exported { pseudonyms, logs })
    }

    async fn known(&self, who: &Identity) -> Result<Vec<String>, PrivacyError> {
        let _turn = self.begin().await?;
        Ok(self.vault.person(&who.issuer, &who.subject).await?.ok_or(PrivacyError::Unknown)?.pseudonyms)
    }

    /// Until all that is written is under a signed head.
    async fn covered(&self) -> Result<(), PrivacyError> {
        let (written, mut heads) = (self.log.durable(), self.log.heads());
        let covers = heads.wait_for(|signed| signed.as_ref().is_some_and(|signed| signed.head.size >= written));
        match timeout(HEAD, covers).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(PrivacyError::Uncovered),
        }
    }
}

fn count(directory: &Path, names: &[String]) -> Result<Vec<ExportedLog>, BundleError> {
    let mut logs = Vec::new();
    for (name, log) in logs_below(directory)? {
        let head = match Prover::newest(&log) {
            // It was begun, and holds nobody.
            Err(ProveError::NoHead) => continue,
            prover => prover?.head().clone(),
        };
        let records = count_about(&log, head.size, names)?;
        logs.push(ExportedLog { name, size: head.size, root: head.root.base64(), records });
    }
    Ok(logs)
}
