use super::*;
use crate::tlog::Scheme;

const TEXT: &str = "log.example\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

fn signer(name: &str) -> Signer {
    Signer::generate(name, Scheme::Ed25519).unwrap()
}

fn signed(signers: &[&Signer]) -> Note {
    let mut note = Note::new(TEXT).unwrap();
    for signer in signers {
        note.sign(signer, 5).unwrap();
    }
    note
}

/// A note of the world outside: the example in the documentation of Go's `note` package.
const EXAMPLE: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\u{2014} \
     PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn a_note_of_the_world_outside_verifies_and_writes_back() {
    let key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
    let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
    let verified = note.verify(&[&key]).unwrap();
    assert_eq!(verified.signatures, [Signed { key: &key, time: None }]);
    assert!(verified.text.ends_with("problem is.\n"));
    assert_eq!(note.to_string(), EXAMPLE);
}

#[test]
fn all_kinds_of_signatures_stand_on_one_note() {
    let signers = [
        signer("log.example"),
        Signer::generate("log.example", Scheme::MlDsa44).unwrap(),
        Signer::generate("witness.example", Scheme::CosignatureV1).unwrap(),
    ];
    let note = Note::parse(signed(&signers.each_ref()).to_string().as_bytes()).unwrap();
    let keys = signers.each_ref().map(Signer::key);
    let verified = note.verify(&keys).unwrap();
    assert_eq!(verified.signatures.iter().map(|signed| signed.time).collect::<Vec<_>>(), [None, Some(5), Some(5)]);
}

#[test]
fn aud_033_unknown_signatures_are_ignored_and_too_many_or_too_large_is_refused_unparsed() {
    let (log, stranger) = (signer("log.example"), signer("stranger.example"));
    let mut note = signed(&[&log]);
    note.signatures.extend(signed(&[&stranger; 15]).signatures);
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read.signatures().len(), 16);
    assert_eq!(read.verify(&[log.key()]).unwrap().signatures.len(), 1);

    let hundred = signed(&[&stranger; 100]);
    assert!(Note::parse(hundred.to_string().as_bytes()).is_ok());
    let more = format!("{hundred}not even a signature line\n");
    assert_eq!(Note::parse(more.as_bytes()), Err(NoteError::TooManySignatures));
    // Not UTF-8 either, but nobody looks.
    assert_eq!(Note::parse(&vec![0xff; NOTE_MAX + 1]), Err(NoteError::TooLarge(NOTE_MAX + 1)));
    assert_eq!(Note::parse(&vec![0xff; NOTE_MAX]), Err(NoteError::NotUtf8(0)));
}

#[test]
fn aud_034_every_malformed_note_has_its_own_reason() {
    use NoteError as E;
    let note = signed(&[&signer("log.example")]).to_string();
    let line = note.rsplit_once("\n\n").unwrap().1.to_owned();
    let blob = line.trim_end().rsplit_once(' ').unwrap().1.to_owned();
    let cases = [
        (note.replace('\n', "\r\n"), E::CarriageReturn(11)),
        (note.replace("\n\n", "\n"), E::NoBlankLine),
        (note.replacen("log", "l\u{0}g", 1), E::ControlByte(1)),
        (note.replacen("log", "l\tg", 1), E::ControlByte(1)),
        (note.trim_end().to_owned(), E::NoFinalNewline),
        (format!("{TEXT}\n"), E::NoSignatures),
        (format!("{note}\n"), E::NoSignatures),
        (format!("{note}more\n"), E::SignatureLine(6)),
        (note.replace('\u{2014}', "-"), E::SignatureLine(5)),
        (note.replace("\u{2014} ", "\u{2014}"), E::SignatureLine(5)),
        (note.replace("\u{2014} log", "\u{2014} l+g"), E::KeyName(5)),
        (note.replace("\u{2014} log.example", "\u{2014} "), E::KeyName(5)),
        (note.replace("\u{2014} log", "\u{2014} l\u{2003}g"), E::KeyName(5)),
        (note.replace(&blob, &format!("{} ", &blob)), E::SignatureBase64(5)),
        (note.replace(&blob, blob.strip_suffix('=').unwrap()), E::SignatureBase64(5)),
        (note.replace(&blob, "AAAAAAB="), E::SignatureBase64(5)),
        (note.replace(&blob, "AAAAAA=="), E::SignatureShort(5)),
        (note.replace(&blob, "AAA="), E::SignatureShort(5)),
        (note.replace(&blob, ""), E::SignatureShort(5)),
    ];
    for (text, reason) in cases {
        assert_eq!(Note::parse(text.as_bytes()), Err(reason), "{text:?}");
    }
    let mut latin1 = note.into_bytes();
    latin1[0] = 0xe9;
    assert_eq!(Note::parse(&latin1), Err(E::NotUtf8(0)));
}

#[test]
fn aud_031_a_signature_of_another_key_under_the_same_name_does_not_count() {
    let (log, thief) = (signer("log.example"), signer("log.example"));
    let note = signed(&[&thief]);
    assert_eq!(note.verify(&[log.key()]), Err(NoteError::NoKnownSignature));

    // The same, with the id of the right key on it.
    let mut forged = note;
    forged.signatures[0].id = log.key().id();
    let bad = NoteError::BadSignature { name: "log.example".to_owned(), reason: SignatureError::Forged };
    assert_eq!(forged.verify(&[log.key()]), Err(bad.clone()));
    forged.signatures.extend(signed(&[&log]).signatures);
    assert_eq!(forged.verify(&[log.key()]), Err(bad), "a good signature does not heal a bad one");
}

#[test]
fn a_changed_text_is_refused() {
    let log = signer("log.example");
    let note = signed(&[&log]).to_string().replacen("\n1\n", "\n2\n", 1);
    assert!(matches!(Note::parse(note.as_bytes()).unwrap().verify(&[log.key()]), Err(NoteError::BadSignature { .. })));
}

#[test]
fn a_text_without_end_or_with_control_characters_is_never_signed() {
    assert_eq!(Note::new("no newline"), Err(NoteError::Text));
    assert_eq!(Note::new(""), Err(NoteError::Text));
    assert_eq!(Note::new("a\tb\n"), Err(NoteError::ControlByte(1)));
}

#[test]
fn empty_lines_belong_to_the_text() {
    let log = signer("log.example");
    let mut note = Note::new("one\n\nthree\n").unwrap();
    note.sign(&log, 0).unwrap();
    let read = Note::parse(note.to_string().as_bytes()).unwrap();
    assert_eq!(read.verify(&[log.key()]).unwrap().text, "one\n\nthree\n");
}

#[test]
fn only_good_signatures_of_known_keys_are_adopted() {
    let (log, witness, stranger) = (signer("log.example"), signer("witness.example"), signer("stranger.example"));
    let mut note = signed(&[&log]);
    let answer = signed(&[&witness, &stranger]).signatures;
    assert_eq!(note.adopt(answer, &[witness.key()]), Ok(1));
    assert_eq!(note.verify(&[log.key(), witness.key()]).unwrap().signatures.len(), 2);

    let other_text = vec![Signature::new(&witness, "other\n", 5).unwrap()];
    assert!(matches!(note.adopt(other_text, &[witness.key()]), Err(NoteError::BadSignature { .. })));
    assert_eq!(note.signatures().len(), 2);
}
