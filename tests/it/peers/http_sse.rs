//! Official clients that speak the transport of 2024-11-05: through the gateway they see what they see without it.

use serde_json::Value;

use super::client::{Client, PYTHON_AUTO, PYTHON_LEGACY, TYPESCRIPT_LEGACY, step};
use super::differences::{assert_same, through_gateway};
use super::gateway::{Gateway, Prepared};
use super::transparent::ALLOW_EVERYTHING;
use super::upstream::Upstream;

const OVER_SSE: [&str; 2] = ["--transport", "sse"];

#[test]
fn python_over_http_sse_sees_the_fixture_as_directly_over_streamable_http() {
    // One that probes for the stateless revision falls back to the handshake.
    sees_the_same(&Upstream::fixture(), &[(PYTHON_LEGACY, PYTHON_LEGACY), (PYTHON_LEGACY, PYTHON_AUTO)]);
}

#[test]
fn typescript_over_http_sse_sees_server_everything_as_directly_over_streamable_http() {
    sees_the_same(&Upstream::everything(), &[(TYPESCRIPT_LEGACY, TYPESCRIPT_LEGACY)]);
}

#[test]
fn typescript_sees_server_everything_over_http_sse_as_directly() {
    sees_a_server_of_sse_as_directly(TYPESCRIPT_LEGACY, &[TYPESCRIPT_LEGACY]);
}

#[test]
fn python_sees_server_everything_over_http_sse_as_directly() {
    sees_a_server_of_sse_as_directly(PYTHON_LEGACY, &[PYTHON_LEGACY, PYTHON_AUTO]);
}

/// Over the same transport, and over the one that the server does not speak.
fn sees_a_server_of_sse_as_directly(directly: Client, clients: &[Client]) {
    let upstream = Upstream::everything_over_sse();
    let gateway = offering_sse(&upstream);
    let expected = directly.walk(&upstream.url, None, upstream.tour, &OVER_SSE);
    assert_eq!(step(&expected, "close")["ok"], true, "{directly}: the direct walk broke off");
    let (expected, _) = through_gateway(&expected);
    let expected = without_last_progress(expected);
    let over_sse = format!("{}/sse", gateway.url);
    for through in clients {
        let got = through.walk(&over_sse, Some(&gateway.key), upstream.tour, &OVER_SSE);
        assert_same(&format!("{through} over HTTP+SSE"), &expected, &without_last_progress(got));
        let got = through.walk(&gateway.url, Some(&gateway.key), upstream.tour, &[]);
        assert_same(&format!("{through} over Streamable HTTP"), &expected, &without_last_progress(got));
    }
}

/// A report that comes in one piece with the response is lost on the TypeScript SDK, and whether it does is chance.
fn without_last_progress(mut transcript: Vec<Value>) -> Vec<Value> {
    for step in &mut transcript {
        if let Some(reports) = step.get_mut("progress").and_then(Value::as_array_mut) {
            reports.retain(|report| report["progress"] != report["total"]);
        }
    }
    transcript
}

/// The first takes the server's tour directly, the second over HTTP+SSE.
fn sees_the_same(upstream: &Upstream, clients: &[(Client, Client)]) {
    let gateway = offering_sse(upstream);
    for (directly, through) in clients {
        let expected = directly.walk(&upstream.url, None, upstream.tour, &[]);
        assert_eq!(step(&expected, "close")["ok"], true, "{directly}: the direct walk broke off");
        let (expected, _) = through_gateway(&expected);
        let url = format!("{}/sse", gateway.url);
        let got = through.walk(&url, Some(&gateway.key), upstream.tour, &OVER_SSE);
        assert_same(&format!("{through} on {}", upstream.name), &expected, &got);
    }
}

fn offering_sse(upstream: &Upstream) -> Gateway {
    Prepared::new(upstream.name, &upstream.url, ALLOW_EVERYTHING, ", legacy_sse: true").serve(upstream.name)
}
