//! Reads every secret again and again, and tells what has changed. What is done about it, is the gateway's affair.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::live::Live;
use super::providers::{Providers, Round, Trouble};
use super::reference::Template;
use super::settings::Settings;
use crate::secret::Secret;
use crate::upstream::ConnectError;

/// Shortest pause after a failure, and the longest but for `refresh`.
const AGAIN: Duration = Duration::from_secs(1);
const SLOWEST: Duration = Duration::from_secs(30);

/// How often it is told that a rotation is due.
const REMIND: Duration = Duration::from_hours(24);

/// Why the secrets cannot be kept, at a start.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A provider cannot even be asked.
    #[error("a provider of secrets cannot be reached")]
    Provider(#[source] ConnectError),
    /// One that will not be there before somebody does something.
    #[error("the secret of `{setting}`, {written}, cannot be read: {trouble}")]
    Unreadable {
        /// Whose it is.
        setting: String,
        /// The references in it.
        written: String,
        /// Why not.
        trouble: Arc<Trouble>,
    },
}

/// What a round has found.
#[derive(Debug)]
pub enum Finding {
    /// Another value is in force.
    Changed,
    /// It could not be read, for the first time after it could.
    Failing(Arc<Trouble>),
    /// It could be read again.
    Recovered,
    /// It could not be read for too long: nobody gets it any more.
    Withdrawn,
    /// It is older than it may be.
    Due(Timestamp),
}

/// How old a secret is, and may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aged {
    /// The setting.
    pub setting: String,
    /// When it was made; `None` if nobody knows.
    pub made: Option<Timestamp>,
    /// From when on its rotation is due.
    pub due: Option<Timestamp>,
}

/// See the module.
pub struct Keeper {
    kept: Vec<Live>,
    settings: Settings,
    providers: Providers,
    variable: Variables,
    states: Mutex<Vec<State>>,
    /// For readers that do not wait.
    troubles: parking_lot::Mutex<Vec<String>>,
    /// Some of them was never there.
    incomplete: AtomicBool,
}

/// Reads a variable of the environment.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

struct State {
    /// When it was read last.
    good: Instant,
    arrived: bool,
    failing: Option<Arc<Trouble>>,
    reminded: Option<Instant>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("kept", &self.kept).finish_non_exhaustive()
    }
}

impl Keeper {
    /// Of the secrets `kept`; `variable` reads the environment. Nothing is read yet.
    pub fn new(
        mut settings: Settings,
        kept: Vec<Live>,
        variable: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Result<Self, SecretError> {
        let providers = Providers::new(&mut settings).map_err(SecretError::Provider)?;
        let state = |live: &Live| State { good: Instant::now(), arrived: live.current().is_ok(), failing: None, reminded: None };
        let states: Vec<_> = kept.iter().map(state).collect();
        let incomplete = AtomicBool::new(states.iter().any(|state| !state.arrived));
        let (variable, troubles) = (Box::new(variable), parking_lot::Mutex::default());
        Ok(Self { kept, settings, providers, variable, states: Mutex::new(states), troubles, incomplete })
    }

    /// The first round, before anything is served. A secret that is missing and will be until somebody does something is an error; one
    /// whose provider is down is not, for it will come: until then what needs it is refused, and the gateway is not ready.
    pub async fn start(&self, now: Timestamp) -> Result<Vec<(Live, Finding)>, SecretError> {
        let found = self.round(now).await;
        let states = self.states.lock().await;
        for (live, state) in self.kept.iter().zip(states.iter()) {
            if let Some(trouble) = state.failing.as_ref().filter(|trouble| trouble.is_lasting())
                && live.current().is_err()
            {
                let written = live.source().into_iter().flat_map(Template::references).map(ToString::to_string);
                return Err(SecretError::Unreadable {
                    setting: live.setting().to_owned(),
                    written: written.collect::<Vec<_>>().join(" "),
                    trouble: Arc::clone(trouble),
                });
            }
        }
        drop(states);
        Ok(found)
    }

    /// Reads all of them, each place once, and puts in force what is new.
    pub async fn round(&self, now: Timestamp) -> Vec<(Live, Finding)> {
        let (mut found, mut round) = (Vec::new(), Round::default());
        // Whoever comes meanwhile waits, and then reads what is newer still.
        let mut states = self.states.lock().await;
        for (live, state) in self.kept.iter().zip(states.iter_mut()) {
            let Some(source) = live.source() else { continue };
            let read = self.providers.value(source, &mut round, &*self.variable, now).await;
            let read = read.and_then(|value| match live.form().check(&value.text) {
                Ok(()) => Ok(value),
                Err(unfit) => Err(Arc::new(Trouble::Unfit(unfit))),
            });
            let mut tell = |finding| found.push((live.clone(), finding));
            match read {
                Ok(value) => {
                    (state.good, state.arrived) = (Instant::now(), true);
                    if state.failing.take().is_some() {
                        tell(Finding::Recovered);
                    }
                    if live.publish(Secret::new(value.text.to_string()), value.made) {
                        tell(Finding::Changed);
                    }
                }
                Err(trouble) => {
                    if state.failing.is_none() {
                        tell(Finding::Failing(Arc::clone(&trouble)));
                    }
                    state.failing = Some(trouble);
                    if state.good.elapsed() > self.settings.stale && live.withdraw() {
                        tell(Finding::Withdrawn);
                    }
                }
            }
            if let Some(due) = self.aged(live).due.filter(|due| *due <= now)
                && state.reminded.is_none_or(|reminded| reminded.elapsed() >= REMIND)
            {
                state.reminded = Some(Instant::now());
                tell(Finding::Due(due));
            }
        }
        self.incomplete.store(states.iter().any(|state| !state.arrived), Ordering::Release);
        *self.troubles.lock() = self.kept.iter().zip(states.iter()).filter_map(|(live, state)| trouble(live, state)).collect();
        found
    }

    /// Ends when the next round is due.
    pub async fn next(&self) {
        let failing =
            self.states.lock().await.iter().filter(|state| state.failing.is_some()).map(|state| state.good.elapsed()).min();
        // After a failure sooner than usual, and then slower and slower.
        let pause = failing.map_or(self.settings.refresh, |since| since.clamp(AGAIN, SLOWEST).min(self.settings.refresh));
        let pause = self.providers.due_in().map_or(pause, |due| due.clamp(AGAIN, pause));
        tokio::time::sleep(pause).await;
    }

    /// What operators are to know: secrets that could not be read, and since when.
    pub fn troubles(&self) -> Vec<String> {
        self.troubles.lock().clone()
    }

    /// Whether each of them has been read once, however long ago.
    pub fn have_arrived(&self) -> bool {
        !self.incomplete.load(Ordering::Acquire)
    }

    /// How old each of them is.
    pub fn ages(&self) -> Vec<Aged> {
        self.kept.iter().map(|live| self.aged(live)).collect()
    }

    fn aged(&self, live: &Live) -> Aged {
        let made = live.current().ok().and_then(|version| version.made);
        let most = self.settings.max_age_of(live.setting()).and_then(|most| SignedDuration::try_from(most).ok());
        let due = made.zip(most).and_then(|(made, most)| made.checked_add(most).ok());
        Aged { setting: live.setting().to_owned(), made, due }
    }
}

fn trouble(live: &Live, state: &State) -> Option<String> {
    let trouble = state.failing.as_ref()?;
    let since = state.good.elapsed().as_secs();
    let gone = if live.current().is_err() { "is missing" } else { "is the last one that was read" };
    Some(format!("the secret of `{}` {gone}, {since} s ago: {trouble}", live.setting()))
}
