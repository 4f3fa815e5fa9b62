//! A token that is asked for when it is needed, by one call at a time, and kept until shortly before its end.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use super::token::Token;
use crate::oauth::GrantError;
use crate::upstream::echo::Echo;

/// After a failure nobody asks for so long: whoever waited for the one that failed has its answer.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Cached<E = GrantError> {
    token: ArcSwapOption<Token>,
    asking: tokio::sync::Mutex<()>,
    failed: Mutex<Option<(Instant, E)>>,
}

impl<E> Default for Cached<E> {
    fn default() -> Self {
        Self { token: ArcSwapOption::empty(), asking: tokio::sync::Mutex::default(), failed: Mutex::default() }
    }
}

impl<E: Copy> Cached<E> {
    /// The token, from `ask` where there is none that is fresh.
    pub(super) async fn token<A>(&self, ask: impl FnOnce(Option<Arc<Token>>) -> A) -> Result<Arc<Token>, E>
    where
        A: Future<Output = Result<Token, E>>,
    {
        let known = self.token.load_full();
        if let Some(fresh) = known.as_ref().filter(|token| token.is_fresh(Instant::now())) {
            return Ok(Arc::clone(fresh));
        }
        let good = known.filter(|token| token.is_good(Instant::now()));
        let _asking = match &good {
            // The one that is known will do while another call asks for the next.
            Some(good) => match self.asking.try_lock() {
                Ok(asking) => asking,
                Err(_somebody_asks) => return Ok(Arc::clone(good)),
            },
            None => self.asking.lock().await,
        };
        // Whoever asked before may have left one, or a failure.
        let known = self.token.load_full();
        if let Some(fresh) = known.as_ref().filter(|token| token.is_fresh(Instant::now())) {
            return Ok(Arc::clone(fresh));
        }
        let failed = *self.failed.lock();
        let asked = match failed {
            Some((at, error)) if at.elapsed() < PAUSE => Err(error),
            Some(_) | None => ask(known).await.inspect_err(|error| *self.failed.lock() = Some((Instant::now(), *error))),
        };
        match (asked, good) {
            (Ok(token), _) => {
                let token = Arc::new(token);
                self.token.store(Some(Arc::clone(&token)));
                Ok(token)
            }
            (Err(_), Some(good)) => Ok(good),
            (Err(error), None) => Err(error),
        }
    }

    /// Whether nothing is lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.token.load().as_ref().is_none_or(|token| !token.is_good(Instant::now()))
    }

    /// What of it may come back.
    pub(super) fn echoes(&self) -> [Option<Arc<Echo>>; 2] {
        let token = self.token.load();
        token.as_ref().map(|token| [token.shown.echo.clone(), token.before.clone()]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::shown::Shown;
    use super::*;

    fn token(lifetime: u64, before: Option<&Token>) -> Token {
        let lifetime = Some(Duration::from_secs(lifetime));
        Token::new(Shown::bearer("a-token-of-ours").unwrap(), Instant::now(), lifetime, before)
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_asked_for_by_one_call_and_its_failure_is_everybodys() {
        let (cached, asked) = (Cached::<GrantError>::default(), AtomicUsize::new(0));
        let fails = || {
            cached.token(|_| async {
                asked.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(GrantError::Refused)
            })
        };
        let (one, two, three) = tokio::join!(fails(), fails(), fails());
        assert!(one.is_err() && two.is_err() && three.is_err());
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        tokio::time::sleep(PAUSE).await;
        let works = || {
            cached.token(|before| {
                asked.fetch_add(1, Ordering::SeqCst);
                async move {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok(token(60, before.as_deref()))
                }
            })
        };
        let (one, two) = tokio::join!(works(), works());
        assert!(Arc::ptr_eq(&one.unwrap(), &two.unwrap()));
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        // While it is good, one call asks for the next, and a failure of that is nobody's.
        tokio::time::sleep(Duration::from_secs(50)).await;
        let (failed, other) = tokio::join!(fails(), works());
        assert!(failed.is_ok() && other.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 3);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(cached.is_idle());
        assert!(works().await.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 4);
    }
}
