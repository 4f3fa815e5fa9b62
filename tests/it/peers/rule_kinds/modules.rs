//! What Rego modules take away: by the arguments it is listed and refused, by the caller and the target it is not there.

use yett::policy::Effect::{Allow, Depends};

use super::row::Seen::{Lists, Passes, Refused, Unknown};
use super::row::Step::{self, Call, Tools};
use super::row::{Row, row};

const CUSTOMER: Step = Call("ledger/get_customer", r#"{"id":"c-1"}"#);

/// With `refused.rego`.
pub(super) const REFUSED: &[Row] = &[
    row("*.rego", "lena", Call("ledger/add", r#"{"a":1000,"b":2}"#), Passes, "role:lead"),
    row(
        "*.rego",
        "lena",
        Call("ledger/add", r#"{"a":1001,"b":2}"#),
        Refused(Some("At most 1000, and this is 1001.")),
        "rego:large-sums",
    ),
    // Of a module that looks at arguments nothing is known without them. What a rule takes away is not there all the same.
    row("*.rego", "lena", Tools("ledger"), Lists(&[("add", Depends), ("get_customer", Depends)]), ""),
];

/// With `hidden.rego`.
pub(super) const HIDDEN: &[Row] = &[
    row("*.rego", "lena", CUSTOMER, Passes, "role:lead"),
    row("*.rego", "lena", Tools("ledger"), Lists(&[("add", Allow), ("get_customer", Allow)]), ""),
    row("*.rego", "ivo", CUSTOMER, Unknown, "rego:no-customers-for-interns"),
    row("*.rego", "ivo", Tools("ledger"), Lists(&[("add", Allow)]), ""),
];
