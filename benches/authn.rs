//! What does it cost to know who calls: a token seen before, one never seen, an API key, and a token whose issuer has changed its keys?
//!
//! `cargo bench --bench authn`. The number to defend: at most 5 us for a token that was verified before. What is measured is the whole
//! station with a head like those of clients, from the call to the answer of a chain that ends behind it; `no credential` is that with
//! nothing to judge. Before anything is measured, it is made sure that what is remembered ends with the token, with the key that signed
//! it and with the API key that was revoked.

#![expect(clippy::expect_used, clippy::panic, reason = "a bench that cannot start has nothing to say")]

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer, Service};
use yett::chain::{Anonymous, CallId, Incoming, McpResponse, Peer, Rejection, Reply, RequestContext, Route, Station, Trail};
use yett::clock::{Clock, SystemClock};
use yett::config;
use yett::jwks::{KeySets, Keys};
use yett::layers::authn::{Authn, Issuers, Principal, Settings};
use yett::master_key::MasterKey;
use yett::state::{ApiKeys, NewKey};
use yett::telemetry::Metrics;
use yett::vault::Vault;

const RESOURCE: &str = "http://127.0.0.1:1/mcp/crm";

const CONFIG: &str = "version: 1
listeners: [ { name: b, address: '127.0.0.1:1' } ]
policies: policies
servers: { crm: { url: 'http://127.0.0.1:2/mcp' } }
identity:
  issuers:
    - name: corp
      issuer: https://corp.example
      jwks_file: keys.json
      algorithms: [RS256, ES256]
      claims: { subject: sub, groups: groups }
";

const POLICY: &str = "version: 1
roles: { all: { allow: [ { servers: [crm], tools: ['**'] } ] } }
bindings: [ { role: all, groups: [bench] } ]
";

/// The end of a chain that knows who calls and asks for nothing else.
#[derive(Clone)]
struct End;

impl Service<Incoming<Principal>> for End {
    type Response = McpResponse;
    type Error = Rejection;
    type Future = Reply;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Incoming<Principal>) -> Reply {
        Box::pin(async { Ok(McpResponse::accepted()) })
    }
}

/// Two keys of an issuer, as providers have them.
struct Pairs {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    random: SystemRandom,
}

impl Pairs {
    fn new() -> Self {
        Self {
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("a key"),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key"),
            random: SystemRandom::new(),
        }
    }

