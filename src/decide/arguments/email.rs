//! One mail address of some domains.

use crate::policy::arguments::{EmailRule, is_host_name};

/// Whether `address` is one plain address (RFC 5321, but narrower) and nothing else: no display name, no quotes, no comment, no list, no
/// route through another host.
pub(super) fn fits(rule: &EmailRule, address: &str) -> bool {
    if address.len() > 254 {
        return false;
    }
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    let domain = domain.to_ascii_lowercase();
    is_local(local) && is_host_name(&domain) && rule.domains.iter().any(|pattern| pattern.matches(&domain))
}

fn is_local(local: &str) -> bool {
    // `%` and `!` are routes to old mail servers; a leading `-` is an option to whoever runs a program with it.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+' | b'=' | b'~' | b'&' | b'\'');
    (1..=64).contains(&local.len())
        && local.bytes().all(plain)
        && !local.starts_with(['.', '-'])
        && !local.ends_with('.')
        && !local.contains("..")
}
