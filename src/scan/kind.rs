//! Kinds of sensitive text, as findings and records name them.

use std::collections::BTreeSet;

use parking_lot::Mutex;

/// The names that were ever used. They are those of files that an operator wrote, so they are few, and reading a file again adds none.
static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// The name as one that is there for good, so that whatever is found can carry it without a copy.
pub(super) fn kept(name: &str) -> &'static str {
    let mut names = NAMES.lock();
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_once() {
        let first = kept("some_kind");
        assert!(std::ptr::eq(first, kept(&["some", "kind"].join("_"))));
        assert_ne!(first, kept("other_kind"));
    }
}
