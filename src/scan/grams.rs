//! Where literals stand in a text: every one of them, also inside one another.
//!
//! A literal is looked for by four bytes of it, those that are rarest in ordinary text (three, where it has no more). One pass asks a table
//! that fits the first cache whether the bytes at a place may be such a gram; where they may, the literals of that gram are compared with the
//! text. So a text without literals costs a multiplication and a lookup a byte, however many literals there are; and one for each word, where
//! literals are words.

use super::spans;

/// The shortest literal that can be found, in bytes.
pub(super) const SHORTEST: usize = 3;

/// How many hashes of three bytes there are: the filter has four bytes for each, half of the smallest first cache.
const BITS: u32 = 12;
const HASHES: usize = 1 << BITS;

/// How many places are asked about at once.
const BLOCK: usize = 8;

/// A block, and what is compared at its last place.
const REACH: usize = BLOCK + WHOLE - 1;

/// How many bytes of a text are compared with all literals of a gram at once.
const WHOLE: usize = 8;

/// The bytes of prose, code and JSON, the most common first. What is not listed is rare.
const COMMON: &[u8] = b" etaoinsrlcdu\nphm\"gfby,_.-:vw/()0k1x='*2>{}TSEAIRCNDj`zO#PLM<[]q3;45B6UF8G9H7|WV$&JKYX\\Qi@!%";

/// Words of prose, code and JSON. What a literal has in common with them stands in every text.
const COMMON_WORDS: &str = "\
    a about access account action add address after all allow already also always an and another answer any api are as ask asked at \
    be been before below between body both but by call called can case change check class client code command complete config \
    confirm contain contains content contents context continue control copy could create customer data database date default delete \
    description detail details different directory do document does done each either email end ensure error every everything example \
    existing expected explain export field file files filter find first follow following for form format found from function \
    generate get given github group handle has have help her here his history how html http https id if implement import in include \
    information initial input instead into internal is issue it its key known language last latest learning like link list local log \
    long made make manage many map may mention message method might mode model more most must my name need network new next no not \
    note number object of off on once one only open operation option or order other our out output over own page parameter part path \
    pattern people please point policy previous print process program project prompt provide public query read reference release \
    report repository request require required research resource response result results return returns right role rule run same \
    schema search second section secure see send server service session set should show shown since size so some source specific \
    standard start state status step stop string such support system table task test text than that the their them then there these \
    they this through time title to token tool tools type under update updated url use used user users using valid value verify \
    version view want was way we web well were what when where which while who will with within without work world would write you \
    your";

/// What makes of a letter of ASCII the small one, and leaves no two other bytes of a literal apart that differ in more.
const SMALL: u64 = 0x2020_2020_2020_2020;

/// Literals, compiled; with `FOLDED` the case of ASCII does not matter.
#[derive(Debug)]
pub(super) struct Grams<const FOLDED: bool> {
    /// For each hash of three bytes: the classes of the byte behind them, a bit each.
    filter: Box<[u32; HASHES]>,
    /// Where the grams of each hash begin in `all`.
    starts: Vec<u32>,
    all: Vec<Gram>,
    /// By their numbers.
    literals: Vec<Box<[u8]>>,
}

/// The rarest bytes of a literal. Small, since what is looked up for every message is to stay in the caches.
#[derive(Clone, Copy, Debug)]
struct Gram {
    /// They and what stands behind them, as it is read from a text.
    bytes: u64,
    /// The number of the literal.
    number: u32,
    /// How many bytes of the literal stand before them, and how many of those that are read belong to it.
    offset: u8,
    length: u8,
}

impl<const FOLDED: bool> Default for Grams<FOLDED> {
    fn default() -> Self {
        Self::new([])
    }
}

