//! Memory for what is said on streams of HTTP+SSE and not taken by their clients yet.
//!
//! SECURITY: over HTTP+SSE a client can ask again and again without reading an answer, in many sessions, on connections that cost it nothing.
//! What it is to hear was judged and recorded, so that no other bound holds it back. Whoever finds no room here any more does not read, and
//! loses the session.

use std::sync::Arc;
use std::time::Duration;

use crate::places::{Fair, Lane, Place, Share};

/// In all, and for one caller alone three quarters of it. Large replies have memory of their own (`upstream/memory.rs`).
const BYTES: usize = 16 << 20;

/// What is counted at the least.
const UNIT: usize = 1 << 10;
const UNITS: usize = BYTES / UNIT;

/// The memory. Clones count together.
#[derive(Clone, Debug)]
pub struct Unsaid(Arc<Lane>);

impl Default for Unsaid {
    fn default() -> Self {
        Self(Arc::new(Lane::new(Fair::new(UNITS, 0), Duration::ZERO, <_>::default())))
    }
}

impl Unsaid {
    /// Room for so many bytes, if there is any. One message always finds room by itself.
    pub async fn take(&self, share: &Share, bytes: usize) -> Option<Place> {
        self.0.enter(share.clone(), bytes.div_ceil(UNIT).clamp(1, UNITS / 2)).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_caller_takes_most_of_it_and_never_all() {
        let (unsaid, [ada, bob]) = (Unsaid::default(), ["ada", "bob"].map(|name| Share::Caller(name.into())));
        let mut taken = Vec::new();
        while let Some(place) = unsaid.take(&ada, 16 << 10).await {
            taken.push(place);
        }
        assert_eq!(taken.len(), UNITS / 16 * 3 / 4);
        assert!(unsaid.take(&bob, 1 << 20).await.is_some());
        taken.clear();
        assert!(unsaid.take(&ada, usize::MAX).await.is_some());
    }
}
