//! Who stands behind pseudonyms, asked of the vault and remembered for a minute: whoever is erased is told to no sink a minute later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::vault::{Identity, Vault, VaultError};

/// For so long.
pub(super) const REMEMBERED: Duration = Duration::from_mins(1);
const MOST: usize = 4_096;

/// See the module.
#[derive(Debug)]
pub(super) struct People {
    vault: Arc<Vault>,
    known: HashMap<String, (Instant, Option<Arc<Identity>>)>,
}

impl People {
    pub(super) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, known: HashMap::new() }
    }

    /// Nobody, where the vault knows nobody, or no more.
    pub(super) async fn behind(&mut self, pseudonym: &str) -> Result<Option<Arc<Identity>>, VaultError> {
        let now = Instant::now();
        if let Some((since, person)) = self.known.get(pseudonym)
            && now.duration_since(*since) < REMEMBERED
        {
            return Ok(person.clone());
        }
        let person = self.vault.reveal(pseudonym).await?.map(Arc::new);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(pseudonym.to_owned(), (now, person.clone()));
        Ok(person)
    }
}
