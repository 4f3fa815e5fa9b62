//! What ends streams of a server before the server does.

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::chain::Reason;

/// The causes, each within the one before it.
#[derive(Debug)]
pub(super) struct Cuts {
    /// The end of a shutdown: everything.
    all: CancellationToken,
    /// Its beginning: subscriptions, for which there is no end to wait.
    subscriptions: CancellationToken,
    /// Another policy: subscriptions that were made under the one before.
    renewed: Mutex<CancellationToken>,
}

/// When a stream ends, and what is said then.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    pub(super) token: CancellationToken,
    stopping: CancellationToken,
}

impl Cut {
    pub(super) fn reason(&self) -> Reason {
        if self.stopping.is_cancelled() { Reason::Stopping } else { Reason::StreamOver }
    }
}

impl Cuts {
    pub(super) fn new() -> Self {
        let all = CancellationToken::new();
        let subscriptions = all.child_token();
        let renewed = Mutex::new(subscriptions.child_token());
        Self { all, subscriptions, renewed }
    }

    pub(super) fn of_calls(&self) -> Cut {
        Cut { token: self.all.clone(), stopping: self.all.clone() }
    }

    pub(super) fn of_subscriptions(&self) -> Cut {
        Cut { token: self.renewed.lock().clone(), stopping: self.subscriptions.clone() }
    }

    /// The begin of a shutdown, for what nobody can come back for any more.
    pub(super) fn stopping(&self) -> CancellationToken {
        self.subscriptions.clone()
    }

    pub(super) fn cut_all(&self) {
        self.all.cancel();
    }

    pub(super) fn end_subscriptions(&self) {
        self.subscriptions.cancel();
    }

    pub(super) fn renew_subscriptions(&self) {
        let next = self.subscriptions.child_token();
        let before = std::mem::replace(&mut *self.renewed.lock(), next);
        before.cancel();
    }
}
