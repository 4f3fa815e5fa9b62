//! 2025-11-25: the client asks for a task.

use serde_json::{Value, json};

use super::{ORDERS, OWN, POLICY, SSN, Stage, assert_unknown, comparable, replies, says, standing, with};
use crate::support::client::Client;
use crate::support::http::Answer;
use crate::support::reply::{Gate, Reply, Step};

const RELATED: &str = "io.modelcontextprotocol/related-task";

/// Calls `tool` as a task.
async fn begin(client: &Client, tool: &str) -> Answer {
    client.request("tools/call", json!({ "name": tool, "arguments": {}, "task": { "ttl": 60000 } })).await
}

/// The id under which a client has got the task `own` of the server.
async fn begun(stage: &Stage, client: &Client, tool: &str, own: &str) -> String {
    stage.crm.on_tool(tool, Reply::result(&json!({ "task": standing(own, "working") })));
    let answer = begin(client, tool).await;
    assert!(answer.result()["task"].is_object(), "no task: {answer:?}");
    answer.result()["task"]["taskId"].as_str().unwrap().to_owned()
}

async fn about(client: &Client, method: &str, id: &str) -> Answer {
    client.request(method, json!({ "taskId": id })).await
}

fn related(id: &str) -> Value {
    json!({ (RELATED): { "taskId": id } })
}

#[tokio::test]
async fn a_task_has_an_id_of_ours_by_which_its_caller_follows_it_to_its_result() {
    let stage = Stage::set().await;
    let ada = stage.legacy("ada", "staff").await;
    let id = begun(&stage, &ada, "slow", OWN).await;
    assert!(!id.contains(OWN), "the client knows the server's id: {id}");
    assert_eq!(stage.crm.calls()[0].json()["params"]["task"], json!({ "ttl": 60000 }));

    replies(&stage.crm, "tasks/get", &standing(OWN, "completed"));
    let told = about(&ada, "tasks/get", &id).await;
    assert_eq!((&told.result()["taskId"], &told.result()["status"]), (&json!(id), &json!("completed")), "{told:?}");
    replies(&stage.crm, "tasks/result", &with(says("done"), &json!({ "_meta": related(OWN) })));
    let done = about(&ada, "tasks/result", &id).await;
    assert_eq!((done.text().as_str(), &done.result()["_meta"]), ("done", &related(&id)), "{done:?}");
    replies(&stage.crm, "tasks/cancel", &standing(OWN, "cancelled"));
    assert_eq!(about(&ada, "tasks/cancel", &id).await.result()["taskId"], id.as_str());

    for (method, answer) in [("tasks/get", told), ("tasks/result", done)] {
        assert_eq!(stage.crm.wait_for(method).await.json()["params"]["taskId"], OWN, "the server gets its own id");
        let record = &stage.gateway.records_of(&answer.call())[0];
        let what = (&record["what"]["method"], &record["what"]["name"], &record["dec"]["edits"]);
        assert_eq!(what, (&json!(method), &json!("slow"), &Value::Null), "on record is the tool: {record:#}");
    }
    stage.end().await;
}

