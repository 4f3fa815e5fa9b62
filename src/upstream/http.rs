//! Streamable HTTP to one server: the request. The reply is read in `reply.rs`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue};
use http::{Method as HttpMethod, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::UpstreamBody;
use super::address::{self, Address};
use super::connect::{ConnectError, Connector};
use super::credential::{OnBehalf, Pass, Used};
use super::cut::{Cut, Cuts, Ends};
use super::memory::ReplyMemory;
use super::pool::{Lease, Pool};
use super::questions::Questions;
use super::reply::{self, Expected};
use super::resumption::Resumption;
use super::transport::Shared;
use crate::asserted::{Assertions, Caller};
use crate::chain::{CallId, Carried, Exchange, McpRequest, McpResponse, Mirrored, Polling, Reason, Rejection, RequestContext};
use crate::config::Server;
use crate::layers::audit::Recorded;
use crate::layers::authn::Principal;
use crate::places::{Place, Share};
use crate::protocol::{Access, ClientMessage, Method, Shape, Target, encode_header};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const YETT_IDENTITY: HeaderName = HeaderName::from_static("yett-identity");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Answers to questions of one server that may be on their way at once; each holds a connection.
const ANSWERS: usize = 16;

/// The client for one server.
#[derive(Clone)]
pub struct StreamableHttp(Arc<Inner>);

struct Inner {
    server: Arc<Server>,
    pool: Pool,
    address: Address,
    tasks: TaskTracker,
    memory: ReplyMemory,
    max_message: usize,
    /// SECURITY: a server that asks without end must not open a socket of ours with every question.
    answers: Arc<Semaphore>,
    /// Ends what still waits for this server.
    cuts: Cuts,
    assertions: Arc<Assertions>,
}

/// For whom a message is sent.
#[derive(Clone)]
struct Asker {
    call: CallId,
    pass: Option<Pass>,
    /// What the server is told of who is calling.
    caller: Option<Arc<Caller>>,
}

impl fmt::Debug for StreamableHttp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamableHttp").field("server", &self.0.server.name).finish_non_exhaustive()
    }
}

impl StreamableHttp {
    /// For `server`, at `url`.
    pub(super) fn new(server: Arc<Server>, url: &Uri, shared: &Shared) -> Result<Self, ConnectError> {
        let Shared { memory, tasks, metrics, .. } = shared;
        let connector = Connector::of(&server, url, shared.sockets.clone())?;
        let max_message = shared.largest_message_of(&server);
        let address = Address::new(&server, url, (metrics, shared.accounts.as_ref()))?;
        let open = metrics.upstream_connections(&server.name);
        let pool = Pool::new(connector, server.limits.connect_timeout, tasks.clone(), open);
        let (answers, cuts) = (Arc::new(Semaphore::new(ANSWERS)), Cuts::new());
        let (memory, tasks) = (memory.clone(), tasks.clone());
        let assertions = Arc::clone(&shared.assertions);
        Ok(Self(Arc::new(Inner { server, pool, address, tasks, memory, max_message, answers, cuts, assertions })))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.server.name
    }

    pub(super) fn close(&self) {
        self.0.pool.close();
    }

    pub(super) fn expire(&self) {
        self.0.pool.expire();
    }

    pub(super) fn cuts(&self) -> &Cuts {
        &self.0.cuts
    }

    pub(super) async fn send(&self, request: McpRequest<Recorded>) -> Result<McpResponse, Rejection> {
        let method = request.access.method;
        self.0.cuts.within(&self.0.server, method, |ends, cut| self.exchange(request, ends, cut)).await
    }

