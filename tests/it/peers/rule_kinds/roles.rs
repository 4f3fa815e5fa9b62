//! What roles grant, with which arguments, and to whom bindings give them.

use yett::policy::Effect::Allow;

use super::row::Seen::{
    AsksFirst, AsksInVain, Invalid, LacksScope, Lists, NoMethod, NoServer, Passes, ReachesServer, Told, Unknown,
};
use super::row::Step::{self, Call, Get, Method, Read, Tools};
use super::row::{Row, row};

pub(super) const ROLES: &[Row] = &[
    row("roles.*.allow[].tools", "cleo", Call("desk/get_customer", r#"{"id":"c-1"}"#), Passes, "role:clerk"),
    row("roles.*.allow[].tools", "cleo", Call("desk/echo", r#"{"message":"hi"}"#), Passes, "role:clerk"),
    row("roles.*.allow[].tools", "cleo", Call("desk/add", r#"{"a":1,"b":2}"#), Unknown, ""),
    // A name in another case is another name.
    row("roles.*.allow[].tools", "cleo", Call("desk/Echo", r#"{"message":"hi"}"#), Unknown, ""),
    row("roles.*.allow[].prompts", "cleo", Get("desk/greet", r#"{"name":"Ada"}"#), Passes, "role:clerk"),
    row("roles.*.allow[].prompts", "cleo", Get("desk/admin_prompt", "{}"), Unknown, ""),
    row("roles.*.allow[].resources", "cleo", Read("desk", "file:///reports/q1.txt"), Passes, "role:clerk"),
    row("roles.*.allow[].resources", "cleo", Read("desk", "file:///secrets/key.txt"), Unknown, ""),
    row("roles.*.allow[].methods", "cleo", Method("desk", "vendor/ping"), ReachesServer, "role:clerk"),
    row("roles.*.allow[].methods", "cleo", Method("desk", "vendor/pong"), NoMethod, ""),
    row("roles.*.allow[].server_requests", "cleo", Call("desk/ask", "{}"), AsksInVain, "role:clerk"),
    row("roles.*.allow[].server_requests", "lena", Call("desk/ask", "{}"), AsksFirst, "role:lead"),
    row("roles.*.inherits", "lena", Call("desk/echo", r#"{"message":"hi"}"#), Passes, "role:lead"),
    row("roles.*.inherits", "lena", Call("desk/add", r#"{"a":1,"b":2}"#), Passes, "role:lead"),
    row("roles.*.allow[].scopes", "lena", Call("desk/slow", r#"{"seconds":0}"#), LacksScope, ""),
    row("roles.*.allow[].scopes", "ivo", Call("desk/slow", r#"{"seconds":0}"#), Passes, "role:lead"),
    // A role holds on the servers that it names.
    row("roles.*.allow[].servers", "cleo", Call("ledger/echo", r#"{"message":"hi"}"#), NoServer, ""),
    row("roles.*.allow[].servers", "lena", Call("ledger/add", r#"{"a":1,"b":2}"#), Passes, "role:lead"),
];

/// What is told of what did not fit: what would.
const MESSAGE: &str = "`message` must be text and have at most 20 characters.";
const PRIORITY: &str = "`priority`, where it is given, must be one of `low`, `normal`.";
const WEEK: &str = "`week` must be a week of 2026, like `2026-W07`.";
const QUERY: &str =
    "`query`, where it is given, must be one SELECT statement on the table `contacts`, in plain SQL without comments.";
const FILE: &str = "`file`, where it is given, must lie under `/data/reports` as a plain absolute path.";
const CALLBACK: &str =
    "`callback`, where it is given, must be a plain https URL with the host `hooks.example.com` or `*.example.org`.";
const TO: &str = "`to`, where it is given, must be one plain e-mail address `@example.com`.";
const TOTAL: &str = "`total`, where it is given, must be a number from 0.01 to 1000.";

/// JSON Schema, and each of the ready checks: one that fits, one that does not.
pub(super) const ARGUMENTS: &[Row] = &[
    row("roles.*.allow[].arguments", "lena", Call("forms/echo", r#"{"message":"hi"}"#), Passes, "role:lead"),
    row("roles.*.allow[].arguments", "lena", Call("forms/echo", "{}"), Told(MESSAGE), "role:lead"),
    row("roles.*.allow[].arguments", "lena", Call("forms/echo", r#"{"message":"hi","priority":"low"}"#), Passes, "role:lead"),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","priority":"high"}"#),
        Told(PRIORITY),
        "role:lead",
    ),
    row("roles.*.allow[].arguments", "lena", Call("forms/echo", r#"{"message":"hi","week":"2026-W07"}"#), Passes, "role:lead"),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","week":"2025-W07"}"#),
        Told(WEEK),
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","query":"SELECT name FROM contacts"}"#),
        Passes,
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","query":"DELETE FROM contacts"}"#),
        Told(QUERY),
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","file":"/data/reports/q1.txt"}"#),
        Passes,
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","file":"/data/reports/../keys"}"#),
        Told(FILE),
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","callback":"https://eu.example.org/x"}"#),
        Passes,
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","callback":"https://evil.example/x"}"#),
        Told(CALLBACK),
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","to":"ada@example.com"}"#),
        Passes,
        "role:lead",
    ),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Call("forms/echo", r#"{"message":"hi","to":"ada@evil.example"}"#),
        Told(TO),
        "role:lead",
    ),
    row("roles.*.allow[].arguments", "lena", Call("forms/echo", r#"{"message":"hi","total":1000}"#), Passes, "role:lead"),
    row("roles.*.allow[].arguments", "lena", Call("forms/echo", r#"{"message":"hi","total":1000.01}"#), Told(TOTAL), "role:lead"),
    row("roles.*.allow[].arguments", "lena", Get("forms/greet", r#"{"name":"Ada"}"#), Passes, "role:lead"),
    row(
        "roles.*.allow[].arguments",
        "lena",
        Get("forms/greet", r#"{"name":"Eve"}"#),
        Invalid("`name` must be one of `Ada`, `Grace`."),
        "role:lead",
    ),
];

const ADD: Step = Call("desk/add", r#"{"a":1,"b":2}"#);

/// Each key of a binding, and who does not have what it asks for.
pub(super) const BINDINGS: &[Row] = &[
    row("bindings[].subjects", "sue", ADD, Passes, "role:guest"),
    row("bindings[].groups", "guy", ADD, Passes, "role:guest"),
    row("bindings[].claimed_roles", "rob", ADD, Passes, "role:guest"),
    row("bindings[].clients", "app", ADD, Passes, "role:guest"),
    row("bindings[].tenants", "glo", ADD, Passes, "role:guest"),
    row("bindings[].issuers", "robot", ADD, Passes, "role:guest"),
    row("bindings[].issuers", "robin", ADD, NoServer, ""),
    // Another issuer's subject, group, role, client and tenant of the same names are others.
    row("bindings[].issuers", "pat", ADD, Unknown, ""),
    row("bindings[].issuers", "pat", Call("desk/get_customer", r#"{"id":"c-1"}"#), Passes, "role:partner-guest"),
    row("bindings[].issuers", "pat", Tools("desk"), Lists(&[("get_customer", Allow)]), ""),
    // The keys of a binding must all fit.
    row("bindings[].groups", "vic", ADD, Passes, "role:guest"),
    row("bindings[].groups", "val", ADD, NoServer, ""),
    row("bindings[].role", "nobody", ADD, NoServer, ""),
];
