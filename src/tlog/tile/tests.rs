use std::{collections::BTreeMap, convert::Infallible};

use super::*;
use crate::tlog::{prove_consistency, prove_inclusion, root_of, verify_inclusion};

/// Tiles as a directory would hold them.
#[derive(Default)]
struct Store {
    builder: TileBuilder,
    tree: Frontier,
    full: BTreeMap<(u8, u64), Vec<u8>>,
}

impl Store {
    fn of(size: u64) -> Self {
        let mut store = Self::default();
        let mut full = Vec::new();
        for index in 0..size {
            store.tree.push(leaf(index));
            store.builder.push(leaf(index), &mut full);
        }
        store.full = full.into_iter().map(|tile| ((tile.id.level, tile.id.index), tile.bytes)).collect();
        store
    }

    fn source(&self) -> impl HashSource<Error = TileError<Infallible>> {
        TileSource::new(self.builder.size(), self.builder.tail(), |level, index| Ok(self.full.get(&(level, index)).cloned()))
    }
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

#[test]
fn a_tree_of_70000_has_the_tiles_the_specification_says() {
    let store = Store::of(70_000);
    let full = |level| store.full.keys().filter(|(at, _)| *at == level).count();
    assert_eq!((full(0), full(1), full(2)), (273, 1, 0));
    assert!(store.full.values().all(|bytes| bytes.len() == TILE_BYTES));
    let partial: Vec<_> = store.builder.partial().map(|tile| (tile.id.to_string(), tile.bytes.len() / HASH_LEN)).collect();
    assert_eq!(
        partial,
        [("tile/0/273.p/112".to_owned(), 112), ("tile/1/001.p/17".to_owned(), 17), ("tile/2/000.p/1".to_owned(), 1),]
    );
}

#[test]
fn a_tree_of_256_is_one_full_tile_and_a_partial_one_of_one_hash() {
    let store = Store::of(256);
    let root = store.full[&(0, 0)].as_slice();
    assert_eq!(root[..32], *leaf(0).as_bytes());
    let partial: Vec<_> = store.builder.partial().collect();
    assert_eq!(partial.len(), 1);
    assert_eq!(partial[0].bytes, store.tree.root().as_bytes());
}

#[test]
fn full_tiles_and_the_tail_give_every_hash_of_the_tree() {
    for size in [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_793, 70_000] {
        let store = Store::of(size);
        let mut source = store.source();
        assert_eq!(root_of(&mut source, size), Ok(store.tree.root()), "{size}");
        for index in [0, size / 3, size / 2, size - 1] {
            let proof = prove_inclusion(&mut source, index, size).unwrap();
            assert_eq!(verify_inclusion(&proof, index, leaf(index), size, store.tree.root()), Ok(()), "{index} of {size}");
        }
        assert!(prove_consistency(&mut source, size / 2, size).is_ok());
    }
}

#[test]
fn partial_tiles_do_as_well_as_the_tail() {
    let store = Store::of(70_000);
    let mut tiles = store.full.clone();
    tiles.extend(store.builder.partial().map(|tile| ((tile.id.level, tile.id.index), tile.bytes)));
    let mut source = TileSource::new(70_000, &[], |level, index| Ok::<_, Infallible>(tiles.get(&(level, index)).cloned()));
    assert_eq!(root_of(&mut source, 70_000), Ok(store.tree.root()));
}

#[test]
fn a_builder_resumed_at_any_size_is_the_one_that_never_stopped() {
    for size in [0, 1, 255, 256, 257, 65_536, 65_800] {
        let store = Store::of(size);
        assert_eq!(TileBuilder::resume(size, &mut store.source()), Ok(store.builder.clone()), "{size}");

        let boundary = size - size % 256;
        let mut tiles_only =
            TileSource::new(boundary, &[], |level, index| Ok::<_, Infallible>(store.full.get(&(level, index)).cloned()));
        let mut replayed = TileBuilder::resume(boundary, &mut tiles_only).unwrap();
        for index in boundary..size {
            replayed.push(leaf(index), &mut Vec::new());
        }
        assert_eq!(replayed, store.builder, "{size}");
    }
}

#[test]
fn a_missing_or_cut_tile_is_an_error_and_not_a_hash() {
    let store = Store::of(600);
    let mut missing = TileSource::new(600, store.builder.tail(), |_, _| Ok::<_, Infallible>(None));
    assert_eq!(root_of(&mut missing, 600), Err(ProveError::Source(TileError::Missing(0))));
    for len in [0, 31, 33, TILE_BYTES + HASH_LEN] {
        let mut cut = TileSource::new(600, &[], |_, _| Ok::<_, Infallible>(Some(vec![0; len])));
        assert!(matches!(root_of(&mut cut, 600), Err(ProveError::Source(TileError::Length { len: found, .. })) if found == len));
    }
    let mut failing = TileSource::new(600, &[], |_, _| Err("disk"));
    assert_eq!(root_of(&mut failing, 600), Err(ProveError::Source(TileError::Read("disk"))));
}
