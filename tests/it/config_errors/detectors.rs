//! Detectors of a policy's own: which files are read, and what is told of the others.

use std::fmt::Write as _;
use std::fs;

use yett::config::load;

use super::{Folder, MINIMAL, root};

/// A file with rows of these ids, each of a kind of its own.
fn rows<'i>(ids: impl IntoIterator<Item = &'i str>) -> String {
    ids.into_iter().fold("version: 1\ndetectors:\n".to_owned(), |mut text, id| {
        let (kind, end) = (id.replace('-', "_"), "${8:lower}");
        writeln!(
            text,
            "  - {{ id: {id}, kind: {kind}, title: t, source: s, misses: m, anchors: [{kind}], pattern: '{kind}:[a-z]{{8}}', after: 64, \
             finds: ['{kind}:{end}'], spares: ['{kind}'] }}"
        )
        .unwrap();
        text
    })
}

#[test]
fn detectors_are_read_from_the_folder_of_their_class_and_nothing_else_stands_there_unnoticed() {
    let text = rows(["acme-key"]);
    let folder = Folder::new(MINIMAL)
        .file("policies/detectors/acme.yaml", &text)
        .file("policies/detectors/secret/acme.yaml", &text)
        .file("policies/detectors/words/acme.yaml", &text)
        .file("policies/detectors/injection/acme.yml", &text)
        .file("policies/detectors/injections/acme.yaml", &text)
        .file("policies/detectors/injection/linear.bin", "")
        .file("policies/detectors/pii/eu/acme.yaml", &text)
        .file("policies/detectors/pii/acme.yml", &text)
        .file("policies/detectors/pii/acme.json", "{}")
        .file("policies/detectors/secrets/acme.yaml", &text);
    let mut said = folder.errors();
    said.sort_unstable();
    assert_eq!(
        said,
        [
            "policies/detectors/acme.yaml:0:0 this file is not read",
            "policies/detectors/injection/acme.yml:0:0 this file is not read",
            "policies/detectors/injections:0:0 this folder is not read",
            "policies/detectors/pii/acme.json:0:0 this file is not read",
            "policies/detectors/pii/acme.yml:0:0 this file is not read",
            "policies/detectors/pii/eu:0:0 this folder is not read",
            "policies/detectors/secret:0:0 this folder is not read",
            "policies/detectors/words:0:0 this folder is not read",
        ]
    );
    let report = folder.load().unwrap_err().to_string();
    for fix in [
        "move it to `detectors/pii`, `detectors/secrets` or `detectors/injection`",
        "did you mean `secrets`?",
        "did you mean `injection`?",
        "detectors are in `detectors/pii`, `detectors/secrets` and `detectors/injection`",
        "put its files into `detectors/pii` itself",
        "name it `.yaml`",
        "files of detectors are `*.yaml`",
    ] {
        assert!(report.contains(fix), "`{fix}` is not in\n{report}");
    }
}

#[test]
fn what_editors_and_kubernetes_leave_there_is_nothing() {
    let folder = Folder::new(MINIMAL)
        .file("policies/detectors/README.md", "ours")
        .file("policies/detectors/secrets/.acme.yaml.swp", "")
        .file("policies/detectors/secrets/acme.yaml~", "")
        .file("policies/detectors/secrets/..data/acme.yaml", "");
    let config = folder.loaded().config;
    assert!(config.policy.detectors.is_none(), "no row, no catalogue");
}

#[test]
fn mistakes_in_every_file_come_out_at_once_and_a_name_that_may_be_a_broken_row_s_is_not_another() {
    let good = rows(["acme-key"]);
    let folder = Folder::new(MINIMAL)
        .file("policies/detectors/pii/a.yaml", &good.replace("acme", "bcme").replace("[a-z]", "[a-z"))
        .file("policies/detectors/pii/b.yaml", "version: 2\ndetectors: []\n")
        .file("policies/detectors/secrets/a.yaml", &good.replace("${8:lower}", "${9:digit}"))
        .file("policies/detectors/secrets/b.yaml", &good)
        .file(
            "policies/x.yaml",
            "version: 1\ndlp: { rules: [{ name: a, detect: [bcme-key, of-b], action: mask, sensitivity: top }] }\n",
        );
    assert_eq!(
        folder.errors(),
        [
            "policies/detectors/pii/a.yaml:3:99 the pattern cannot be compiled: unclosed character class",
            "policies/detectors/pii/b.yaml:1:10 `2` is not a version that this build reads",
            "policies/detectors/secrets/a.yaml:3:139 `acme-key` does not find this sample",
            "policies/detectors/secrets/b.yaml:3:11 the detector `acme-key` is given twice",
            "policies/x.yaml:2:80 `top` is not one of the accepted words",
        ]
    );
}