impl<const FOLDED: bool> Grams<FOLDED> {
    /// Of these, which are numbered in their order; one shorter than [`SHORTEST`] is never found.
    pub(super) fn new<'l>(literals: impl IntoIterator<Item = &'l [u8]>) -> Self {
        // No further into it than a gram can say.
        let windows = |literal: &'l [u8]| literal.windows(4).take(usize::from(u8::MAX)).enumerate();
        let rarest = |literal| windows(literal).min_by_key(|(_, bytes)| commonness(bytes)).map(|(at, _)| at);
        Self::of(literals.into_iter().enumerate().map(|(number, literal)| (number, literal, rarest(literal).unwrap_or_default())))
    }

    /// Of these, each with its number, which are looked for where words begin, and with how many bytes before the beginning of one they begin
    /// themselves. One that has fewer than [`SHORTEST`] from there on is never found.
    pub(super) fn of_words<'l>(literals: impl IntoIterator<Item = (usize, &'l [u8], usize)>) -> Self {
        Self::of(literals)
    }

    fn of<'l>(all: impl IntoIterator<Item = (usize, &'l [u8], usize)>) -> Self {
        let (mut grams, mut literals) = (Vec::new(), Vec::<Box<[u8]>>::new());
        for (number, literal, offset) in all {
            grams.extend(Gram::at(literal, number, offset, FOLDED));
            literals.resize(literals.len().max(number + 1), Box::default());
            if let Some(slot) = literals.get_mut(number) {
                *slot = literal.into();
            }
        }
        grams.sort_by_key(|gram| hash(gram.bytes));
        let mut filter = Box::new([0; HASHES]);
        let mut starts = vec![0_u32; HASHES + 1];
        for gram in &grams {
            let hash = hash(gram.bytes);
            // Behind three bytes any fourth may stand.
            let classes = if usize::from(gram.length) > SHORTEST { class(gram.bytes) } else { u32::MAX };
            if let Some(slot) = filter.get_mut(hash) {
                *slot |= classes;
            }
            if let Some(start) = starts.get_mut(hash + 1) {
                *start += 1;
            }
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self { filter, starts, all: grams, literals }
    }

    /// Calls `visit` with the number of each literal and where it begins, once for each place, until it refuses.
    pub(super) fn find<E>(&self, text: &[u8], mut visit: impl FnMut(usize, usize) -> Result<(), E>) -> Result<(), E> {
        if self.all.is_empty() {
            return Ok(());
        }
        let (mut at, mut rest) = (0, text);
        while let Some(block) = rest.first_chunk::<REACH>() {
            let places = self.places(block);
            if places != 0 {
                self.look(text, at, block, places, &mut visit)?;
            }
            at += BLOCK;
            rest = rest.get(BLOCK..).unwrap_or_default();
        }
        // Behind the end stand zeros: what they make a gram of is compared with the text itself.
        while !rest.is_empty() {
            let block = padded::<REACH>(rest);
            self.look(text, at, &block, self.places(&block), &mut visit)?;
            at += BLOCK;
            rest = rest.get(BLOCK..).unwrap_or_default();
        }
        Ok(())
    }

    /// The same of [`Self::of_words`].
    pub(super) fn find_at_words<E>(&self, text: &[u8], mut visit: impl FnMut(usize, usize) -> Result<(), E>) -> Result<(), E> {
        const REACH: usize = spans::AT_ONCE + WHOLE - 1;
        let mut all = Ok(());
        spans::starts(text, |at, mut starts| {
            let rest = text.get(at..).unwrap_or_default();
            let last;
            let mut places = 0_u64;
            let block = if let Some(block) = rest.first_chunk::<REACH>() {
                block
            } else {
                last = padded(rest);
                &last
            };
            while starts != 0 {
                let place = starts.trailing_zeros();
                starts &= starts - 1;
                let bytes = block.get(place as usize..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| gram(*bytes, FOLDED));
                places |= u64::from(self.classes(bytes) & class(bytes) != 0) << place;
            }
            if places != 0 && all.is_ok() {
                all = self.look(text, at, block, places, &mut visit);
            }
        });
        all
    }

    /// At which places of a block a gram may begin, a bit each.
    #[inline]
    fn places(&self, block: &[u8; REACH]) -> u64 {
        let held = |gram: u64| u64::from(self.classes(gram) & class(gram) != 0);
        grams(block, FOLDED).zip(0..).fold(0, |places, (gram, place)| places | held(gram) << place)
    }

    #[inline]
    fn classes(&self, gram: u64) -> u32 {
        self.filter.get(hash(gram)).copied().unwrap_or_default()
    }

    #[inline(never)]
    fn look<E>(
        &self,
        text: &[u8],
        at: usize,
        block: &[u8],
        mut places: u64,
        visit: &mut impl FnMut(usize, usize) -> Result<(), E>,
    ) -> Result<(), E> {
        while places != 0 {
            let offset = usize::try_from(places.trailing_zeros()).unwrap_or_default();
            places &= places - 1;
            let Some(bytes) = block.get(offset..).and_then(<[u8]>::first_chunk) else { break };
            let (place, bytes) = (at + offset, read(*bytes, FOLDED));
            for gram in self.of_hash(hash(bytes)) {
                if bytes & low(gram.length) == gram.bytes
                    && let Some(start) = place.checked_sub(usize::from(gram.offset))
                    && self.is(gram.number as usize, text.get(start..).unwrap_or_default())
                {
                    visit(gram.number as usize, start)?;
                }
            }
        }
        Ok(())
    }

    /// Whether a text begins with the literal of this number.
    fn is(&self, number: usize, text: &[u8]) -> bool {
        let Some(literal) = self.literals.get(number) else { return false };
        text.get(..literal.len())
            .is_some_and(|found| if FOLDED { found.eq_ignore_ascii_case(literal) } else { found == &**literal })
    }

    #[inline]
    fn of_hash(&self, hash: usize) -> &[Gram] {
        let bound = |at: usize| self.starts.get(at).and_then(|start| usize::try_from(*start).ok());
        bound(hash).zip(bound(hash + 1)).and_then(|(start, end)| self.all.get(start..end)).unwrap_or_default()
    }
}

