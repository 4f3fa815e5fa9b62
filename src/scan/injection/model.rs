//! What the linear model makes of a text: a second opinion beside the rules, by the words that keep company in it.

use super::rules::Severity;
use super::score::{Hit, SurfaceKind};
use crate::scan::linear::{Model, Rarity, Scored, Surface, TYPED};
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
/// types may be as short and still be an order; of eighteen thousand honest lines of that length, of three words or more, sixty-two are flagged.
const SHORT: usize = 48;

/// Bytes of a sentence or two, about two windows of the model: what is longer has room for an order and for honest sentences around it.
const SENTENCES: usize = 128;

/// The stretch of a reading that looks most like an attack, if any does.
pub(super) fn opinion(model: &Model, mode: ModelMode, view: &View<'_>, surface: SurfaceKind) -> Option<Hit> {
    if mode == ModelMode::Off {
        return None;
    }
    let text = view.readable.rewritten.text();
    let is_long_enough = surface == SurfaceKind::Argument || text.len() >= SHORT;
    let (scored, flags_from) = scored(model, text, surface)?;
    let flags = mode == ModelMode::On && is_long_enough && scored.rarity >= flags_from;
    let severity = if flags { Severity::Medium } else { Severity::Low };
    let span = view.original(scored.span);
    Some(Hit { rule: MODEL, severity, start: span.start, end: span.end })
}

/// How a text of a surface scores, and how rare such a score has to be among honest ones to be more than a remark. Chosen by `scripts/evaluate`; a
/// definition that is withheld by mistake costs a tool, a result that is labelled by mistake a line of text.
///
/// A longer argument than what is typed is a document, and more of its windows have a chance to look like an order.
fn scored(model: &Model, text: &str, surface: SurfaceKind) -> Option<(Scored, Rarity)> {
    let (surface, flags_from) = match surface {
        SurfaceKind::Argument if text.len() <= TYPED => return typed(model, text),
        SurfaceKind::Argument => (Surface::Argument, Rarity::TwoHundredth),
        SurfaceKind::Definition => (Surface::Definition, Rarity::Thousandth),
        SurfaceKind::Result => (Surface::Result, Rarity::Thousandth),
    };
    Some((model.score(text, surface)?, flags_from))
}

/// What is typed is judged as a whole, and its best window too: an order may stand amid honest sentences, which the whole is then made of. Of a sentence
/// or two the whole tells more, so a window of those has to be rarer.
fn typed(model: &Model, text: &str) -> Option<(Scored, Rarity)> {
    let window_flags_from = if text.len() > SENTENCES { Rarity::TwoHundredth } else { Rarity::Thousandth };
    let window = model.score(text, Surface::Prompt).map(|scored| (scored, window_flags_from));
    let whole = model.score_typed(text).map(|scored| (scored, Rarity::TwoHundredth));
    let flags = |judged: &(Scored, Rarity)| judged.0.rarity >= judged.1;
    // The window says where.
    match (window, whole) {
        (Some(window), Some(whole)) if flags(&whole) && !flags(&window) => Some(whole),
        (window, whole) => window.or(whole),
    }
}
