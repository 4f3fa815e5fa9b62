//! `yett kill` and `yett unkill`: effective with the next call, and after a restart.

use super::http::{Reply, call, send};
use super::process::{Home, Serving};
use super::upstream::Upstream;

struct Scene {
    home: Home,
    upstream: Upstream,
    secret: String,
}

impl Scene {
    fn new() -> Self {
        let upstream = Upstream::start();
        let home = Home::new(upstream.address);
        let (_, secret) = home.key_offline("ada");
        Self { home, upstream, secret }
    }

    fn operate(&self, arguments: &[&str]) -> String {
        let (command, rest) = arguments.split_first().unwrap();
        let all: Vec<_> = [*command, "--config", "operator.yaml"].iter().chain(rest).copied().collect();
        self.home.done(&all)
    }

    fn crm(&self, serving: &Serving) -> Reply {
        call(serving.listener, "crm", &self.secret, "get_customer")
    }

    fn mail(&self, serving: &Serving) -> Reply {
        call(serving.listener, "mail", &self.secret, "read_mail")
    }
}

fn assert_passed(reply: &Reply) {
    assert_eq!(reply.json()["result"]["content"][0]["text"], "done", "{reply:?}");
}

fn assert_killed(reply: &Reply) {
    assert_eq!((reply.status, reply.error_code()), (503, Some(-31503)), "{reply:?}");
    assert!(reply.header("retry-after").is_some_and(|value| value.parse::<u64>().is_ok()), "{reply:?}");
    assert_eq!(reply.json()["error"]["data"]["call"].as_str(), reply.header("yett-call"));
}

#[test]
fn a_killed_server_is_refused_from_the_next_call_on_until_it_is_unkilled() {
    let scene = Scene::new();
    let serving = scene.home.serve();
    scene.home.tell_operator(&serving);
    assert_passed(&scene.crm(&serving));

    assert_eq!(scene.operate(&["kill", "--server", "crm"]), "stopped: server:crm\n");
    assert_killed(&scene.crm(&serving));
    assert_passed(&scene.mail(&serving));
    assert_eq!(scene.upstream.received().len(), 2, "a stopped call reached its server");

    assert_eq!(scene.operate(&["unkill", "--server", "crm"]), "nothing is stopped\n");
    assert_passed(&scene.crm(&serving));

    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    let records = scene.home.records();
    let orders: Vec<_> = records.iter().filter(|record| record["kind"] == "killswitch").map(|record| &record["what"]).collect();
    assert_eq!(orders.len(), 2, "{orders:?}");
    assert!(orders[0]["act"] == "kill" && orders[1]["act"] == "unkill", "{orders:?}");
    assert!(orders.iter().all(|order| order["target"] == "server:crm"), "{orders:?}");
    let refused: Vec<_> = records.iter().filter(|record| record["dec"]["effect"] == "deny").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0]["dec"]["reason"], "killed");
}

#[test]
fn a_switch_for_everything_survives_a_restart() {
    let scene = Scene::new();
    let first = scene.home.serve();
    scene.home.tell_operator(&first);
    assert_eq!(scene.operate(&["kill", "--all"]), "stopped: all\n");
    assert_killed(&scene.crm(&first));
    assert_killed(&scene.mail(&first));
    first.terminate();

    let second = scene.home.serve();
    scene.home.tell_operator(&second);
    assert_killed(&scene.crm(&second));
    assert_eq!(scene.operate(&["kill", "--server", "mail"]), "stopped: all, server:mail\n");
    assert_eq!(scene.operate(&["unkill", "--all"]), "stopped: server:mail\n");
    assert_passed(&scene.crm(&second));
    assert_killed(&scene.mail(&second));
    assert_eq!(scene.upstream.received().len(), 1);
}

#[test]
fn a_switch_survives_a_gateway_that_was_killed_itself() {
    let scene = Scene::new();
    let first = scene.home.serve();
    scene.home.tell_operator(&first);
    scene.operate(&["kill", "--server", "crm"]);
    first.signal("KILL");
    assert_eq!(first.wait().0, None);
    let second = scene.home.serve();
    assert_killed(&scene.crm(&second));
}

#[test]
fn a_stopped_gateway_takes_the_order_offline() {
    let scene = Scene::new();
    assert_eq!(scene.home.done(&["kill", "--offline", "--server", "crm"]), "stopped: server:crm\n");
    let serving = scene.home.serve();
    assert_killed(&scene.crm(&serving));
    assert_passed(&scene.mail(&serving));
}

#[test]
fn a_caller_without_credential_does_not_learn_of_the_switch() {
    let scene = Scene::new();
    scene.home.done(&["kill", "--offline", "--all"]);
    let serving = scene.home.serve();
    assert_eq!(send(serving.listener, "POST /mcp/crm", &[], "{}").status, 401);
}

