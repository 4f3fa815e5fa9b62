//! What does the chain cost a message: its mechanics, and the real layers with nothing to look for?
//!
//! `cargo bench --bench chain`. The number to defend: at most 2 us a message for fourteen stations, as many as
//! the chain has, that hand it on, there and back. The
//! other case is the real chain, with authentication, strict parsing of both messages, keyed commitments and two audit records: 256
//! calls are in flight at a time, so that the audit writer (a disk that syncs for nothing) answers in batches as it does under load;
//! what is measured is the time until all are answered, the writer's thread included. The upstream answers at once from memory. What
//! inspection adds to it is `--bench inspection`.

#![expect(clippy::expect_used, reason = "a bench that cannot start has nothing to say")]

use std::hint::black_box;
use std::task::{Context, Poll};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tower::{Service, ServiceBuilder, ServiceExt as _};
use yett::chain::{
    Carried, Exchange, McpRequest, McpResponse, Middleware, Next, Rejection, Reply, Station, TaskIds, TraceHeaders,
};
use yett::protocol::json::Limits;
use yett::protocol::{Access, Answerable, ClientMessage, ListSet, Message, ProtocolVersion, Side};

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/null_disk.rs"]
mod null_disk;

use gateway::{Gateway, NOTHING, call, result};

/// A station that has nothing to do.
struct Pass;

impl Middleware for Pass {
    type In = McpRequest<()>;
    type Out = McpRequest<()>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        next.run(request).await?.map_messages(|message| Ok(Some(message)))
    }
}

/// The end of a chain of such stations.
#[derive(Clone)]
struct End;

impl Service<McpRequest<()>> for End {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: McpRequest<()>) -> Reply {
        Box::pin(async move {
            match request.carried.message {
                ClientMessage::Rpc(message) => Ok(McpResponse::json(message)),
                ClientMessage::EndSession | ClientMessage::OpenStream => Ok(McpResponse::accepted()),
            }
        })
    }
}

/// Fourteen stations: as many as the chain has.
fn stations(criterion: &mut Criterion) {
    let station = || Station::new(Pass, &());
    let service = ServiceBuilder::new()
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .layer(station())
        .service(End);
    let bench = Gateway::new(NOTHING, &[result("plain")]);
    let body = call("plain");
    let request = || {
        let message = Message::parse(body.clone(), Limits::default(), Side::Client).expect("a call");
        let access = Access::of(&message, ProtocolVersion::V2026_07_28, |_| None).expect("an access");
        let carried = Box::new(Carried {
            message: ClientMessage::Rpc(message),
            access,
            claim: None,
            opens: None,
            memory: None,
            exchange: Exchange {
                version: ProtocolVersion::V2026_07_28,
                session: None,
                answerable: Answerable::default(),
                lists: ListSet::default(),
                listed: None,
                question: None,
                progress: None,
                moot: false,
                state: None,
                tasks: TaskIds::default(),
                mirrored: Vec::new(),
                trace: TraceHeaders::default(),
            },
            context: bench.context(),
        });
        McpRequest { carried, evidence: () }
    };
    criterion.bench_function("chain/fourteen stations, nothing to do", |bencher| {
        bencher.to_async(&bench.runtime).iter_batched(
            request,
            |request| {
                let service = service.clone();
                async move { black_box(service.oneshot(request).await.is_ok()) }
            },
            BatchSize::SmallInput,
        );
    });
}

fn real(criterion: &mut Criterion) {
    let bench = Gateway::new(NOTHING, &[result("plain")]);
    let bodies = [call("plain")];
    let mut group = criterion.benchmark_group("chain");
    group.throughput(Throughput::Elements(1));
    group.bench_function("real, nothing to look for, small call", |bencher| {
        bencher.iter_custom(|rounds| bench.run(&bodies, rounds));
    });
    group.finish();
}

criterion_group!(benches, stations, real);
criterion_main!(benches);
