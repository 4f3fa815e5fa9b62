//! Asks a witness that claims another history for what would prove it.
//!
//! A number proves nothing: whoever answers in the place of a witness can make one up. A head that a key of this very log has signed, over
//! records that the log does not have, cannot be made up. Our own witnesses show those they have cosigned (`docs/witness.md`).

use std::path::Path;

use super::client::Client;
use super::follower::Stumble;
use crate::audit::{Evidence, weigh_heads};
use crate::tlog::{LastHeads, MAX_SIZE};

/// Answers that are looked at, of thirty epochs or more each: more than a month of daily changes and restarts.
const PAGES: usize = 4;

/// The size of a head that contradicts the log, if the witness has one that a key of the log signed.
pub(super) async fn ask(client: &Client, log_dir: &Path, origin: &str) -> Result<Option<u64>, Stumble> {
    let mut before = MAX_SIZE;
    let mut notes = Vec::new();
    for _ in 0..PAGES {
        let reply = client.post("/last-heads", LastHeads::request(origin, before)).await?;
        let page = if reply.status == 200 { LastHeads::parse(&reply.body) } else { None };
        let Some(page) = page.filter(|page| page.newest < before && !page.notes.is_empty()) else { return Ok(None) };
        before = page.oldest();
        notes.extend(page.notes);
        let (directory, shown) = (log_dir.to_owned(), notes.clone());
        match tokio::task::spawn_blocking(move || weigh_heads(&directory, &shown, before == 0)).await?? {
            Evidence::Proves { size } => return Ok(Some(size)),
            Evidence::Nothing => return Ok(None),
            Evidence::Undecided => {}
        }
    }
    Ok(None)
}
