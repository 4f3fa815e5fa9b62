//! What an operator stops, and lets go again. `yett policy test` does not look at kill switches.

use yett::policy::Effect::{Allow, Deny, Depends};

use super::row::Seen::{Lists, Passes, Stopped};
use super::row::Step::{self, Call, Tools};
use super::row::{Row, row};

/// The switches that are on together.
pub(super) const SWITCHES: [[&str; 2]; 4] =
    [["--tool", "desk/echo"], ["--principal", "corp/ivo"], ["--tenant", "corp/acme"], ["--server", "ledger"]];

const ADD: Step = Call("desk/add", r#"{"a":1,"b":2}"#);
const ECHO: Step = Call("desk/echo", r#"{"message":"hi"}"#);

/// With all of them on.
pub(super) const STOPPED: &[Row] = &[
    row("yett kill --tool", "lena", ECHO, Stopped, ""),
    row("yett kill --tool", "lena", ADD, Passes, "role:lead"),
    row(
        "yett kill --tool",
        "lena",
        Tools("desk"),
        Lists(&[("add", Depends), ("ask", Allow), ("echo", Allow), ("get_customer", Allow), ("slow", Deny)]),
        "",
    ),
    row("yett kill --principal", "ivo", ADD, Stopped, ""),
    row("yett kill --tenant", "ada", ADD, Stopped, ""),
    row("yett kill --tenant", "con", ADD, Passes, "role:acme-user"),
    row("yett kill --server", "lena", Call("ledger/add", r#"{"a":1,"b":2}"#), Stopped, ""),
];

/// With `yett kill --all`.
pub(super) const ALL: &[Row] = &[row("yett kill --all", "con", ADD, Stopped, "")];

/// With none of them.
pub(super) const GOES_ON: &[Row] = &[
    row("yett unkill", "lena", ECHO, Passes, "role:lead"),
    row("yett unkill", "ivo", ADD, Passes, "role:lead"),
    row("yett unkill", "lena", Call("ledger/add", r#"{"a":1,"b":2}"#), Passes, "role:lead"),
];