    /// What is published of the keys of these names. `salt` makes it another set.
    fn published(&self, names: &[&str], salt: u64) -> String {
        // RFC 8017, A.1.1, with 2048 bits and the usual exponent: a sequence of two integers, the first with a zero byte before it.
        let modulus = self.rsa.public_key().as_ref().get(9..265).expect("a modulus");
        let point = self.ec.public_key().as_ref().get(1..).expect("a point");
        let (x, y) = point.split_at(32);
        let mut set = format!("{{\"salt\":{salt},\"keys\":[");
        for (place, name) in names.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let written = match *name {
                "rsa" => write!(set, r#"{comma}{{"kty":"RSA","kid":"rsa","n":"{}","e":"AQAB"}}"#, encode(modulus)),
                ec => write!(set, r#"{comma}{{"kty":"EC","crv":"P-256","kid":"{ec}","x":"{}","y":"{}"}}"#, encode(x), encode(y)),
            };
            written.expect("a text");
        }
        set + "]}"
    }

    /// A token as large as those of a company's provider, for an hour from `now`.
    fn token(&self, name: &str, now: Timestamp) -> String {
        let algorithm = if name == "rsa" { "RS256" } else { "ES256" };
        let header = format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{name}"}}"#);
        let (issued, expires) = (now.as_second(), now.as_second() + 3600);
        let claims = format!(
            r#"{{"iss":"https://corp.example","sub":"248289761001","aud":"{RESOURCE}","iat":{issued},"exp":{expires},"client_id":"s6BhdRkqt3","scope":"mcp:tools crm.read","groups":["bench","sales-emea","all-staff"],"tid":"0b6e4c1d-6a2e-4a55-9d53-6a0ea1dbb7d3","email":"somebody@corp.example","jti":"2f3d8a52-6e1b-4f0e-a7b8-0d6c2f9f3f77"}}"#
        );
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = match name {
            "rsa" => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &self.random, signed.as_bytes(), &mut signature).expect("a signature");
                signature
            }
            _ => self.ec.sign(&self.random, signed.as_bytes()).expect("a signature").as_ref().to_vec(),
        };
        format!("{signed}.{}", encode(&signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

type Judge = <Station<Authn> as Layer<End>>::Service;

struct Bench {
    runtime: Runtime,
    pairs: Pairs,
    published: PathBuf,
    issuers: Issuers,
    keys: Keys,
    api_keys: Arc<ApiKeys>,
    vault: Arc<Vault>,
    route: Arc<Route>,
    rotations: Cell<u64>,
    _folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::create_dir(root.join("policies")).expect("a folder");
        std::fs::write(root.join("policies/bench.yaml"), POLICY).expect("a policy");
        let (pairs, published) = (Pairs::new(), root.join("keys.json"));
        std::fs::write(&published, pairs.published(&["rsa", "ec"], 0)).expect("a key set");
        let mut config = config::load_str(CONFIG, root).unwrap_or_else(|report| panic!("{report}")).config;
        for issuer in &mut config.identity.issuers {
            // Whoever names an unknown key has the set read again, as often as this asks for it.
            issuer.cooldown = Duration::ZERO;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (keys, api_keys, vault) = runtime.block_on(async {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let sets = KeySets::start(&config.identity.issuers, &clock, &Arc::new(Metrics::new())).await.expect("keys");
            let keys = sets.keys().pop().expect("keys of an issuer");
            sets.run(&TaskTracker::new(), &CancellationToken::new());
            let master = MasterKey::open(None, root).expect("a key");
            let (api_keys, _) = ApiKeys::open(root, &master).await.expect("state");
            (keys, Arc::new(api_keys), Arc::new(Vault::open(root, &master).await.expect("a vault")))
        });
        let issuers = Issuers::new(config.identity.issuers.iter().map(|issuer| (issuer, keys.clone(), None)));
        let resource = RESOURCE.to_owned();
        let server = config.servers.first().map(Arc::clone);
        let audiences = vec![resource.clone()];
        let route = Arc::new(Route { metadata_url: resource.clone(), audiences, resource, server, legacy_sse: false });
        Self { runtime, pairs, published, issuers, keys, api_keys, vault, route, rotations: Cell::new(0), _folder: folder }
    }

    /// A station that has seen no token.
    fn judge(&self) -> Judge {
        let api_keys = Some(Arc::clone(&self.api_keys));
        let authn = Authn::new(self.issuers.clone(), api_keys, Settings::default(), Arc::clone(&self.vault), Arc::default());
        Station::new(authn, &()).layer(End)
    }

    fn arrival(&self, credential: Option<&str>) -> Incoming<Anonymous> {
        let mut request = Request::post("/mcp/crm")
            .header("host", "127.0.0.1:1")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "tools/call")
            .header("mcp-name", "get_customer");
        if let Some(credential) = credential {
            request = request.header("authorization", format!("Bearer {credential}"));
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let body = Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync();
        let context = RequestContext {
            call: CallId::new(),
            received: Timestamp::now(),
            started: Instant::now(),
            peer: Peer::at(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            route: Arc::clone(&self.route),
            trail: Trail::default(),
        };
        Incoming { head: Box::new(head), body, context, evidence: Anonymous }
    }

    /// Whether this is good, and how long it takes to say so.
    async fn judged(&self, judge: &Judge, credential: &str) -> (bool, Duration) {
        let (arrival, mut judge) = (self.arrival(Some(credential)), judge.clone());
        let start = Instant::now();
        let answer = judge.call(arrival).await;
        (answer.is_ok(), start.elapsed())
    }

    /// By stations that have not seen it.
    async fn first(&self, token: &str, rounds: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            let (good, took) = self.judged(&self.judge(), token).await;
            assert!(good, "a good token was refused");
            spent += took;
        }
        spent
    }

    /// By a station that has seen it, each time after the issuer has published another set.
    async fn rotated(&self, judge: &Judge, token: &str, rounds: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..rounds {
            self.rotate(&["rsa", "ec"]).await;
            let (good, took) = self.judged(judge, token).await;
            assert!(good, "a good token was refused");
            spent += took;
        }
        spent
    }

    /// The same credential again and again. Many at a time are made ready before a clock is read, so that it costs nothing.
    fn again(&self, judge: &Judge, credential: Option<&str>, good: bool, rounds: u64) -> Duration {
        self.runtime.block_on(async {
            let (mut spent, mut left) = (Duration::ZERO, rounds);
            while left > 0 {
                let now = left.min(256);
                let arrivals: Vec<_> = (0..now).map(|_| self.arrival(credential)).collect();
                let mut judge = judge.clone();
                let start = Instant::now();
                for arrival in arrivals {
                    assert_eq!(judge.call(arrival).await.is_ok(), good, "it was judged otherwise");
                }
                spent += start.elapsed();
                left -= now;
            }
            spent
        })
    }

    /// The issuer publishes these keys from now on, and the gateway has seen it.
    async fn rotate(&self, names: &[&str]) {
        let salt = self.rotations.get() + 1;
        self.rotations.set(salt);
        std::fs::write(&self.published, self.pairs.published(names, salt)).expect("a key set");
        assert!(self.keys.look_again().await, "the set was not read again");
    }

    async fn api_key(&self) -> (Arc<str>, String) {
        let new = NewKey { subject: "bench".into(), groups: vec!["bench".into()], ..NewKey::default() };
        let (key, secret) = self.api_keys.create(new, Timestamp::now()).await.expect("a key");
        (Arc::clone(&key.id), secret.expose().clone())
    }

    /// What is remembered ends with its ground: nothing of what is measured is bought with an answer that is too old.
    async fn assert_that_good_ends(&self) {
        let (judge, now) = (self.judge(), Timestamp::now());
        let (rsa, ec) = (self.pairs.token("rsa", now), self.pairs.token("ec", now));
        let is_good = async |credential: &str| self.judged(&judge, credential).await.0;
        for token in [&rsa, &ec, &rsa, &ec] {
            assert!(is_good(token).await, "a good token");
        }
        self.rotate(&["ec"]).await;
        assert!(!is_good(&rsa).await, "the key is not published any more; its token was remembered");
        assert!(is_good(&ec).await, "that key is");
        self.rotate(&["rsa", "ec"]).await;
        assert!(is_good(&rsa).await, "the key is back");
        let old = now - SignedDuration::from_secs(3600 + 31);
        assert!(!is_good(&self.pairs.token("ec", old)).await, "it has run out");
        let (id, secret) = self.api_key().await;
        assert!(is_good(&secret).await, "a good key");
        self.api_keys.revoke(&id, now).await.expect("a key to revoke");
        assert!(!is_good(&secret).await, "it was revoked");
    }
}

fn authn(criterion: &mut Criterion) {
    let bench = Bench::new();
    bench.runtime.block_on(bench.assert_that_good_ends());
    let now = Timestamp::now();
    let (rsa, ec) = (bench.pairs.token("rsa", now), bench.pairs.token("ec", now));
    let (_, api_key) = bench.runtime.block_on(bench.api_key());
    let mut group = criterion.benchmark_group("authn");
    let judge = bench.judge();
    group.bench_function("no credential, refused", |bencher| {
        bencher.iter_custom(|rounds| bench.again(&judge, None, false, rounds));
    });
    for (name, credential) in [("RS256 token, seen before", &rsa), ("ES256 token, seen before", &ec), ("API key", &api_key)] {
        group.bench_function(name, |bencher| bencher.iter_custom(|rounds| bench.again(&judge, Some(credential), true, rounds)));
    }
    for (name, token) in [("RS256 token, not seen before", &rsa), ("ES256 token, not seen before", &ec)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| bench.runtime.block_on(bench.first(token, rounds)));
        });
    }
    // Most of a round is the reading of a file, which is not measured: fewer of them.
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(200));
    for (name, token) in [("RS256 token, first call after a rotation", &rsa), ("ES256 token, first call after a rotation", &ec)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| bench.runtime.block_on(bench.rotated(&judge, token, rounds)));
        });
    }
    group.finish();
}

criterion_group!(benches, authn);
criterion_main!(benches);
