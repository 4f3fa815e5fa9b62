//! Random policies through a real gateway, replayed: what the log says, what the replay says and what the gateway does when it is started
//! again with another policy is what the oracle of the properties says.

use std::collections::HashMap;
use std::fs;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use yett::protocol::{Method, ProtocolVersion, Target};

use super::super::properties::{ARGUMENTS, Kind, Oracle, Place, Told, Who, World, X, asked, rule, who, world};
use super::stage::{Asked, OnRecord, ROOT, Stage, is_legacy, is_modern};
use super::{counts, replay};
use crate::support::gateway::Folder;

const TARGET: &str = "its URI or name was not kept (`capture: full` keeps it)";
const ARGUMENTS_DECIDE: &str = "its arguments decide, and were not kept (`capture: full` keeps them)";

/// What replay makes of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Again {
    Same,
    /// Its arguments are not known, and make no difference to this.
    SameByEffect,
    Changed,
    NoArguments,
    NoTarget,
}

/// The caller as a gateway can have them: by token, or by a key.
fn credible(mut who: Who, world: &World) -> Who {
    if who.issuer == "api-key" {
        return Who { client: Some("id of a key"), region: None, department: None, scoped: None, ..who };
    }
    if !world.issuers.contains(&who.issuer) {
        who.issuer = "corp";
    }
    Who { client: who.client.or(Some("m")), scoped: Some(who.scoped == Some(true)), only: None, ..who }
}

impl Asked {
    fn oracle<'a>(&self, world: &'a World, callers: &'a [Who]) -> Oracle<'a> {
        let (seconds, nanos) = self.call.get_timestamp().unwrap().to_unix();
        let now = Timestamp::new(i64::try_from(seconds).unwrap(), i32::try_from(nanos).unwrap()).unwrap();
        Oracle { world, who: &callers[self.who], place: &world.places[self.place], now, peer: Some("127.0.0.1") }
    }

    fn told(&self, world: &World, callers: &[Who]) -> Told {
        self.oracle(world, callers).decides(&self.access, self.x)
    }

    /// What replay says of it under `new`, by what a log with `capture: full` keeps.
    fn again(&self, old: &World, new: &World, callers: &[Who]) -> Again {
        let [before, after] = [old, new].map(|world| self.told(world, callers));
        let compared = |one: &Told, other: &Told| {
            (one.effect(), one.rule.clone(), one.shadow.clone()) == (other.effect(), other.rule.clone(), other.shadow.clone())
        };
        let by = |same| if same { Again::Same } else { Again::Changed };
        // Names that may not stand in a record, and of what one must not know that it is there nothing.
        let is_odd = matches!(&self.access.target, Target::Prompt(name) if name.contains(' '));
        let is_unkept = before.kind == Kind::NoServer;
        let is_text = matches!(self.access.target, Target::Resource(_) | Target::Method(_));
        let has_no_target = is_odd || (is_unkept && is_text && self.access.method.exists_in(self.version()));
        if has_no_target && after.kind != Kind::NoServer {
            return Again::NoTarget;
        }
        if !is_unkept || !matches!(self.access.method, Method::ToolsCall | Method::PromptsGet) {
            return by(compared(&before, &after));
        }
        let unknown = self.oracle(new, callers).decides(&self.access, X::Unknown);
        match unknown.kind {
            Kind::Depends => Again::NoArguments,
            Kind::Allow => Again::Changed,
            Kind::NoServer | Kind::UnknownMethod | Kind::UnknownTarget => by(compared(&before, &unknown)),
            Kind::Hidden | Kind::Misfit | Kind::NeedsScopes | Kind::Refused => Again::SameByEffect,
        }
    }

    fn version(&self) -> ProtocolVersion {
        ProtocolVersion::from_date(if self.modern { "2026-07-28" } else { "2025-11-25" }).unwrap()
    }
}

/// How often replay is to say each.
fn tally(asked: &[Asked], old: &World, new: &World, callers: &[Who]) -> HashMap<Again, u64> {
    let mut tally = HashMap::new();
    for asked in asked {
        *tally.entry(asked.again(old, new, callers)).or_default() += 1;
    }
    tally
}

fn assert_told(told: &Value, tally: &HashMap<Again, u64>, more: usize, what: &str) {
    let of = |again| tally.get(&again).copied().unwrap_or(0);
    let by_effect = of(Again::SameByEffect);
    assert_eq!(counts(told), [of(Again::Same) + by_effect + more as u64, by_effect, of(Again::Changed)], "{told:#}\n{what}");
    let mut undecidable = json!({});
    for (again, why) in [(Again::NoArguments, ARGUMENTS_DECIDE), (Again::NoTarget, TARGET)] {
        if of(again) > 0 {
            undecidable[why] = of(again).into();
        }
    }
    assert_eq!(
        (&told["undecidable"], &told["before_policy"], &told["unreadable"]),
        (&undecidable, &json!({}), &json!(0)),
        "{told:#}\n{what}"
    );
}

/// Another world than this, by what policies say.
fn draft(world: &World, runner: &mut TestRunner) -> World {
    let mut draft = world.with_modes();
    let pick = |below: usize, runner: &mut TestRunner| (0..below).new_tree(runner).unwrap().current();
    let file = pick(draft.files.len(), runner);
    let new = rule(false).new_tree(runner).unwrap().current();
    draft.add(file, new, "added");
    let other = pick(draft.files.len(), runner);
    if let Some(binding) = draft.files[other].bindings.first_mut() {
        binding.groups = vec!["g2"];
        binding.role = (binding.role + 1) % 4;
    }
    draft.modules.pop();
    draft
}