    async fn exchange(&self, request: McpRequest<Recorded>, ends: Ends, cut: Cut) -> Result<McpResponse, Rejection> {
        let McpRequest { carried, evidence } = request;
        let Carried { message, access, exchange, memory, context, claim: _, opens: _ } = *carried;
        let (http_method, body) = match &message {
            ClientMessage::Rpc(message) => (HttpMethod::POST, Some(message.encode())),
            ClientMessage::EndSession => (HttpMethod::DELETE, None),
            ClientMessage::OpenStream => (HttpMethod::GET, None),
        };
        let pushes = access.method == Method::Push;
        let principal = evidence.permit().principal();
        let gateway = self.gateway_of(&context);
        let pass = self.0.address.pass(Some(OnBehalf { caller: principal, gateway }))?;
        let caller = self.caller(principal, gateway);
        let asker = Asker { call: context.call, pass, caller };
        let expected = Expected {
            pushes,
            resumption: self.resumption(&exchange, &access, &context, &asker),
            id: message.rpc().and_then(|message| message.id().cloned()),
            shape: access.shape,
            in_session: exchange.session.is_some(),
            ends_session: access.method == Method::EndSession,
            version: exchange.version,
            max_message: self.0.max_message,
            most: self.0.server.limits.stream_bytes,
            ends,
            // A server may have nothing to say for as long as the stream lives.
            idle: if pushes { self.0.server.limits.stream_life } else { self.0.server.limits.idle_timeout },
            cut,
            memory: self.0.memory.growing(Share::of(evidence.permit().principal())),
            questions: self.questions(&exchange, &asker),
            discretion: self.0.address.discretion(asker.pass.as_ref()),
        };
        // What was read is held by the bytes to send alone from here on, and those are dropped once they are sent.
        drop(message);
        let (http, used) = self.request(&http_method, body, &access, &exchange, &asker).await?;
        let http = http.map(|body| match memory {
            Some(memory) => body.map_frame(move |frame| held(&memory, frame)).boxed_unsync(),
            None => body,
        });
        let mut lease = self.0.pool.lease().await.map_err(|error| {
            tracing::warn!(server = self.name(), error = &error as &dyn std::error::Error, "no connection");
            Reason::UpstreamFailed(error.word())
        })?;
        let answering = lease.sender.send_request(http);
        let answered = match self.0.server.limits.first_byte_timeout {
            Some(patience) => tokio::time::timeout(patience, answering).await.map_err(|_elapsed| Reason::UpstreamTimeout)?,
            None => answering.await,
        };
        let response = answered.map_err(|error| {
            tracing::warn!(server = self.name(), error = &error as &dyn std::error::Error, "no reply");
            lease.failed(&error)
        })?;
        used.answered(response.status());
        reply::read(response, lease, expected).await
    }

