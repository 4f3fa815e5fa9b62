use std::fs;

use tempfile::TempDir;

use super::*;
use crate::clock::SystemClock;
use crate::tlog::add_checkpoint::Request;
use crate::tlog::{Checkpoint, Frontier, Hash, Note, ProofFile, Scheme};

const LOG: &str = "gw.example/audit/r1";

/// A log as its records are: leaves of one byte but for announcements of keys.
struct Log {
    lines: Vec<Vec<u8>>,
    signer: Signer,
}

impl Log {
    fn new() -> Self {
        Self { lines: Vec::new(), signer: Signer::generate(LOG, Scheme::Ed25519).unwrap() }
    }

    fn grow(&mut self, to: usize) {
        (self.lines.len()..to).for_each(|index| self.lines.push(index.to_string().into_bytes()));
    }

    /// A record that announces `key` as that of an epoch.
    fn announce(&mut self, epoch: u64, key: &VerifierKey) -> usize {
        let index = self.lines.len();
        let zeros = "0".repeat(64);
        self.lines.push(
            format!(
                "{{\"epoch\":{{\"ed25519\":\"{key}\",\"n\":{epoch}}},\"i\":{index},\"kind\":\"key.rotate\",\"log\":\"{LOG}\",\
                 \"prev\":\"{zeros}\",\"t\":\"2026-11-28T10:00:00.000000Z\",\"v\":1}}"
            )
            .into_bytes(),
        );
        index
    }

    fn head(&self, size: usize) -> Head {
        let mut tree = Frontier::new();
        self.lines[..size].iter().for_each(|line| tree.push(Hash::leaf(line)));
        Head { size: size as u64, root: tree.root() }
    }

    fn note(&self, size: usize) -> Note {
        let Head { size, root } = self.head(size);
        let mut note = Note::new(Checkpoint { origin: LOG.to_owned(), size, root }.to_string()).unwrap();
        note.sign(&self.signer, 0).unwrap();
        note
    }

    /// Trees here have at most two leaves or none before: their proofs are leaves.
    fn request(&self, old: usize, size: usize) -> Request {
        let proof = match (old, size) {
            (0, _) => Vec::new(),
            (old, size) if old == size => Vec::new(),
            (1, 2) => vec![Hash::leaf(&self.lines[1])],
            (2, 3) => vec![Hash::leaf(&self.lines[2])],
            other => panic!("no proof for {other:?}"),
        };
        Request { old: old as u64, proof, checkpoint: self.note(size) }
    }

    /// Proof of the last of two records.
    fn next_key(&self, index: usize) -> NextKey {
        assert_eq!((index, self.lines.len()), (1, 2));
        let proof = ProofFile { extra: None, index: 1, hashes: vec![Hash::leaf(&self.lines[0])], checkpoint: self.note(2) };
        NextKey { record: self.lines[index].clone(), proof }
    }
}

fn open(folder: &TempDir, logs: &[&Log]) -> Result<Witness, WitnessError> {
    let keys = logs.iter().map(|log| log.signer.key().clone());
    Witness::open(folder.path(), Some("witness.example"), keys, Arc::new(SystemClock))
}

fn status(result: Result<Signature, NotCosigned>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(NotCosigned::Refused(refusal)) => refusal.status(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn what_was_cosigned_is_known_after_a_restart_and_never_signed_over() {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    log.grow(3);
    let witness = open(&folder, &[&log]).unwrap();
    let line = witness.add_checkpoint(&log.request(0, 2)).unwrap();
    let mut note = log.note(2);
    assert_eq!(note.adopt(vec![line], &[witness.key()]), Ok(1));
    drop(witness);

    let witness = open(&folder, &[]).unwrap();
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 3))), 409, "the proof does not start where it stands");
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 1))), 409, "an older head");
    let mut fork = Log { lines: vec![b"x".to_vec(), b"y".to_vec()], signer: log.signer };
    assert_eq!(status(witness.add_checkpoint(&fork.request(2, 2))), 409, "another root of the same size");
    let evidence: Vec<_> = fs::read_dir(folder.path().join("forks")).unwrap().collect();
    let kept = fs::read_to_string(evidence[0].as_ref().unwrap().path()).unwrap();
    assert_eq!(kept.matches(&format!("{LOG}\n2\n")).count(), 2, "{kept}");
    fork.lines.push(b"2".to_vec());
    assert_eq!(status(witness.add_checkpoint(&fork.request(2, 3))), 422, "it does not continue what was cosigned");
}