#[tokio::test]
async fn the_task_of_another_caller_is_as_unknown_as_one_that_was_made_up() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.legacy("ada", "staff").await, stage.legacy("eve", "staff").await);
    let id = begun(&stage, &ada, "slow", OWN).await;
    let tenant = stage.gateway.tenant_key("ada", "acme").await;
    let mut thief = eve.clone();
    thief.session.clone_from(&ada.session);
    let other_route = stage.gateway.legacy("mail", &stage.gateway.key("ada", &["staff"]).await).await;
    let elsewhere = stage.gateway.legacy("crm", &tenant).await;
    let (mut changed, mut cut) = (id.clone(), id.clone());
    let last = changed.pop().unwrap();
    changed.push(if last == 'Q' { 'R' } else { 'Q' });
    cut.truncate(id.len() - 2);
    let seen = stage.crm.count();
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let foreign = about(&eve, method, &id).await;
        assert_unknown(method, &foreign);
        assert_eq!(stage.refusal(&foreign, seen)["dec"]["reason"], "unknown_task");
        for (what, client, shown) in [
            ("made up", &eve, "no-such-task"),
            ("the server's own id", &ada, OWN),
            ("changed", &ada, &changed),
            ("cut short", &ada, &cut),
            ("on another route", &other_route, &id),
            ("of a namesake in another tenant", &elsewhere, &id),
            ("ten kilobytes", &ada, &"x".repeat(10 << 10)),
            ("ten kilobytes that look like one", &ada, &format!("yett-task1.{}", "A".repeat(10 << 10))),
        ] {
            let answer = about(client, method, shown).await;
            assert_eq!(comparable(&answer), comparable(&foreign), "{method}, {what}");
            stage.refusal(&answer, seen);
        }
    }
    let stolen = about(&thief, "tasks/get", &id).await;
    assert_eq!(stolen.status, 404, "with the session of its owner: {stolen:?}");
    for no_id in [json!({}), json!({ "taskId": 7 }), json!({ "taskId": null })] {
        assert_eq!(ada.request("tasks/get", no_id).await.status, 400);
    }
    replies(&stage.crm, "tasks/get", &standing(OWN, "working"));
    assert_eq!(about(&ada, "tasks/get", &id).await.result()["status"], "working", "its owner has it still");
    stage.end().await;
}

#[tokio::test]
async fn a_role_that_has_lost_the_tool_has_lost_its_tasks() {
    let stage = Stage::set().await;
    let ada = stage.legacy("ada", "staff").await;
    let id = begun(&stage, &ada, "slow", OWN).await;
    let kept = begun(&stage, &ada, "other", "t-other").await;
    stage.obey(&POLICY.replace("[slow, other]", "[other]")).await;
    let seen = stage.crm.count();
    for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
        let answer = about(&ada, method, &id).await;
        assert_unknown(method, &answer);
        let record = stage.refusal(&answer, seen);
        assert_eq!((&record["dec"]["reason"], &record["what"]["name"]), (&json!("unknown_task"), &json!("slow")), "{record:#}");
    }
    replies(&stage.crm, "tasks/list", &json!({ "tasks": [standing(OWN, "working"), standing("t-other", "working")] }));
    let listed = ada.request("tasks/list", json!({})).await.result()["tasks"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed:#}");
    assert_eq!(listed[0]["taskId"], kept.as_str());
    stage.end().await;
}

