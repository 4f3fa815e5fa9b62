//! `servers.*.auth:`, the gateway's own credential for a server.

use http::HeaderName;

use super::Context;
use crate::config::Auth;
use crate::secrets::Form;
use crate::yaml::{Fields, Invalid, Later, Node, Report, later_because, parsed, text};

const LATER: &[Later] = &[
    later_because("client_credentials", "use `bearer`, `basic` or `header`"),
    later_because("token_exchange", "use `bearer`, `basic` or `header`"),
    later_because("user_oauth", "use `bearer`, `basic` or `header`"),
];

/// The kinds, of which a server has one.
const KINDS: [&str; 3] = ["basic", "bearer", "header"];

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
    let known = |fields: &Fields<'_, '_>| KINDS.iter().filter(|kind| fields.has(kind)).count();
    let later = LATER.iter().filter(|later| fields.has(later.key())).count();
    match known(&fields) + later {
        1 => {}
        0 => {
            let place = node.place;
            fields.report().error(place, "`auth` names no credential").hint("write one of `bearer`, `basic` and `header`");
        }
        _ => {
            let place = node.place;
            let found = fields.report().error(place, "a server has one credential, and more are named");
            found.hint("leave one of them");
        }
    }
    fields.finish(LATER);
    bearer.map(Auth::Bearer).or(header).or(basic)
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