/// The beginning of a text, with zeros behind its end.
fn padded<const LENGTH: usize>(text: &[u8]) -> [u8; LENGTH] {
    let mut block = [0; LENGTH];
    block.iter_mut().zip(text).for_each(|(to, from)| *to = *from);
    block
}

impl Gram {
    /// By the four bytes from `offset` on, or the three that there are.
    fn at(literal: &[u8], number: usize, offset: usize, folded: bool) -> Option<Self> {
        let rest = literal.get(offset..).filter(|rest| rest.len() >= SHORTEST)?;
        let length = u8::try_from(rest.len().min(WHOLE)).ok()?;
        let (number, offset) = (u32::try_from(number).ok()?, u8::try_from(offset).ok()?);
        Some(Self { bytes: read(padded(rest), folded) & low(length), number, offset, length })
    }
}

/// So many low bytes.
#[inline]
fn low(bytes: u8) -> u64 {
    u64::MAX >> (u64::BITS - 8 * u32::from(bytes))
}

#[inline]
fn read(bytes: [u8; WHOLE], folded: bool) -> u64 {
    u64::from_le_bytes(bytes) | if folded { SMALL } else { 0 }
}

#[inline]
fn gram(bytes: [u8; 4], folded: bool) -> u64 {
    u64::from(u32::from_le_bytes(bytes)) | if folded { SMALL } else { 0 }
}

/// The four bytes at each place of a block, the first in the lowest bits.
#[inline]
fn grams(block: &[u8; REACH], folded: bool) -> impl Iterator<Item = u64> {
    block.windows(4).take(BLOCK).map(move |bytes| bytes.try_into().map_or(0, |bytes| gram(bytes, folded)))
}

/// Of the first three bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "no more is looked at")]
fn hash(gram: u64) -> usize {
    // The golden ratio: neighbours fall far apart.
    usize::try_from(((gram as u32) << 8).wrapping_mul(0x9E37_79B1) >> (u32::BITS - BITS)).unwrap_or_default()
}

