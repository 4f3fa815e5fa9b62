//! What is too much. None of it is a decision about one call, so `tests:` of a policy has no word for it.

use super::row::Seen::{Over, OverInSession, Passes, PassesBeside, Told};
use super::row::Step::{self, Call};
use super::row::{Row, row};

const ADD: Step = Call("meter/add", r#"{"a":1,"b":2}"#);
const CUSTOMER: Step = Call("meter/get_customer", r#"{"id":"c-1"}"#);
const ACME: Step = Call("acme-desk/get_customer", r#"{"id":"c-1"}"#);
const LONG: Step = Call(
    "meter/echo",
    concat!(
        r#"{"message":"a"#,
        "long message, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, ",
        "and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer, and longer",
        r#""}"#
    ),
);
const SLOW: Step = Call("meter/slow", r#"{"seconds":0}"#);
const NOTE: Step = Call("meter/poisoned_tool", r#"{"note":"n"}"#);
const LOOP: &str = "This is the 3rd identical call of `poisoned_tool` within 3600 s. Change the arguments or stop.";

/// In order, since each row counts. Each client has subjects and OAuth clients of its own.
pub(super) const LIMITS: &[Row] = &[
    row("limits[].burst", "meg", ADD, Passes, "role:metered"),
    row("limits[].burst", "meg", ADD, Passes, "role:metered"),
    row("limits[].rate", "meg", ADD, Over(0), "limit:pace"),
    row("limits[].tools", "meg", CUSTOMER, Passes, "role:metered"),
    row("limits[].quota", "meg", CUSTOMER, Passes, "role:metered"),
    row("limits[].quota", "meg", CUSTOMER, Over(0), "limit:allowance"),
    row("limits[].request_bytes", "meg", LONG, Over(1024), "limit:upload"),
    row("limits[].request_bytes", "meg", Call("meter/echo", r#"{"message":"hi"}"#), Passes, "role:metered"),
    // What is more than is left is delivered, since the server has done it; then there is nothing left.
    row("limits[].result_bytes", "meg", Call("meter/get_page", "{}"), Passes, "role:metered"),
    row("limits[].result_bytes", "meg", Call("meter/get_page", "{}"), Over(0), "limit:download"),
    row("limits[].session_calls", "meg", Call("meter/delete_contact", r#"{"id":"c-1"}"#), Passes, "role:metered"),
    row("limits[].session_calls", "meg", Call("meter/delete_contact", r#"{"id":"c-2"}"#), OverInSession, "limit:session"),
    row("limits[].repeats.calls", "meg", NOTE, Passes, "role:metered"),
    row("limits[].repeats.calls", "meg", NOTE, Passes, "role:metered"),
    row("limits[].repeats.within", "meg", NOTE, Told(LOOP), "limit:no-loops"),
    row("limits[].repeats", "meg", Call("meter/poisoned_tool", r#"{"note":"m"}"#), Passes, "role:metered"),
    row("limits[].servers", "meg", Call("archive/add", r#"{"a":1,"b":2}"#), Passes, "role:metered"),
    // Two callers by one OAuth client, and one counter for it.
    row("limits[].roles", "tim", LONG, Passes, "role:counted"),
    row("limits[].mode", "tim", SLOW, Passes, "role:counted"),
    row("limits[].mode", "tim", SLOW, PassesBeside("some-day-less"), "role:counted"),
    row("limits[].per", "tim", ADD, Passes, "role:counted"),
    row("limits[].per", "tom", ADD, Over(0), "limit:till"),
    // A limit in the file of a tenant.
    row("tenants", "ada", ACME, Passes, "role:acme-user"),
    row("tenants", "ada", ACME, Over(0), "limit:acme-volume"),
];

/// While another call of theirs is under way.
pub(super) const BUSY: Step = Call("meter/slow", r#"{"seconds":50}"#);
pub(super) const AT_ONCE: Row = row("limits[].concurrency", "meg", SLOW, Over(0), "limit:one-at-a-time");
