// Replays a corpus folder against its manifest; `include!`d by the tests of what is fuzzed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Runs `outcome` over every file of `fuzz/corpus/<name>` and compares with `fuzz/corpus/<name>.manifest`, a line `file: outcome` each.
pub(crate) fn replay(name: &str, outcome: impl Fn(&[u8]) -> String) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let mut files: Vec<_> = fs::read_dir(corpus.join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus `{name}` is empty");
    let mut seen = String::new();
    for file in files {
        let bytes = fs::read(&file).unwrap();
        writeln!(seen, "{}: {}", file.file_name().unwrap().to_string_lossy(), outcome(&bytes)).unwrap();
    }
    let manifest = fs::read_to_string(corpus.join(format!("{name}.manifest"))).unwrap();
    let differs = manifest.lines().zip(seen.lines()).find(|(expected, got)| expected != got);
    assert!(
        manifest == seen,
        "first difference {differs:?}; outcomes of the corpus `{name}`:\n{seen}"
    );
}
