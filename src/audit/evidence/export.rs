//! All records about somebody, as they are stored, each with the proof that it is in the log (GDPR, Article 15).

use std::ops::ControlFlow;
use std::path::Path;

use super::super::fs::{Disk, Storage as _};
use super::super::show::{Filter, show};
use super::super::tree::Prover;
use super::bundle::{BundleError, Output};
use super::epochs::epochs;

/// How many of the records under the head over `size` records are about callers with these pseudonyms; reads all of them.
pub fn count_about(log_dir: &Path, size: u64, subjects: &[String]) -> Result<u64, BundleError> {
    let mut count = 0;
    about(log_dir, size, subjects, &mut |_, _| {
        count += 1;
        Ok(())
    })?;
    Ok(count)
}

/// Writes these records into the new directory `out`, with what it takes to check them by the key of epoch 0: a proof of each, the head
/// over `size` records that all of them lead to, and the epochs. Gives how many there are.
pub fn export(log_dir: &Path, size: u64, subjects: &[String], out: &Path) -> Result<u64, BundleError> {
    let proofs = out.join("proofs");
    Disk.create_dir_all(&proofs).map_err(|source| BundleError::Write { path: proofs.clone(), source })?;
    let mut prover = Prover::over(log_dir, size)?;
    Output::create(out.join("head"))?.all(&prover.note().to_string())?;
    let (mut records, mut count) = (Output::create(out.join("records.jsonl"))?, 0);
    about(log_dir, size, subjects, &mut |index, _| {
        // The stored bytes, and those that the proof is about.
        let line = prover.record(index)?;
        records.write(&line)?;
        records.write(b"\n")?;
        let proof = prover.inclusion(index)?;
        count += 1;
        Output::create(proofs.join(format!("{index:013}.tlog-proof")))?.all(&proof.to_string())
    })?;
    records.finish()?;
    Output::create(out.join("epochs"))?.all(&epochs(log_dir, size)?)?;
    Ok(count)
}

fn about(
    log_dir: &Path,
    size: u64,
    subjects: &[String],
    each: &mut dyn FnMut(u64, &str) -> Result<(), BundleError>,
) -> Result<(), BundleError> {
    let filter = Filter { subjects: Some(subjects.to_vec()), ..Filter::default() };
    let mut failed = Ok(());
    show(log_dir, &filter, &mut |shown| {
        let Some(index) = shown.index() else { return ControlFlow::Continue(()) };
        if index >= size {
            return ControlFlow::Break(());
        }
        failed = each(index, shown.raw());
        if failed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    failed
}
