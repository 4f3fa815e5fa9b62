//! Sums over windows of a text.

use std::ops::Range;

use super::features::{BOUNDARY, Sequences, Token, each_token};
use super::weights::Model;

/// Tokens of half a window. Attacks are short: in a longer window what is honest around one outweighs it.
pub(super) const BLOCK: usize = 6;

/// The best stretch of a text.
#[derive(Debug)]
pub(super) struct Best {
    pub score: i32,
    pub span: Range<usize>,
}

/// The window of `text` that scores highest, widened by its neighbours that score at least `threshold`; nothing if the text is shorter than half a
/// window: names of tools and fields are no sentences, and one word (`send_email`) would be all the evidence.
pub(super) fn best(model: &Model, text: &str, threshold: i32) -> Option<Best> {
    let mut sequences = Sequences::new();
    let mut scan = Scan { threshold, ..Scan::default() };
    each_token(text, |token| {
        let buckets = sequences.push(token.hash);
        scan.push(token, model.weigh(buckets));
    });
    scan.finish()
}

/// The sentences of `span` that make its score: a window begins and ends in the midst of honest ones.
pub(super) fn narrowed(model: &Model, text: &str, span: Range<usize>) -> Range<usize> {
    let mut sequences = Sequences::new();
    // The stretch of tokens with the largest sum, as far as its sentences go.
    let (mut sum, mut from, mut sentence) = (0, 0, 0);
    let (mut largest, mut found, mut is_open) = (0, None, false);
    each_token(text.get(span.clone()).unwrap_or_default(), |token| {
        if token.hash == BOUNDARY {
            sentence = token.start;
            is_open = false;
        }
        if sum <= 0 {
            (sum, from) = (0, sentence);
        }
        sum += model.weigh(sequences.push(token.hash));
        if sum > largest {
            largest = sum;
            is_open = token.hash != BOUNDARY;
            found = Some(from..token.end);
        } else if is_open && let Some(found) = &mut found {
            found.end = token.end;
        }
    });
    found
        .filter(|found: &Range<usize>| !found.is_empty())
        .map_or(span.clone(), |found| span.start + found.start..span.start + found.end)
}

/// Half a window.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    tokens: usize,
    score: i32,
    start: usize,
    end: usize,
}

#[derive(Debug, Default)]
struct Scan {
    threshold: i32,
    /// The last full block; none yet if it has no tokens.
    before: Block,
    block: Block,
    best: Option<Best>,
    /// Where the windows began that reach the threshold, one after the other, up to here.
    run: Option<usize>,
    /// Whether the best window is one of them.
    best_in_run: bool,
}

impl Scan {
    #[inline]
    fn push(&mut self, token: Token, weight: i32) {
        if self.block.tokens == 0 {
            self.block.start = token.start;
        }
        self.block.tokens += 1;
        self.block.score += weight;
        self.block.end = token.end;
        if self.block.tokens == BLOCK {
            if self.before.tokens > 0 {
                self.window();
            }
            self.before = std::mem::take(&mut self.block);
        }
    }

    fn finish(mut self) -> Option<Best> {
        if self.before.tokens == 0 {
            return None;
        }
        if self.block.tokens > 0 || self.best.is_none() {
            self.window();
        }
        self.best.filter(|best| !best.span.is_empty())
    }

    /// Judges the two blocks at hand, the first of which is full.
    fn window(&mut self) {
        let score = self.before.score + self.block.score;
        let start = self.before.start;
        let end = self.before.end.max(self.block.end);
        if score < self.threshold {
            self.run = None;
            self.best_in_run = false;
        }
        let run = if score < self.threshold { start } else { *self.run.get_or_insert(start) };
        if self.best.as_ref().is_none_or(|best| score > best.score) {
            self.best = Some(Best { score, span: run..end });
            self.best_in_run = self.run.is_some();
        } else if self.best_in_run
            && let Some(best) = &mut self.best
        {
            best.span.end = end;
        }
    }
}
