//! What ends calls and streams of a server before the server does.

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::chain::{McpResponse, Reason, Rejection};
use crate::config::Server;
use crate::protocol::Method;

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

/// The latest end of a reply.
pub(super) struct Ends {
    pub(super) at: Instant,
    /// What is said then.
    pub(super) because: Reason,
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

    /// Does `work` until its reply begins: in time, and unless it is cut. It is told when and by what the rest of the reply ends.
    pub(super) async fn within<W>(
        &self,
        server: &Server,
        method: Method,
        work: impl FnOnce(Ends, Cut) -> W,
    ) -> Result<McpResponse, Rejection>
    where
        W: Future<Output = Result<McpResponse, Rejection>>,
    {
        // Even a subscription that lives for an hour is answered at once.
        let answered_by = Instant::now() + server.timeout;
        let (ends, cut) = if method.is_subscription() {
            (Ends { at: Instant::now() + server.limits.stream_life, because: Reason::StreamLimit }, self.of_subscriptions())
        } else {
            (Ends { at: answered_by, because: Reason::UpstreamTimeout }, self.of_calls())
        };
        let work = work(ends, cut.clone());
        let work = async {
            tokio::select! {
                biased;
                reply = work => reply,
                () = cut.token.cancelled() => Err(cut.reason().into()),
            }
        };
        tokio::time::timeout_at(answered_by, work).await.unwrap_or(Err(Reason::UpstreamTimeout.into()))
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