/// Of the fourth: one bit, another for each letter.
#[inline]
fn class(gram: u64) -> u32 {
    1 << ((gram >> 24) & 31)
}

/// In how many common words four bytes stand, then how common each of them is. Between two words stands a space.
pub(super) fn commonness(gram: &[u8]) -> (usize, usize) {
    let small = gram.to_ascii_lowercase();
    let words = COMMON_WORDS.as_bytes().windows(gram.len()).filter(|common| *common == small).count();
    let bytes = gram.iter().map(|byte| COMMON.iter().position(|common| common == byte).map_or(0, |at| COMMON.len() - at));
    (words, bytes.sum())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(literals: &[Vec<u8>], text: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let all = Grams::<false>::new(literals.iter().map(Vec::as_slice)).find(text, |number, start| {
            found.push((number, start));
            Ok::<(), ()>(())
        });
        assert!(all.is_ok());
        found.sort_unstable();
        found
    }

    fn naive(literals: &[Vec<u8>], text: &[u8]) -> Vec<(usize, usize)> {
        let numbered = literals.iter().enumerate();
        numbered
            .flat_map(|(number, literal)| {
                let places = text.windows(literal.len()).enumerate();
                places.filter(|(_, window)| *window == literal.as_slice()).map(move |(start, _)| (number, start))
            })
            .collect()
    }

    #[test]
    fn literals_are_found_in_one_another_at_both_ends_and_where_they_overlap() {
        let literals = ["ghp_", "hp_a", "p_a", "ghp_abc", "aaa", "aaaa", "\0\0\0"].map(|literal| literal.as_bytes().to_vec());
        for text in ["ghp_abc", "aaaaaaaa", "ghp_ghp_abcaaa", "aa", "", "x\0\0", "\0\0\0\0", "------------------ghp_"] {
            assert_eq!(found(&literals, text.as_bytes()), naive(&literals, text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn who_refuses_hears_of_no_more() {
        let mut heard = 0;
        let refused = Grams::<false>::new([b"aaa".as_slice()]).find(b"aaaaaaaaaaaaaaaaaaaa", |_, _| {
            heard += 1;
            if heard == 3 { Err(()) } else { Ok(()) }
        });
        assert_eq!((refused, heard), (Err(()), 3));
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_naive_search_finds(
            literals in prop::collection::vec(prop::collection::vec(b'a'..=b'd', 3..9), 1..40),
            text in prop::collection::vec(b'a'..=b'd', 0..200),
        ) {
            prop_assert_eq!(found(&literals, &text), naive(&literals, &text));
        }

        #[test]
        fn folded_they_are_found_in_any_case(
            literals in prop::collection::vec("[a-c@`{ ]{3,9}", 1..40),
            text in "[a-cA-C@`{ ]{0,200}",
        ) {
            let mut found = Vec::new();
            let all = Grams::<true>::new(literals.iter().map(String::as_bytes)).find(text.as_bytes(), |number, start| {
                found.push((number, start));
                Ok::<(), ()>(())
            });
            prop_assert!(all.is_ok());
            found.sort_unstable();
            let literals: Vec<Vec<u8>> = literals.into_iter().map(String::into_bytes).collect();
            prop_assert_eq!(found, naive(&literals, text.to_ascii_lowercase().as_bytes()));
        }

        #[test]
        fn of_any_bytes_too(
            literals in prop::collection::vec(prop::collection::vec(any::<u8>(), 3..40), 1..20),
            order in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..9), 0_usize..3), 0..20),
        ) {
            // Literals, cut at their ends, with noise between them.
            let text: Vec<u8> = order
                .iter()
                .flat_map(|(at, noise, cut)| {
                    let literal = at.get(&literals);
                    literal.get(*cut / 2..literal.len() - cut.div_ceil(2)).into_iter().flatten().chain(noise).copied()
                })
                .collect();
            prop_assert_eq!(found(&literals, &text), naive(&literals, &text));
        }
    }
}
