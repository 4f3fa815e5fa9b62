//! The tables, done by official clients.

use serde_json::{Value, json};

use super::super::client::{Client, PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN};
use super::super::eventually;
use super::limits::{AT_ONCE, BUSY, LIMITS};
use super::stage::Stage;
use super::{modules, roles, rules, stopped, tenants};

const PYTHON: [Client; 2] = [PYTHON_LEGACY, PYTHON_MODERN];
const TYPESCRIPT: [Client; 2] = [TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN];
/// Both SDKs, one in each era.
const BOTH: [Client; 2] = [PYTHON_MODERN, TYPESCRIPT_LEGACY];

#[test]
fn python_may_do_what_roles_grant_and_nothing_else_and_is_told_what_arguments_would_be_accepted() {
    let stage = Stage::start();
    stage.show(&PYTHON, roles::ROLES);
    stage.show(&PYTHON, roles::ARGUMENTS);
    stage.end();
}

#[test]
fn typescript_may_do_what_roles_grant_and_nothing_else_and_is_told_what_arguments_would_be_accepted() {
    let stage = Stage::start();
    stage.show(&TYPESCRIPT, roles::ROLES);
    stage.show(&TYPESCRIPT, roles::ARGUMENTS);
    stage.end();
}

#[test]
fn each_key_of_a_binding_gives_official_clients_a_role_by_what_their_credential_says() {
    let stage = Stage::start();
    stage.show_to(&BOTH, "", roles::BINDINGS);
    stage.end();
}

#[test]
fn official_clients_do_not_find_what_rules_deny_or_are_refused_it_with_its_reason() {
    let stage = Stage::start();
    stage.show(&BOTH, rules::RULES);
    stage.end();
}

#[test]
fn lists_leave_out_what_is_denied_and_show_what_depends() {
    let stage = Stage::start();
    stage.show(&BOTH, rules::LISTS);
    stage.end();
}

#[test]
fn what_is_for_a_tenant_or_a_region_is_for_its_callers_alone() {
    let stage = Stage::start();
    stage.show_to(&BOTH, "", tenants::TENANTS);
    stage.end();
}

#[test]
fn what_rego_modules_take_away_is_refused_with_its_reason_or_not_there() {
    for (module, rows) in [(include_str!("refused.rego"), modules::REFUSED), (include_str!("hidden.rego"), modules::HIDDEN)] {
        let stage = Stage::with_module(Some(module));
        stage.show(&BOTH, rows);
        stage.end();
    }
}

#[test]
fn beyond_a_limit_official_clients_are_told_how_much_is_left_and_when_to_come_again() {
    let stage = Stage::start();
    for (index, client) in BOTH.into_iter().enumerate() {
        stage.show_to(&[client], &format!("-{index}"), LIMITS);
    }
    stage.end();
}

#[test]
fn a_call_beyond_those_that_may_be_under_way_is_refused_to_official_clients() {
    let stage = Stage::start();
    for (index, client) in BOTH.into_iter().enumerate() {
        let turn = format!("-{index}");
        let busy = stage.begin(client, "meg", &turn, BUSY);
        let noted = |event: &Value| {
            let seen = stage.upstream.seen();
            (seen.iter().filter(|entry| entry["name"] == "slow" && entry["event"] == *event).count() > index).then_some(())
        };
        eventually("the first call reaches the server", || noted(&Value::Null));
        stage.show_to(&[client], &turn, &[AT_ONCE]);
        drop(busy);
        eventually("the server loses its sender", || noted(&json!("disconnected")));
    }
    stage.end();
}

#[test]
fn what_an_operator_stops_is_refused_to_official_clients_until_it_goes_on() {
    let stage = Stage::start();
    for switch in stopped::SWITCHES {
        stage.operate("kill", &switch);
    }
    stage.show(&BOTH, stopped::STOPPED);
    for switch in stopped::SWITCHES {
        stage.operate("unkill", &switch);
    }
    stage.operate("kill", &["--all"]);
    stage.show(&BOTH, stopped::ALL);
    stage.operate("unkill", &["--all"]);
    stage.show_to(&BOTH, "", stopped::GOES_ON);
    stage.end();
}
