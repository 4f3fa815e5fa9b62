//! The gateway as a client of authorization servers: `servers.*.auth.user_oauth`, `identity.issuers[].sign_in`, and what they share with
//! other grants.

use http::Uri;

use super::Context;
use super::issuer::certificates;
use super::locations::key_set_url;
use crate::config::{Endpoints, OauthClient, Resource, UserOauth, WrittenEndpoints};
use crate::secrets::Form;
use crate::yaml::{Fields, Invalid, Node, Report, parsed};

/// Without it an issuer does not say who has signed in (`OpenID` Connect Core, section 3.1.2.1).
const OPENID: &str = "openid";

/// The word for a server whose authorization server knows no `resource`.
const NO_RESOURCE: &str = "none";

/// How callers connect accounts.
pub(super) fn user_oauth(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<UserOauth> {
    let mut fields = Fields::of(node, "servers.*.auth.user_oauth", report)?;
    let issuer = fields.optional("issuer", parsed(issuer));
    let written = written(&mut fields);
    let revocation = fields.optional("revocation_url", parsed(token_url));
    if fields.has("revocation_url") && !fields.has("authorization_url") {
        let place = fields.place("revocation_url");
        let found = fields.report().error(place, "the metadata of the issuer says where tokens are given back");
        found.hint("leave it out, or write `authorization_url` and `token_url` as well");
    }
    if issuer.is_some() && fields.has("authorization_url") {
        let place = fields.place("issuer");
        fields
            .report()
            .error(place, "where the authorization server is asked stands here twice")
            .hint("leave out `issuer`, or the URLs, which its metadata has");
    }
    if !fields.has("issuer") && !fields.has("authorization_url") && !fields.has("token_url") {
        let place = node.place;
        fields
            .report()
            .error(place, "the key `issuer` is missing: where do users sign in?")
            .hint("write the URL of the authorization server, or `authorization_url` and `token_url`");
    }
    let client_id = fields.required("client_id", parsed(client_id));
    let client_secret = fields.optional("client_secret", context.secret(Form::Token { least: 1 }, "this secret is empty"));
    let scopes = fields.list_or_empty("scopes", parsed(scope));
    let resource = fields.optional("resource", parsed(told_resource)).unwrap_or(Resource::Url);
    let authorities = fields.optional("ca", |node, report| certificates(node, context, report));
    if !context.signs_in {
        let place = node.place;
        fields
            .report()
            .error(place, "nobody could connect an account: no issuer says how its users sign in with a browser")
            .hint("write `sign_in` at an issuer of `identity.issuers`; it proves whose account it is");
    }
    fields.finish(&[]);
    let written = written.map(|written| Endpoints::Written(Box::new(WrittenEndpoints { revocation, ..written })));
    let endpoints = issuer.map(Endpoints::Discovered).or(written)?;
    let client = OauthClient { endpoints, client_id: client_id?, client_secret, scopes, authorities };
    Some(UserOauth { client, resource })
}

/// How the users of an issuer sign in with a browser.
pub(super) fn sign_in(node: &Node, issuer: Option<&str>, context: &Context<'_>, report: &mut Report) -> Option<OauthClient> {
    let mut fields = Fields::of(node, "identity.issuers[].sign_in", report)?;
    let written = written(&mut fields);
    let client_id = fields.required("client_id", parsed(client_id));
    let client_secret = fields.optional("client_secret", context.secret(Form::Token { least: 1 }, "this secret is empty"));
    let mut scopes = fields.list_or_empty("scopes", parsed(scope));
    let discoverable = issuer.is_none_or(|issuer| key_set_url(issuer).is_ok_and(|url| url.query().is_none()));
    if !discoverable && !fields.has("authorization_url") {
        let place = node.place;
        fields
            .report()
            .error(place, "this issuer is no URL that could be asked where its users sign in")
            .hint("write `authorization_url` and `token_url`");
    }
    fields.finish(&[]);
    if !scopes.iter().any(|scope| scope == OPENID) {
        scopes.insert(0, OPENID.to_owned());
    }
    let written = written.map(|written| Endpoints::Written(Box::new(written)));
    let endpoints = written.or_else(|| issuer.map(|issuer| Endpoints::Discovered(issuer.to_owned())))?;
    Some(OauthClient { endpoints, client_id: client_id?, client_secret, scopes, authorities: None })
}

/// Endpoints that an operator has written: the first two belong together.
fn written(fields: &mut Fields<'_, '_>) -> Option<WrittenEndpoints> {
    if !fields.has("authorization_url") && !fields.has("token_url") {
        fields.optional("authorization_url", |_, _| Some(()));
        fields.optional("token_url", |_, _| Some(()));
        return None;
    }
    let authorization = fields.required("authorization_url", parsed(authorization_url));
    let token = fields.required("token_url", parsed(token_url));
    Some(WrittenEndpoints { authorization: authorization?, token: token?, revocation: None })
}

fn issuer(text: &str) -> Result<String, Invalid> {
    let url = token_url(text)?;
    if url.query().is_some() {
        return Err(Invalid::new("has a query", "an issuer is a URL without one (RFC 8414)"));
    }
    Ok(text.to_owned())
}

fn authorization_url(text: &str) -> Result<Uri, Invalid> {
    key_set_url(text).map_err(|invalid| match invalid.problem {
        "is not https" => Invalid::new("is not https", "whoever can change that page can have its users connect to him"),
        _ => invalid,
    })
}

/// As the keys of an issuer: whoever can change what comes from there gets our secret, and callers' tokens.
pub(super) fn token_url(text: &str) -> Result<Uri, Invalid> {
    key_set_url(text).map_err(|invalid| match invalid.problem {
        "is not https" => Invalid::new("is not https", "the secret of the client, and tokens of callers, travel to it"),
        _ => invalid,
    })
}

/// RFC 6749, appendix A.1.
pub(super) fn client_id(text: &str) -> Result<String, Invalid> {
    let good = !text.is_empty() && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if good { Ok(text.to_owned()) } else { Err(Invalid::new("is not a client", "write the `client_id` that was registered")) }
}

/// RFC 6749, appendix A.4.
pub(super) fn scope(text: &str) -> Result<String, Invalid> {
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if good { Ok(text.to_owned()) } else { Err(Invalid::new("is not a scope", "write each scope as an item of its own")) }
}

fn told_resource(text: &str) -> Result<Resource, Invalid> {
    if text == NO_RESOURCE { Ok(Resource::Unsaid) } else { resource(text).map(Resource::Named) }
}

/// RFC 8707, section 2: an absolute URI without a fragment.
pub(super) fn resource(text: &str) -> Result<String, Invalid> {
    let absolute = text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some());
    let good = absolute && !text.contains('#');
    if good { Ok(text.to_owned()) } else { Err(Invalid::new("is not an absolute URI", "write `https://host/path`, without `#`")) }
}
