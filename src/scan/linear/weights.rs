//! The file of weights and what is read from it.
//!
//! Little-endian: the eight bytes `YETTLIN2`; a byte each: log2 of the buckets of windows, the tokens of half a window, log2 of the buckets of
//! texts as a whole, how many sizes a weight of a window may have; SHA-256 of the folder and of our own sentences that it was trained with, 32
//! bytes each; for each surface, and for texts as a whole, three thresholds, four bytes each; those sizes, a byte each; then the weights of windows, and
//! those of texts as a whole: how many are not zero, four bytes; for each of those how many buckets after the last one (LEB128, from bucket -1), then the
//! weight, of windows the number of its size from 1 on, with its sign. It is binary because a diff of hashed buckets tells nobody anything: what changed
//! is read in the model card.

use std::sync::LazyLock;

use super::features::{BUCKET_BITS, TYPED_BITS};
use super::windows::BLOCK;
use super::{Rarity, Surface};

const BUCKETS: usize = 1 << BUCKET_BITS;
const TYPED_BUCKETS: usize = 1 << TYPED_BITS;
/// Sizes of a weight of a window, without its sign and nothing: with them, four bits tell it.
const LEVELS: usize = 7;
const MAGIC: &[u8; 8] = b"YETTLIN2";
const FILE: &[u8] = include_bytes!("../../../policies/detectors/injection/linear.bin");

static EMBEDDED: LazyLock<Result<Model, Unreadable>> = LazyLock::new(|| Model::read(FILE));

/// Weights and thresholds. Immutable: one serves all threads.
pub struct Model {
    /// Of windows: for two buckets the places of their weights in `levels`, the first in the lower half. Arrays, whose length the compiler knows: a
    /// bucket needs no check. Half the memory is worth the second look: texts come while the caches hold something else.
    windows: Box<[u8; BUCKETS / 2]>,
    levels: [i8; 16],
    /// Of texts as a whole.
    typed: Box<[i8; TYPED_BUCKETS]>,
    thresholds: [Thresholds; Surface::ALL.len()],
    typed_thresholds: Thresholds,
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
    /// A weight of a window has a size that there is not.
    #[error("size of a weight")]
    Size,
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
        let [bits, block, typed_bits, sizes] = if file.take::<8>()? == *MAGIC { file.take::<4>()? } else { [0; 4] };
        let of_this_version = u32::from(bits) == BUCKET_BITS && usize::from(block) == BLOCK;
        if !of_this_version || u32::from(typed_bits) != TYPED_BITS || usize::from(sizes) != LEVELS {
            return Err(Unreadable::Format);
        }
        let (folder, sentences) = (file.take()?, file.take()?);
        let mut thresholds = [Thresholds::default(); Surface::ALL.len()];
        for thresholds in &mut thresholds {
            *thresholds = Thresholds::read(&mut file)?;
        }
        let typed_thresholds = Thresholds::read(&mut file)?;
        let levels = levels(file.take()?)?;
        let mut windows = zeroed()?;
        weights(&mut file, BUCKETS, |bucket, code| put(windows.as_mut_slice(), bucket, code))?;
        let mut typed = zeroed()?;
        weights(&mut file, TYPED_BUCKETS, |bucket, weight| {
            typed.get_mut(bucket).map(|slot| *slot = weight).ok_or(Unreadable::Bucket)
        })?;
        if !file.0.is_empty() {
            return Err(Unreadable::Length);
        }
        Ok(Self { windows, levels, typed, thresholds, typed_thresholds, folder, sentences })
    }

    /// SHA-256 of the folder of corpora, and of our own sentences, that it was trained with.
    pub fn trained_with(&self) -> (&[u8; 32], &[u8; 32]) {
        (&self.folder, &self.sentences)
    }

    /// The sum of the weights of buckets of windows.
    #[inline]
    pub(super) fn weigh(&self, buckets: [usize; 3]) -> i32 {
        let weight = |bucket: usize| {
            let two = self.windows.get(bucket / 2).copied().unwrap_or_default();
            let place = usize::from(two >> (bucket % 2 * 4) & 15);
            self.levels.get(place).map_or(0, |weight| i32::from(*weight))
        };
        buckets.into_iter().map(weight).sum()
    }

    /// The weight of a bucket of texts as a whole.
    #[inline]
    pub(super) fn weigh_typed(&self, bucket: usize) -> i32 {
        self.typed.get(bucket).map_or(0, |weight| i32::from(*weight))
    }

    pub(super) fn typed_thresholds(&self) -> Thresholds {
        self.typed_thresholds
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
    fn read(file: &mut Bytes<'_>) -> Result<Self, Unreadable> {
        let mut thresholds = Self::default();
        for threshold in &mut thresholds.0 {
            *threshold = i32::from_le_bytes(file.take()?);
        }
        if thresholds.0.is_sorted() { Ok(thresholds) } else { Err(Unreadable::Thresholds) }
    }

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

/// What a code of four bits stands for: nothing, a size, or a size below zero.
fn levels(sizes: [u8; LEVELS]) -> Result<[i8; 16], Unreadable> {
    let mut levels = [0; 16];
    for (at, size) in sizes.into_iter().enumerate() {
        let size = i8::try_from(size).or(Err(Unreadable::Size))?;
        for (place, level) in [(at + 1, size), (LEVELS * 2 + 1 - at, -size)] {
            if let Some(slot) = levels.get_mut(place) {
                *slot = level;
            }
        }
    }
    Ok(levels)
}

/// Puts a code, from -7 to 7, into the half of its byte, as four bits of two's complement.
fn put(windows: &mut [u8], bucket: usize, code: i8) -> Result<(), Unreadable> {
    if usize::from(code.unsigned_abs()) > LEVELS {
        return Err(Unreadable::Size);
    }
    let half = code.to_le_bytes()[0] & 15;
    windows.get_mut(bucket / 2).map(|two| *two |= half << (bucket % 2 * 4)).ok_or(Unreadable::Bucket)
}

fn zeroed<T: Copy + Default, const N: usize>() -> Result<Box<[T; N]>, Unreadable> {
    vec![T::default(); N].into_boxed_slice().try_into().or(Err(Unreadable::Length))
}

/// Calls `put` for each weight of the next list, of so many buckets.
fn weights(
    file: &mut Bytes<'_>,
    buckets: usize,
    mut put: impl FnMut(usize, i8) -> Result<(), Unreadable>,
) -> Result<(), Unreadable> {
    let count = u32::from_le_bytes(file.take()?);
    let mut next = 0;
    for _ in 0..count {
        let gap = file.number()?;
        let bucket =
            gap.checked_sub(1).map(|gap| next + gap as usize).filter(|bucket| *bucket < buckets).ok_or(Unreadable::Bucket)?;
        let [weight] = file.take()?;
        put(bucket, i8::from_le_bytes([weight]))?;
        next = bucket + 1;
    }
    Ok(())
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
