//! `yett reload` and SIGHUP: another policy or durability mode without a restart, whole or not at all.

use std::fs;

use serde_json::{Value, json};

use super::http::{Reply, call, get, send};
use super::process::{Finished, Home, METRICS_TOKEN, Serving, eventually};
use super::upstream::Upstream;

const OTHER_POLICY: &str = "version: 1
roles:
  clerk: { allow: [{ servers: [mail], tools: [read_*] }] }
bindings:
  - { role: clerk, groups: [sales] }
";

struct Scene {
    home: Home,
    _upstream: Upstream,
    secret: String,
    serving: Serving,
}

impl Scene {
    fn new() -> Self {
        let upstream = Upstream::start();
        let home = Home::new(upstream.address);
        let (_, secret) = home.key_offline("ada");
        let serving = home.serve();
        home.tell_operator(&serving);
        Self { home, _upstream: upstream, secret, serving }
    }

    fn reload(&self) -> Finished {
        self.home.run(&["reload", "--config", "operator.yaml"])
    }

    fn crm(&self) -> Reply {
        call(self.serving.listener, "crm", &self.secret, "get_customer")
    }

    /// Changes `yett.yaml`, and the operator's copy of it, as an editor would.
    fn edit(&self, from: &str, to: &str) {
        self.home.edit(from, to);
        self.home.tell_operator(&self.serving);
    }

    fn metric(&self, sample: &str) -> String {
        let authorization = format!("Bearer {METRICS_TOKEN}");
        let metrics = send(self.serving.health, "GET /metrics", &[("Authorization", &authorization)], "").body;
        let line = metrics.lines().find(|line| line.starts_with(sample)).unwrap_or_else(|| panic!("no {sample} in {metrics}"));
        line.rsplit(' ').next().unwrap().to_owned()
    }

    fn of_kind(&self, kind: &str) -> Vec<Value> {
        self.home.records().into_iter().filter(|record| record["kind"] == kind).collect()
    }

    /// Stops it, and has its log verified; returns what was said.
    fn verified(self) -> String {
        let (code, log) = self.serving.terminate();
        assert_eq!(code, Some(0), "{log}");
        self.home.done(&["audit", "verify", "data", "--accept-unanchored"])
    }
}

#[test]
fn another_policy_is_in_force_after_a_hang_up_and_recorded_before_its_first_call() {
    let scene = Scene::new();
    assert_eq!(scene.crm().status, 200);
    let start = &scene.of_kind("start")[0]["what"];
    scene.home.write("policies/access.yaml", OTHER_POLICY);
    assert_eq!(scene.crm().status, 200, "a file that was written is not in force yet");
    scene.serving.signal("HUP");
    eventually("the other policy", || (scene.crm().status == 404).then_some(()));

    let (policy, configuration) = (scene.of_kind("policy.change"), scene.of_kind("config.change"));
    assert_eq!((policy.len(), configuration.len()), (1, 1));
    assert_eq!((&policy[0]["what"]["act"], &policy[0]["what"]["by"]), (&json!("reload"), &json!("signal")));
    assert_eq!(policy[0]["what"]["before"], start["policy"]);
    assert_ne!(policy[0]["what"]["after"], start["policy"]);
    assert_eq!(configuration[0]["what"]["before"], start["config"], "the same text");
    assert_eq!(configuration[0]["what"]["after"], start["config"]);
    let refused: Vec<_> = scene.home.records().into_iter().filter(|record| record["dec"]["effect"] == "deny").collect();
    assert_eq!(refused[0]["dec"]["policy"], policy[0]["what"]["after"]);
    assert!(refused[0]["i"].as_u64() > policy[0]["i"].as_u64());
    assert_eq!(scene.metric("yett_config_reloads_total{outcome=\"applied\"}"), "1");
    scene.verified();
}

#[test]
fn a_wrong_policy_changes_nothing_and_is_told_counted_and_recorded() {
    let scene = Scene::new();
    let good = fs::read_to_string(scene.home.path("policies/access.yaml")).unwrap();
    scene.home.write("policies/access.yaml", &good.replace("groups: [sales]", "groups: [sales], rolse: x"));
    let told = scene.reload();
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.err.contains("rolse"), "{}", told.err);
    assert_eq!(scene.of_kind("config.change").len(), 0);

    scene.serving.signal("HUP");
    eventually("the refusal", || (scene.metric("yett_config_last_reload_successful") == "0").then_some(()));
    assert_eq!(scene.metric("yett_config_reloads_total{outcome=\"refused\"}"), "1");
    assert_eq!(scene.crm().status, 200, "the policy before is in force");
    let refused =
        eventually("its record", || scene.of_kind("admin").into_iter().find(|record| record["what"]["act"] == "reload.refused"));
    assert_eq!((&refused["what"]["by"], &refused["what"]["reason"]), (&json!("signal"), &json!("invalid")));

    scene.home.write("policies/access.yaml", &good);
    assert!(scene.home.done(&["reload", "--config", "operator.yaml"]).starts_with("nothing has changed\n"));
    assert_eq!(scene.metric("yett_config_last_reload_successful"), "1");
    let Scene { serving, .. } = scene;
    let (_, log) = serving.terminate();
    assert!(log.contains("rolse"), "where the mistake is stands in the log: {log}");
}