#[test]
fn strangers_and_other_keys_get_the_statuses_of_the_protocol() {
    let (folder, mut log, mut thief) = (tempfile::tempdir().unwrap(), Log::new(), Log::new());
    log.grow(2);
    thief.grow(2);
    let witness = open(&folder, &[&log]).unwrap();
    assert_eq!(status(witness.add_checkpoint(&thief.request(0, 1))), 403);
    assert!(matches!(open(&folder, &[]), Err(WitnessError::Lock(LockError::Held(_)))), "two processes serve one folder");
    drop(witness);
    assert!(matches!(open(&folder, &[&thief]), Err(WitnessError::AnotherKey(_))));

    let empty = tempfile::tempdir().unwrap();
    assert_eq!(status(open(&empty, &[]).unwrap().add_checkpoint(&log.request(0, 1))), 404);
}

#[test]
fn a_key_is_believed_once_the_head_that_hands_over_is_cosigned_and_the_old_one_no_longer() {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    log.grow(1);
    let next = Signer::generate(LOG, Scheme::Ed25519).unwrap();
    let index = log.announce(1, next.key());
    let witness = open(&folder, &[&log]).unwrap();
    let proof = NextKey::parse(&log.next_key(index).to_bytes()).unwrap();
    assert_eq!(proof, log.next_key(index));
    let early = witness.add_key(&proof).unwrap_err();
    assert!(matches!(early, NotBelieved::Refused(KeyRefusal::OtherHead(0))), "{early}");
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 2))), 200);
    witness.add_key(&proof).unwrap();
    witness.add_key(&proof).unwrap();
    drop(witness);

    let witness = open(&folder, &[]).unwrap();
    log.grow(3);
    match witness.add_checkpoint(&log.request(0, 1)) {
        Err(NotCosigned::Refused(Refusal::Size(2))) => {}
        other => panic!("an old head of the log is answered with the size that is known: {other:?}"),
    }
    assert_eq!(status(witness.add_checkpoint(&log.request(2, 3))), 409, "the old key has been handed over");
    assert_eq!(status(witness.add_checkpoint(&log.request(2, 2))), 200, "the hand-over itself, sent again");
    let fork = Log { lines: vec![b"x".to_vec(), b"y".to_vec()], signer: log.signer };
    assert_eq!(status(witness.add_checkpoint(&fork.request(2, 2))), 409, "another head of that size under the old key");
    let evidence = fs::read_dir(folder.path().join("forks")).unwrap().count();
    assert_eq!(evidence, 1, "it is kept");
    log.signer = next;
    assert_eq!(status(witness.add_checkpoint(&log.request(2, 3))), 200);
}

#[test]
fn a_key_that_is_not_announced_in_order_by_the_log_itself_is_not_believed() {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    log.grow(1);
    let next = Signer::generate(LOG, Scheme::Ed25519).unwrap();
    let index = log.announce(2, next.key());
    let witness = open(&folder, &[&log]).unwrap();
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 2))), 200);
    let refused = |next: &NextKey| match witness.add_key(next) {
        Err(NotBelieved::Refused(refusal)) => refusal.status(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&log.next_key(index)), 422, "an epoch is left out");

    // The record is not in the tree, or is none.
    let right = String::from_utf8(log.lines[index].clone()).unwrap().replace("\"n\":2", "\"n\":1").into_bytes();
    let outside = NextKey { record: right.clone(), ..log.next_key(index) };
    assert_eq!(refused(&outside), 422);
    let other_kind = String::from_utf8(right.clone()).unwrap().replace("key.rotate", "admin").into_bytes();
    assert_eq!(refused(&NextKey { record: other_kind, ..outside }), 400);
    log.lines[index] = right;
    assert_eq!(refused(&log.next_key(index)), 409, "a fork that announces it");
}

