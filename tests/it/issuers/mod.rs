//! Issuers as companies have them: a certified `OpenID` provider and `OpenBao`, found by discovery, with real tokens.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod authlab;
mod discovery;
mod flow;
mod introspection;
mod load;
mod parts;
mod scopes;

use serde_json::json;

use crate::support::gateway::Builder;
use crate::support::http::Answer;
use crate::support::issuer::Provider;
use crate::support::stage::Stage;
use crate::support::token::Issuer;

/// Reads keys every second, if asked for.
const OFTEN: &str = "jwks: { refresh: 1s, cooldown: 1s }";

/// A stage that trusts an issuer by the name of `corp`, as it stands in the configuration.
async fn trusting(written: &str) -> Stage {
    Stage::trusting_with(&[&Issuer::new("corp")], |builder| builder.issuer_written(written)).await
}

/// A stage that trusts a provider, which it has found by discovery.
async fn discovering(provider: &Provider, extra: &str) -> Stage {
    trusting(&provider.written("corp", extra)).await
}

/// The same with more of a configuration.
async fn discovering_with(provider: &Provider, extra: &str, configure: impl FnOnce(Builder) -> Builder) -> Stage {
    let written = provider.written("corp", extra);
    Stage::trusting_with(&[&Issuer::new("corp")], |builder| configure(builder.issuer_written(&written))).await
}

/// A call of `crm` with this credential.
async fn call(stage: &Stage, token: &str) -> Answer {
    stage.gateway.modern("crm", token).call("echo", json!({ "text": "hi" })).await
}

async fn assert_good(stage: &Stage, what: &str, token: &str) {
    stage.assert_passes(what, &call(stage, token).await);
}

/// Refused for that reason, which stands in the record.
async fn assert_bad(stage: &Stage, what: &str, token: &str, status: u16, word: &str) {
    let record = stage.assert_refused(what, &call(stage, token).await, status);
    assert_eq!(record["dec"]["detail"], word, "{what}: {record}");
}

/// A counter of `/metrics` that issuer `corp` has.
async fn counted(stage: &Stage, name: &str) -> f64 {
    stage.gateway.metric(&format!("{name}{{issuer=\"corp\"}}")).await
}
