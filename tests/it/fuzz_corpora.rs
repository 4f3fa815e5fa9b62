//! What fuzzing found, and the inputs it began with, run through the oracles of the fuzz targets with the stable compiler.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use crate::oracles;

/// Largest input, and largest sum of all that is kept.
const LONGEST: u64 = 64 << 10;
const ALL_KEPT: u64 = 1 << 20;

/// Files of both corpora of a target.
fn inputs(target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let folders = [fuzz.join("corpus").join(target), fuzz.join("found").join(target)];
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn replay(target: &str) {
    let (_, oracle) = oracles::ALL.into_iter().find(|(name, _)| *name == target).unwrap();
    let inputs = inputs(target);
    assert!(inputs.len() > 1, "the corpus of {target} is empty");
    let broken = inputs.iter().filter(|path| {
        let input = fs::read(path).unwrap();
        catch_unwind(AssertUnwindSafe(|| oracle(&input))).is_err()
    });
    let broken: Vec<_> = broken.collect();
    assert!(broken.is_empty(), "of {} inputs these break what must hold, as said above: {broken:#?}", inputs.len());
}

#[test]
fn http_058_every_kept_input_of_the_audit_verifier_keeps_its_oracle() {
    replay("audit_verify");
}

#[test]
fn the_corpus_of_the_audit_verifier_begins_with_a_genuine_log() {
    for (name, flags) in [("genuine", 0), ("genuine-heads", 8), ("rechained", 1), ("signed-anew", 3), ("skewed", 4)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/audit_verify").join(name);
        let input = oracles::audit_verify::genuine_input(flags);
        assert!(fs::read(&path).is_ok_and(|kept| kept == input), "{} is not what the oracle makes", path.display());
    }
}

#[test]
fn aud_055_the_logs_whose_files_are_fuzzed_are_what_they_are_named_after() {
    let specimens = oracles::audit_log::Specimen::all();
    let verdicts = specimens.each_ref().map(|specimen| {
        let found = oracles::audit_verify::judged(&specimen.files, &specimen.known(true, true)).unwrap();
        let verdict = found.verdict().as_str();
        assert_eq!(found.fault, None);
        assert_eq!(found.anchored.map(|anchored| anchored.size), Some(specimen.newest.size));
        (verdict, found.pruned)
    });
    assert_eq!(verdicts, [("verified", 0), ("verified", 0), ("incomplete", 0), ("gaps", 256)]);
}

#[test]
fn http_058_every_kept_input_of_the_configuration_keeps_its_oracle() {
    replay("config");
}

#[test]
fn http_058_every_kept_input_of_edits_keeps_its_oracle() {
    replay("edits");
}

#[test]
fn http_058_every_kept_input_of_the_envelope_keeps_its_oracle() {
    replay("envelope");
}

#[test]
fn http_058_every_kept_input_of_the_head_filter_keeps_its_oracle() {
    replay("head");
}

#[test]
fn http_058_every_kept_input_of_the_policy_keeps_its_oracle() {
    replay("policy");
}

#[test]
fn http_058_every_kept_input_of_event_streams_keeps_its_oracle() {
    replay("sse");
}

#[test]
fn http_058_every_kept_input_of_announced_endpoints_keeps_its_oracle() {
    replay("sse_endpoint");
}

#[test]
fn http_058_every_kept_input_of_a_processs_lines_keeps_its_oracle() {
    replay("stdio_lines");
}

#[test]
fn http_058_every_target_has_an_oracle_that_is_replayed_and_a_small_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let targets = fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap();
    let mut targets: Vec<_> =
        targets.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    targets.sort();
    assert_eq!(targets, oracles::ALL.map(|(name, _)| name));
    let here = include_str!("fuzz_corpora.rs");
    let mut sum = 0;
    for target in targets {
        assert!(here.contains(&format!("replay(\"{target}\")")), "{target} is not replayed");
        for input in inputs(&target) {
            let length = fs::metadata(&input).unwrap().len();
            assert!(length <= LONGEST, "{} is longer than what is fuzzed", input.display());
            sum += length;
        }
    }
    assert!(sum <= ALL_KEPT, "the corpora have {sum} bytes; scripts/fuzz minimises them");
}

#[test]
fn http_058_every_kept_input_of_the_readings_of_a_text_keeps_its_oracle() {
    replay("readings");
}
