//! `tenants:` of a policy file or a server: whom it is for.

use super::document::Known;
use super::patterns::exact;
use crate::yaml::{Fields, Node, Report, closest, parsed, quoted};

/// The tenants that something is for; none: everybody, with a tenant or without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tenants(Vec<Tenant>);

/// One tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tenant {
    /// Whose word the name is; `None`: there is one issuer, and who has a key or a certificate is named as it names them.
    pub issuer: Option<String>,
    /// What that one calls it.
    pub name: String,
}

impl Tenants {
    /// Whether it is for everybody.
    pub fn is_everybody(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them: the issuer, where there are several, and the name.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, &str)> {
        self.0.iter().map(|tenant| (tenant.issuer.as_deref(), tenant.name.as_str()))
    }

    /// Whether it is for a caller of this issuer and tenant.
    ///
    /// SECURITY: a tenant's name is its issuer's word. Where there are two issuers, each name says whose it is, so that no issuer can
    /// put its callers into another's tenant.
    pub fn include(&self, issuer: &str, tenant: Option<&str>) -> bool {
        self.0.is_empty()
            || tenant.is_some_and(|tenant| {
                self.0.iter().any(|known| known.name == tenant && known.issuer.as_deref().is_none_or(|known| known == issuer))
            })
    }

    /// Whether a tenant of this name, of whichever issuer, is among them.
    pub(super) fn names(&self, tenant: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|known| known.name == tenant)
    }
}

/// The key `tenants` of a policy file or a server. SECURITY: `None` if any of it is unreadable, since without that one it might be for
/// everybody.
pub fn tenants(fields: &mut Fields<'_, '_>, known: &Known) -> Option<Tenants> {
    let errors = fields.report().errors();
    let tenants = fields.list("tenants", |node, report| tenant(node, known, report));
    (fields.report().errors() == errors).then_some(Tenants(tenants))
}

/// `acme`, or `corp/acme` where there are several issuers.
pub fn tenant(node: &Node, known: &Known, report: &mut Report) -> Option<Tenant> {
    let text = parsed(exact)(node, report)?;
    let Some((issuer, name)) = text.split_once('/') else {
        if known.issuers.len() > 1 {
            let whose: Vec<_> = known.issuers.iter().map(|issuer| format!("`{issuer}/{text}`")).collect();
            report
                .error(node.place, format!("{} does not say whose tenant it is", quoted(&text)))
                .hint(format!("there are several issuers: write {}", whose.join(" or ")));
            return None;
        }
        return Some(Tenant { issuer: None, name: text });
    };
    let others = ["api-key", "mtls"].into_iter().filter(|name| known.has(name));
    let issuers: Vec<&str> = known.issuers.iter().map(String::as_str).chain(others).collect();
    if !issuers.contains(&issuer) || name.is_empty() {
        let hint = match closest(issuer, issuers.iter().copied()) {
            Some(meant) if !name.is_empty() => format!("did you mean `{meant}/{name}`?"),
            Some(_) | None => format!("write ISSUER/TENANT; issuers are {}", issuers.join(", ")),
        };
        report.error(node.place, format!("{} names no issuer's tenant", quoted(&text))).hint(hint);
        return None;
    }
    Some(Tenant { issuer: Some(issuer.to_owned()), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_its_issuers_word_where_there_are_several() {
        let tenant = |issuer: Option<&str>, name: &str| Tenant { issuer: issuer.map(str::to_owned), name: name.to_owned() };
        let one = Tenants(vec![tenant(None, "acme")]);
        assert!(one.include("corp", Some("acme")) && one.include("api-key", Some("acme")));
        assert!(!one.include("corp", Some("Acme")) && !one.include("corp", None) && !one.include("corp", Some("")));
        let two = Tenants(vec![tenant(Some("corp"), "acme"), tenant(Some("partner"), "globex")]);
        assert!(two.include("corp", Some("acme")) && two.include("partner", Some("globex")));
        assert!(!two.include("partner", Some("acme")) && !two.include("corp", Some("globex")));
        assert!(Tenants::default().include("corp", None));
    }
}
