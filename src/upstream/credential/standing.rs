//! A credential that an operator has written down, in the version that is in force.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::shown::Shown;
use crate::chain::Reason;
use crate::config::Auth;
use crate::secrets::Live;
use crate::upstream::echo::Echo;

/// See the module.
pub(in crate::upstream) struct Standing {
    auth: Auth,
    secret: Live,
    version: ArcSwapOption<Version>,
}

pub(super) struct Version {
    generation: u64,
    pub(super) shown: Shown,
    /// What was sent with the version before may be answered yet.
    before: Option<Arc<Echo>>,
}

impl Standing {
    pub(super) fn new(auth: &Auth, secret: &Live) -> Self {
        Self { auth: auth.clone(), secret: secret.clone(), version: ArcSwapOption::empty() }
    }

    /// The version in force; made anew when the secret is another one.
    pub(super) fn version(&self) -> Result<Arc<Version>, Reason> {
        let known = self.version.load_full();
        let generation = self.secret.peek().as_ref().map(|version| version.generation);
        match (known, generation) {
            (Some(known), Some(generation)) if known.generation == generation => Ok(known),
            (known, _) => self.renew(known.as_deref()),
        }
    }

    #[cold]
    fn renew(&self, known: Option<&Version>) -> Result<Arc<Version>, Reason> {
        let secret = self.secret.current().map_err(|error| {
            let setting = self.secret.setting();
            tracing::warn!(error = &error as &dyn std::error::Error, setting, "no credential for a server");
            Reason::UpstreamFailed("no_credential")
        })?;
        let shown = Shown::of(&self.auth, secret.secret.expose()).ok_or(Reason::Internal("credential"))?;
        let before = known.and_then(|known| known.shown.echo.clone());
        let version = Arc::new(Version { generation: secret.generation, shown, before });
        self.version.store(Some(Arc::clone(&version)));
        Ok(version)
    }

    /// What of it may come back.
    pub(super) fn echoes(&self) -> [Option<Arc<Echo>>; 2] {
        let version = self.version.load();
        version.as_ref().map(|version| [version.shown.echo.clone(), version.before.clone()]).unwrap_or_default()
    }
}
