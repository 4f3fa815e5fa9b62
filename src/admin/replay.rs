//! What the logs order and the stores have not done, or have again since they were restored from an older copy.

use std::path::Path;

use serde_json::Value;

use super::privacy::{Privacy, PrivacyError};
use crate::audit::{Found, Kind, VerifyIo, logs_below, records_from};
use crate::vault::{Applied, Change, Month};

impl Privacy {
    /// Does what the logs order and the vault has not done. Before anybody is served.
    pub async fn catch_up(&self) -> Result<(), PrivacyError> {
        match self.begin().await {
            Err(error) if error.is_journal() => {
                // A copy of the file is being made, say. Nobody can be met who is erased; the next operation, a minute from now, tries again.
                tracing::warn!(error = &error as &dyn std::error::Error, "the journals of the databases cannot be wiped yet");
                Ok(())
            }
            begun => begun.map(drop),
        }
    }

    /// Reads every log of this data directory from where the vault has stopped.
    pub(super) async fn replay(&self) -> Result<(), PrivacyError> {
        let logs = self.logs.clone();
        // Each by itself: either may have been restored from an older copy.
        let (empty, no_keys) = (self.vault.is_empty().await?, self.keys.is_empty().await?);
        for (name, directory) in tokio::task::spawn_blocking(move || logs_below(&logs)).await?? {
            // Where nobody is in them no record can be about anybody.
            let in_vault = self.vault.applied(&name).await?.or((!empty).then_some(0));
            let in_keys = self.keys.applied(&name).await?.or((!no_keys).then_some(0));
            let Some(first) = in_vault.into_iter().chain(in_keys).min() else { continue };
            let reading = move || match orders(&directory, first)? {
                // Shorter than what was applied: it is another log of the same name.
                (_, next) if next < first => Ok::<_, VerifyIo>((true, orders(&directory, 0)?)),
                read => Ok((false, read)),
            };
            let (anew, (found, next)) = tokio::task::spawn_blocking(reading).await??;
            for record in found {
                let Some((change, keys)) = ordered(&record) else { continue };
                let index = record.index;
                // SECURITY: what the vault has done it does not do again: a month that expired around a hold would expire without it.
                if anew || in_vault.is_some_and(|applied| applied <= index) {
                    tracing::warn!(log = name, index, "a record orders what the vault has not done; it is done now");
                    self.make(&name, index, &keys, &change).await?;
                } else if !keys.is_empty() {
                    tracing::warn!(log = name, index, "a record erases API keys that `state.db` may have again; they are erased");
                    self.erase_rows(&keys).await?;
                }
            }
            self.keys.advance(&name, next).await?;
            self.vault.advance(Applied { log: &name, next }, None).await?;
        }
        Ok(())
    }
}

/// The records from `first` on that may order something, and the index behind the last record of the log.
fn orders(directory: &Path, first: u64) -> Result<(Vec<Found>, u64), VerifyIo> {
    let mut records = records_from(directory, first, &[Kind::Erasure, Kind::Hold])?;
    let mut found = Vec::new();
    while let Some(record) = records.next_record()? {
        found.push(record);
    }
    Ok((found, records.next_index()))
}

/// What a record orders, and the ids of API keys that go with it; `None` for one that only tells something.
fn ordered(record: &Found) -> Option<(Change, Vec<String>)> {
    let value: Value = serde_json::from_str(&record.line).ok()?;
    let what = value.get("what")?;
    let texts = |key: &str| {
        let list = what.get(key).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let change = match (record.kind, what.get("act")?.as_str()?) {
        (Kind::Erasure, "erase") => Change::Erase(texts("subs")),
        (Kind::Erasure, "expire") => Change::Expire(what.get("month")?.as_str()?.parse::<Month>().ok()?),
        (Kind::Erasure, "forget") => Change::Forget(texts("tokens")),
        (Kind::Hold, "hold") => Change::Hold(texts("subs")),
        (Kind::Hold, "release") => Change::Release(texts("subs")),
        _ => return None,
    };
    Some((change, texts("keys")))
}
