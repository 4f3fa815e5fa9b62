//! What is for some tenants, and where servers and callers are.

use yett::policy::Effect::Allow;

use super::row::Seen::{Lists, NoServer, Passes, Unknown};
use super::row::Step::{Call, Tools};
use super::row::{Row, row};

pub(super) const TENANTS: &[Row] = &[
    // A file for one tenant binds its callers alone, and its rules are about them alone.
    row("tenants", "ada", Call("desk/add", r#"{"a":1,"b":2}"#), Passes, "role:acme-user"),
    row("tenants", "ina", Call("desk/add", r#"{"a":1,"b":2}"#), NoServer, ""),
    row("tenants", "ada", Call("acme-desk/echo", r#"{"message":"hi"}"#), Unknown, "rule:acme-frozen"),
    row("servers.*.tenants", "ada", Call("acme-desk/add", r#"{"a":1,"b":2}"#), Passes, "role:acme-user"),
    row("servers.*.tenants", "ada", Tools("acme-desk"), Lists(&[("add", Allow), ("get_customer", Allow)]), ""),
    row("tenants", "con", Call("desk/echo", r#"{"message":"hi"}"#), Passes, "role:acme-user"),
    // A server for one tenant does not exist for the others, nor for who is of a tenant of that name by another issuer's word.
    row("servers.*.tenants", "con", Call("acme-desk/add", r#"{"a":1,"b":2}"#), NoServer, ""),
    row("servers.*.tenants", "pat", Call("acme-desk/add", r#"{"a":1,"b":2}"#), NoServer, ""),
    // Regions.
    row("servers.*.region", "tex", Call("texas/add", r#"{"a":1,"b":2}"#), Passes, "role:lead"),
    row("rules[].deny.regions", "lena", Call("texas/add", r#"{"a":1,"b":2}"#), Unknown, "rule:texas-for-texans"),
    row("rules[].deny.regions", "lena", Tools("texas"), Lists(&[]), ""),
    // Of whom it is not known where they are is not there.
    row("rules[].deny.regions", "ivo", Call("texas/add", r#"{"a":1,"b":2}"#), Unknown, "rule:texas-for-texans"),
];
