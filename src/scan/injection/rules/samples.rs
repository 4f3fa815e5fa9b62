//! Every rule finds what its row says that it finds, and spares what it says that it spares.

use super::Rule;
use crate::scan::Mistake;
use crate::scan::injection::{Effort, ModelMode, Scanner, SurfaceKind};

impl Scanner {
    /// Holds every rule against its own samples.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let rules_alone = self.with_model(ModelMode::Off);
        self.rules().flat_map(|rule| rules_alone.mistakes_of(rule)).collect()
    }

    fn mistakes_of(&self, rule: &Rule) -> Vec<Mistake> {
        let mistake = |finds: bool, at: usize, text: &str| Mistake { id: rule.id.to_owned(), finds, at, text: text.to_owned() };
        let mut mistakes = Vec::new();
        for (at, text) in rule.finds.iter().enumerate() {
            if !rule.surfaces.iter().all(|surface| self.finds(rule, text, *surface)) {
                mistakes.push(mistake(false, at, text));
            }
        }
        for (at, text) in rule.spares.iter().enumerate() {
            if rule.surfaces.iter().any(|surface| self.finds(rule, text, *surface)) {
                mistakes.push(mistake(true, at, text));
            }
        }
        mistakes
    }

    /// As surely as the rule says: what it takes for a quotation is only noted.
    fn finds(&self, rule: &Rule, text: &str, surface: SurfaceKind) -> bool {
        let mut hits = Vec::new();
        self.scan(text, surface, &mut Effort::default(), &mut hits);
        hits.iter().any(|hit| hit.rule == rule.id && hit.severity >= rule.severity)
    }
}