#[test]
fn what_needs_a_restart_is_named_and_nothing_else_of_the_file_takes_effect() {
    let scene = Scene::new();
    scene.home.write("policies/access.yaml", OTHER_POLICY);
    scene.edit("drain: 20s", "drain: 21s");
    scene.edit("servers:\n", "servers:\n  more: { url: \"http://127.0.0.1:1/mcp\" }\n");
    let told = scene.reload();
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.err.contains("a restart is needed for what was changed in: servers.more, shutdown.drain"), "{}", told.err);
    assert_eq!(scene.crm().status, 200, "the policy is not half in force");
    assert_eq!(scene.of_kind("policy.change").len(), 0);
    scene.verified();
}

#[test]
fn cmp_004_the_log_cannot_be_switched_off_and_the_attempt_is_on_record() {
    let scene = Scene::new();
    let audit = "audit: { origin: cli.localhost }";
    let before = fs::read_to_string(scene.home.path("operator.yaml")).unwrap();
    for off in [
        "audit: off",
        "audit: false",
        "audit: null",
        "audit: { origin: cli.localhost, enabled: false }",
        "audit: { origin: cli.localhost, durability: none }",
    ] {
        let attempts = || scene.of_kind("admin").into_iter().filter(|record| record["what"]["act"] == "reload.refused").count();
        let (tried, recorded) = (attempts(), scene.home.records().len());
        scene.edit(audit, off);
        let told = scene.reload();
        assert_eq!(told.code, Some(1), "{off}: {told:?}");
        eventually("the attempt on record", || (attempts() > tried).then_some(()));
        assert_eq!(scene.crm().status, 200);
        assert!(scene.home.records().len() >= recorded + 3, "{off}: a call without its records");
        // Nor does it begin without one.
        let begun = scene.home.run(&["check", "--config", "yett.yaml"]);
        assert_eq!(begun.code, Some(1), "{off}: {begun:?}");
        scene.home.edit(off, audit);
        scene.home.write("operator.yaml", &before);
    }
    scene.verified();
}

#[test]
fn aud_051_async_needs_its_risk_named_is_declared_before_its_first_call_and_verify_prints_the_interval() {
    let scene = Scene::new();
    let audit = "audit: { origin: cli.localhost }";
    let asynchronous = "audit: { origin: cli.localhost, durability: async, loss_window: 50ms }";
    scene.edit(audit, asynchronous);
    scene.serving.signal("HUP");
    let refused =
        eventually("the refusal", || scene.of_kind("admin").into_iter().find(|record| record["what"]["act"] == "reload.refused"));
    assert_eq!(refused["what"]["reason"], "invalid");
    assert_eq!(scene.crm().status, 200);
    let warned = "warning: the configuration on disk is not in force: the last reload was refused (invalid)\n";
    assert_eq!(get(scene.serving.health, "/readyz").body, format!("ready\naudit: strict\n{warned}"));

    scene.edit(asynchronous, &format!("accept_risks: [async_audit]\n{asynchronous}"));
    let done = scene.home.done(&["reload", "--config", "operator.yaml"]);
    assert!(done.ends_with("audit async\n"), "{done}");
    assert_eq!(get(scene.serving.health, "/readyz").body, "ready\naudit: async\n");
    let declared = scene.of_kind("config.change");
    assert_eq!((declared.len(), &declared[0]["mode"], &declared[0]["what"]["by"]), (1, &json!("async"), &json!("admin")));
    let call = scene.crm().header("yett-call").unwrap().to_owned();
    let decision =
        eventually("the record of an async call", || scene.home.records().into_iter().find(|record| record["call"] == *call));
    assert!(decision["i"].as_u64() > declared[0]["i"].as_u64());

    scene.edit(&format!("accept_risks: [async_audit]\n{asynchronous}"), audit);
    scene.home.done(&["reload", "--config", "operator.yaml"]);
    let declared = scene.of_kind("config.change");
    assert_eq!((declared.len(), &declared[1]["mode"]), (2, &json!("strict")));
    let call = scene.crm().header("yett-call").unwrap().to_owned();
    assert_eq!(scene.home.records().iter().filter(|record| record["call"] == *call).count(), 2, "durable before the answer");
    let indices: Vec<_> = declared.iter().map(|record| record["i"].as_u64().unwrap()).collect();
    let said = scene.verified();
    assert!(said.contains(&format!("mode async from record {}", indices[0])), "{said}");
    assert!(said.contains(&format!("mode strict from record {}", indices[1])), "{said}");
}