#[tokio::test]
async fn a_list_shows_a_caller_their_own_tasks_on_every_page() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.legacy("ada", "staff").await, stage.legacy("eve", "staff").await);
    let (first, second) = (begun(&stage, &ada, "slow", "t-1").await, begun(&stage, &ada, "slow", "t-2").await);
    begun(&stage, &eve, "slow", "t-eve").await;
    let page = |ids: &[&str], next: Option<&str>| {
        let tasks: Vec<_> = ids.iter().map(|id| with(standing(id, "working"), &json!({ "statusMessage": *id }))).collect();
        with(json!({ "tasks": tasks }), &next.map_or(json!({}), |next| json!({ "nextCursor": next })))
    };
    let pages = [
        (page(&["t-eve", "t-1", "t-nobody"], Some("two")), vec![first], Some("two")),
        (page(&["t-eve", "t-nobody"], Some("three")), vec![], Some("three")),
        (page(&["t-2"], None), vec![second], None),
    ];
    let mut cursor = json!({});
    for (said, own, next) in pages {
        replies(&stage.crm, "tasks/list", &said);
        let answer = ada.request("tasks/list", cursor.clone()).await;
        let shown: Vec<_> = answer.result()["tasks"].as_array().unwrap().iter().map(|task| task["taskId"].clone()).collect();
        assert_eq!((shown, answer.result()["nextCursor"].as_str()), (own.iter().map(|id| json!(id)).collect(), next));
        assert!(!format!("{answer:?}").contains("t-eve"), "{answer:?}");
        assert_eq!(stage.crm.wait_for("tasks/list").await.json()["params"], cursor);
        cursor = json!({ "cursor": next });
    }
    let odd = json!([{ "taskId": "t-1", "TaskId": "t-eve" }, { "taskId": 7 }, { "status": "working" }, null, "t-1"]);
    replies(&stage.crm, "tasks/list", &json!({ "tasks": odd }));
    assert_eq!(ada.request("tasks/list", json!({})).await.result()["tasks"], json!([]), "what cannot be read for sure");
    let intern = stage.legacy("bob", "interns").await;
    replies(&stage.crm, "tasks/list", &page(&["t-1", "t-eve"], None));
    assert_eq!(intern.request("tasks/list", json!({})).await.result()["tasks"], json!([]));
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_gives_two_callers_one_id_has_two_tasks_here() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.legacy("ada", "staff").await, stage.legacy("eve", "staff").await);
    let (of_ada, of_eve) = (begun(&stage, &ada, "slow", "1").await, begun(&stage, &eve, "slow", "1").await);
    assert_ne!(of_ada, of_eve);
    assert_unknown("one with the other's", &about(&ada, "tasks/get", &of_eve).await);
    assert_unknown("the other with the one's", &about(&eve, "tasks/get", &of_ada).await);
    replies(&stage.crm, "tasks/get", &standing("1", "working"));
    for (client, id, session) in [(&ada, &of_ada, "upstream-session-1"), (&eve, &of_eve, "upstream-session-2")] {
        assert_eq!(about(client, "tasks/get", id).await.result()["taskId"], id.as_str());
        let arrived = stage.crm.wait_for("tasks/get").await;
        assert_eq!(arrived.header("mcp-session-id"), Some(session), "in the caller's own session, so that the server can tell");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_result_that_comes_later_is_looked_at_like_one_that_comes_at_once() {
    let stage = Stage::set().await;
    let ada = stage.legacy("ada", "staff").await;
    let id = begun(&stage, &ada, "slow", OWN).await;
    replies(&stage.crm, "tasks/result", &says(&format!("it is {SSN}")));
    let masked = about(&ada, "tasks/result", &id).await;
    assert_eq!(masked.text(), "it is [us_ssn]", "{masked:?}");
    let outcome = &stage.gateway.records_of(&masked.call())[1]["out"];
    assert_eq!(outcome["findings"][0]["action"], "mask", "{outcome:#}");
    replies(&stage.crm, "tasks/result", &says(ORDERS));
    let labelled = about(&ada, "tasks/result", &id).await.text();
    assert!(labelled.starts_with("[Yett ") && labelled.contains(ORDERS), "{labelled}");
    replies(&stage.crm, "tasks/get", &with(standing(OWN, "working"), &json!({ "statusMessage": format!("at {SSN}") })));
    assert_eq!(about(&ada, "tasks/get", &id).await.result()["statusMessage"], "at [us_ssn]");

    stage.obey(&POLICY.replace("action: mask", "action: block")).await;
    replies(&stage.crm, "tasks/result", &says(SSN));
    let blocked = about(&ada, "tasks/result", &id).await;
    assert_eq!(blocked.result()["isError"], true, "the form of what was asked for, a tool's result: {blocked:?}");
    assert!(!format!("{blocked:?}").contains(SSN));
    stage.end().await;
}

#[tokio::test]
async fn ids_that_were_given_hold_after_a_restart() {
    let stage = Stage::set().await;
    let key = stage.gateway.key("ada", &["staff"]).await;
    let ada = stage.gateway.legacy("crm", &key).await;
    let id = begun(&stage, &ada, "slow", OWN).await;
    let Stage { gateway, crm, mail } = stage;
    let stage = Stage { gateway: gateway.stop_and_verify().await.start().await, crm, mail };
    let ada = stage.gateway.legacy("crm", &key).await;
    replies(&stage.crm, "tasks/list", &json!({ "tasks": [standing(OWN, "working")] }));
    assert_eq!(ada.request("tasks/list", json!({})).await.result()["tasks"], json!([]), "whose it is is not known yet");
    replies(&stage.crm, "tasks/get", &standing(OWN, "working"));
    assert_eq!(about(&ada, "tasks/get", &id).await.result()["taskId"], id.as_str());
    let listed = ada.request("tasks/list", json!({})).await.result()["tasks"][0]["taskId"].clone();
    assert_eq!(listed, id.as_str(), "its owner has shown it, and it is the same id as ever");
    stage.end().await;
}

#[tokio::test]
async fn only_calls_of_tools_become_tasks_and_only_where_they_are_asked_to() {
    let stage = Stage::set().await;
    let ada = stage.legacy("ada", "staff").await;
    stage.crm.on_tool("slow", Reply::result(&json!({ "task": standing(OWN, "working") })));
    let unasked = ada.call("slow", json!({})).await;
    assert_eq!(unasked.code(), Some(-31502), "a task that nobody has asked for: {unasked:?}");
    assert!(!format!("{unasked:?}").contains(OWN));
    let seen = stage.crm.count();
    for (method, params) in [
        ("prompts/get", json!({ "name": "hello", "task": {} })),
        ("resources/read", json!({ "uri": "file:///public/a", "task": {} })),
        ("tools/list", json!({ "task": {} })),
    ] {
        let refused = ada.request(method, params).await;
        assert_eq!((refused.status, refused.code()), (200, Some(-32602)), "{method}: {refused:?}");
        stage.refusal(&refused, seen);
    }
    let id = begun(&stage, &ada, "other", "t-other").await;
    replies(&stage.crm, "tasks/get", &standing("t-other", "working"));
    let repeated = ada.request("tasks/get", json!({ "taskId": id, "task": { "ttl": 1 } })).await;
    assert_eq!(repeated.result()["taskId"], id.as_str(), "as the TypeScript SDK asks: {repeated:?}");
    let odd = ada.request("tools/call", json!({ "name": "slow", "arguments": {}, "task": true })).await;
    assert_eq!(odd.status, 400, "{odd:?}");
    let hidden = begin(&ada, "danger").await;
    assert_eq!((hidden.code(), hidden.message().as_str()), (Some(-32602), "Unknown tool: danger"));
    let older = Client::legacy(stage.gateway.address, "crm", &stage.gateway.key("bob", &["staff"]).await, "2025-06-18").await;
    let seen = stage.crm.count();
    assert_eq!(begin(&older, "slow").await.code(), Some(-32602), "a revision without tasks");
    for method in ["tasks/get", "tasks/result", "tasks/list", "tasks/cancel"] {
        let refused = about(&older, method, "x").await;
        assert_eq!((refused.status, refused.code()), (200, Some(-32601)), "{method}: {refused:?}");
        stage.refusal(&refused, seen);
    }
    stage.crm.on_tool("slow", Reply::text("at once"));
    assert_eq!(begin(&ada, "slow").await.text(), "at once", "a server need not make one");
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_answers_with_another_task_or_none_has_failed() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.legacy("ada", "staff").await, stage.legacy("eve", "staff").await);
    let id = begun(&stage, &ada, "slow", OWN).await;
    begun(&stage, &eve, "slow", "t-eve").await;
    begun(&stage, &ada, "slow", "t-2").await;
    for foreign in ["t-eve", "t-nobody", "t-2"] {
        replies(&stage.crm, "tasks/get", &standing(foreign, "working"));
        let answer = about(&ada, "tasks/get", &id).await;
        assert_eq!(answer.code(), Some(-31502), "{foreign}: {answer:?}");
    }
    for (what, own) in
        [("no id", json!(null)), ("a number", json!(7)), ("nothing", json!("")), ("10 KB", json!("x".repeat(10 << 10)))]
    {
        let mut task = standing(OWN, "working");
        task["taskId"] = own;
        stage.crm.on_tool("slow", Reply::result(&json!({ "task": task })));
        let answer = begin(&ada, "slow").await;
        assert_eq!(answer.code(), Some(-31502), "{what}: {answer:?}");
    }
    // What is noted in the margin of somebody's answer is taken away, and the answer stays.
    for foreign in ["t-eve", "t-nobody"] {
        replies(&stage.crm, "tasks/result", &with(says("done"), &json!({ "_meta": with(json!({ "a": 1 }), &related(foreign)) })));
        let answer = about(&ada, "tasks/result", &id).await;
        assert_eq!((answer.text().as_str(), &answer.result()["_meta"]), ("done", &json!({ "a": 1 })), "{answer:?}");
    }
    stage.end().await;
}

