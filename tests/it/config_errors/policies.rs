//! One mistake in a policy at a time, and how several files are one policy.

use yett::policy::DlpAction;

use super::{Folder, MINIMAL};

#[test]
fn each_mistake_in_a_policy_has_its_message() {
    for (text, expected) in [
        ("rules: []\n", "2:8 `rules` is empty"),
        ("approvals: []\n", "2:1 `approvals` is not enforced by this build yet"),
        ("tests: []\n", "2:8 `tests` is empty"),
        ("rules: [{ deny: { servers: [crm] } }]\n", "2:9 the key `name` is missing in `rules[]`"),
        ("rules: [{ name: a }]\n", "2:9 the key `deny` is missing in `rules[]`"),
        ("rules: [{ name: a, deny: { tools: [x] } }]\n", "2:26 the key `servers` is missing in `rules[].deny`"),
        ("rules: [{ name: a, deny: { servers: [crm], tools: [crm/x] } }]\n", "2:52 `crm/x` holds a `/`"),
        (
            "rules: [{ name: a, deny: { servers: [crm], operations: [delete] } }]\n",
            "2:57 `delete` is not one of the accepted words",
        ),
        ("rules: [{ name: a, deny: { servers: [crm] }, reason: \"\" }]\n", "2:54 `` is empty"),
        (
            "rules: [{ name: a, deny: { servers: [crm] } }, { name: a, deny: { servers: [crm] } }]\n",
            "2:56 the rule `a` is given twice",
        ),
        ("tests: [{ name: a, as: {}, call: crm/x, expect: allow }]\n", "2:24 this caller has no issuer"),
        ("tests: [{ name: a, as: { issuer: api-key }, expect: allow }]\n", "2:17 this test asks for nothing"),
        (
            "tests: [{ name: a, as: { issuer: api-key }, call: crm/x, get: crm/x, expect: allow }]\n",
            "2:17 this test asks for more than one thing",
        ),
        (
            "tests: [{ name: a, as: { issuer: api-key }, call: search, expect: allow }]\n",
            "2:51 `search` does not say of which server",
        ),
        ("tests: [{ name: a, as: { issuer: api-key }, call: cmr/x, expect: allow }]\n", "2:51 no server is called `cmr`"),
        ("tests: [{ name: a, as: { issuer: api-key }, call: crm/x, at: noon, expect: allow }]\n", "2:62 `noon` is not a moment"),
        (
            "tests: [{ name: a, as: { issuer: api-key }, call: crm/x, expect: yes }]\n",
            "2:66 `yes` is not one of the accepted words",
        ),
        (
            "tests: [{ name: a, as: { issuer: api-key, attributes: { x: y } }, call: crm/x, expect: deny }]\n",
            "2:57 no issuer gives its callers an attribute `x`",
        ),
        ("role: {}\n", "2:1 unknown key `role`"),
        (
            "rules: [{ name: a, deny: { servers: [crm] }, when: 'principal.name == \"x\"' }]\n",
            "2:63 `principal` has no member `name`",
        ),
        (
            "rules: [{ name: a, deny: { servers: [crm] }, when: 'now == now', unless: 'now == now' }]\n",
            "2:74 this rule has both `when` and `unless`",
        ),
        ("rules: [{ name: a, deny: { servers: [crm] }, when: !has(x) }]\n", "2:46 a tag stands before this value"),
        ("roles: { a: { allow: [{ servers: [crm], tools: [crm/x] }] } }\n", "2:49 `crm/x` holds a `/`"),
        ("roles: { a: { allow: [{ servers: [crm], tools: [\"***\"] }] } }\n", "2:49 `***` holds `***`"),
        ("roles: { a: { allow: [{ servers: [crm], resources: [\"**\"] }] } }\n", "2:53 `**` has no scheme"),
        ("roles: { a: { allow: [{ servers: [cmr] }] } }\n", "2:35 no server is called `cmr`"),
        ("roles: { a: { allow: [{ tools: [x] }] } }\n", "2:23 the key `servers` is missing in `roles.*.allow[]`"),
        ("roles: { a: { inherits: [b] } }\n", "2:26 no role is called `b`"),
        ("roles: { a: { inherits: [a] } }\n", "2:10 this role inherits from itself"),
        ("roles: { a: { inherits: [b] }, b: { inherits: [c] }, c: { inherits: [b] } }\n", "2:32 this role inherits from itself"),
        ("roles: { reader: {} }\n", "2:10 the role `reader` is given twice"),
        ("roles: { a: { allow: [{ servers: [crm], tools: [a], scopes: [\"a b\"] }] } }\n", "2:62 `a b` is not a scope"),
        ("bindings: [{ role: reader }]\n", "2:12 this binding says nothing about the caller"),
        ("bindings: [{ role: reader, groups: [] }]\n", "2:36 `groups` is empty"),
        ("bindings: [{ role: reader, subjects: [\"*\"] }]\n", "2:39 `*` is a pattern"),
        ("bindings: [{ role: reader, issuers: [corp] }]\n", "2:38 no issuer is called `corp`"),
        ("bindings: [{ role: reader, issuers: [mtls] }]\n", "2:38 nobody is known by certificate"),
        ("limits: [{ name: a, rate: 5 }]\n", "2:27 `5` is not a rate"),
        ("limits: [{ name: a, per: [person], rate: 5/s }]\n", "2:27 `person` is not one of the accepted words"),
        ("limits: [{ name: a }]\n", "2:10 this limit limits nothing"),
        ("limits: [{ name: a, burst: 5, quota: 5/day }]\n", "2:28 `burst` belongs to a `rate`"),
        (
            "limits: [{ name: a, rate: 1/day, burst: 400 }]\n",
            "2:41 it would take more than a year until this burst is there again",
        ),
        ("limits: [{ name: a, quota: 5/year }]\n", "2:28 `5/year` is not a quota"),
        ("limits: [{ name: a, quota: 0/day }]\n", "2:28 `0/day` is not a quota"),
        ("limits: [{ name: a, request_bytes: 5MB/day }]\n", "2:36 `5MB/day` is not a volume"),
        ("limits: [{ name: a, result_bytes: 5/day }]\n", "2:35 `5/day` is not a volume"),
        ("limits: [{ name: a, concurrency: 0 }]\n", "2:34 `0` is not a whole number in range"),
        ("limits: [{ name: a, quota: 5/day, servers: [cmr] }]\n", "2:45 no server is called `cmr`"),
        ("limits: [{ name: a, quota: 5/day, tools: [crm/x] }]\n", "2:43 `crm/x` holds a `/`"),
        ("limits: [{ name: a, quota: 5/day, tools: [] }]\n", "2:42 `tools` is empty"),
        ("limits: [{ name: a, quota: 5/day, roles: [nobody] }]\n", "2:43 no role is called `nobody`"),
        ("limits: [{ name: a, repeats: { calls: 5 } }]\n", "2:30 the key `within` is missing in `limits[].repeats`"),
        ("limits: [{ name: a, repeats: { calls: 51, within: 60s } }]\n", "2:39 `51` is not a whole number in range"),
        ("limits: [{ name: a, repeats: { calls: 5, within: 2h } }]\n", "2:50 `2h` is out of range"),
        ("limits: [{ name: a, rate: 5/s, loop: 5 }]\n", "2:32 unknown key `loop` in `limits[]`"),
        ("limits: [{ name: a, rate: 5/s }, { name: a, rate: 6/s }]\n", "2:42 the limit `a` is given twice"),
        ("dlp: { rules: [{ name: a, words: l.txt, action: log }] }\n", "2:34 there is no list of words `l.txt`"),
        ("dlp: { rules: [{ name: a, detect: [card], action: log, servers: [] }] }\n", "2:65 `servers` is empty"),
        ("dlp: { clearance: { from: clearance } }\n", "2:27 `clearance` is not an attribute of the caller"),
        ("injection: { requests: strip }\n", "2:24 `strip` is not one of the accepted words"),
        ("injection: { model: strict }\n", "2:21 `strict` is not one of the accepted words"),
        ("mode: shadow\ninjection: { requests: log }\n", "2:7 `mode: shadow` is not enforced for `injection` by this build yet"),
        ("dlp: { clearance: { default: \"${env:X}\" } }\n", "2:30 `${env:X}` holds a reference"),
        ("version: 1\n", "2:1 the key `version` is given twice"),
    ] {
        let errors = Folder::new(MINIMAL).file("policies/x.yaml", &format!("version: 1\n{text}")).errors();
        assert_eq!(errors, [format!("policies/x.yaml:{expected}")], "{text}");
    }
}

