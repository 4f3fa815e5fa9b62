//! A bare HTTP/1.1 reverse proxy on hyper that reads both bodies and looks at nothing: the floor under any proxy of this kind.
//! What a gateway costs above it is the gateway's own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use loadgen::Args;
use tokio::net::{TcpListener, TcpStream};

const USAGE: &str = "hyper-proxy [--listen 127.0.0.1:9003] [--upstream 127.0.0.1:9001] [--threads 2]";

type Sender = SendRequest<Full<Bytes>>;

struct Proxy {
    upstream: SocketAddr,
    idle: Mutex<Vec<Sender>>,
}

impl Proxy {
    async fn lease(&self) -> Option<Sender> {
        let idle = self.idle.lock().ok()?.pop();
        if let Some(mut sender) = idle {
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
        let stream = TcpStream::connect(self.upstream).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    async fn forward(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let mut sender = self.lease().await?;
        let response = sender.send_request(Request::from_parts(head, Full::new(body))).await.ok()?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        self.idle.lock().ok()?.push(sender);
        Some(Response::from_parts(head, Full::new(body)))
    }
}

fn main() {
    let a = Args::from_env(USAGE);
    let parse = |key: &str, default: &str| -> SocketAddr {
        a.str(key, default).parse().unwrap_or_else(|e| {
            eprintln!("--{key}: {e}");
            std::process::exit(2);
        })
    };
    let listen = parse("listen", "127.0.0.1:9003");
    let proxy = Arc::new(Proxy { upstream: parse("upstream", "127.0.0.1:9001"), idle: Mutex::default() });
    let rt = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(a.num("threads", 2))
        .enable_all()
        .build()
        .expect("runtime");
    rt.block_on(async move {
        let listener = TcpListener::bind(listen).await.expect("bind");
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _ = stream.set_nodelay(true);
            let proxy = proxy.clone();
            tokio::spawn(async move {
                let svc = service_fn(move |req| {
                    let proxy = proxy.clone();
                    async move {
                        Ok::<_, Infallible>(proxy.forward(req).await.unwrap_or_else(|| {
                            let mut r = Response::new(Full::default());
                            *r.status_mut() = StatusCode::BAD_GATEWAY;
                            r
                        }))
                    }
                });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), svc).await;
            });
        }
    });
}
