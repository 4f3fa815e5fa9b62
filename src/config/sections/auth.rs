//! `servers.*.auth:`, the gateway's own credential for a server.

use http::HeaderName;

use super::Context;
use super::oauth::{client_id, resource, scope, token_url, user_oauth};
use crate::config::{Auth, Grant};
use crate::secrets::Form;
use crate::yaml::{Fields, Invalid, Node, Report, parsed, text};

/// The kinds, of which a server has one.
const KINDS: [&str; 6] = ["basic", "bearer", "client_credentials", "header", "token_exchange", "user_oauth"];

/// Headers that say how a message is framed or read, where it goes, or whose it is: all of them are written by the gateway or belong to one
/// connection, and one that is written twice is read in two ways.
const OURS: [&str; 29] = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "connection",
    "cookie",
    "cookie2",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "referer",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-http-method-override",
];

const OUR_PREFIXES: [&str; 5] = ["content-", "mcp-", "sec-", "x-forwarded-", "yett-"];

/// Reads one.
pub(super) fn auth(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Auth> {
    // Whatever stands in this section, under whatever key, is likely a credential.
    node.conceal(report);
    let mut fields = Fields::of(node, "servers.*.auth", report)?;
    let bearer = fields.optional("bearer", context.secret(Form::Token { least: 1 }, "this token is empty"));
    let header = fields.optional("header", |node, report| header(node, context, report));
    let basic = fields.optional("basic", |node, report| basic(node, context, report));
    let machine =
        fields.optional("client_credentials", |node, report| grant(node, "servers.*.auth.client_credentials", context, report));
    let exchange =
        fields.optional("token_exchange", |node, report| grant(node, "servers.*.auth.token_exchange", context, report));
    let accounts = fields.optional("user_oauth", |node, report| user_oauth(node, context, report));
    match KINDS.iter().filter(|kind| fields.has(kind)).count() {
        1 => {}
        0 => {
            let place = node.place;
            fields
                .report()
                .error(place, "`auth` names no credential")
                .hint("write one of `bearer`, `header`, `basic`, `client_credentials`, `token_exchange` and `user_oauth`");
        }
        _ => {
            let place = node.place;
            let found = fields.report().error(place, "a server has one credential, and more are named");
            found.hint("leave one of them");
        }
    }
    fields.finish(&[]);
    let granted = machine.map(Auth::ClientCredentials).or(exchange.map(Auth::TokenExchange)).or(accounts.map(Auth::UserOauth));
    bearer.map(Auth::Bearer).or(header).or(basic).or(granted)
}

fn header(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Auth> {
    let mut fields = Fields::of(node, "servers.*.auth.header", report)?;
    let name = fields.required("name", parsed(header_name));
    // A line: also `Scheme credential`, where a server wants a scheme of its own.
    let value = fields.required("value", context.secret(Form::Line, "this secret is empty"));
    fields.finish(&[]);
    Some(Auth::Header(name?, value?))
}

fn header_name(text: &str) -> Result<HeaderName, Invalid> {
    let name = HeaderName::from_bytes(text.as_bytes());
    let name = name.map_err(|_invalid| Invalid::new("is not the name of a header", "write one like `X-Api-Key`"))?;
    let ours = OURS.contains(&name.as_str()) || OUR_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    if ours {
        return Err(Invalid::new(
            "is a header that the gateway writes, or that belongs to one connection",
            "a credential goes into `Authorization`, `X-Api-Key` or a header of the server's own",
        ));
    }
    Ok(name)
}

fn basic(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Auth> {
    let mut fields = Fields::of(node, "servers.*.auth.basic", report)?;
    let user = fields.required("username", |node, report| {
        let user = text(node, report)?;
        // RFC 7617, section 2: what follows the first colon is the password.
        if user.contains(':') || user.chars().any(char::is_control) {
            let found = report.error(node.place, "this user name holds a colon or a control character");
            found.hint("HTTP Basic cannot carry it");
            return None;
        }
        Some(user)
    });
    let password = fields.required("password", context.secret(Form::Text, "this password is empty"));
    fields.finish(&[]);
    Some(Auth::Basic(user?, password?))
}

/// How an authorization server is asked for tokens.
fn grant(node: &Node, section: &'static str, context: &Context<'_>, report: &mut Report) -> Option<Grant> {
    let mut fields = Fields::of(node, section, report)?;
    let token_url = fields.required("token_url", parsed(token_url));
    let client_id = fields.required("client_id", parsed(client_id));
    let client_secret = fields.required("client_secret", context.secret(Form::Token { least: 1 }, "this secret is empty"));
    let scopes = fields.list_or_empty("scopes", parsed(scope));
    let resource = fields.optional("resource", parsed(resource));
    let audience = fields.optional("audience", text);
    fields.finish(&[]);
    Some(Grant { token_url: token_url?, client_id: client_id?, client_secret: client_secret?, scopes, resource, audience })
}
