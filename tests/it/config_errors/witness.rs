//! `audit.witness`, and the policy file that it names.

use std::time::Duration;

use yett::config::{WitnessMode, Witnesses};

use super::{Folder, server_with};

/// One witness, on loopback.
pub(super) const POLICY: &str =
    "witness audit-dept witness.example+0080fed4+BAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f http://127.0.0.1:8470/
quorum audit-dept
";

fn with(witness: &str, policy: &str) -> Folder {
    Folder::new(&server_with(&format!("audit: {{ witness: {witness} }}\n"))).file("witnesses.policy", policy)
}

fn witnesses(witness: &str) -> Witnesses {
    with(witness, POLICY).loaded().config.audit.witness.unwrap()
}

#[test]
fn witnesses_are_read_from_a_policy() {
    let read = witnesses("{ policy: witnesses.policy }");
    assert_eq!((read.mode, read.max_lag), (WitnessMode::Async, Duration::from_secs(30)));
    assert_eq!(read.urls, ["http://127.0.0.1:8470/"]);
    assert_eq!(read.policy.witnesses().next().unwrap().name, "audit-dept");
    let read = witnesses("{ policy: witnesses.policy, mode: strict, max_lag: 1m }");
    assert_eq!((read.mode, read.max_lag), (WitnessMode::Strict, Duration::from_mins(1)));
    assert!(Folder::new(super::MINIMAL).loaded().config.audit.witness.is_none());
}

#[test]
fn what_a_policy_lacks_is_said_where_it_is_named() {
    let of = |policy: &str| with("{ policy: witnesses.policy }", policy).errors();
    let place = |rest: &str| vec![format!("yett.yaml:8:29 {rest}")];
    assert_eq!(of("quorum none\n"), place("`witnesses.policy` asks for no witness: its quorum is `none`"));
    assert_eq!(of(&POLICY.replace("quorum audit-dept\n", "")), place("`witnesses.policy` is not a tlog-policy: no quorum line"));
    assert_eq!(
        of(&POLICY.replace("quorum audit-dept", "quorum audit")),
        place("`witnesses.policy` is not a tlog-policy: line 2: `audit` is not defined on a line before")
    );
    assert_eq!(of(&POLICY.replace(" http://127.0.0.1:8470/", "")), place("`witnesses.policy` gives witness `audit-dept` no URL"));
    for foreign in ["http://witness.example/", "ftp://127.0.0.1/", "https://witness.example/?a=b"] {
        let errors = of(&POLICY.replace("http://127.0.0.1:8470/", foreign));
        assert_eq!(errors, place("`witnesses.policy` gives witness `audit-dept` a URL that is not https"), "{foreign}");
    }
}

#[test]
fn what_is_wrong_beside_the_policy_is_said_too() {
    let errors = |witness: &str| with(witness, POLICY).errors();
    let missing = &errors("{ policy: nowhere.policy }")[0];
    assert!(missing.contains("the tlog-policy `nowhere.policy` cannot be read"), "{missing}");
    assert_eq!(errors("{ mode: async }"), ["yett.yaml:8:19 the key `policy` is missing in `audit.witness`"]);
    let unknown = &errors("{ policy: witnesses.policy, quorum: 1 }")[0];
    assert!(unknown.contains("unknown key `quorum` in `audit.witness`"), "{unknown}");
    let short = &errors("{ policy: witnesses.policy, mode: strict, max_lag: 1s }")[0];
    assert!(short.contains("`1s` is out of range"), "{short}");
    let idle = with("{ policy: witnesses.policy, max_lag: 1m }", POLICY).warnings();
    assert!(idle[0].contains("`max_lag` does nothing unless `mode` is `strict`"), "{idle:?}");
}
