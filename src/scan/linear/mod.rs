//! A second opinion on text: a linear model over the words and word sequences that attacks are made of.
//!
//! Rules know phrases; this knows which words keep company in orders to a model and which in honest documents, so it sees
//! paraphrases that no rule has. It reads a text that is already readable (`normalize.rs` of the injection scan), sums the weights of
//! its one-, two- and three-word sequences over short overlapping windows, so that one sentence in a long document counts in full, and
//! compares the best window with a threshold of the surface. What is as short as people type it is judged as a whole besides, by weights of its own.
//!
//! Pure, without allocation, linear in the text: one pass, and another over the stretch that is found. The weights are made by `scripts/train` and embedded;
//! `policies/detectors/injection/MODEL_CARD.md` has the data, the figures and what it is known to miss.
//!
//! **Limits**: bare orders ("send a link to Alice") look like honest mail; what is spelt apart, encoded or only alluded to is not
//! seen; a text that argues against attacks in their own words can score as one. It is evidence, and never the only guard.

mod features;
mod weights;
mod whole;
mod windows;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use weights::{Model, Unreadable};
pub use whole::TYPED;

/// Where a text comes from. Honest texts differ by place, so each has thresholds of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// What a client sends to a tool.
    Argument,
    /// What a server says about its tools, prompts and resources.
    Definition,
    /// What a person types to a model.
    Prompt,
    /// What a tool, prompt or resource answers.
    Result,
}

/// How rare a score is among honest texts of its surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rarity {
    /// About one honest text in a hundred scores as high.
    Hundredth,
    /// About one in two hundred.
    TwoHundredth,
    /// About one in a thousand.
    Thousandth,
}

/// The stretch of a text that looks most like an attack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scored {
    /// The sum of the weights of the best window, or what the text as a whole has. Comparable within one model and way of judging only.
    pub score: i32,
    /// How rare such a score is.
    pub rarity: Rarity,
    /// Bytes of the text, on character boundaries: the sentences that make the score, of the best window and the windows beside it that reach
    /// the threshold too.
    pub span: Range<usize>,
}

impl Surface {
    /// All surfaces, in the order of their thresholds in the file.
    const ALL: [Self; 4] = [Self::Argument, Self::Definition, Self::Prompt, Self::Result];
}

impl Rarity {
    /// In the order of their thresholds in the file.
    const ALL: [Self; 3] = [Self::Hundredth, Self::TwoHundredth, Self::Thousandth];
}

impl Model {
    /// The best stretch of `text`, if it scores as high as one honest text of `surface` in a hundred.
    pub fn score(&self, text: &str, surface: Surface) -> Option<Scored> {
        let thresholds = self.thresholds(surface);
        let best = windows::best(self, text, thresholds.lowest())?;
        let rarity = thresholds.rarity(best.score)?;
        Some(Scored { score: best.score, rarity, span: windows::narrowed(self, text, best.span) })
    }

    /// A text of up to [`TYPED`] bytes as a whole, if it scores as high as one in a hundred of those that people type to models.
    pub fn score_typed(&self, text: &str) -> Option<Scored> {
        let score = whole::score(self, text)?;
        let rarity = self.typed_thresholds().rarity(score)?;
        Some(Scored { score, rarity, span: 0..text.len() })
    }
}
