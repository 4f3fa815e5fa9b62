//! Two tenants at one server: what is one's does not reach the other, whatever the server thinks of it.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

const POLICY: &str = "version: 1
roles:
  acme: { allow: [{ servers: [crm], resources: ['file:///acme/**', 'file:///shared/**'] }] }
  globex: { allow: [{ servers: [crm], resources: ['file:///globex/**', 'file:///shared/**'] }] }
bindings:
  - { role: acme, tenants: [acme] }
  - { role: globex, tenants: [globex] }
";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    acme: String,
    globex: String,
}

impl Stage {
    async fn set() -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().policy(POLICY).servers([("crm", &crm)]).await;
        let (acme, globex) = (gateway.tenant_key("ada", "acme").await, gateway.tenant_key("gus", "globex").await);
        Self { gateway, crm, acme, globex }
    }
}

fn updated(uri: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": { "uri": uri } })
}

#[tokio::test]
async fn mcp_021_a_notification_about_another_tenants_resource_is_not_delivered_is_on_record_and_ends_nothing() {
    let stage = Stage::set().await;
    let end = Gate::default();
    let foreign = ["file:///globex/plan", "file:///acme/../globex/plan", "FILE:///globex/plan", "file:///globex/", ""];
    let nameless = json!({ "jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {} });
    let steps: Vec<_> = foreign
        .iter()
        .map(|uri| updated(uri))
        .chain([nameless, updated("file:///acme/plan"), updated("file:///globex/plan"), updated("file:///shared/plan")])
        .map(|message| Step::message(&message))
        .chain([Step::Wait(end.clone()), Step::text("closed")])
        .collect();
    let dropped = foreign.len() + 2;
    stage.crm.on_method("subscriptions/listen", Reply::stream(steps.clone()));
    stage.crm.on_method("GET", Reply::stream(steps[..steps.len() - 1].to_vec()));
    let wanted = json!({ "notifications": { "resourceSubscriptions": ["file:///acme/plan", "file:///shared/plan"] } });
    let mut listen = stage.gateway.modern("crm", &stage.acme).stream("subscriptions/listen", wanted).await;
    let mut push = stage.gateway.legacy("crm", &stage.acme).await.listen().await;
    for events in [&mut listen, &mut push] {
        assert_eq!(events.next().await.unwrap(), updated("file:///acme/plan"));
        assert_eq!(events.next().await.unwrap(), updated("file:///shared/plan"), "the stream is not up any more");
    }
    end.open();
    for events in [listen, push] {
        let call = events.head.call();
        drop(events.rest().await);
        let outcome = stage.gateway.ended(&call).await.pop().unwrap();
        let finding = &outcome["out"]["findings"][0];
        let told = (&finding["layer"], &finding["rule"], &finding["kind"], &finding["action"], &finding["count"]);
        let expected = (
            &json!("authz"),
            &json!("resource-update"),
            &json!("notifications/resources/updated"),
            &json!("block"),
            &json!(dropped),
        );
        assert_eq!(told, expected, "{outcome:#}");
        assert!(!outcome.to_string().contains("globex"), "the other tenant's name stands in the record: {outcome:#}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_069_what_one_reads_is_never_given_to_another_whatever_its_server_says_of_caches() {
    let stage = Stage::set().await;
    let uri = "file:///shared/me";
    let read = |client: Client, whose: &'static str| {
        let result = json!({
            "contents": [{ "uri": uri, "text": format!("the file of {whose}") }],
            "resultType": "complete", "ttlMs": 3_600_000, "cacheScope": "public" });
        stage.crm.on_method("resources/read", Reply::result(&result).header("Cache-Control", "public, max-age=3600"));
        async move { client.request("resources/read", json!({ "uri": uri })).await }
    };
    let asked = || stage.crm.arrived().iter().filter(|request| request.rpc_method() == "resources/read").count();
    let (ada, gus) = (stage.gateway.modern("crm", &stage.acme), stage.gateway.modern("crm", &stage.globex));
    let (old_ada, old_gus) = (stage.gateway.legacy("crm", &stage.acme).await, stage.gateway.legacy("crm", &stage.globex).await);
    let readers = [(ada, "ada"), (gus, "gus"), (old_ada, "ada in a session"), (old_gus, "gus in a session")];
    for (times, (client, whose)) in readers.into_iter().enumerate() {
        let answer = read(client, whose).await;
        assert_eq!(answer.result()["contents"][0]["text"], format!("the file of {whose}"), "another's: {answer:?}");
        assert_eq!(asked(), times + 1, "{whose}: the server was not asked");
        assert_eq!(answer.result()["cacheScope"], "private", "{whose}: others may be given it: {answer:?}");
        assert_eq!(answer.header("cache-control"), None, "{answer:?}");
    }
    stage.gateway.stop_and_verify().await;
}