fn text(world: &World) -> String {
    let files: Vec<_> = world.policies().into_iter().map(|(name, text)| format!("--- {name}\n{text}")).collect();
    files.concat()
}

#[tokio::test]
async fn under_its_own_policy_a_log_has_no_differences_and_under_another_those_that_the_gateway_makes_with_it() {
    let mut runner = TestRunner::deterministic();
    let mut seen: HashMap<Again, u64> = HashMap::new();
    let (mut allowed, mut by_module) = (0, 0);
    // Modules of both kinds in two of the worlds, and in the third what chance has it.
    for (case, modules) in [Some(vec![2, 3, 5, 6]), Some(vec![0, 2, 5, 7]), None].into_iter().enumerate() {
        // In every other it is also the moment that decides.
        let timed = case % 2 == 0;
        let mut world = world(timed).new_tree(&mut runner).unwrap().current();
        world.places.iter_mut().for_each(Place::welcome);
        if let Some(modules) = modules.filter(|_| cfg!(feature = "rego")) {
            world.modules = modules;
        }
        let world = world.generous().settled();
        let callers: Vec<_> = (0..3).map(|_| credible(who().new_tree(&mut runner).unwrap().current(), &world)).collect();
        let wanted = (asked(80), prop::collection::vec(0..ARGUMENTS.len(), 80)).new_tree(&mut runner).unwrap().current();
        let wanted = wanted.0.into_iter().zip(wanted.1).filter(|(access, _)| is_modern(access) || is_legacy(access));
        let wanted: Vec<_> = wanted.take(16).collect();
        let draft = draft(&world, &mut runner);
        let what = format!("{callers:#?}\n{:#?}\n{}\n=== and then\n{}", world.places, text(&world), text(&draft));

        let stage = Box::pin(Stage::set(&world, &callers)).await;
        let looked = stage.look(&world).await;
        let asked = Box::pin(stage.ask(&world, &callers, &wanted, true)).await;
        let before = stage.decisions();
        assert_eq!(before.len(), asked.len() + looked);
        for asked in &asked {
            assert_eq!(before[&asked.call], on_record(asked.told(&world, &callers)), "{:?} {:?}\n{what}", asked.access, asked.x);
        }

        // Beside the running gateway, and again when it has stopped.
        let folder = stage.gateway.data().parent().unwrap().to_owned();
        let same = tally(&asked, &world, &world, &callers);
        assert!(!same.contains_key(&Again::Changed) && !same.contains_key(&Again::NoArguments), "the oracle contradicts itself");
        let (output, told) = replay(&folder, &[]).await;
        assert_eq!(output.status.code(), Some(0), "{told:#}\n{what}");
        assert_told(&told, &same, looked, &what);
        let Stage { gateway, issuers, keys, servers } = stage;
        let stopped = gateway.stop_and_verify().await;
        fs::create_dir(folder.join("draft")).unwrap();
        draft.write_policies(&folder.join("draft"));
        fs::write(folder.join("draft").join(format!("{}.yaml", draft.files.len())), ROOT).unwrap();
        let other = tally(&asked, &world, &draft, &callers);
        let (output, told) = replay(&folder, &["--policies", "draft"]).await;
        assert_eq!(output.status.code(), Some(i32::from(other.contains_key(&Again::Changed))), "{told:#}\n{what}");
        assert_told(&told, &other, looked, &what);

        // The gateway itself with that policy, asked the same.
        fs::remove_dir_all(folder.join("policies")).unwrap();
        fs::rename(folder.join("draft"), folder.join("policies")).unwrap();
        let stage = Stage { gateway: Folder::start(stopped).await, issuers, keys, servers };
        stage.look(&world).await;
        let again = Box::pin(stage.ask(&world, &callers, &wanted, false)).await;
        let after = stage.decisions();
        for (old, new) in asked.iter().filter(|asked| asked.modern).zip(&again) {
            assert_eq!((&old.access, old.who, old.place, old.x), (&new.access, new.who, new.place, new.x));
            assert_eq!(after[&new.call], on_record(new.told(&draft, &callers)), "{:?} {:?}\n{what}", new.access, new.x);
            let again = old.again(&world, &draft, &callers);
            if !timed && matches!(again, Again::Same | Again::Changed) {
                let is_same = before[&old.call] == after[&new.call];
                assert_eq!(is_same, again == Again::Same, "{:?} {:?}\n{what}", new.access, new.x);
            }
        }
        stage.gateway.stop_and_verify().await;
        for (again, count) in other {
            *seen.entry(again).or_default() += count;
        }
        let count = |is: &dyn Fn(&OnRecord) -> bool| before.values().filter(|found| is(found)).count();
        allowed += count(&|(effect, ..)| effect == "allow");
        by_module += count(&|(_, rule, _)| rule.as_ref().is_some_and(|rule| rule.starts_with("rego:")));
    }
    let of = |again| seen.get(&again).copied().unwrap_or(0);
    let shows =
        of(Again::Changed) > 20 && of(Again::Same) > 200 && allowed > 100 && (by_module > 10 || cfg!(not(feature = "rego")));
    assert!(shows, "this test shows nothing: {seen:?}, {allowed} allowed, {by_module} denied by modules");
}

/// What the log says of a decision.
fn on_record(told: Told) -> OnRecord {
    (told.effect().as_str().to_owned(), told.rule, told.shadow)
}
