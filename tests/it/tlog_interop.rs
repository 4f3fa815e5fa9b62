//! Trees, tiles, proofs and notes against implementations we did not write: the crates `tlog_tiles` and `signed_note`.
//!
//! Both ways where both sides can: theirs reads what we wrote, ours verifies what they made.

use std::{cell::RefCell, collections::BTreeMap, convert::Infallible};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::{TileHashReader, TileReader};
use yett::tlog::{
    Checkpoint, Frontier, HASH_LEN, Hash, Head, Note, NoteError, Scheme, Signer, TileBuilder, TileSource, VerifierKey,
    prove_consistency, prove_inclusion, verify_consistency, verify_inclusion,
};

/// A log in tiles, as a directory of files would hold it: paths and bytes.
struct Tiles {
    files: BTreeMap<String, Vec<u8>>,
    roots: BTreeMap<u64, Hash>,
}

impl Tiles {
    fn of(size: u64) -> Self {
        let (mut builder, mut tree, mut full) = (TileBuilder::new(), Frontier::new(), Vec::new());
        let mut roots = BTreeMap::from([(0, tree.root())]);
        for index in 0..size {
            tree.push(leaf(index));
            builder.push(leaf(index), &mut full);
            roots.insert(tree.size(), tree.root());
        }
        full.extend(builder.partial());
        Self { files: full.into_iter().map(|tile| (tile.id.to_string(), tile.bytes)).collect(), roots }
    }

    fn head(&self, size: u64) -> Head {
        Head { size, root: self.roots.get(&size).copied().unwrap_or(Hash::ZERO) }
    }