    /// A request made of nothing but what we put there: whatever else the client sent ends here.
    async fn request(
        &self,
        http_method: &HttpMethod,
        body: Option<Bytes>,
        access: &Access,
        exchange: &Exchange,
        asker: &Asker,
    ) -> Result<(Request<UpstreamBody>, Used), Rejection> {
        let mut request = self.0.address.request(http_method, self.0.address.target(), body);
        address::mark(&mut request, asker.call, &exchange.trace);
        let headers = request.headers_mut();
        if access.method != Method::Initialize {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(exchange.version.as_str()));
        }
        if let Some(session) = &exchange.session {
            headers.insert(SESSION_ID, session.clone());
        }
        if exchange.version.has_mirrored_headers() {
            mirror(headers, access)?;
            for Mirrored { name, value, .. } in &exchange.mirrored {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some(caller) = &asker.caller {
            let token = self.0.assertions.sign(caller).and_then(|token| HeaderValue::try_from(token).ok());
            headers.insert(YETT_IDENTITY, token.ok_or_else(|| Rejection::internal("identity token"))?);
        }
        let used = address::show(asker.pass.as_ref(), &mut request).await?;
        Ok((request, used))
    }

    /// The URL at which the gateway was called: what stands before `/mcp/<server>` in the route's.
    fn gateway_of<'a>(&self, context: &'a RequestContext) -> &'a str {
        let resource = context.route.resource.as_str();
        let before = resource.strip_suffix(self.name()).and_then(|before| before.strip_suffix("/mcp/"));
        before.unwrap_or(resource)
    }

    /// What the server is told of who is calling, where it is.
    fn caller(&self, principal: &Principal, gateway: &str) -> Option<Arc<Caller>> {
        let told = self.0.server.identity_jwt.as_ref()?;
        let url = self.0.server.url().map(ToString::to_string).unwrap_or_default();
        Some(Arc::new(Caller {
            iss: gateway.to_owned(),
            aud: told.audience.clone().unwrap_or(url),
            sub: principal.subject().to_owned(),
            idp: principal.issuer().to_owned(),
            client: principal.client().map(str::to_owned),
            tenant: principal.tenant().map(str::to_owned),
            groups: told.groups.then(|| principal.groups().to_vec()),
        }))
    }

    /// How a reply is read on whose connection the server has closed: a session may poll. MCP 2025-11-25, "Resumability and Redelivery".
    fn resumption(&self, exchange: &Exchange, access: &Access, context: &RequestContext, asker: &Asker) -> Option<Resumption> {
        if !exchange.version.has_sessions() || access.shape != Shape::Request {
            return None;
        }
        let (upstream, exchange, asker) = (self.clone(), exchange.clone(), asker.clone());
        let polling = Polling::new(self.0.tasks.clone(), self.0.cuts.stopping(), context.trail.end());
        Some(Resumption::new(polling, access.method == Method::Push, move |last| {
            let (upstream, exchange, asker) = (upstream.clone(), exchange.clone(), asker.clone());
            async move { upstream.resume(last, &exchange, &asker).await }
        }))
    }

    async fn resume(
        &self,
        last: HeaderValue,
        exchange: &Exchange,
        asker: &Asker,
    ) -> Result<(Response<Incoming>, Lease), Rejection> {
        let (mut http, used) = self.request(&HttpMethod::GET, None, &Access::push(), exchange, asker).await?;
        http.headers_mut().insert(LAST_EVENT_ID, last);
        let mut lease = self.0.pool.lease().await.map_err(|error| Reason::UpstreamFailed(error.word()))?;
        let response = lease.sender.send_request(http).await;
        let response = response.map_err(|error| lease.failed(&error))?;
        used.answered(response.status());
        Ok((response, lease))
    }

    fn questions(&self, exchange: &Exchange, asker: &Asker) -> Questions {
        let (upstream, exchange, asker) = (self.clone(), exchange.clone(), asker.clone());
        Questions::new(move |answer| {
            let (upstream, exchange, asker) = (upstream.clone(), exchange.clone(), asker.clone());
            // Beyond the bound a question stays without an answer: it was refused all the same.
            let Ok(permit) = Arc::clone(&upstream.0.answers).try_acquire_owned() else { return };
            upstream.0.tasks.clone().spawn(async move {
                upstream.answer(answer, &exchange, &asker).await;
                drop(permit);
            });
        })
    }

    /// Posts our answer to a question of the server. Best effort: the server has its own time-out.
    async fn answer(&self, answer: Bytes, exchange: &Exchange, asker: &Asker) {
        const PATIENCE: Duration = Duration::from_secs(10);
        let access = Access { method: Method::Other, target: Target::None, shape: Shape::Response, answers: false, task: false };
        let work = async {
            let (request, used) = self.request(&HttpMethod::POST, Some(answer), &access, exchange, asker).await.ok()?;
            let mut lease = self.0.pool.lease().await.ok()?;
            let response = lease.sender.send_request(request).await.ok()?;
            used.answered(response.status());
            response.status().is_success().then_some(())
        };
        if !matches!(tokio::time::timeout(PATIENCE, work).await, Ok(Some(()))) {
            tracing::debug!(server = self.name(), "the server did not take an answer");
        }
    }
}

/// A frame, while `memory` lives as long as whoever gives frames.
fn held<T>(_memory: &Place, frame: T) -> T {
    frame
}

/// Writes the 2026-07-28 headers anew from the body that was judged.
fn mirror(headers: &mut http::HeaderMap, access: &Access) -> Result<(), Rejection> {
    let method = match &access.target {
        Target::Method(name) => name.as_str(),
        Target::Answer(_)
        | Target::Listen { .. }
        | Target::None
        | Target::Prompt(_)
        | Target::Resource(_)
        | Target::Session
        | Target::Task(_)
        | Target::Tool(_) => access.method.name(),
    };
    let method = HeaderValue::from_str(method).map_err(|_unused| Rejection::internal("method is no header value"))?;
    headers.insert(HeaderName::from_static("mcp-method"), method);
    if let Some(name) = access.forwarded_name() {
        let name =
            HeaderValue::from_str(&encode_header(name)).map_err(|_unused| Rejection::internal("name is no header value"))?;
        headers.insert(HeaderName::from_static("mcp-name"), name);
    }
    Ok(())
}
