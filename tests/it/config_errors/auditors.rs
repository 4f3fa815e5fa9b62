//! Who may search the records of one tenant, and with what.

use super::{Folder, MINIMAL};

const ISSUERS: &str = "identity:
  issuers:
    - { name: corp, issuer: 'https://corp.example', algorithms: [ES256], jwks_file: keys.json, claims: { tenant: t } }
    - { name: partner, issuer: 'https://partner.example', algorithms: [ES256], jwks_file: keys.json, claims: { tenant: t } }
";

const INDEX: &str = "audit: { index: true }\n";

/// A configuration with these auditors in lines 2 and following, and `ISSUERS` or a part of them behind everything else.
fn with(auditors: &str, rest: &str) -> Folder {
    let admin = format!("version: 1\nadmin:\n  auditors:\n{auditors}");
    let folder = Folder::new(&(MINIMAL.replace("version: 1\n", &admin) + rest)).file("keys.json", "{\"keys\":[]}");
    let folder = folder.variable("ONE", &"1".repeat(32)).variable("TWO", &"2".repeat(32)).variable("SHORT", &"3".repeat(31));
    folder.file("one", &"1".repeat(32)).variable("WORDS", &"4 ".repeat(32))
}

fn rest() -> String {
    format!("{ISSUERS}{INDEX}")
}

#[test]
fn an_auditor_has_a_name_a_tenant_and_a_token() {
    let auditors = "    - { name: acme, tenant: corp/acme, token: '${env:ONE}' }
    - { name: partners, tenant: partner/acme, token: '${env:TWO}' }
    - { name: keys, tenant: api-key/acme, token: '${vault:secret/audit#token}' }
";
    let rest = rest() + "secrets: { vault: { address: 'http://127.0.0.1:8200', auth: { token: '${env:TWO}' } } }\n";
    let folder = with(auditors, &rest);
    let loaded = folder.loaded();
    let told: Vec<_> = loaded.config.auditors.iter().map(|who| (&*who.name, &*who.issuers, &*who.tenant)).collect();
    let [corp, partner, keys] = ["corp", "partner", "api-key"].map(|issuer| [issuer.to_owned()]);
    assert_eq!(told, [("acme", &corp[..], "acme"), ("partners", &partner[..], "acme"), ("keys", &keys[..], "acme")]);
    let token = loaded.config.auditors[0].token.current().unwrap();
    assert_eq!(token.secret.expose(), &"1".repeat(32));
    assert_eq!(loaded.config.auditors[2].token.setting(), "admin.auditors.keys.token");
    assert!(!format!("{loaded:?}").contains("1111"), "a token is shown");
}

#[test]
fn a_tenant_of_the_one_issuer_needs_no_issuer_and_is_nobody_elses() {
    let one: String = ISSUERS.split_inclusive('\n').filter(|line| !line.contains("partner")).collect();
    let folder = with("    - { name: acme, tenant: acme, token: '${env:ONE}' }\n", &(one + INDEX));
    assert_eq!(folder.loaded().config.auditors[0].issuers, ["corp", "api-key", "mtls"]);
    let folder = with("    - { name: acme, tenant: acme, token: '${env:ONE}' }\n", INDEX);
    assert_eq!(folder.loaded().config.auditors[0].issuers, ["api-key", "mtls"]);
    assert!(Folder::new(MINIMAL).loaded().config.auditors.is_empty());
}

/// What stands for the auditors, and the one error that this makes.
const MISTAKES: &[(&str, &str)] = &[
    ("{ name: acme, tenant: acme, token: '${env:ONE}' }", "4:29 `acme` does not say whose tenant it is"),
    ("{ name: acme, tenant: crop/acme, token: '${env:ONE}' }", "4:29 `crop/acme` names no issuer's tenant"),
    ("{ name: acme, tenant: corp/, token: '${env:ONE}' }", "4:29 `corp/` names no issuer's tenant"),
    ("{ name: acme, tenant: corp/a*, token: '${env:ONE}' }", "4:29 `corp/a*` is a pattern"),
    ("{ name: acme, tenant: anonymous/acme, token: '${env:ONE}' }", "4:29 `anonymous/acme` names no issuer's tenant"),
    ("{ name: Acme Inc, tenant: corp/acme, token: '${env:ONE}' }", "4:15 `Acme Inc` is not a name"),
    ("{ tenant: corp/acme, token: '${env:ONE}' }", "4:7 the key `name` is missing in `admin.auditors`"),
    ("{ name: acme, token: '${env:ONE}' }", "4:7 the key `tenant` is missing in `admin.auditors`"),
    ("{ name: acme, tenant: corp/acme }", "4:7 the key `token` is missing in `admin.auditors`"),
    ("{ name: acme, tenant: corp/acme, token: '${env:SHORT}' }", "4:47 this token has fewer than 32 characters"),
    (
        "{ name: acme, tenant: corp/acme, token: '${env:WORDS}' }",
        "4:47 this secret holds a space, a line break or a character beyond ASCII",
    ),
    ("{ name: acme, tenant: corp/acme, token: '${env:NONE}' }", "4:47 the environment variable `NONE` is not set"),
    ("{ name: acme, tenant: corp/acme, token: '${env:ONE}', tokens: x }", "4:61 unknown key `tokens` in `admin.auditors`"),
    (
        "{ name: acme, tenant: corp/acme, token: '${env:ONE}' }\n    - { name: acme, tenant: partner/acme, token: '${env:TWO}' }",
        "5:15 two auditors are called `acme`",
    ),
    (
        "{ name: acme, tenant: corp/acme, token: '${env:ONE}' }\n    - { name: other, tenant: partner/acme, token: '${file:one}' }",
        "5:51 two auditors have one token",
    ),
    (
        "{ name: acme, tenant: corp/acme, token: '${vault:s/a#t}' }\n    - { name: other, tenant: partner/acme, token: '${vault:s/a#t}' }",
        "5:51 two auditors have one token",
    ),
];

#[test]
fn every_mistake_is_told_where_it_stands_and_no_token_with_it() {
    let vault = "secrets: { vault: { address: 'http://127.0.0.1:8200', auth: { token: '${env:TWO}' } } }\n";
    for (auditors, expected) in MISTAKES {
        let folder = with(&format!("    - {auditors}\n"), &(rest() + vault));
        assert_eq!(folder.errors(), [format!("yett.yaml:{expected}")], "{auditors}");
        let report = folder.load().unwrap_err();
        for digit in ["1111", "2222", "3333"] {
            assert!(!report.to_string().contains(digit) && !report.to_json().to_string().contains(digit), "{report}");
        }
        assert!(report.diagnostics().iter().all(|found| found.hint.is_some()), "{auditors}: nothing says what to do");
    }
}

#[test]
fn auditors_without_an_index_and_a_token_in_the_file_are_warned_about() {
    let folder = with("    - { name: acme, tenant: corp/acme, token: '${env:ONE}' }\n", ISSUERS);
    assert!(folder.warnings().contains(&"yett.yaml:3:3 auditors search the index of the log, and none is kept".to_owned()));
    let written = format!("    - {{ name: acme, tenant: corp/acme, token: {} }}\n", "w".repeat(32));
    let folder = with(&written, &rest());
    assert!(folder.warnings().contains(&"yett.yaml:4:47 a secret is written in this file".to_owned()), "{:?}", folder.warnings());
    assert!(!folder.loaded().warnings.to_string().contains("wwww"));
}