#[tokio::test]
async fn news_and_questions_of_a_task_reach_its_owner_only() {
    let stage = Stage::set().await;
    let declares = json!({ "elicitation": {} });
    let key = stage.gateway.key("ada", &["staff"]).await;
    let ada = Client::declaring(stage.gateway.address, "crm", &key, "2025-11-25", declares).await;
    let eve = stage.legacy("eve", "staff").await;
    let id = begun(&stage, &ada, "slow", OWN).await;
    begun(&stage, &eve, "slow", "t-eve").await;
    let news = |own: &str| {
        let params = with(standing(own, "working"), &json!({ "statusMessage": format!("{own} {SSN}") }));
        json!({ "jsonrpc": "2.0", "method": "notifications/tasks/status", "params": params })
    };
    let question = |number: u64, own: &str| {
        let schema = json!({ "type": "object", "properties": {} });
        let params = json!({ "message": "Which one?", "requestedSchema": schema, "_meta": related(own) });
        json!({ "jsonrpc": "2.0", "id": number, "method": "elicitation/create", "params": params })
    };
    let log = json!({ "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": "of another", "_meta": related("t-eve") } });
    let gate = Gate::default();
    let said = [news("t-eve"), news("t-nobody"), log, question(1, "t-eve"), news(OWN), question(2, OWN)];
    let steps = said.iter().map(Step::message).chain([Step::Wait(gate.clone())]);
    stage.crm.on_method(
        "tasks/result",
        Reply::stream(steps.chain([Step::message(&json!({
        "jsonrpc": "2.0", "id": 1, "result": says("done") }))])),
    );

    let mut events = ada.stream("tasks/result", json!({ "taskId": id })).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["params"]["taskId"], id.as_str(), "somebody else's news: {first:#}");
    assert_eq!(first["params"]["statusMessage"], format!("{OWN} [us_ssn]"));
    let asked = events.next().await.unwrap();
    assert_eq!((&asked["method"], &asked["params"]["_meta"]), (&json!("elicitation/create"), &related(&id)), "{asked:#}");

    let answer = |about: &str| json!({ "action": "accept", "content": {}, "_meta": related(about) });
    let foreign = ada.answer(&asked["id"], answer("made-up")).await;
    assert_eq!((foreign.status, foreign.code()), (400, Some(-32602)), "{foreign:?}");
    assert_eq!(ada.answer(&asked["id"], answer(&id)).await.status, 202, "the question is open still");
    let arrived = |number: u64| {
        stage.crm.arrived().into_iter().map(|it| it.json()).find(|it| it["id"] == number && it.get("method").is_none())
    };
    let got = crate::support::eventually("the answer", || arrived(2)).await;
    assert_eq!(got["result"]["_meta"], related(OWN), "the server gets its own id: {got:#}");
    assert_eq!(crate::support::eventually("a refusal", || arrived(1)).await["error"]["code"], -32601);
    gate.open();
    assert_eq!(events.rest().await.len(), 1);
    stage.end().await;
}