    /// The bytes of a tile, however far it is filled.
    fn bytes(&self, level: u8, index: u64) -> Option<Vec<u8>> {
        let full = yett::tlog::TileId::full(level, index).to_string();
        let mut from_here = self.files.range(full.clone()..);
        from_here
            .next()
            .filter(|(path, _)| **path == full || path.starts_with(&format!("{full}.p/")))
            .map(|(_, bytes)| bytes.clone())
    }
}

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::Error> {
        let read = |tile: &tlog_tiles::Tile| {
            // Their path names the height, which C2SP fixes at 8.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            let bytes = self.files.get(&path).cloned().or_else(|| self.bytes(tile.level(), tile.level_index()));
            let width = tile.width() as usize * HASH_LEN;
            bytes.and_then(|bytes| bytes.get(..width).map(<[u8]>::to_vec)).ok_or(tlog_tiles::Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn all_theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(theirs).collect()
}

#[test]
fn our_tiles_are_those_tlog_tiles_asks_for() {
    for size in [1, 255, 256, 257, 70_000] {
        let tiles = Tiles::of(size);
        let expected: Vec<_> =
            tlog_tiles::Tile::new_tiles(8, 0, size).iter().map(|tile| tile.path().replacen("/8/", "/", 1)).collect();
        assert!(expected.iter().all(|path| tiles.files.contains_key(path)), "{size}");
        assert_eq!(tiles.files.len(), expected.len());
    }
}

#[test]
fn aud_040_and_041_proofs_are_bit_identical_to_those_of_tlog_tiles() {
    const SIZE: u64 = 70_000;
    let tiles = Tiles::of(SIZE);
    // Checks every tile it loads against the root.
    let reader = TileHashReader::new(SIZE, theirs(tiles.head(SIZE).root), &tiles);
    let source = TileSource::new(SIZE, &[], |level, index| Ok::<_, Infallible>(tiles.bytes(level, index)));
    let source = RefCell::new(source);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(500));
    let outcome = runner.run(&(1..=SIZE, any::<Index>()), |(new, index)| {
        let index = u64::try_from(index.index(usize::try_from(new).unwrap())).unwrap();
        let head = tiles.head(new);
        let ours = prove_inclusion(&mut *source.borrow_mut(), index, new).unwrap();
        let their_proof = tlog_tiles::prove_record(new, index, &reader).unwrap();
        prop_assert_eq!(&all_theirs(&ours), &their_proof);
        prop_assert!(tlog_tiles::check_record(&all_theirs(&ours), new, theirs(head.root), index, theirs(leaf(index))).is_ok());
        prop_assert_eq!(verify_inclusion(&ours, index, leaf(index), new, head.root), Ok(()));

        let old = index + 1;
        let ours = prove_consistency(&mut *source.borrow_mut(), old, new).unwrap();
        prop_assert_eq!(&all_theirs(&ours), &tlog_tiles::prove_tree(new, old, &reader).unwrap());
        let old = tiles.head(old);
        prop_assert!(tlog_tiles::check_tree(&all_theirs(&ours), new, theirs(head.root), old.size, theirs(old.root)).is_ok());
        prop_assert_eq!(verify_consistency(&ours, old, head), Ok(()));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn signed_note_reads_our_signed_checkpoints() {
    let signer = Signer::generate("log.example/audit/r1", Scheme::Ed25519).unwrap();
    let post_quantum = Signer::generate("log.example/audit/r1", Scheme::MlDsa44).unwrap();
    let checkpoint = Checkpoint { origin: "log.example/audit/r1".to_owned(), size: 7, root: leaf(0) };
    let mut note = Note::new(checkpoint.to_string()).unwrap();
    note.sign(&signer, 0).unwrap();
    note.sign(&post_quantum, 1_800_000_000).unwrap();

    let read = signed_note::Note::from_bytes(note.to_string().as_bytes()).unwrap();
    let verifier = StandardVerifier::new(&signer.key().to_string()).unwrap();
    let (known, unknown) = read.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
    assert_eq!((known.len(), unknown.len()), (1, 1));
    let their_checkpoint = tlog_tiles::Checkpoint::from_bytes(read.text()).unwrap();
    assert_eq!((their_checkpoint.origin(), their_checkpoint.size()), (checkpoint.origin.as_str(), 7));
    assert_eq!(*their_checkpoint.hash(), theirs(leaf(0)));
}

/// The key pair of the documentation of Go's `note` package.
const SKEY: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

#[test]
fn we_read_what_signed_note_signs() {
    let mut note = signed_note::Note::new(b"If you think cryptography is the answer to your problem,\n", &[]).unwrap();
    note.add_sigs(&[&StandardSigner::new(SKEY).unwrap()]).unwrap();
    let bytes = note.to_bytes();

    let key: VerifierKey = VKEY.parse().unwrap();
    let ours = Note::parse(&bytes).unwrap();
    assert_eq!(ours.verify(&[&key]).unwrap().text.as_bytes(), note.text());
    assert_eq!(ours.to_string().as_bytes(), bytes);

    let other = Signer::generate("PeterNeumann", Scheme::Ed25519).unwrap();
    assert_eq!(ours.verify(&[other.key()]), Err(NoteError::NoKnownSignature));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// One changed byte anywhere: neither side may panic, and ours is never the more lenient one.
    #[test]
    fn aud_034_what_signed_note_refuses_we_refuse(at in any::<Index>(), byte in any::<u8>()) {
        let signer = Signer::from_seed("log.example", Scheme::Ed25519, &[7; 32]).unwrap();
        let mut note = Note::new(Checkpoint { origin: "log.example".to_owned(), size: 7, root: leaf(0) }.to_string()).unwrap();
        note.sign(&signer, 0).unwrap();
        let mut bytes = note.to_string().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let ours = Note::parse(&bytes).ok().filter(|note| note.verify(&[signer.key()]).is_ok());
        let verifier = VerifierList::new(vec![Box::new(StandardVerifier::new(&signer.key().to_string()).unwrap())]);
        let theirs = signed_note::Note::from_bytes(&bytes).ok().filter(|note| note.verify(&verifier).is_ok());
        prop_assert!(ours.is_none() || theirs.is_some());
        if let Some(ours) = ours {
            prop_assert_eq!(ours.to_string().into_bytes(), bytes);
        }
    }
}
