//! The view of one tenant, compared with what a plain reading finds of it.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

/// Who stands in a decision: issuer and tenant, each there or not.
const CALLERS: [(Option<&str>, Option<&str>); 6] = [
    (Some("corp"), Some("acme")),
    (Some("partner"), Some("acme")),
    (Some("corp"), Some("globex")),
    (Some("corp"), None),
    (None, Some("acme")),
    (Some("api-key"), Some("acme")),
];

fn whose(issuers: &[&str], tenant: &str) -> View {
    View { issuers: issuers.iter().map(|&issuer| issuer.to_owned()).collect(), tenant: tenant.to_owned() }
}

/// The records of a call by that caller: two, or one that was refused.
fn made(number: usize, caller: usize) -> Vec<Draft> {
    let [_, outcome] = call(number);
    let mut decision = Draft::new(Kind::CallDecision);
    // Sessions and traces are shared, whatever a client sends.
    decision.text("call", &format!("call-{number}")).text("sess", &format!("sess-{}", number % 4));
    decision.text("trace", &format!("trace-{}", number % 3));
    decision.object("dec", |dec| {
        dec.text("effect", if number.is_multiple_of(3) { "deny" } else { "allow" });
        if number.is_multiple_of(2) {
            dec.list("findings", |list| {
                list.object(|finding| {
                    finding.text("layer", "dlp").text("rule", "us-ssn");
                });
            });
        }
    });
    decision.object("what", |what| {
        what.text("name", ["get", "put"][number % 2]).text("server", ["crm", "mail"][number % 2]);
    });
    decision.object("who", |who| {
        let (issuer, tenant) = CALLERS[caller];
        if let Some(issuer) = issuer {
            who.text("iss", issuer);
        }
        who.text("sub", &format!("p-{}", number % 5));
        if let Some(tenant) = tenant {
            who.text("tenant", tenant);
        }
    });
    if number.is_multiple_of(3) { vec![decision] } else { vec![decision, outcome] }
}

/// What a plain reading says is of that view.
fn own<'a>(lines: &'a [Value], view: &View) -> Vec<&'a Value> {
    let text = |record: &Value, path: &str| record.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let names = |record: &Value| {
        text(record, "/who/tenant").as_ref() == Some(&view.tenant)
            && text(record, "/who/iss").is_some_and(|issuer| view.issuers.contains(&issuer))
    };
    let calls: Vec<_> = lines.iter().filter(|record| names(record)).filter_map(|record| text(record, "/call")).collect();
    let of_call = |record: &Value| record.get("who").is_none() && text(record, "/call").is_some_and(|call| calls.contains(&call));
    lines.iter().filter(|record| names(record) || of_call(record)).collect()
}

fn places(records: &[&Value]) -> Vec<u64> {
    records.iter().map(|record| record["i"].as_u64().unwrap()).collect()
}

const VALUES: [(&str, &[&str]); 13] = [
    ("kind", &["call", "call.decision", "call.outcome", "stop", "admin"]),
    ("principal", &["p-0", "p-1", "nobody"]),
    ("issuer", &["corp", "partner", "api-key", "none"]),
    ("tenant", &["acme", "globex", "none"]),
    ("server", &["crm", "mail"]),
    ("tool", &["get", "put"]),
    ("effect", &["allow", "deny"]),
    ("finding", &["dlp", "us-ssn", "none"]),
    ("call", &["call-1", "call-2", "call-3", "call-10"]),
    ("session", &["sess-0", "sess-1", "sess-9"]),
    ("trace", &["trace-0", "trace-1", "trace-9"]),
    ("since", &["1h", "0s"]),
    ("until", &["1h", "0s"]),
];

#[tokio::test]
async fn a_view_holds_the_records_that_name_the_tenant_and_the_outcomes_of_its_calls() {
    let place = Place::new();
    // All callers at once, so that outcomes of one stand between decisions of others.
    let calls: Vec<_> = (0..36).map(|number| made(number, number / 3 % CALLERS.len())).collect();
    let (decisions, outcomes): (Vec<_>, Vec<_>) = calls.into_iter().map(|mut call| (call.remove(0), call)).unzip();
    place.write(decisions.into_iter().chain(outcomes.into_iter().flatten())).await;
    let lines = place.lines();
    for view in [
        whose(&["corp"], "acme"),
        whose(&["partner"], "acme"),
        whose(&["corp"], "globex"),
        whose(&["corp", "api-key", "mtls"], "acme"),
    ] {
        let expected = own(&lines, &view);
        assert!(expected.iter().any(|record| record["kind"] == "call.outcome"), "{view:?}: no outcome");
        let page = place.search(&Query { view: Some(view.clone()), ..of(&[]) }).await;
        assert_eq!(indices(&page.records), places(&expected), "{view:?}");
    }
    for nobody in [whose(&[], "acme"), whose(&["corp"], "Acme"), whose(&["corp"], ""), whose(&["mtls"], "acme")] {
        let page = place.search(&Query { view: Some(nobody.clone()), ..of(&[]) }).await;
        assert_eq!(page.records, <[Value; 0]>::default(), "{nobody:?}");
    }
}

