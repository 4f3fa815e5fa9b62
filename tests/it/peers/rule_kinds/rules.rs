//! What rules take away, and what is left of lists.

use yett::policy::Effect::{Allow, Deny, Depends};

use super::row::Seen::{Lists, NoMethod, Passes, PassesBeside, Refused, Unknown};
use super::row::Step::{Call, Get, Method, Prompts, Read, Resources, Tools};
use super::row::{Row, row};

/// What callers are told, and nothing else.
const SUMS: &str = "Sums stay below 100.";
const CLOSED: &str = "The archive closed in 2020.";
const OFFICE: &str = "Only from the office.";
const CONTEXT: &str = "Say in which context.";

pub(super) const RULES: &[Row] = &[
    // Whatever the arguments, the time and the place: it is not there.
    row("rules[].deny.tools", "cleo", Call("desk/get_page", "{}"), Unknown, "rule:no-pages"),
    row("rules[].deny.tools", "cleo", Call("desk/get_customer", r#"{"id":"c-1"}"#), Passes, "role:clerk"),
    row("rules[].deny.methods", "cleo", Method("desk", "vendor/reset"), NoMethod, "rule:no-resets"),
    row("rules[].deny.prompts", "lena", Get("desk/admin_prompt", "{}"), Unknown, "rule:no-admin-prompts"),
    row("rules[].deny.prompts", "lena", Get("desk/greet", r#"{"name":"Ada"}"#), Passes, "role:lead"),
    row("rules[].deny.resources", "lena", Read("desk", "file:///secrets/key.txt"), Unknown, "rule:no-secrets"),
    row("rules[].deny.resources", "lena", Read("desk", "file:///reports/q3.txt"), Passes, "role:lead"),
    row("rules[].deny.operations", "lena", Call("desk/delete_contact", r#"{"id":"c-1"}"#), Unknown, "rule:nothing-destructive"),
    row("rules[].deny.operations", "lena", Call("desk/echo", r#"{"message":"hi"}"#), Passes, "role:lead"),
    // By the arguments: refused, with its reason where it has one.
    row("rules[].when", "lena", Call("desk/add", r#"{"a":100,"b":2}"#), Passes, "role:lead"),
    row("rules[].reason", "lena", Call("desk/add", r#"{"a":101,"b":2}"#), Refused(Some(SUMS)), "rule:small-sums"),
    row("rules[].deny.servers", "lena", Call("ledger/delete_contact", r#"{"id":"c-1"}"#), Unknown, "rule:ledger-is-read-only"),
    // What the operator has said nothing of is a write.
    row("servers.*.tools.*.operation", "lena", Call("ledger/echo", r#"{"message":"hi"}"#), Unknown, "rule:ledger-is-read-only"),
    row("servers.*.tools.*.operation", "lena", Call("ledger/add", r#"{"a":1,"b":2}"#), Passes, "role:lead"),
    // By who calls.
    row("rules[].unless", "lena", Call("archive/echo", r#"{"message":"sales"}"#), Passes, "role:lead"),
    row("rules[].unless", "lena", Call("archive/echo", r#"{"message":"legal"}"#), Refused(None), "rule:own-department"),
    row("rules[].when", "lena", Call("archive/add", r#"{"a":1,"b":2}"#), Passes, "role:lead"),
    // By the time, and by the place. Other times and places are in `tests:` of policy.yaml.
    row("rules[].unless", "lena", Call("archive/get_customer", r#"{"id":"c-1"}"#), Refused(Some(CLOSED)), "rule:closed-archive"),
    row("rules[].when", "lena", Call("archive/get_page", "{}"), Passes, "role:lead"),
    row("rules[].unless", "lena", Call("archive/slow", r#"{"seconds":0}"#), Refused(Some(OFFICE)), "rule:from-the-office"),
    row("rules[].when", "lena", Get("archive/greet", r#"{"name":"Ada"}"#), Passes, "role:lead"),
    // A condition that cannot be answered denies.
    row("rules[].when", "lena", Call("archive/poisoned_tool", r#"{"note":"n"}"#), Refused(Some(CONTEXT)), "rule:in-context"),
    row("rules[].when", "lena", Call("archive/poisoned_tool", r#"{"note":"n","context":"some"}"#), Passes, "role:lead"),
    // In shadow.
    row("rules[].mode", "lena", Get("archive/admin_prompt", "{}"), PassesBeside("rule:some-day"), "role:lead"),
    row("mode", "lena", Read("archive", "file:///reports/q1.txt"), PassesBeside("rule:no-reports"), "role:lead"),
    // By who calls alone, which is the same for each of their calls.
    row("rules[].when", "ivo", Call("archive/add", r#"{"a":1,"b":2}"#), Unknown, "rule:no-interns"),
];

/// What is denied is not shown; what depends on arguments is, and so is what depends on the time and the place.
pub(super) const LISTS: &[Row] = &[
    row("roles.*.allow[].tools", "cleo", Tools("desk"), Lists(&[("ask", Allow), ("echo", Allow), ("get_customer", Allow)]), ""),
    row("roles.*.allow[].prompts", "cleo", Prompts("desk"), Lists(&[("greet", Allow)]), ""),
    row("roles.*.allow[].resources", "cleo", Resources("desk"), Lists(&[("file:///reports/q1.txt", Allow)]), ""),
    row(
        "rules[].when",
        "lena",
        Tools("desk"),
        // What another scope would help to is shown.
        Lists(&[("add", Depends), ("ask", Allow), ("echo", Allow), ("get_customer", Allow), ("slow", Deny)]),
        "",
    ),
    row("rules[].deny.prompts", "lena", Prompts("desk"), Lists(&[("greet", Allow)]), ""),
    row("rules[].deny.resources", "lena", Resources("desk"), Lists(&[("file:///reports/q1.txt", Allow)]), ""),
    row("rules[].deny.operations", "lena", Tools("ledger"), Lists(&[("add", Allow), ("get_customer", Allow)]), ""),
    row(
        "rules[].unless",
        "lena",
        Tools("archive"),
        Lists(&[
            ("add", Allow),
            ("ask", Allow),
            ("delete_contact", Allow),
            ("echo", Depends),
            ("get_customer", Deny),
            ("get_page", Allow),
            ("poisoned_tool", Depends),
            ("slow", Deny),
        ]),
        "",
    ),
    row("roles.*.allow[].arguments", "lena", Tools("forms"), Lists(&[("echo", Depends)]), ""),
];