#[test]
fn a_key_is_not_believed_on_its_own_word() {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    log.grow(1);
    let next = Signer::generate(LOG, Scheme::Ed25519).unwrap();
    let index = log.announce(1, next.key());
    let witness = open(&folder, &[&log]).unwrap();
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 2))), 200);
    let own = Log { lines: log.lines.clone(), signer: next };
    match witness.add_key(&own.next_key(index)) {
        Err(NotBelieved::Refused(refusal)) => assert_eq!(refusal.status(), 403, "{refusal}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(status(witness.add_checkpoint(&own.request(2, 2))), 403);
    witness.add_key(&log.next_key(index)).unwrap();
}

#[test]
fn the_last_head_under_each_key_is_shown_newest_first() {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    log.grow(1);
    let next = Signer::generate(LOG, Scheme::Ed25519).unwrap();
    let index = log.announce(1, next.key());
    let witness = open(&folder, &[&log]).unwrap();
    let shown = |witness: &Witness, before| {
        let body = witness.last_heads(LOG, before).unwrap().to_string();
        LastHeads::parse(body.as_bytes()).unwrap()
    };
    assert_eq!(shown(&witness, 9), LastHeads { newest: 0, notes: vec![] }, "nothing was cosigned");
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 2))), 200);
    let hand_over = log.note(2);
    assert_eq!(shown(&witness, 9), LastHeads { newest: 0, notes: vec![hand_over.clone()] });
    witness.add_key(&log.next_key(index)).unwrap();
    assert_eq!(shown(&witness, 9), LastHeads { newest: 0, notes: vec![hand_over.clone()] }, "none under the new key yet");
    log.grow(3);
    log.signer = next;
    let mut request = log.request(2, 3);
    let stranger = Signer::generate("x.example", Scheme::Ed25519).unwrap();
    request.checkpoint.sign(&stranger, 0).unwrap();
    assert_eq!(status(witness.add_checkpoint(&request)), 200);
    drop(witness);

    let witness = open(&folder, &[]).unwrap();
    let both = shown(&witness, 9);
    assert_eq!((both.newest, both.oldest()), (1, 0));
    assert_eq!(both.notes, [log.note(3), hand_over.clone()], "without what others have signed");
    assert_eq!(shown(&witness, 1).notes, [hand_over]);
    assert_eq!(shown(&witness, 0).notes, []);
    assert_eq!(witness.last_heads("x.example", 9), Err(NotShown::UnknownLog));
}

#[test]
fn a_damaged_file_is_no_reason_to_forget() {
    let (folder, mut log) = (tempfile::tempdir().unwrap(), Log::new());
    log.grow(1);
    let witness = open(&folder, &[&log]).unwrap();
    assert_eq!(status(witness.add_checkpoint(&log.request(0, 1))), 200);
    drop(witness);
    let file = fs::read_dir(folder.path().join("logs")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    for damaged in [text.get(..text.len() / 2).unwrap(), "", &text.replace(LOG, "other.example")] {
        fs::write(&file, damaged).unwrap();
        assert!(matches!(open(&folder, &[]), Err(WitnessError::Damaged { .. })), "{damaged}");
    }
    fs::write(&file, text).unwrap();
    fs::remove_file(folder.path().join("witness.key")).unwrap();
    assert!(matches!(open(&folder, &[]), Err(WitnessError::Io { .. })), "another key would be another witness");
}