#[test]
fn two_issuers_make_bindings_say_whose_callers_they_mean() {
    let issuers = "identity:\n  issuers:\n    - { name: a, issuer: \"https://a\", jwks_file: k, algorithms: [RS256] }\n    - { name: b, issuer: \"https://b\", jwks_file: k, algorithms: [ES256] }\npolicies:";
    let folder = Folder::new(&MINIMAL.replace("policies:", issuers)).file("k", "{}");
    let folder = folder.file("policies/x.yaml", "version: 1\nbindings: [{ role: reader, groups: [admins] }]\n");
    assert_eq!(folder.errors(), ["policies/x.yaml:2:12 this binding does not say whose callers it means"]);
}

#[test]
fn single_valued_keys_may_stand_in_one_file_only_and_both_places_are_named() {
    let folder = Folder::new(MINIMAL)
        .file("policies/a.yaml", "version: 1\ninjection: { requests: block }\ndlp: { clearance: { default: public } }\n")
        .file("policies/b.yaml", "version: 1\ninjection: { requests: log }\ndlp: { clearance: { default: internal } }\n");
    assert_eq!(
        folder.errors(),
        ["policies/b.yaml:2:12 `injection` stands in two files", "policies/b.yaml:3:19 `dlp.clearance` stands in two files"]
    );
    let shown = folder.load().unwrap_err().to_string();
    assert!(shown.contains("policies/a.yaml:2:12; keep one of them"), "{shown}");
}

