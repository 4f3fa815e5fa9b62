//! What a bundle says in place of the records before its first one. Nothing of it is believed: its tree must lead to roots that were
//! signed, and its epochs vouch for each other from the first one on, whose key an auditor knows.

use std::io::Read as _;
use std::path::Path;

use super::super::chain::Broken;
use super::super::evidence::{EPOCHS, EPOCHS_MAX, Epochs, EpochsError, FRONTIER, FRONTIER_MAX, parse_frontier};
use super::{Opened, VerifyIo, regular_file, unreadable};
use crate::tlog::Frontier;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// An error, if what stands there is no frontier of the records before.
    pub(super) tree: Option<Result<Frontier, Broken>>,
    pub(super) epochs: Option<Result<Epochs, EpochsError>>,
}

impl Before {
    /// What stands beside a log that begins at record `first`.
    pub(super) fn read(log: &Path, first: u64) -> Result<Self, VerifyIo> {
        if first == 0 {
            return Ok(Self::default());
        }
        let text = read(&log.join(FRONTIER), FRONTIER_MAX)?;
        let parse = |text: Vec<u8>| parse_frontier(str::from_utf8(&text).ok()?).filter(|tree| tree.size() == first);
        let tree = text.map(|text| parse(text).ok_or(Broken::Tree));
        let epochs = read(&log.join(EPOCHS), u64::try_from(EPOCHS_MAX).unwrap_or(u64::MAX))?;
        Ok(Self { tree, epochs: epochs.map(|bytes| Epochs::read(&bytes, |_| true)) })
    }
}

fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, VerifyIo> {
    let Opened::File(file) = regular_file(path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(unreadable(path))?;
    Ok(Some(bytes))
}
