//! What conditions can be about.

use super::program::{Constant, Expr, Variable};
use super::types::Type;
use crate::policy::{ANONYMOUS, Classification, Known};

/// One member of a root: its name, what it is, and its type.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) variable: Variable,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Texts,
}

impl Member {
    pub(super) fn kind(&self) -> Type {
        match self.kind {
            Kind::Text => Type::Text,
            Kind::Texts => Type::list(Type::Text),
        }
    }
}

const fn text(name: &'static str, variable: Variable) -> Member {
    Member { name, variable, kind: Kind::Text }
}

const fn texts(name: &'static str, variable: Variable) -> Member {
    Member { name, variable, kind: Kind::Texts }
}

/// Every name that a condition may begin with.
pub(super) const ROOTS: [&str; 6] = ["access", "arguments", "now", "peer", "principal", "server"];

/// The member of the caller whose own members are what issuers say.
pub(super) const ATTRIBUTES: &str = "attributes";

const ACCESS: &[Member] = &[
    text("method", Variable::AccessMethod),
    text("operation", Variable::AccessOperation),
    text("prompt", Variable::AccessPrompt),
    text("resource", Variable::AccessResource),
    text("target", Variable::AccessTarget),
    text("tool", Variable::AccessTool),
];

const PEER: &[Member] = &[text("address", Variable::PeerAddress)];

const PRINCIPAL: &[Member] = &[
    text("authn", Variable::PrincipalAuthn),
    texts("claimed_roles", Variable::PrincipalClaimedRoles),
    text("client", Variable::PrincipalClient),
    texts("groups", Variable::PrincipalGroups),
    text("issuer", Variable::PrincipalIssuer),
    text("region", Variable::PrincipalRegion),
    texts("roles", Variable::PrincipalRoles),
    texts("scopes", Variable::PrincipalScopes),
    text("subject", Variable::PrincipalSubject),
    text("tenant", Variable::PrincipalTenant),
];

const SERVER: &[Member] = &[
    text("classification", Variable::ServerClassification),
    text("name", Variable::ServerName),
    text("owner", Variable::ServerOwner),
    text("purpose", Variable::ServerPurpose),
    text("region", Variable::ServerRegion),
];

/// The members of a root that has a fixed set of them.
pub(super) fn members(root: &str) -> Option<&'static [Member]> {
    match root {
        "access" => Some(ACCESS),
        "peer" => Some(PEER),
        "principal" => Some(PRINCIPAL),
        "server" => Some(SERVER),
        _ => None,
    }
}

/// The texts that a fact can be at all, where they are few: compared with another, a rule would never hold, and nobody would
/// notice.
pub(super) fn words<'k>(expr: &Expr, known: &'k Known) -> Option<Vec<&'k str>> {
    let Expr::Variable(variable) = expr else {
        return None;
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other facts can be any text")]
    match variable {
        Variable::AccessOperation => Some(vec!["read", "write", "destructive"]),
        Variable::PrincipalIssuer => {
            let others = ["api-key", "mtls"].into_iter().filter(|name| known.has(name));
            let anonymous = (!known.anonymous.is_empty()).then_some(ANONYMOUS);
            Some(known.issuers.iter().map(String::as_str).chain(others).chain(anonymous).collect())
        }
        Variable::ServerClassification => Some(Classification::WORDS.iter().map(|(word, _)| *word).collect()),
        Variable::ServerName => Some(known.servers.iter().map(String::as_str).collect()),
        _ => None,
    }
}

/// The text, if the expression is one.
pub(super) fn constant_text(expr: &Expr) -> Option<&str> {
    if let Expr::Constant(Constant::Text(text)) = expr { Some(text) } else { None }
}