#[tokio::test]
async fn a_server_is_said_to_do_what_its_caller_may_have_done() {
    let stage = Stage::set().await;
    let tasks = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} }, "prompts": { "get": {} } } });
    let capabilities = json!({ "tools": {}, "completions": {}, "tasks": tasks });
    let shake = |version: &str| {
        let result =
            json!({ "protocolVersion": version, "capabilities": capabilities, "serverInfo": { "name": "s", "version": "1" } });
        stage.crm.on_method("initialize", Reply::result(&result).header("Mcp-Session-Id", "upstream-session-1"));
    };
    let told = async |group: &str| {
        let client = stage.modern("ada", group).await;
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } } });
        let answer = client.post(&hello).without("MCP-Protocol-Version").without("Mcp-Method").send().await;
        answer.result()["capabilities"].clone()
    };
    shake("2025-11-25");
    let lists = json!({ "listChanged": true });
    let own = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
    assert_eq!(told("staff").await, json!({ "tools": lists, "completions": {}, "tasks": own }));
    assert_eq!(told("interns").await, json!({ "tools": lists, "tasks": own }), "nothing they could complete");
    shake("2025-06-18");
    assert_eq!(told("staff").await, json!({ "tools": lists, "completions": {} }), "no tasks in that revision");
    stage.obey(&POLICY.replace("tools: [slow, other], ", "")).await;
    shake("2025-11-25");
    assert_eq!(told("staff").await, json!({ "tools": lists, "completions": {} }), "no tool that could make one");
    stage.end().await;
}