#[test]
fn files_that_look_like_policies_and_are_not_read_are_errors() {
    let folder = Folder::new(MINIMAL).file("policies/x.yml", "").file("policies/README.md", "");
    let folder = folder.file("policies/.hidden.yaml", "").file("policies/sub/z.yaml", "");
    let folder = folder.file("policies/y.REGO", "").file("policies/z.Rego", "").file("policies/.hidden.Rego", "");
    let mut errors = folder.errors();
    errors.sort();
    assert_eq!(errors, ["x.yml", "y.REGO", "z.Rego"].map(|name| format!("policies/{name}:0:0 this file is not read")));
    let shown = folder.load().unwrap_err().to_string();
    assert_eq!((shown.matches("name it `.yaml`").count(), shown.matches("name it `.rego`").count()), (1, 2), "{shown}");
}

#[test]
fn policies_of_all_files_join() {
    let folder = Folder::new(MINIMAL)
        .file("policies/dlp.yaml", "version: 1\nmode: shadow\ndlp:\n  rules: [{ name: a, detect: [secrets], action: block }]\n")
        .file("policies/more.yaml", "version: 1\nlimits: [{ name: l, rate: 120/min }, { name: m, rate: 5/h, burst: 3 }]\ndlp:\n  rules: [{ name: b, detect: [card], direction: [request], action: mask }]\n");
    let policy = folder.loaded().config.policy;
    let dlp = policy.dlp.as_ref().unwrap();
    let rules: Vec<_> =
        dlp.rules.iter().map(|rule| (rule.name.as_str(), rule.action, rule.shadow, rule.requests, rule.responses)).collect();
    assert_eq!(rules, [("a", DlpAction::Block, true, true, true), ("b", DlpAction::Mask, false, true, false)]);
    let rates = policy.limits.iter().filter_map(|limit| limit.rate);
    let limits: Vec<_> = rates.map(|rate| (rate.calls, rate.period.as_secs(), rate.burst)).collect();
    assert_eq!(limits, [(120, 60, 20), (5, 3600, 3)]);
}

/// The mode of a file is what holds for those of its rules that say nothing.
#[test]
fn what_says_enforce_in_a_file_in_shadow_is_enforced() {
    let text = "version: 1
mode: shadow
rules: [{ name: a, deny: { servers: [crm] }, mode: enforce }, { name: b, deny: { servers: [crm] } }]
limits: [{ name: a, rate: 5/s, mode: enforce }, { name: b, rate: 6/s }]
dlp: { rules: [{ name: a, detect: [secrets], action: block, mode: enforce }, { name: b, detect: [card], action: mask }] }
";
    let policy = Folder::new(MINIMAL).file("policies/x.yaml", text).loaded().config.policy;
    let rules: Vec<_> = policy.rules.iter().map(|rule| rule.shadow).collect();
    let limits: Vec<_> = policy.limits.iter().map(|limit| limit.shadow).collect();
    let dlp: Vec<_> = policy.dlp.as_ref().unwrap().rules.iter().map(|rule| rule.shadow).collect();
    assert_eq!((rules, limits, dlp), (vec![false, true], vec![false, true], vec![false, true]));
}

#[test]
fn the_policy_hash_covers_names_and_bytes() {
    let hash = |files: &[(&str, &str)]| {
        let folder = files.iter().fold(Folder::new(MINIMAL), |folder, (name, text)| folder.file(name, text));
        folder.loaded().config.policy.hash.clone()
    };
    let base = hash(&[("policies/a.yaml", "version: 1\n")]);
    assert_eq!(base, hash(&[("policies/a.yaml", "version: 1\n"), ("policies/README.md", "x")]));
    assert_ne!(base, hash(&[("policies/a.yaml", "version: 1\n#\n")]));
    assert_ne!(base, hash(&[("policies/b.yaml", "version: 1\n")]));
}

#[test]
fn a_quota_that_its_own_rate_never_reaches_is_a_warning() {
    let text = "version: 1\nlimits: [{ name: a, rate: 1/min, burst: 1, quota: 62/hour }, { name: b, rate: 1/min, burst: 1, quota: 61/hour }]\n";
    let warnings = Folder::new(MINIMAL).file("policies/x.yaml", text).loaded().warnings.to_string();
    assert_eq!(
        warnings.matches("this quota is never reached: the rate lets 61 calls through in its window").count(),
        1,
        "{warnings}"
    );
}
