//! Of one policy: what the engine decides is what the oracle says, lists agree with calls, and an explanation is the decision.

use jiff::Timestamp;
use proptest::prelude::*;
use yett::decide::{GrantOutcome, RuleOutcome, Shown, Verdict};
use yett::policy::Effect;
use yett::protocol::{ListKind, Target};

use super::accesses::access;
use super::chance::{asked, who, world};
use super::oracle::{Oracle, item};
use super::told::Told;
use super::words::{ARGUMENTS, X};
use super::{Stage, all_arguments, listed, somewhere};

fn moment() -> impl Strategy<Value = Timestamp> {
    // Around a whole second, in 2026.
    (-800..800_i64).prop_map(|millis| Timestamp::from_millisecond(1_790_000_000_000 + millis).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_decided_is_what_policies_mean_and_explanations_are_what_is_enforced(
        world in world(true), who in who(), asked in asked(12), now in moment(),
    ) {
        let (stage, known) = (Stage::set(&world), who.known());
        for (at, place) in world.places.iter().enumerate() {
            let peer = somewhere(at);
            let here = stage.at(&known, at, now, peer);
            let oracle = Oracle { world: &world, who: &who, place, now, peer };
            for (access, arguments) in asked.iter().flat_map(|access| all_arguments(access).map(move |arguments| (access, arguments))) {
                let ruling = here.decides(access, arguments);
                let what = || format!("{who:?} at {place:?}: {access:?} {arguments:?}\n{ruling:?}\n{}", here.text);
                let told = oracle.decides(access, arguments.map_or(X::Unknown, |at| ARGUMENTS[at].1));
                prop_assert_eq!(&Told::of(&ruling), &told, "{}", what());
                prop_assert_eq!(ruling.verdict.effect(), told.effect(), "{}", what());
                // With arguments known nothing depends on them, and without them it does only where they decide.
                let effect = ruling.verdict.effect();
                prop_assert!(arguments.is_none() || effect != Effect::Depends, "{}", what());
                let explained = here.explains(access, arguments);
                prop_assert_eq!(&explained.ruling, &ruling, "{}", what());
                // The parts of an explanation lead to it: denies win, and what cannot be judged denies, and an error never allows.
                let is_task = matches!(access.target, Target::Task(_));
                let of_server = matches!(access.target, Target::None | Target::Session | Target::Listen { .. });
                let grants = explained.grants.iter().any(|grant| match grant.outcome {
                    GrantOutcome::Grants => true,
                    // What belongs to a server as such takes any grant on it.
                    GrantOutcome::LacksScopes(_) => of_server,
                    GrantOutcome::Depends | GrantOutcome::Misfit(_) | GrantOutcome::NotCovered | GrantOutcome::OtherServer => false,
                });
                let denies = explained.rules.iter().any(|rule| !rule.shadow && match rule.outcome {
                    RuleOutcome::Denies | RuleOutcome::Fails(_) => true,
                    RuleOutcome::Depends => !is_task,
                    RuleOutcome::NotAbout | RuleOutcome::OtherTenants | RuleOutcome::Spares => false,
                });
                prop_assert_eq!(effect == Effect::Allow, grants && !denies, "{}\n{:?}", what(), explained);
                prop_assert!(explained.bindings.iter().any(|binding| binding.applies) || effect == Effect::Deny, "{}", what());
            }
        }
    }

    /// A list shows exactly what is there when it is used. What it says can be used, can be, with whatever arguments, but that a scope may
    /// have to be got first; for the rest that depends on the call.
    #[test]
    fn lists_agree_with_calls(world in world(true), who in who(), now in moment(), picked in prop::collection::vec(any::<prop::sample::Index>(), 14)) {
        let (stage, known) = (Stage::set(&world), who.known());
        let names = listed();
        for (at, place) in world.places.iter().enumerate() {
            let peer = somewhere(at);
            let here = stage.at(&known, at, now, peer);
            let oracle = Oracle { world: &world, who: &who, place, now, peer };
            for (list, name) in picked.iter().map(|index| *index.get(&names)) {
                let shown = here.shows(list, name);
                let what = || format!("{who:?} at {place:?}: {list:?} {name}, shown {shown:?}\n{}", here.text);
                prop_assert_eq!(shown, oracle.shows(list, name), "{}", what());
                let (method, target) = item(list, name);
                let access = access(method, target);
                let unknown = here.decides(&access, None).verdict.effect();
                for arguments in all_arguments(&access).flatten() {
                    let verdict = here.decides(&access, Some(arguments)).verdict;
                    let is_there = !matches!(verdict, Verdict::Hidden { .. } | Verdict::NoServer | Verdict::UnknownTarget);
                    prop_assert_eq!(is_there, shown != Shown::Deny, "{:?} {}", &verdict, what());
                    if shown == Shown::Allow {
                        prop_assert!(matches!(verdict, Verdict::Allow { .. } | Verdict::NeedsScopes(_)), "{} {}", verdict.because(), what());
                    }
                    // What is decided without arguments holds with all of them.
                    prop_assert!(unknown == Effect::Depends || unknown == verdict.effect(), "{} {unknown:?} {}", verdict.because(), what());
                }
                // Streams ask this of what they tell of.
                let may = match list {
                    ListKind::Tools => here.held.may_call(name),
                    ListKind::Resources => here.held.may_read(name),
                    ListKind::Prompts | ListKind::Templates => continue,
                };
                prop_assert_eq!(may, unknown != Effect::Deny, "{}", what());
            }
        }
    }
}
