//! What the linear model makes of a text: a second opinion beside the rules, by the words that keep company in it.

use super::rules::Severity;
use super::score::{Hit, SurfaceKind};
use crate::scan::linear::{Model, Rarity, Surface};
use crate::scan::readings::View;

/// What the model's findings are called, as rules have an id.
pub const MODEL: &str = "model";

/// What becomes of the model's opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelMode {
    /// It is logged, whatever the text looks like.
    Log,
    /// It is not asked.
    Off,
    /// It counts as a rule does.
    On,
}

/// A shorter answer or definition is a label or a line of values: a few words of it are all the evidence there is, and that is a remark. What a caller
/// types may be as short and still be an order; of twenty-four thousand honest lines
/// of that length twenty-one are flagged.
const SHORT: usize = 48;

/// What a caller types is hardly ever longer; a longer argument is a document, and more of its windows have a chance to look like an order. Its
/// thresholds (`prompt`) come from honest texts as short, see `TYPED` in `scripts/train`.
const TYPED: usize = 512;

/// The stretch of a reading that looks most like an attack, if any does.
pub(super) fn opinion(model: &Model, mode: ModelMode, view: &View<'_>, surface: SurfaceKind) -> Option<Hit> {
    if mode == ModelMode::Off {
        return None;
    }
    let text = view.readable.rewritten.text();
    let is_long_enough = surface == SurfaceKind::Argument || text.len() >= SHORT;
    let (surface, flags_from) = judged_as(surface, text.len());
    let scored = model.score(text, surface)?;
    let flags = mode == ModelMode::On && is_long_enough && scored.rarity >= flags_from;
    let severity = if flags { Severity::Medium } else { Severity::Low };
    let span = view.original(scored.span);
    Some(Hit { rule: MODEL, severity, start: span.start, end: span.end })
}

/// The thresholds that hold for a text of a surface, and how rare a score has to be among honest ones to be more than a remark. Chosen by
/// `scripts/evaluate`; a definition that is withheld by mistake costs a tool, a result that is labelled by mistake a line of text.
fn judged_as(surface: SurfaceKind, length: usize) -> (Surface, Rarity) {
    match surface {
        SurfaceKind::Argument if length <= TYPED => (Surface::Prompt, Rarity::TwoHundredth),
        SurfaceKind::Argument => (Surface::Argument, Rarity::TwoHundredth),
        SurfaceKind::Definition => (Surface::Definition, Rarity::Thousandth),
        SurfaceKind::Result => (Surface::Result, Rarity::Thousandth),
    }
}