#[tokio::test]
async fn whatever_is_asked_of_a_view_is_a_part_of_it() {
    let place = Place::new();
    place.write((0..60).flat_map(|number| made(number, number / 3 % CALLERS.len()))).await;
    let lines = place.lines();
    let mut index = place.index().await;
    let filters = proptest::collection::vec(0..VALUES.len(), 0..4);
    let strategy = (filters, any::<[u8; 4]>(), 0..4_usize, any::<bool>(), 1..12_usize, 0..130_u64);
    let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let mut found = 0;
    for _ in 0..400 {
        let (names, values, view, newest, limit, after) = strategy.new_tree(&mut runner).unwrap().current();
        let view = [
            whose(&["corp"], "acme"),
            whose(&["partner"], "acme"),
            whose(&["corp", "api-key"], "acme"),
            whose(&["corp"], "globex"),
        ][view]
            .clone();
        let mut query = Query { order: if newest { Order::Newest } else { Order::Oldest }, ..Query::default() };
        for (at, name) in names.iter().enumerate() {
            let (name, of) = VALUES[*name];
            // Twice the same name is no question.
            let _ = query.set(name, of[usize::from(values[at]) % of.len()], Timestamp::now());
        }
        // Of everybody's records those that are asked for, and of these the view's: what a filter says is tested elsewhere.
        let all = index.search(&Query { limit: Some(LIMIT_MAX), ..query.clone() }).await.unwrap();
        let own = places(&own(&lines, &view));
        let expected: Vec<u64> = indices(&all.records).into_iter().filter(|at| own.contains(at)).collect();
        let of_view = Query { view: Some(view), ..query };
        assert_eq!(index.count(&of_view).await.unwrap().records, expected.len() as u64, "{of_view:?}");
        let whole = index.search(&Query { limit: Some(LIMIT_MAX), ..of_view.clone() }).await.unwrap();
        assert_eq!(indices(&whole.records), expected, "{of_view:?}");
        assert_eq!(whole.next, None);
        // From anywhere on, also from a place that is another's.
        let behind: Vec<u64> =
            expected.iter().copied().filter(|at| if newest { *at < after } else { *at > after }).take(limit).collect();
        let page = index.search(&Query { after: Some(after), limit: Some(limit), ..of_view.clone() }).await.unwrap();
        assert_eq!(indices(&page.records), behind, "{of_view:?} after {after}");
        assert!(page.next.is_none_or(|next| behind.last() == Some(&next)), "a place that is not theirs");
        found += expected.len();
    }
    assert!(found > 1_000, "only {found} records were found: the questions are no good");
}

#[tokio::test]
async fn a_record_that_names_another_is_not_shown_with_a_call_of_the_tenant() {
    let place = Place::new();
    let mut drafts = made(1, 0);
    // The same call, which no gateway writes: by another, and by nobody whole.
    drafts.extend(made(1, 1));
    drafts.extend([made(1, 3), made(1, 4)].into_iter().flatten().filter(|draft| draft.kind() == Kind::CallDecision));
    place.write(drafts).await;
    let all = place.all().await;
    let page = place.search(&Query { view: Some(whose(&["corp"], "acme")), ..of(&[("call", "call-1")]) }).await;
    assert!(
        page.records
            .iter()
            .all(|record| record["kind"] == "call.outcome" || record["issuer"] == "corp" && record["tenant"] == "acme")
    );
    assert!(page.records.len() < all.len());
}

#[tokio::test]
async fn what_is_whose_is_the_same_however_the_index_came_to_be() {
    let (place, view) = (Place::new(), whose(&["corp"], "acme"));
    let asked = || Query { view: Some(view.clone()), ..of(&[]) };
    // A decision in one batch, its outcome in another.
    for number in [1, 7, 13, 2] {
        for draft in made(number, [0, 0, 0, 1][number % 4]) {
            place.write([draft]).await;
            place.search(&asked()).await;
        }
    }
    place.write((14..60).flat_map(|number| made(number, number / 3 % CALLERS.len()))).await;
    let before = place.search(&asked()).await.records;
    assert_eq!(indices(&before), places(&own(&place.lines(), &view)));
    fs::remove_file(place.log().join(FILE)).unwrap();
    assert_eq!(place.search(&asked()).await.records, before);

    // Retention takes a decision and leaves its outcome, of which nobody can say whose it is any more.
    let first = place.lines().iter().map(|line| line["i"].as_u64().unwrap()).min().unwrap();
    fs::remove_file(place.segment(first)).unwrap();
    let after = place.search(&asked()).await.records;
    let lines = place.lines();
    assert!(lines.len() > 20 && after.len() < before.len());
    assert_eq!(indices(&after), places(&own(&lines, &view)));
    fs::remove_file(place.log().join(FILE)).unwrap();
    assert_eq!(place.search(&asked()).await.records, after);
}

#[tokio::test]
async fn an_outcome_whose_decision_was_pruned_is_nobodys() {
    let (place, view) = (Place::new(), whose(&["corp"], "acme"));
    let [decision, outcome] = made(1, 0).try_into().unwrap();
    // So much between the two that they stand in two segments.
    place.write([decision].into_iter().chain(calls(100..140)).chain([outcome])).await;
    let asked = || Query { view: Some(view.clone()), ..of(&[]) };
    assert_eq!(place.search(&asked()).await.records.len(), 2);
    fs::remove_file(place.segment(0)).unwrap();
    assert!(place.lines().iter().any(|line| line["call"] == "call-1"), "the outcome is gone as well");
    assert_eq!(place.search(&asked()).await.records.len(), 0);
    fs::remove_file(place.log().join(FILE)).unwrap();
    assert_eq!(place.search(&asked()).await.records.len(), 0);
}
