//! The rules of this build, from `policies/detectors/injection/`.

use std::sync::{Arc, LazyLock};

use super::RuleSet;
use super::expand::Lists;
use super::read::{file, rule};
use crate::scan::injection::score::RuleError;
use crate::yaml::{Node, Report, read};

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("injection/", $name), include_bytes!(concat!("../../../../policies/detectors/injection/", $name)))),*]
    };
}

/// Each by its path below `policies/detectors/`, and what stands in it.
const FILES: &[(&str, &[u8])] = files![
    "lists.yaml",
    "asked.yaml",
    "prying.yaml",
    "pressing.yaml",
    "payloads.yaml",
    "planted.yaml",
    "overrides.yaml",
    "personas.yaml",
    "tools.yaml",
    "leaks.yaml",
    "languages.yaml",
    "north.yaml",
    "romance.yaml",
    "scripts.yaml",
];

/// What stands in the files.
#[derive(Debug)]
pub(super) struct BuiltIn {
    pub(super) rules: Arc<RuleSet>,
    pub(super) lists: Lists,
}

static BUILT_IN: LazyLock<Result<BuiltIn, RuleError>> = LazyLock::new(read_all);

/// They are read when they are first asked for.
pub(super) fn built_in() -> Result<&'static BuiltIn, &'static RuleError> {
    BUILT_IN.as_ref()
}

fn read_all() -> Result<BuiltIn, RuleError> {
    let mut report = Report::new();
    let nodes: Vec<Node> = FILES.iter().filter_map(|(name, bytes)| read(name, bytes, &mut report)).collect();
    let files: Vec<_> = nodes.iter().filter_map(|node| file(node, &mut report)).collect();
    let (mut lists, mut rules) = (Lists::default(), Vec::new());
    for file in files {
        file.lists.into_iter().for_each(|list| lists.set(list.name, list.words));
        // Of a list that stands in a later file nothing is known yet, which is an error and no surprise.
        rules.extend(file.rules.into_iter().filter_map(|node| rule(node, &lists, &mut report)).map(Arc::new));
    }
    if report.has_errors() {
        return Err(RuleError::Files(report.to_string()));
    }
    Ok(BuiltIn { rules: Arc::new(RuleSet { rules }), lists })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/detectors/injection");
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let mut found: Vec<String> = names
            .filter(|name| Path::new(name).extension().is_some_and(|end| end == "yaml"))
            .map(|name| format!("injection/{name}"))
            .collect();
        found.sort_unstable();
        let mut embedded: Vec<_> = FILES.iter().map(|(name, _)| *name).collect();
        embedded.sort_unstable();
        assert_eq!(found, embedded);
    }
}
