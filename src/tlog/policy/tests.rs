use super::*;
use crate::tlog::{KeyError, Scheme, Signer};

/// Keys that are the same in every test; making them is cheap.
fn signer(name: &str, scheme: Scheme) -> Signer {
    let seed = *crate::tlog::Hash::leaf(name.as_bytes()).as_bytes();
    Signer::from_seed(name, scheme, &seed).unwrap()
}

fn log() -> Signer {
    signer("log.example", Scheme::Ed25519)
}

fn witness(name: &str) -> Signer {
    signer(name, Scheme::CosignatureV1)
}

/// The example of the specification: two of X1 to X3, and any of Y1 to Y3.
fn example() -> Policy {
    let witnesses = ["X1", "X2", "X3", "Y1", "Y2", "Y3"].map(|name| format!("  witness\t{name}  {} \t\n", witness(name).key()));
    let mut text = format!("# two organisations\nlog {} https://log.example/\n\n{}", log().key(), witnesses.concat());
    text += "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\ngroup X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n";
    Policy::parse(text.as_bytes()).unwrap()
}

fn head(signers: &[&Signer]) -> Note {
    let checkpoint = Checkpoint { origin: "log.example".to_owned(), size: 0, root: crate::tlog::Hash::empty_root() };
    let mut note = Note::new(checkpoint.to_string()).unwrap();
    for signer in signers {
        note.sign(signer, 5).unwrap();
    }
    note
}

#[test]
fn the_quorum_of_the_example_takes_two_of_x_and_one_of_y() {
    let policy = example();
    assert_eq!(policy.witnesses().count(), 6);
    assert_eq!(policy.logs()[0].url.as_deref(), Some("https://log.example/"));
    for set in 0..64_u32 {
        let cosigned: Vec<_> = policy.witnesses().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, w)| &w.key).collect();
        let enough = (set & 7).count_ones() >= 2 && set >> 3 != 0;
        assert_eq!(policy.is_quorum(|key| cosigned.contains(&key)), enough, "{set:06b}");
    }
}

#[test]
fn a_head_needs_the_log_and_the_quorum() {
    let policy = example();
    let (log, x1, x2, y1) = (log(), witness("X1"), witness("X2"), witness("Y1"));
    let met = |note: &Note| policy.verify(note, &[]).map(|met| met.signatures.len());
    assert_eq!(met(&head(&[&log, &x1, &x2, &y1])), Ok(4));
    assert_eq!(met(&head(&[&x1, &x2, &y1])), Err(Unmet::Log("log.example".to_owned())));
    assert_eq!(met(&head(&[&log, &x1, &y1])), Err(Unmet::Quorum(2)));
    assert_eq!(met(&head(&[&log, &x1, &x1, &x1, &y1])), Err(Unmet::Quorum(2)), "a witness counts once");
    assert_eq!(met(&head(&[&witness("stranger")])), Err(Unmet::Note(NoteError::NoKnownSignature)));
}

#[test]
fn a_log_key_from_elsewhere_counts_under_its_own_origin_only() {
    let policy = Policy::parse(b"quorum none\n").unwrap();
    assert!(!policy.needs_witnesses());
    let (log, other) = (log(), signer("other.example", Scheme::Ed25519));
    assert!(policy.verify(&head(&[&log]), &[log.key()]).is_ok());
    assert_eq!(policy.verify(&head(&[&other]), &[other.key()]), Err(Unmet::Log("log.example".to_owned())));
    assert_eq!(policy.verify(&head(&[&log]), &[]), Err(Unmet::Note(NoteError::NoKnownSignature)));
}

#[test]
fn every_mistake_in_a_policy_has_its_line_and_its_reason() {
    use PolicyFault as F;
    let (log, one, two) = (log().key().to_string(), witness("one").key().to_string(), witness("two").key().to_string());
    let pq = signer("one", Scheme::MlDsa44).key().to_string();
    // The key of `two` under another name: another id, and the same witness.
    let alias = VerifierKey::new("alias", Scheme::CosignatureV1, witness("two").key().public()).unwrap();
    let start = format!("witness one {one}\nwitness two {two}\n");
    let cases = [
        ("quorum one\n".to_owned(), 1, F::UnknownName("one".to_owned())),
        (format!("{start}group g 1 one three\n"), 3, F::UnknownName("three".to_owned())),
        (format!("{start}group g 1 g\n"), 3, F::UnknownName("g".to_owned())),
        (format!("{start}group g any none\n"), 3, F::UnknownName("none".to_owned())),
        (format!("{start}group none any one\n"), 3, F::DuplicateName),
        (format!("{start}group one any two\n"), 3, F::DuplicateName),
        (format!("{start}witness one {pq}\n"), 3, F::DuplicateName),
        (format!("{start}witness three {alias}\n"), 3, F::DuplicateKey),
        (format!("log {log}\nlog {log}\n"), 2, F::DuplicateKey),
        (format!("{start}group g 2 one one\n"), 3, F::MemberTwice("one".to_owned())),
        (format!("{start}group g any one\ngroup h any one two\n"), 4, F::MemberTwice("one".to_owned())),
        (format!("{start}group g 0 one two\n"), 3, F::Threshold),
        (format!("{start}group g 3 one two\n"), 3, F::Threshold),
        (format!("{start}group g 01 one two\n"), 3, F::Threshold),
        (format!("{start}group g some one two\n"), 3, F::Threshold),
        (format!("{start}group g all\n"), 3, F::Form("group <name> <all|any|k> <name>...")),
        (format!("{start}quorum one two\n"), 3, F::Form("quorum <name|none>")),
        (format!("{start}quorum one\nquorum one\n"), 4, F::SecondQuorum),
        ("witness one\n".to_owned(), 1, F::Form("witness <name> <vkey> [<url>]")),
        ("log\n".to_owned(), 1, F::Form("log <vkey> [<url>]")),
        ("Quorum none\n".to_owned(), 1, F::Form("`log`, `witness`, `group` or `quorum`")),
        (format!("log {one}\n"), 1, F::KeyType("for a log")),
        (format!("witness log {log}\n"), 1, F::KeyType("as a witness")),
        ("log key\n".to_owned(), 1, F::Key(KeyError::Form)),
        ("# comment\r\nquorum none\n".to_owned(), 1, F::ControlByte),
        (start.clone(), 0, F::NoQuorum),
        ("quorum none".to_owned(), 0, F::NoFinalNewline),
        (String::new(), 0, F::NoFinalNewline),
    ];
    for (text, line, reason) in cases {
        assert_eq!(Policy::parse(text.as_bytes()), Err(PolicyError { line, reason }), "{text:?}");
    }
    assert_eq!(Policy::parse(b"# \xff\nquorum none\n"), Err(PolicyError { line: 0, reason: F::NotUtf8 }));
    assert_eq!(Policy::parse(&vec![b'\n'; POLICY_MAX + 1]), Err(PolicyError { line: 0, reason: F::TooLarge }));
}