#[tokio::test]
async fn what_a_client_makes_a_task_of_is_asked_about_by_who_asked_for_it_as_long_as_they_may() {
    let stage = Stage::set().await;
    let declares = json!({ "elicitation": {}, "tasks": { "requests": { "elicitation": { "create": {} } } } });
    let declaring = async |subject: &str| {
        let key = stage.gateway.key(subject, &["staff"]).await;
        Client::declaring(stage.gateway.address, "crm", &key, "2025-11-25", declares.clone()).await
    };
    let (ada, eve) = (declaring("ada").await, declaring("eve").await);
    let asks = |id: &str, method: &str, params: Value| {
        Step::message(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
    };
    let form = json!({ "message": "m", "requestedSchema": { "type": "object", "properties": {} }, "task": { "ttl": 1000 } });
    let about = |id: &str, own: &str| asks(id, "tasks/get", json!({ "taskId": own }));
    let (made, done) = (Gate::default(), Gate::default());
    stage.crm.on_tool(
        "slow",
        Reply::stream([
            asks("q-1", "elicitation/create", form),
            Step::Wait(made.clone()),
            about("q-2", "c-2"),
            asks("q-3", "tasks/list", json!({})),
            asks("q-4", "tasks/update", json!({ "taskId": "c-1" })),
            about("q-5", "c-1"),
            Step::Wait(done.clone()),
            Step::text("done"),
        ]),
    );
    let mut events = ada.stream("tools/call", json!({ "name": "slow", "arguments": {} })).await;
    let asked = events.next().await.unwrap();
    assert_eq!(asked["params"]["task"], json!({ "ttl": 1000 }));
    assert_eq!(ada.answer(&asked["id"], json!({ "task": standing("c-1", "working") })).await.status, 202);
    let got = async |id: &str| {
        let answers = || stage.crm.arrived().into_iter().map(|request| request.json()).filter(|it| it.get("method").is_none());
        crate::support::eventually("an answer at the server", || answers().find(|answer| answer["id"] == id)).await
    };
    assert_eq!(got("q-1").await["result"]["task"]["taskId"], "c-1", "the client's own id stays what it is");
    made.open();
    let asked = events.next().await.unwrap();
    assert_eq!((&asked["method"], &asked["params"]["taskId"]), (&json!("tasks/get"), &json!("c-1")), "{asked:#}");
    assert!(asked["id"].is_u64(), "an id of ours: {asked:#}");
    for refused in ["q-2", "q-3", "q-4"] {
        assert_eq!(got(refused).await["error"]["code"], -32601, "{refused}");
    }
    assert_eq!(ada.answer(&asked["id"], with(standing("c-1", "completed"), &json!({ "statusMessage": SSN }))).await.status, 202);
    let told = got("q-5").await["result"].clone();
    assert_eq!((&told["status"], &told["statusMessage"]), (&json!("completed"), &json!("[us_ssn]")), "{told:#}");
    let news = ada.notify("notifications/tasks/status", standing("c-1", "completed")).await;
    assert_eq!(news.status, 202, "{news:?}");
    done.open();
    assert_eq!(events.rest().await.len(), 1);

    stage.crm.on_tool("slow", Reply::stream([about("q-6", "c-1"), Step::text("done")]));
    assert_eq!(eve.call("slow", json!({})).await.messages().len(), 1, "another client has no such task");
    assert_eq!(got("q-6").await["error"]["code"], -32601);
    stage.obey(&POLICY.replace(", server_requests: [elicitation]", "")).await;
    stage.crm.on_tool("slow", Reply::stream([about("q-7", "c-1"), Step::text("done")]));
    assert_eq!(ada.call("slow", json!({})).await.messages().len(), 1, "the grant has gone since");
    assert_eq!(got("q-7").await["error"]["code"], -32601);
    stage.end().await;
}
