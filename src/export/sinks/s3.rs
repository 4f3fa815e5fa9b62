//! Object storage with the API of S3: objects of lines, which nobody can change or remove where they are locked, and a manifest for each.
//!
//! `<prefix>/<log>/<first>-<last>.jsonl`, indices of 13 digits, and `<prefix>/<log>/manifest/<first>-<last>.json`, which says how many bytes, events and
//! records the object has, its SHA-256, and the newest signed head that went along. Ranges follow each other without a gap, so what is missing
//! is seen by names alone; after a crash two of them may overlap. The object is put before its manifest: one that has a manifest is whole.
//!
//! Records wait in memory until there is an object's worth, or for so long; until it is put they count as not delivered, and after an error they are
//! read again out of the log.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Method, Uri};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::time::Instant;

use super::http::client_within;
use super::{SinkError, retry_after};
use crate::audit::Cursor;
use crate::config::{ObjectLock, ObjectStore, UpstreamTls};
use crate::export::event::Event;
use crate::outbound::{Ask, Client};
use crate::sigv4::{Credentials, Scope, sha256, sign};
use crate::upstream::ConnectError;

/// An object may be large, and the way long.
const PATIENCE: Duration = Duration::from_mins(5);

/// See the module.
#[derive(Debug)]
pub(in crate::export) struct S3 {
    client: Client,
    host: String,
    store: ObjectStore,
    waiting: Waiting,
    put: Option<Cursor>,
}

/// What will be one object.
#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Of the records.
    range: Option<(u64, u64)>,
    events: u64,
    log: Option<Arc<str>>,
    /// The newest head.
    head: Option<String>,
    since: Option<Instant>,
    cursor: Option<Cursor>,
}

impl S3 {
    pub(super) fn new(url: &Uri, tls: &UpstreamTls, store: ObjectStore) -> Result<Self, ConnectError> {
        let host = url.authority().map(ToString::to_string).unwrap_or_default();
        Ok(Self { client: client_within(url, tls, PATIENCE)?, host, store, waiting: Waiting::default(), put: None })
    }

    pub(super) async fn deliver(&mut self, events: &[Event], cursor: Cursor) -> Result<(), SinkError> {
        for event in events {
            self.waiting.add(event);
        }
        self.waiting.cursor = Some(cursor);
        if self.waiting.lines.len() >= self.store.size { self.flush().await } else { Ok(()) }
    }

    /// Up to where objects are put; puts what has waited for long enough.
    pub(super) async fn confirmed(&mut self) -> Result<Option<Cursor>, SinkError> {
        if self.waiting.since.is_some_and(|since| since.elapsed() >= self.store.every) {
            self.flush().await?;
        }
        Ok(self.put.take())
    }

    /// Whether something waits to be put.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting.since.is_some()
    }

    /// Puts what is waiting.
    pub(super) async fn flush(&mut self) -> Result<(), SinkError> {
        let waiting = std::mem::take(&mut self.waiting);
        let (Some((first, last)), Some(log)) = (waiting.range, &waiting.log) else {
            // A head alone goes with the next object.
            self.waiting.head = waiting.head;
            return Ok(());
        };
        let name = format!("{first:013}-{last:013}");
        let folder = format!("{}/{}", self.client.prefix(), encoded(log));
        let (object, manifest) = (format!("{folder}/{name}.jsonl"), format!("{folder}/manifest/{name}.json"));
        let lines = Bytes::from(waiting.lines);
        let said = json!({
            "bytes": lines.len(),
            "events": waiting.events,
            "first": first,
            "head": waiting.head,
            "last": last,
            "log": &**log,
            "object": format!("{name}.jsonl"),
            "sha256": sha256(&lines),
        });
        self.put_object(&object, "application/x-ndjson", lines).await?;
        self.put_object(&manifest, "application/json", said.to_string().into()).await?;
        self.put = waiting.cursor;
        Ok(())
    }

    async fn put_object(&self, path: &str, kind: &'static str, body: Bytes) -> Result<(), SinkError> {
        let now = Timestamp::now();
        let mut headers = vec![
            ("x-amz-checksum-sha256", STANDARD.encode(digest(&SHA256, &body))),
            ("x-amz-content-sha256", sha256(&body)),
            ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
        ];
        if let Some(ObjectLock { mode, keep }) = self.store.lock {
            let until = now.saturating_add(SignedDuration::try_from(keep).unwrap_or(SignedDuration::MAX));
            let until = until.unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            headers.push(("x-amz-object-lock-mode", mode.to_owned()));
            headers.push(("x-amz-object-lock-retain-until-date", until));
        }
        let secret = |live: &crate::secrets::Live| {
            let version = live.current().map_err(|_gone| SinkError::Secret)?;
            Ok::<_, SinkError>(version.secret.clone())
        };
        let id = secret(&self.store.access_key)?.expose().clone();
        let credentials = Credentials { id, secret: secret(&self.store.secret_key)?, session: None };
        let scope = Scope { region: &self.store.region, service: "s3", host: &self.host, now, method: "PUT", path };
        let signed: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let signature = sign(&scope, &credentials, &signed, &body);
        let mut ask = Ask::get().method(Method::PUT).at(path).body(body).header(CONTENT_TYPE, HeaderValue::from_static(kind));
        for (name, value) in &headers {
            let value = HeaderValue::from_str(value).map_err(|_form| SinkError::Secret)?;
            ask = ask.header(HeaderName::from_static(name), value);
        }
        for (name, value) in signature {
            ask = ask.secret(name, &value).map_err(|_form| SinkError::Secret)?;
        }
        let answer = self.client.send(ask).await?;
        if answer.status.is_success() {
            return Ok(());
        }
        let (status, after) = (answer.status.as_u16(), retry_after(&answer.headers));
        Err(SinkError::Store { status, code: code(&answer.body), after })
    }
}

impl Waiting {
    fn add(&mut self, event: &Event) {
        if event.kind == "head" {
            // Of the manifest, so that objects in `native` are lines of the log and nothing else.
            self.head = Some(String::from_utf8_lossy(&event.body).into_owned());
            return;
        }
        self.since.get_or_insert_with(Instant::now);
        self.events += 1;
        self.lines.extend_from_slice(&event.body);
        self.lines.push(b'\n');
        self.log = Some(Arc::clone(&event.log));
        self.range = Some(self.range.map_or((event.index, event.index), |(first, last)| (first, last.max(event.index))));
    }
}

/// The word by which the store says why: `<Code>AccessDenied</Code>`.
fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let word = text.split_once("<Code>").and_then(|(_, rest)| rest.split('<').next()).unwrap_or_default();
    let is_word = word.len() <= 64 && !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { word.to_owned() } else { "no code".to_owned() }
}

/// A path as it is signed and sent: unreserved characters and slashes stand for themselves.
fn encoded(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}
