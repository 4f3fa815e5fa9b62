//! Of two policies that differ in one thing: what that thing can change, and what it cannot.

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;
use yett::decide::Shown;
use yett::policy::Effect;
use yett::protocol::Access;

use super::accesses::Who;
use super::chance::{asked, rule, who, world};
use super::oracle::is_for;
use super::told::{Kind, Told};
use super::words::MODULES;
use super::world::{File, World};
use super::{Stage, all_arguments, listed, somewhere};

const NOW: i64 = 1_790_000_000_250;

/// Everything that is decided and shown for a caller: under two policies, and where.
struct Pairs {
    decided: Vec<(Told, Told, String)>,
    shown: Vec<(Shown, Shown, String)>,
    /// The policies.
    texts: String,
}

fn pairs(before: &World, after: &World, who: &Who, asked: &[Access]) -> Result<Pairs, TestCaseError> {
    let (one, other, known) = (Stage::set(before), Stage::set(after), who.known());
    let texts = format!("{}\n=== and then\n{}", one.text, other.text);
    let mut pairs = Pairs { decided: Vec::new(), shown: Vec::new(), texts };
    for (at, place) in before.places.iter().enumerate() {
        let here = [&one, &other].map(|stage| stage.at(&known, at, Timestamp::from_millisecond(NOW).unwrap(), somewhere(at)));
        for (access, arguments) in asked.iter().flat_map(|access| all_arguments(access).map(move |arguments| (access, arguments)))
        {
            let [old, new] = here.each_ref().map(|here| Told::of(&here.decides(access, arguments)));
            pairs.decided.push((old, new, format!("{}: {access:?} {arguments:?}", place.name)));
        }
        let views = here.each_ref().map(|here| here.held.view());
        let changed = views[1].differ_from(views[0]);
        for (list, name) in listed() {
            let [old, new] = here.each_ref().map(|here| here.shows(list, name));
            let what = format!("{}: {list:?} {name}", place.name);
            // Who is told that lists may have changed has heard of every one that has.
            let is_gone = |shown| shown == Shown::Deny;
            prop_assert!(is_gone(old) == is_gone(new) || changed.has(list), "{what}\n{}", pairs.texts);
            pairs.shown.push((old, new, what));
        }
    }
    Ok(pairs)
}

/// How much it lets through.
fn rank(effect: Effect) -> u8 {
    match effect {
        Effect::Deny => 0,
        Effect::Depends => 1,
        Effect::Allow => 2,
    }
}

fn shown_rank(shown: Shown) -> u8 {
    match shown {
        Shown::Deny => 0,
        Shown::Depends => 1,
        Shown::Allow => 2,
    }
}

/// Another order of the same, as chance has it.
fn shuffled<T>(items: &mut [T], by: &[Index]) {
    for (at, index) in (1..items.len()).rev().zip(by) {
        items.swap(at, index.index(at + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn denies_win_whatever_else_is_there(
        world in world(true), who in who(), asked in asked(12),
        more in prop::collection::vec(rule(true), 0..3), into in any::<Index>(), module in prop::option::of(0..MODULES.len()),
    ) {
        let mut after = world.with_modes();
        let file = into.index(after.files.len());
        for (at, rule) in more.into_iter().enumerate() {
            after.add(file, rule, &format!("added{at}"));
        }
        let has_module = module.filter(|module| cfg!(feature = "rego") && !after.modules.contains(module));
        after.modules.extend(has_module);
        let pairs = pairs(&world, &after, &who, &asked)?;
        for (old, new, what) in &pairs.decided {
            prop_assert!(rank(new.effect()) <= rank(old.effect()), "{old:?} {new:?} {what}\n{}", pairs.texts);
        }
        // A module that looks at arguments takes the place of one that did not: it is listed, and each call refused.
        for (old, new, what) in pairs.shown.iter().filter(|_| has_module.is_none()) {
            prop_assert!(shown_rank(*new) <= shown_rank(*old), "{old:?} {new:?} {what}\n{}", pairs.texts);
        }
    }

    #[test]
    fn without_a_binding_there_is_nothing(world in world(true), who in who(), asked in asked(12)) {
        let mut after = world.with_modes();
        after.files.iter_mut().for_each(|file| file.bindings.clear());
        let pairs = pairs(&world, &after, &who, &asked)?;
        for (_, new, what) in &pairs.decided {
            prop_assert_eq!(new.kind, Kind::NoServer, "{}\n{}", what, pairs.texts);
        }
        for (_, new, what) in &pairs.shown {
            prop_assert_eq!(*new, Shown::Deny, "{}\n{}", what, pairs.texts);
        }
    }

    /// Bindings cannot allow it, and rules cannot deny it.
    #[test]
    fn files_for_other_tenants_make_no_difference_to_a_caller(world in world(true), who in who(), asked in asked(12)) {
        let mut after = world.with_modes();
        for file in after.files.iter_mut().filter(|file| !is_for(&file.tenants, &who)) {
            file.bindings.clear();
            file.rules.clear();
        }
        let pairs = pairs(&world, &after, &who, &asked)?;
        for (old, new, what) in &pairs.decided {
            prop_assert_eq!(old, new, "{}\n{}", what, pairs.texts);
        }
        for (old, new, what) in &pairs.shown {
            prop_assert_eq!(old, new, "{}\n{}", what, pairs.texts);
        }
    }

    #[test]
    fn rules_in_shadow_are_on_record_and_change_nothing(world in world(true), who in who(), asked in asked(12)) {
        let mut after = world.with_modes();
        after.files.iter_mut().for_each(|file| file.rules.retain(|rule| rule.shadow == Some(false)));
        let pairs = pairs(&world, &after, &who, &asked)?;
        for (old, new, what) in &pairs.decided {
            prop_assert_eq!(&Told { shadow: Vec::new(), ..old.clone() }, new, "{}\n{}", what, pairs.texts);
        }
        for (old, new, what) in &pairs.shown {
            prop_assert_eq!(old, new, "{}\n{}", what, pairs.texts);
        }
    }

    /// It makes one to which of several rules of a kind is on record, and to nothing else.
    #[test]
    fn the_order_of_files_and_of_what_stands_in_them_makes_no_difference(
        world in world(true), who in who(), asked in asked(12), by in prop::collection::vec(any::<Index>(), 8), joined in any::<bool>(),
    ) {
        let before = world.with_modes();
        let mut after = before.clone();
        shuffled(&mut after.files, &by);
        shuffled(&mut after.modules, &by);
        after.files.iter_mut().for_each(|file| {
            shuffled(&mut file.bindings, &by);
            shuffled(&mut file.rules, &by);
        });
        after.roles.iter_mut().for_each(|role| {
            shuffled(&mut role.grants, &by);
            shuffled(&mut role.inherits, &by);
        });
        if joined {
            // Nor does it in how many files for the same tenants it stands.
            let mut files: Vec<File> = Vec::new();
            for mut file in after.files {
                file.shadow = false;
                match files.iter_mut().find(|known| known.tenants == file.tenants) {
                    Some(known) => {
                        known.bindings.append(&mut file.bindings);
                        known.rules.append(&mut file.rules);
                    }
                    None => files.push(file),
                }
            }
            after.files = files;
        }
        let pairs = pairs(&before, &after, &who, &asked)?;
        for (old, new, what) in &pairs.decided {
            prop_assert_eq!((old.kind, &old.shadow), (new.kind, &new.shadow), "{}\n{}", what, pairs.texts);
        }
        for (old, new, what) in &pairs.shown {
            prop_assert_eq!(old, new, "{}\n{}", what, pairs.texts);
        }
    }
}
