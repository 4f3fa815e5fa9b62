//! Wrong Rego modules are told their place and their fix, as everything else is.

use super::{Folder, MINIMAL};

fn errors(module: &str) -> Vec<String> {
    Folder::new(MINIMAL).file("policies/x.rego", module).errors()
}

#[test]
fn a_wrong_module_is_told_its_place_and_its_fix() {
    for (module, expected) in [
        ("package yett\n\ndeny contains \"x\" if {\n    input.principal.tenant ==\n}\n", "policies/x.rego:5:1 "),
        ("package other\n\ndeny if true\n", "policies/x.rego:1:1 this module is of the package `other`"),
        ("package yett\n\nallow if true\n", "policies/x.rego:0:0 no module has a rule `deny`"),
        ("package yett\n\ndeny if time.now_ns() > 5\n", "policies/x.rego:3:9 `time.now_ns` is another each time"),
        ("package yett\n\ndeny if { x := \"#\"; rand.intn(x, 2) == 1 }\n", "policies/x.rego:3:21 `rand` is another each time"),
        ("package yett\n\ndeny if no_such_function(5)\n", "policies/x.rego:3:"),
        ("package yett\n\ndeny if x > 5\n", "policies/x.rego:3:"),
        ("", "policies/x.rego:"),
    ] {
        let found = errors(module);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{module}\n{found:#?}");
    }
    assert!(
        Folder::new(MINIMAL)
            .file("policies/x.rego", "package yett\n\ndeny contains \"x\" if input.access.tool == \"drop\"\n")
            .load()
            .is_ok()
    );
}

#[test]
fn modules_are_part_of_the_policy_and_of_its_hash() {
    let hash = |module: &str| Folder::new(MINIMAL).file("policies/x.rego", module).load().unwrap().config.policy.hash.clone();
    let one = hash("package yett\n\ndeny if input.access.tool == \"a\"\n");
    assert_ne!(one, hash("package yett\n\ndeny if input.access.tool == \"b\"\n"));
}
