//! Rules of the injection scan that are a policy's own: what is told of them, and what copies of those of the build are.

use std::fmt::Write as _;
use std::fs;

use yett::config::load;
use yett::scan::injection::RuleSet;

use super::{Folder, MINIMAL, root};

/// A file with rules of these ids.
fn rules<'i>(ids: impl IntoIterator<Item = &'i str>) -> String {
    ids.into_iter().fold("version: 1\nrules:\n".to_owned(), |mut text, id| {
        writeln!(
            text,
            "  - {{ id: {id}, title: t, severity: low, surfaces: [results], anchors: [{id}], pattern: '{id}~1now', source: s, misses: m, \
             finds: ['{id} it now'], spares: ['{id}'] }}"
        )
        .unwrap();
        text
    })
}

#[test]
fn mistakes_in_every_file_come_out_at_once_and_a_name_that_may_be_a_broken_rule_s_is_not_another() {
    let good = rules(["acme-pay"]);
    let folder = Folder::new(MINIMAL)
        .file("policies/detectors/injection/a.yaml", &good.replace("acme", "bcme").replace("~1now", "~1(now"))
        .file("policies/detectors/injection/b.yaml", "version: 2\nrules: []\n")
        .file("policies/detectors/injection/c.yaml", &good.replace("it now", "it then"))
        .file("policies/detectors/injection/d.yaml", &good)
        .file("policies/detectors/injection/e.yml", &good)
        .file("policies/detectors/injection/linear.bin", "")
        .file(
            "policies/x.yaml",
            "version: 1\ninjection: { shadow: [bcme-pay, of-b], thresholds: { results: top } }\n\
             exceptions: [{ finding: of-b-too, servers: [crm], reason: r, owner: o, until: 2999-12-31 }]\n",
        );
    assert_eq!(
        folder.errors(),
        [
            "policies/detectors/injection/e.yml:0:0 this file is not read",
            "policies/detectors/injection/a.yaml:3:97 the pattern cannot be compiled: unclosed group",
            "policies/detectors/injection/b.yaml:1:10 `2` is not a version that this build reads",
            "policies/detectors/injection/c.yaml:3:144 `acme-pay` does not find this sample",
            "policies/detectors/injection/d.yaml:3:11 the rule `acme-pay` is given twice",
            "policies/x.yaml:2:63 `top` is not one of the accepted words",
        ]
    );
}

#[test]
fn there_are_only_so_many_rules_and_so_much_to_search_for() {
    let count = RuleSet::built_in().unwrap().rules().count();
    let ids: Vec<String> = (0..=256 - count).map(|number| format!("acme-{number:04}")).collect();
    let of = |ids: &[String]| {
        Folder::new(MINIMAL).file("policies/detectors/injection/acme.yaml", &rules(ids.iter().map(String::as_str))).errors()
    };
    let errors = of(&ids);
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert!(error.ends_with("with this one there are more than 256 rules"), "{error}");

    let anchors: Vec<String> = (0..300).map(|number| format!("acme {number:055}")).collect();
    let long = rules(["acme-pay"]).replace("anchors: [acme-pay]", &format!("anchors: [acme-pay, {}]", anchors.join(", ")));
    let errors = Folder::new(MINIMAL).file("policies/detectors/injection/acme.yaml", &long).errors();
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert!(error.ends_with("with these the anchors of all rules have more than 16 KiB"), "{error}");
}

#[test]
fn a_rule_that_finds_less_than_the_one_whose_place_it_takes_is_told() {
    let folder = |text: &str| Folder::new(MINIMAL).file("policies/detectors/injection/ours.yaml", text);
    let told = "policies/detectors/injection/ours.yaml:3:11 `exfiltrate` does not find all that the rule of this build finds, whose place it takes";
    assert_eq!(folder(&rules(["exfiltrate"])).warnings(), [told]);
    // Of what finds as much nothing is said, whatever else is other.
    let text = fs::read_to_string(root().join("policies/detectors/injection/leaks.yaml")).unwrap();
    assert!(folder(&text.replace("title: ", "title: Ours, ")).warnings().is_empty());
}

#[test]
fn a_copy_of_the_rules_of_this_build_changes_nothing_but_the_hash() {
    let config = load(&root().join("config/yett.yaml")).unwrap_or_else(|report| panic!("{report}")).config;
    assert!(root().join("policies/detectors/injection/overrides.yaml").is_file());
    assert!(config.policy.rules_of_scan.is_none(), "a rule that is the same is no other");

    let text = |name: &str| fs::read_to_string(root().join("policies/detectors/injection").join(name)).unwrap();
    let of = |files: &[(&str, &str)]| {
        let add =
            |folder: Folder, (name, text): &(&str, &str)| folder.file(&format!("policies/detectors/injection/{name}"), text);
        files.iter().fold(Folder::new(MINIMAL), add).loaded().config.policy
    };
    let (overrides, lists) = (text("overrides.yaml"), text("lists.yaml"));
    let (none, same) = (of(&[]), of(&[("ours.yaml", &overrides)]));
    assert!(same.rules_of_scan.is_none() && same.hash != none.hash, "the hash is over the files, whatever they change");

    // One word of one rule, and it is another; all others are those that were there.
    let other = overrides.replace("title: Orders to forget", "title: Orders of ours");
    let changed = of(&[("ours.yaml", &other)]);
    let (all, known) = (changed.rules_of_scan.as_ref().unwrap(), RuleSet::built_in().unwrap());
    let differ: Vec<&str> = all.rules().zip(known.rules()).filter(|(one, other)| one != other).map(|(one, _)| one.id).collect();
    assert_eq!((differ.as_slice(), all.rules().count()), (["forget-everything"].as_slice(), known.rules().count()));

    // A list of the policy is for the rules of the policy.
    let lists = lists.replace("  drop: [", "  drop: ['strike out', ");
    assert!(of(&[("lists.yaml", &lists)]).rules_of_scan.is_none());
    let changed = of(&[("lists.yaml", &lists), ("ours.yaml", &overrides)]);
    let all = changed.rules_of_scan.as_ref().unwrap();
    let named = |id: &str| all.rule(id).unwrap().pattern.contains(r"strike(?:\s+)out");
    assert!(named("override-earlier-orders") && named("override-own-rules") && !named("drop-limits"));
}
