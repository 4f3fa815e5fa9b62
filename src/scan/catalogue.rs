//! All detectors there are to choose from, by the names that policies use.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use super::detector::Detector;
use super::embedded::{Class, read_all};
use super::row::Row;
use super::scanner::{NotCompiled, Scanner};

/// Detectors, with what their names stand for.
#[derive(Debug, PartialEq)]
pub struct Catalogue {
    rows: Vec<Arc<Row>>,
    /// A class, a kind or an id, and the rows that it stands for.
    names: BTreeMap<String, Vec<usize>>,
}

static BUILT_IN: LazyLock<Result<Arc<Catalogue>, NotCompiled>> = LazyLock::new(|| {
    let rows = read_all()?.into_iter().map(|(class, detector)| Arc::new(Row::new(class, detector)));
    Ok(Arc::new(Catalogue::new(rows.collect())))
});

impl Catalogue {
    /// The detectors of this build; their files are read when they are first asked for.
    ///
    /// # Errors
    /// A file of this build is broken, which its tests exclude.
    pub fn built_in() -> Result<&'static Arc<Self>, &'static NotCompiled> {
        BUILT_IN.as_ref()
    }

    fn new(rows: Vec<Arc<Row>>) -> Self {
        let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let mut stands_for = |name: &str| {
                let rows = names.entry(name.to_owned()).or_default();
                if rows.last() != Some(&at) {
                    rows.push(at);
                }
            };
            stands_for(row.class().name());
            stands_for(row.detector().kind);
            stands_for(&row.detector().id);
        }
        Self { rows, names }
    }

    /// The same with these rows: one whose id is there takes that row's place, the others come first, so that of two that find the same
    /// they name it.
    pub(super) fn with(&self, own: &[Arc<Row>]) -> Self {
        let of: HashMap<&str, &Arc<Row>> = own.iter().map(|row| (row.detector().id.as_str(), row)).collect();
        let new = own.iter().filter(|row| self.row(&row.detector().id).is_none());
        let kept = self.rows.iter().map(|row| of.get(row.detector().id.as_str()).copied().unwrap_or(row));
        Self::new(new.chain(kept).map(Arc::clone).collect())
    }

    /// The row of that id.
    pub(super) fn row(&self, id: &str) -> Option<&Arc<Row>> {
        self.named(id)?.find(|row| row.detector().id == id)
    }

    /// All of them, in their order.
    pub fn rows(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.rows.iter()
    }

    /// The rows that a class, a kind or an id stands for.
    pub fn named(&self, name: &str) -> Option<impl Iterator<Item = &Arc<Row>>> {
        let rows = self.names.get(name)?;
        Some(rows.iter().filter_map(|at| self.rows.get(*at)))
    }

    /// Every name that stands for something: classes and kinds, then ids.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let is_id = |name: &&str| name.contains('-');
        let names = || self.names.keys().map(String::as_str);
        names().filter(move |name| !is_id(name)).chain(names().filter(is_id))
    }

    /// How many rows these names stand for.
    pub fn count<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> usize {
        self.numbers(names).len()
    }

    fn numbers<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<usize> {
        let mut rows: Vec<usize> = names.into_iter().filter_map(|name| self.names.get(name)).flatten().copied().collect();
        rows.sort_unstable();
        rows.dedup();
        rows
    }

    /// A scanner for the rows that these names stand for, and for what a policy looks for itself.
    ///
    /// # Errors
    /// Their anchors are too many, or the rows.
    pub fn scanner<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        own: impl IntoIterator<Item = Detector>,
    ) -> Result<Scanner, NotCompiled> {
        let rows = self.numbers(names);
        let known = rows.iter().filter_map(|at| self.rows.get(*at)).map(Arc::clone);
        let own = own.into_iter().map(|detector| Arc::new(Row::new(Class::Own, detector)));
        Scanner::of(known.chain(own).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_a_kind_and_an_id_stand_for_their_rows() {
        let catalogue = Catalogue::built_in().unwrap();
        let count = |name: &str| catalogue.named(name).map_or(0, Iterator::count);
        assert!(count("secrets") > 400 && count("pii") > 60);
        assert!(count("github_token") > 3 && count("github-pat-classic") == 1);
        // What is a kind and an id at once stands for the row once.
        assert_eq!(count("iban"), 1);
        assert_eq!(count("nothing"), 0);
    }

    #[test]
    fn no_kind_is_the_id_of_a_row_of_another_kind() {
        let catalogue = Catalogue::built_in().unwrap();
        for row in catalogue.rows() {
            let of_that_name = catalogue.named(&row.detector().id).unwrap();
            assert!(of_that_name.count() == 1 || row.detector().id == row.detector().kind, "{}", row.detector().id);
        }
    }
}
