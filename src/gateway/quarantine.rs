//! Shows operators what the injection scan has withheld.

use crate::admin::{Withheld, WithheldDefinition};
use crate::layers::injection::Quarantine;

impl Withheld for Quarantine {
    fn withheld(&self) -> Vec<WithheldDefinition> {
        let shown = |held: crate::layers::injection::Withheld| {
            let crate::layers::injection::Withheld { server, tool, definition, text, rules, since } = held;
            WithheldDefinition { server, tool, definition, text, rules, since }
        };
        self.list().into_iter().map(shown).collect()
    }
}
