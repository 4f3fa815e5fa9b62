//! The file of weights and what is read from it.
//!
//! Little-endian: the eight bytes `YETTLIN1`; log2 of the buckets and the tokens of half a window, a byte each; two bytes of zero; SHA-256 of
//! the folder and of our own sentences that it was trained with, 32 bytes each; for each surface three thresholds, four bytes each; how
//! many weights are not zero, four bytes; for each of those how many buckets after the last one (LEB128, from bucket -1), then the
//! weight. It is binary because a diff of hashed buckets tells nobody anything: what changed is read in the model card.

use std::sync::LazyLock;

use super::features::BUCKET_BITS;
use super::windows::BLOCK;
use super::{Rarity, Surface};

const BUCKETS: usize = 1 << BUCKET_BITS;
const MAGIC: &[u8; 8] = b"YETTLIN1";
const FILE: &[u8] = include_bytes!("../../../policies/detectors/injection/linear.bin");

static EMBEDDED: LazyLock<Result<Model, Unreadable>> = LazyLock::new(|| Model::read(FILE));

/// Weights and thresholds. Immutable: one serves all threads.
pub struct Model {
    /// An array, whose length the compiler knows: a bucket needs no check.
    weights: Box<[i8; BUCKETS]>,
    thresholds: [Thresholds; Surface::ALL.len()],
    folder: [u8; 32],
    sentences: [u8; 32],
}

/// From which score on a text of a surface is rare, in the order of [`Rarity::ALL`].
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Thresholds([i32; Rarity::ALL.len()]);

/// Why a file of weights is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A weight lies behind the last bucket, or two in the same.
    #[error("bucket out of order")]
    Bucket,
    /// It is of another format, or made for other features.
    #[error("format, buckets or windows of another version")]
    Format,
    /// It ends early, or goes on behind its end.
    #[error("length")]
    Length,
    /// The threshold of something rarer is lower.
    #[error("thresholds out of order")]
    Thresholds,
}

impl Model {
    /// The model of this build; it is read when first asked for.
    ///
    /// # Errors
    /// The file of this build is broken, which its tests exclude.
    pub fn embedded() -> Result<&'static Self, Unreadable> {
        EMBEDDED.as_ref().map_err(|unreadable| *unreadable)
    }

    /// Reads a file of weights.
    pub fn read(file: &[u8]) -> Result<Self, Unreadable> {
        let mut file = Bytes(file);
        let [bits, block, 0, 0] = (if file.take::<8>()? == *MAGIC { file.take::<4>()? } else { [0; 4] }) else {
            return Err(Unreadable::Format);
        };
        if u32::from(bits) != BUCKET_BITS || usize::from(block) != BLOCK {
            return Err(Unreadable::Format);
        }
        let (folder, sentences) = (file.take()?, file.take()?);
        let mut thresholds = [Thresholds::default(); Surface::ALL.len()];
        for threshold in thresholds.iter_mut().flat_map(|thresholds| &mut thresholds.0) {
            *threshold = i32::from_le_bytes(file.take()?);
        }
        if !thresholds.iter().all(|thresholds| thresholds.0.is_sorted()) {
            return Err(Unreadable::Thresholds);
        }
        let weights = weights(&mut file)?;
        Ok(Self { weights, thresholds, folder, sentences })
    }

    /// SHA-256 of the folder of corpora, and of our own sentences, that it was trained with.
    pub fn trained_with(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.folder, &self.sentences)
    }

    /// The sum of the weights of buckets.
    #[inline]
    pub(super) fn weigh(&self, buckets: [usize; 3]) -> i32 {
        buckets.iter().map(|bucket| self.weights.get(*bucket).map_or(0, |weight| i32::from(*weight))).sum()
    }

    pub(super) fn thresholds(&self, surface: Surface) -> Thresholds {
        let at = Surface::ALL.iter().position(|other| *other == surface);
        at.and_then(|at| self.thresholds.get(at)).copied().unwrap_or_default()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Model").field("thresholds", &self.thresholds).finish_non_exhaustive()
    }
}

impl Thresholds {
    pub(super) fn lowest(self) -> i32 {
        let [lowest, ..] = self.0;
        lowest
    }

    /// The rarest that `score` reaches.
    pub(super) fn rarity(self, score: i32) -> Option<Rarity> {
        let reached = Rarity::ALL.into_iter().zip(self.0).take_while(|(_, threshold)| score >= *threshold);
        reached.last().map(|(rarity, _)| rarity)
    }
}

fn weights(file: &mut Bytes<'_>) -> Result<Box<[i8; BUCKETS]>, Unreadable> {
    let mut weights = vec![0; BUCKETS].into_boxed_slice();
    let count = u32::from_le_bytes(file.take()?);
    let mut next = 0;
    for _ in 0..count {
        let gap = file.number()?;
        let bucket = gap.checked_sub(1).map(|gap| next + gap as usize).ok_or(Unreadable::Bucket)?;
        let [weight] = file.take()?;
        *weights.get_mut(bucket).ok_or(Unreadable::Bucket)? = i8::from_le_bytes([weight]);
        next = bucket + 1;
    }
    if !file.0.is_empty() {
        return Err(Unreadable::Length);
    }
    weights.try_into().or(Err(Unreadable::Length))
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Unreadable::Length)?;
        self.0 = rest;
        Ok(*head)
    }

    /// LEB128 of at most 28 bits.
    fn number(&mut self) -> Result<u32, Unreadable> {
        let mut number = 0;
        for shift in [0, 7, 14, 21] {
            let [byte] = self.take()?;
            number |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Unreadable::Bucket)
    }
}