#[test]
fn there_are_only_so_many_detectors() {
    let ids: Vec<String> = (0..500).map(|number| format!("acme-{number:04}")).collect();
    let folder = Folder::new(MINIMAL).file("policies/detectors/secrets/acme.yaml", &rows(ids.iter().map(String::as_str)));
    let errors = folder.errors();
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert!(error.ends_with("with this one there are more than 1024 detectors"), "{error}");
    // All that rules look for has to fit as well, lists and patterns too.
    let patterns: Vec<String> =
        (0..1024).map(|number| format!("{{ name: p-{number}, pattern: 'p{number}', action: log }}")).collect();
    let text =
        format!("version: 1\ndlp: {{ rules: [{{ name: a, detect: [secrets], action: mask }}, {}] }}\n", patterns.join(", "));
    let errors = Folder::new(MINIMAL).file("policies/x.yaml", &text).errors();
    let [error] = errors.as_slice() else { panic!("{errors:#?}") };
    assert!(error.starts_with("policies/x.yaml:2:6 `dlp` looks for 1") && error.ends_with("1024 are the most"), "{error}");
}

#[test]
fn a_row_that_no_rule_looks_for_is_told() {
    let folder = |rules: &str| {
        Folder::new(MINIMAL)
            .file("policies/detectors/pii/acme.yaml", &rows(["acme-number", "acme-name"]))
            .file("policies/detectors/secrets/acme.yaml", &rows(["acme-key"]))
            .file("policies/x.yaml", &format!("version: 1\n{rules}\n"))
    };
    let number = "policies/detectors/pii/acme.yaml:3:11 no rule looks for `acme-number`, and for 1 more of this file";
    // Without `dlp`, secrets are looked for.
    assert_eq!(folder("").warnings(), [number]);
    let rules =
        "dlp: { rules: [{ name: a, detect: [acme_number, pii], action: mask }, { name: b, detect: [secrets], action: mask }] }";
    assert!(folder(rules).warnings().is_empty());
}

#[test]
fn a_row_that_finds_less_than_the_one_whose_place_it_takes_is_told() {
    let folder = |text: &str| Folder::new(MINIMAL).file("policies/detectors/secrets/ours.yaml", text);
    let told = "policies/detectors/secrets/ours.yaml:3:11 `gitlab-pat` does not find all that the detector of this build finds, whose place it takes";
    assert_eq!(folder(&rows(["gitlab-pat"])).warnings(), [told]);
    // Of what finds as much nothing is said, whatever else is other.
    let text = fs::read_to_string(root().join("policies/detectors/secrets/keys.yaml")).unwrap();
    assert!(folder(&text.replace("misses: ", "misses: what we know, and ")).warnings().is_empty());
}

#[test]
fn a_copy_of_the_detectors_of_this_build_changes_nothing_but_the_hash() {
    let config = load(&root().join("config/yett.yaml")).unwrap_or_else(|report| panic!("{report}")).config;
    assert!(root().join("policies/detectors/secrets/keys.yaml").is_file());
    assert!(config.policy.detectors.is_none(), "a row that is the same is no other");

    // One word of one row, and it is another.
    let text = fs::read_to_string(root().join("policies/detectors/secrets/keys.yaml")).unwrap();
    let other = text.replace("title: SSH2 (SSH.com) private key", "title: Our own key");
    assert_ne!(text, other);
    let of = |text: &str| Folder::new(MINIMAL).file("policies/detectors/secrets/ours.yaml", text).loaded().config.policy;
    let (same, changed, none) = (of(&text), of(&other), Folder::new(MINIMAL).loaded().config.policy);
    let all = changed.detectors.as_ref().unwrap();
    let titles: Vec<&str> =
        all.rows().map(|row| row.detector().title.as_str()).filter(|title| title.starts_with("Our own")).collect();
    assert_eq!(titles.len(), 1);
    let count = yett::scan::Catalogue::built_in().unwrap().rows().count();
    assert_eq!((all.rows().count(), same.detectors.is_none()), (count, true));
    assert!(same.hash != changed.hash && same.hash != none.hash, "the hash is over the files, whatever they change");
}