#[test]
fn only_a_configured_server_can_be_named() {
    let scene = Scene::new();
    let serving = scene.home.serve();
    scene.home.tell_operator(&serving);
    let refused = scene.home.run(&["kill", "--config", "operator.yaml", "--server", "cmr"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{}", refused.err);
    assert!(refused.err.contains("cmr"), "{}", refused.err);
    assert_passed(&scene.crm(&serving));
}

/// A tool that the caller may call.
const TOOL: &str = "crm/get_customer";

#[test]
fn mcp_077_tool_principal_and_tenant_are_stopped_with_a_reason_that_survives_a_restart_and_callers_never_see() {
    let scene = Scene::new();
    let first = scene.home.serve();
    scene.home.tell_operator(&first);
    let done = scene.operate(&["kill", "--tool", TOOL, "--reason", "case 7: leaks"]);
    assert_eq!(done, "stopped: tool:crm/get_customer\n");
    let refused = scene.crm(&first);
    assert_killed(&refused);
    assert!(!format!("{refused:?}").contains("case 7"), "{refused:?}");
    assert_passed(&call(first.listener, "crm", &scene.secret, "search_customers"));
    assert_passed(&scene.mail(&first));
    scene.operate(&["kill", "--principal", "api-key/ada", "--reason", "stolen laptop"]);
    scene.operate(&["kill", "--tenant", "api-key/acme"]);
    assert_killed(&scene.mail(&first));
    first.terminate();

    let second = scene.home.serve();
    scene.home.tell_operator(&second);
    assert_killed(&scene.mail(&second));
    let listed = scene.operate(&["kill", "--list"]);
    let wanted = "tool:crm/get_customer  case 7: leaks\nprincipal:api-key/ada  stolen laptop\ntenant:api-key/acme\n";
    assert_eq!(listed, wanted);
    let json: serde_json::Value = serde_json::from_str(&scene.operate(&["kill", "--list", "--json"])).unwrap();
    assert_eq!(json["switches"][0]["reason"], "case 7: leaks");
    scene.operate(&["unkill", "--principal", "api-key/ada"]);
    assert_passed(&scene.mail(&second));
    assert_killed(&scene.crm(&second));
    scene.operate(&["unkill", "--switch", "tool:crm/get_customer"]);
    assert_eq!(scene.operate(&["unkill", "--tenant", "api-key/acme"]), "nothing is stopped\n");
    assert_passed(&scene.crm(&second));

    assert_eq!(second.terminate().0, Some(0));
    let records = scene.home.records();
    let orders: Vec<_> = records.iter().filter(|record| record["kind"] == "killswitch").map(|record| &record["what"]).collect();
    assert_eq!(orders.len(), 6, "{orders:?}");
    assert!(orders[0]["target"] == TOOL.replace("crm/", "tool:crm/") && orders[0]["reason"] == "case 7: leaks", "{orders:?}");
    assert!(orders[1]["target"] == "principal:api-key" && orders[1]["reason"] == "stolen laptop", "{orders:?}");
    assert_eq!(orders[1]["requester"], "admin");
    let called = records.iter().find(|record| record["dec"]["effect"] == "deny").unwrap();
    assert_eq!(orders[1]["sub"], called["who"]["sub"], "the record names the caller as those of calls do");
    assert!(!format!("{orders:?}").contains("/ada"), "{orders:?}");
}

#[test]
fn wrong_targets_and_reasons_are_errors_that_say_what_to_write() {
    let scene = Scene::new();
    let serving = scene.home.serve();
    scene.home.tell_operator(&serving);
    let long = "x".repeat(501);
    let table: [(&[&str], &str); 9] = [
        (&["--tool", "crm"], "SERVER/TOOL"),
        (&["--tool", "crm/get\u{1}"], "no control characters"),
        (&["--tool", "cmr/x"], "there are: crm, mail"),
        (&["--principal", "ada"], "ISSUER/SUBJECT"),
        (&["--principal", "crop/ada"], "there are: api-key"),
        (&["--tenant", "crop/acme"], "there are: api-key"),
        (&["--switch", "client:x"], "no switch is named"),
        (&["--all", "--reason", &long], "at most 500 bytes"),
        (&["--principal", "api-key/ada", "--reason", "Ada left"], "names the caller"),
    ];
    for (target, told) in table {
        let refused = scene.home.run(&[&["kill", "--config", "operator.yaml"], target].concat());
        assert_eq!((refused.code, refused.out.as_str()), (Some(2), ""), "{target:?}: {}", refused.err);
        assert!(refused.err.contains(told), "{target:?}: {}", refused.err);
    }
    assert_passed(&scene.crm(&serving));
}

#[test]
fn a_hidden_tool_that_is_stopped_answers_like_one_that_there_is_not() {
    let scene = Scene::new();
    scene.home.done(&["kill", "--offline", "--tool", "crm/delete_customer"]);
    let serving = scene.home.serve();
    let hidden = call(serving.listener, "crm", &scene.secret, "delete_customer");
    let unknown = call(serving.listener, "crm", &scene.secret, "delete_nothing");
    assert_eq!((hidden.status, hidden.error_code()), (unknown.status, unknown.error_code()), "{hidden:?}");
    assert_ne!(hidden.error_code(), Some(-31503));
}
