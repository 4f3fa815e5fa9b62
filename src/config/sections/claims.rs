//! `identity.issuers[].claims`: where the facts about a caller stand.

use crate::config::{ClaimPath, Claims};
use crate::yaml::{Fields, Invalid, Node, Report, entries, parsed};

/// Reads the section.
pub(super) fn claims(node: &Node, report: &mut Report) -> Option<Claims> {
    let mut fields = Fields::of(node, "identity.issuers[].claims", report)?;
    let subject = fields.optional("subject", parsed(claim_path));
    let groups = fields.optional("groups", parsed(claim_path));
    let roles = fields.optional("roles", parsed(claim_path));
    let tenant = fields.optional("tenant", parsed(claim_path));
    let region = fields.optional("region", parsed(claim_path));
    let attributes = fields.optional("attributes", attributes).unwrap_or_default();
    fields.finish(&[]);
    let subject = subject.unwrap_or_else(|| default_claims().subject);
    Some(Claims { subject, groups, roles, tenant, region, attributes })
}

/// Where nothing is written.
pub(super) fn default_claims() -> Claims {
    Claims {
        subject: ClaimPath(vec!["sub".to_owned()]),
        groups: None,
        roles: None,
        tenant: None,
        region: None,
        attributes: Vec::new(),
    }
}

fn attributes(node: &Node, report: &mut Report) -> Option<Vec<(String, ClaimPath)>> {
    let read = entries(node, report)?.iter().filter_map(|entry| {
        let name = &entry.key.text;
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            report
                .error(entry.key.place, format!("{} is not a name for an attribute", crate::yaml::quoted(name)))
                .hint("use letters, digits and `_`, as conditions write `principal.attributes.<name>`");
            return None;
        }
        Some((name.clone(), parsed(claim_path)(&entry.value, report)?))
    });
    Some(read.collect())
}

/// One literal claim, or with a leading `/` a JSON Pointer (RFC 6901).
fn claim_path(text: &str) -> Result<ClaimPath, Invalid> {
    const HINT: &str = "write a top-level claim such as `groups`, or a JSON Pointer such as `/realm_access/roles`";
    if text.is_empty() || text == "/" || text.chars().any(char::is_control) {
        return Err(Invalid::new("is not the path of a claim", HINT));
    }
    let Some(pointer) = text.strip_prefix('/') else {
        return Ok(ClaimPath(vec![text.to_owned()]));
    };
    let unescaped = pointer.split('/').map(|step| {
        let bad_escape = step.split('~').skip(1).any(|after| !after.starts_with(['0', '1']));
        // RFC 6901, section 4: `~1` first, or `~01` would become `/`.
        if bad_escape { None } else { Some(step.replace("~1", "/").replace("~0", "~")) }
    });
    unescaped
        .collect::<Option<Vec<_>>>()
        .map(ClaimPath)
        .ok_or(Invalid::new("has a `~` that is no escape", "in a JSON Pointer `~0` is `~` and `~1` is `/`"))
}
