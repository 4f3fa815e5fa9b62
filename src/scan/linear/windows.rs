//! Sums over windows of a text.

use std::ops::Range;

use super::features::{BOUNDARY, Sequences, Token, each_token};
use super::weights::Model;

/// Tokens of half a window. Attacks are short: in a longer window what is honest around one outweighs it.
pub(super) const BLOCK: usize = 6;

/// Tokens that are weighed at once: weights are far apart, and so none waits for another.
const BATCH: usize = 8 * BLOCK;

/// The best stretch of a text.
#[derive(Debug)]
pub(super) struct Best {
    pub score: i32,
    pub span: Range<usize>,
}

/// The window of `text` that scores highest, widened by its neighbours that score at least `threshold`; nothing if the text is shorter than half a
/// window: names of tools and fields are no sentences, and one word (`send_email`) would be all the evidence.
pub(super) fn best(model: &Model, text: &str, threshold: i32) -> Option<Best> {
    let mut scan = Scan {
        threshold,
        model,
        sequences: Sequences::new(),
        before: None,
        last: None,
        best: None,
        run: None,
        best_in_run: false,
    };
    let (mut batch, mut count) = ([Token::default(); BATCH], 0);
    each_token(text, |token| {
        if let Some(slot) = batch.get_mut(count) {
            *slot = token;
        }
        count += 1;
        if count == BATCH {
            scan.read(&batch);
            count = 0;
        }
    });
    scan.read(batch.get(..count).unwrap_or_default());
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
#[derive(Clone, Copy, Debug)]
struct Block {
    score: i32,
    start: usize,
    end: usize,
}

#[derive(Debug)]
struct Scan<'m> {
    model: &'m Model,
    sequences: Sequences,
    threshold: i32,
    /// The last full block, and one behind it that ends with the text.
    before: Option<Block>,
    last: Option<Block>,
    best: Option<Best>,
    /// Where the windows began that reach the threshold, one after the other, up to here.
    run: Option<usize>,
    /// Whether the best window is one of them.
    best_in_run: bool,
}

impl Scan<'_> {
    /// Tokens from the beginning of a block on; only the last may be less than full.
    fn read(&mut self, tokens: &[Token]) {
        let mut weights = [0; BATCH];
        for (weight, token) in weights.iter_mut().zip(tokens) {
            *weight = self.model.weigh(self.sequences.push(token.hash));
        }
        for (tokens, weights) in tokens.chunks(BLOCK).zip(weights.chunks(BLOCK)) {
            let [Token { start, .. }, ..] = *tokens else { continue };
            let end = tokens.last().map_or(start, |token| token.end);
            // Behind the last token nothing weighs anything.
            let block = Block { score: weights.iter().sum(), start, end };
            if tokens.len() < BLOCK {
                self.last = Some(block);
            } else if let Some(before) = self.before.replace(block) {
                self.window(before, block);
            }
        }
    }

    fn finish(mut self) -> Option<Best> {
        let before = self.before?;
        match self.last {
            Some(last) => self.window(before, last),
            None if self.best.is_none() => self.window(before, Block { score: 0, start: before.end, end: before.end }),
            None => {}
        }
        self.best.filter(|best| !best.span.is_empty())
    }

    /// Judges two blocks, the first of which is full.
    fn window(&mut self, before: Block, block: Block) {
        let score = before.score + block.score;
        let start = before.start;
        let end = before.end.max(block.end);
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
