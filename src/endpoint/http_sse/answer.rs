//! The two exchanges of a message: its POST is answered once the message is accepted, and what answers the message goes to the stream.

use std::future::ready;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};

use super::{Accepted, Notice, name_session};
use crate::chain::{
    Anonymous, Arrival, CallId, Chain, Closed, Incoming, McpResponse, Outlet, Rejection, Reply, RequestContext, ResponseBody,
    ServerMessage,
};
use crate::endpoint::{EdgeBody, Endpoint, encode, sse, trace_context};
use crate::trace::Trace;

/// A call, and what it answers.
struct Call {
    id: CallId,
    reply: Reply,
}

impl Endpoint {
    /// Answers a request on the HTTP+SSE endpoint of a server.
    pub(in crate::endpoint) async fn answer_http_sse(&self, mut incoming: Incoming<Anonymous>) -> Response<EdgeBody> {
        name_session(&mut incoming.head);
        let (notice, mut accepting) = Notice::new();
        incoming.head.extensions.insert(notice);
        let (headers, context) = (incoming.head.headers.clone(), incoming.context.clone());
        let chain = self.chain.load_full();
        let mut work = chain.run(Arrival::Request(incoming));
        let (accepted, reply) = tokio::select! {
            biased;
            Ok(accepted) = &mut accepting => (accepted, work),
            result = &mut work => match accepting.try_recv() {
                Ok(accepted) => (accepted, Box::pin(ready(result)) as Reply),
                // A stream, or a refusal by status.
                Err(_) => return encode::response(result, context.call, &context.route),
            },
        };
        let call = Call { id: context.call, reply };
        let pushes = accepted.pushes.is_some().then(|| self.ask_for_pushes(&chain, headers, &context));
        // The message is the session's from here on: that its POST is lost is no cancellation. MCP 2024-11-05, "HTTP with SSE".
        self.tasks.spawn(carry(accepted, call, pushes));
        encode::response(Ok(McpResponse::accepted()), context.call, &context.route)
    }

    /// What the server pushes in this session, asked for by the head of a message: by the same credential, on the same route.
    fn ask_for_pushes(&self, chain: &Arc<Chain>, mut headers: HeaderMap, context: &RequestContext) -> Call {
        for of_the_body in [CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING] {
            headers.remove(of_the_body);
        }
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        let (mut head, ()) = Request::new(()).into_parts();
        (head.method, head.headers) = (Method::GET, headers);
        let trace = Trace::begin(self.sampling, trace_context::of_head(&head.headers).as_ref());
        let context = self.context(context.peer.clone(), Arc::clone(&context.route), trace);
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let id = context.call;
        let arrival = Arrival::Request(Incoming { head: Box::new(head), body, context, evidence: Anonymous });
        Call { id, reply: chain.run(arrival) }
    }
}

/// Carries what a call says to the stream, and after it what the server pushes. A client that closes its stream ends both.
async fn carry(accepted: Accepted, call: Call, pushes: Option<Call>) {
    let Accepted { outlet, place, pushes: turn } = accepted;
    let work = async {
        // Whoever cannot be told any more is gone, which ends this.
        let _closed = say(call, &outlet).await;
        drop(place);
        if let Some(pushes) = pushes {
            tokio::select! {
                // First, so that its record says why it ends with the session.
                biased;
                _closed = say(pushes, &outlet) => {}
                () = outlet.over() => {}
            }
        }
    };
    tokio::select! {
        () = outlet.lost() => {}
        () = work => {}
    }
    drop(turn);
}

async fn say(call: Call, outlet: &Outlet) -> Result<(), Closed> {
    match call.reply.await.map(|response| response.body) {
        Ok(ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Opened(_) | ResponseBody::Resumed(_)) => Ok(()),
        Ok(ResponseBody::Json(_, reply)) => tell(reply, outlet).await,
        Ok(ResponseBody::Stream(mut stream)) => {
            while let Some(item) = stream.next().await {
                match item {
                    Ok(message) => {
                        let is_final = message.is_final();
                        tell(message, outlet).await?;
                        if is_final {
                            break;
                        }
                    }
                    Err(rejection) => return refuse(&rejection, call.id, outlet).await,
                }
            }
            Ok(())
        }
        Err(rejection) => refuse(&rejection, call.id, outlet).await,
    }
}

/// A refusal answers its request; where there was none, nobody waits for it.
async fn refuse(rejection: &Rejection, call: CallId, outlet: &Outlet) -> Result<(), Closed> {
    match encode::error_event(rejection, call) {
        Some(error) => outlet.say(event(&error), None).await,
        None => Ok(()),
    }
}

/// What waits is the event alone.
async fn tell(message: ServerMessage, outlet: &Outlet) -> Result<(), Closed> {
    let (event, memory) = (event(&message.message.encode()), message.memory);
    drop(message.message);
    outlet.say(event, memory).await
}

fn event(message: &[u8]) -> Bytes {
    let mut event = BytesMut::new();
    sse::encode_event(&mut event, message);
    event.freeze()
}
