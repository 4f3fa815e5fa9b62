//! From what a test or a person asks to what the engine is asked.

use bytes::Bytes;

use crate::decide::Caller;
use crate::policy::{Asks, CaseCaller};
use crate::protocol::json::{Document, Limits};
use crate::protocol::{Access, Method, Shape, Target};

/// The server and the access.
pub(super) fn of(asks: &Asks) -> (&str, Access) {
    let (server, method, target) = match asks {
        Asks::Call((server, tool)) => (server, Method::ToolsCall, Target::Tool(tool.clone())),
        Asks::Get((server, prompt)) => (server, Method::PromptsGet, Target::Prompt(prompt.clone())),
        Asks::Method((server, method)) => (server, Method::Other, Target::Method(method.clone())),
        Asks::Read((server, uri)) => (server, Method::ResourcesRead, Target::Resource(uri.clone())),
    };
    (server, Access { method, target, shape: Shape::Request, answers: false, task: false })
}

/// `tools/call crm/search`, as reports name it.
pub(super) fn shown(asks: &Asks) -> String {
    match asks {
        Asks::Call((server, tool)) => format!("tools/call {server}/{tool}"),
        Asks::Get((server, prompt)) => format!("prompts/get {server}/{prompt}"),
        Asks::Method((server, method)) => format!("{method} {server}"),
        Asks::Read((server, uri)) => format!("resources/read {server} {uri}"),
    }
}

/// The caller of a test as the engine sees them.
pub(super) fn caller(case: &CaseCaller) -> Caller<'_> {
    Caller {
        issuer: &case.issuer,
        subject: &case.subject,
        authn: match case.issuer.as_str() {
            "api-key" => "api_key",
            "mtls" => "mtls",
            "anonymous" => "anonymous",
            _ => "jwt",
        },
        client: case.client.as_deref(),
        tenant: case.tenant.as_deref(),
        region: case.region.as_deref(),
        groups: &case.groups,
        claimed_roles: &case.claimed_roles,
        attributes: &case.attributes,
        scopes: case.scopes.as_deref(),
        servers: None,
    }
}

/// Arguments by the parser that reads those of messages.
pub(super) fn arguments(text: &str) -> anyhow::Result<Document> {
    Document::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default())
        .map_err(|error| anyhow::anyhow!("the arguments are not the JSON that the gateway reads: {error}"))
}
