//! The health listener: `/healthz` and `/readyz` open, `/metrics` with its token.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::audit::Condition;
use crate::export::Standings;
use crate::jwks::Keys;
use crate::listener::{bind, operators};
use crate::secrets::{Keeper, Live};
use crate::state::Following;
use crate::telemetry::{Exposition, Metrics};

/// A bound health listener.
#[derive(Debug)]
pub struct Health {
    socket: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    token: Option<Live>,
    open: bool,
}

/// Whether calls should be sent here.
#[derive(Debug)]
pub struct Readiness {
    /// Between the start and the beginning of a stop.
    pub serving: AtomicBool,
    /// What the audit log can take on.
    pub log: watch::Receiver<Condition>,
    /// The log's durability; a reload may change it.
    pub mode: watch::Sender<&'static str>,
    /// Why the last reload was refused, if it was. Calls go on by what was in force before.
    pub reload: watch::Sender<Option<&'static str>>,
    /// What single witnesses claim of the log without proof, where there are witnesses.
    pub claims: Option<watch::Receiver<Vec<String>>>,
    /// The keys of token issuers. A replica that never had them cannot check tokens, and is no place to send callers to; a set that
    /// goes stale later closes its issuer alone, since then all replicas are alike.
    pub keys: Vec<Keys>,
    /// Secrets of the configuration. One that was never read is like keys that never came; one that goes stale later closes what needs it.
    pub secrets: Arc<Keeper>,
    /// The state store. Without it calls go on by what is in memory, so it is told and changes nothing: it may be gone for all replicas.
    pub state: Arc<Following>,
    /// Sinks of the log. They are copies: one that fails is told and changes nothing.
    pub exports: Standings,
}

impl Readiness {
    /// Calls that begin from now on are recorded in this mode.
    pub fn set_mode(&self, mode: &'static str) {
        self.mode.send_replace(mode);
    }

    /// The last reload was refused for that reason, or was not.
    pub fn set_reload(&self, refused: Option<&'static str>) {
        self.reload.send_replace(refused);
    }

    /// `Err` says why not, for the operator.
    pub fn check(&self) -> Result<(), &'static str> {
        if !self.serving.load(Ordering::Acquire) {
            return Err("starting or stopping");
        }
        if !self.keys.iter().all(Keys::have_arrived) {
            return Err("the keys of an issuer have not been read yet");
        }
        if !self.secrets.have_arrived() {
            return Err("a secret of the configuration has not been read yet");
        }
        match *self.log.borrow() {
            Condition::Writing => Ok(()),
            Condition::Full => Err("the audit volume is full"),
            Condition::Lagging => Err("no quorum of witnesses has cosigned the audit log for too long"),
            Condition::Frozen => Err(
                "the audit log is frozen: another history of it is known outside; to go on with a new log, start with another \
                 `audit.replica`",
            ),
            Condition::Failed => Err("the audit log has failed"),
        }
    }
}

impl Health {
    /// Binds. Without `token` and without `open`, `/metrics` is refused to everybody.
    pub fn bind(
        address: SocketAddr,
        readiness: Arc<Readiness>,
        metrics: Arc<Metrics>,
        token: Option<Live>,
        open: bool,
    ) -> io::Result<Self> {
        let socket = bind(address, operators::BUFFER)?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address, shared: Arc::new(Shared { readiness, metrics, token, open }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let routes = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self.shared);
        operators::serve(self.socket, TowerToHyperService::new(routes), stop).await;
    }
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let claims = shared.readiness.claims.as_ref().map(|claims| claims.borrow().clone()).unwrap_or_default();
    let unreached = (!shared.readiness.state.is_reachable()).then(|| "the state store cannot be reached".to_owned());
    // A word alone: whoever may see more finds it in the log.
    let stale = shared
        .readiness
        .reload
        .borrow()
        .map(|why| format!("the configuration on disk is not in force: the last reload was refused ({why})"));
    let claims = claims.into_iter().chain(shared.readiness.secrets.troubles()).chain(shared.readiness.exports.troubles());
    let claims = claims.chain(unreached).chain(stale);
    let claims = claims.fold(String::new(), |all, claim| all + "warning: " + &claim + "\n");
    match shared.readiness.check() {
        Ok(()) => format!("ready\naudit: {}\n{claims}", *shared.readiness.mode.borrow()).into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n{claims}")).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|text| text.strip_prefix("Bearer "));
    let known = match (&shared.token, given) {
        (Some(token), Some(given)) => {
            token.current().is_ok_and(|token| verify_slices_are_equal(token.secret.expose().as_bytes(), given.as_bytes()).is_ok())
        }
        _ => false,
    };
    if !known && !shared.open {
        return (StatusCode::UNAUTHORIZED, "/metrics needs the `health.metrics_token`\n").into_response();
    }
    let accept: Vec<&str> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Exposition::negotiate(&accept.join(","));
    ([(CONTENT_TYPE, format.media_type())], shared.metrics.render(format)).into_response()
}
