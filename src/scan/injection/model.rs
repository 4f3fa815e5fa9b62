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

/// A shorter text is a label or a line of values: a few words of it are all the evidence there is, and that is a remark.
const SHORT: usize = 48;

/// The stretch of a reading that looks most like an attack, if any does.
pub(super) fn opinion(model: &Model, mode: ModelMode, view: &View<'_>, surface: SurfaceKind) -> Option<Hit> {
    if mode == ModelMode::Off {
        return None;
    }
    let (surface, flags_from) = judged_as(surface);
    let text = view.readable.rewritten.text();
    let scored = model.score(text, surface)?;
    let flags = mode == ModelMode::On && text.len() >= SHORT && scored.rarity >= flags_from;
    let severity = if flags { Severity::Medium } else { Severity::Low };
    let span = view.original(scored.span);
    Some(Hit { rule: MODEL, severity, start: span.start, end: span.end })
}

/// The thresholds that hold for a surface, and how rare a score has to be among its honest texts to be more than a remark. Chosen by
/// `scripts/evaluate`; a definition that is withheld by mistake costs a tool, a result that is labelled by mistake a line of text.
fn judged_as(surface: SurfaceKind) -> (Surface, Rarity) {
    match surface {
        SurfaceKind::Argument => (Surface::Argument, Rarity::TwoHundredth),
        SurfaceKind::Definition => (Surface::Definition, Rarity::Thousandth),
        SurfaceKind::Result => (Surface::Result, Rarity::Thousandth),
    }
}
