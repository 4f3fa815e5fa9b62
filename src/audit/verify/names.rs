//! What is worth telling of a log's directory although nothing in it vouches for anything: its own name, and the copy of the newest head.

use std::io::Read as _;
use std::path::Path;

use super::super::report::LogReport;
use super::super::tree::newest_head;
use super::{Opened, VerifyIo, regular_file, unreadable};
use crate::tlog::{Checkpoint, NOTE_MAX, Note};

/// Adds notes to the report of a log. They change no verdict.
pub(super) fn tell(report: &mut LogReport) -> Result<(), VerifyIo> {
    let directory = report.directory.clone();
    if let Some(name) = name_of(&directory).filter(|name| !report.log.is_empty() && *name != report.log) {
        let log = report.log.escape_debug().to_string();
        let meaning = || format!("its directory is that of the log `{}`, and it is the log `{log}`", name.escape_debug());
        report.warnings.add(report.first, meaning);
    }
    if let Some(meaning) = copy(&directory)? {
        report.warnings.add(report.head.unwrap_or(report.first), || meaning);
    }
    Ok(())
}

/// The name that a log has in the directory of that name, where the directory is in an `audit` directory.
fn name_of(directory: &Path) -> Option<String> {
    let path = directory.canonicalize().ok()?;
    let part = |up: usize| path.ancestors().nth(up)?.file_name()?.to_str();
    (part(2)? == "audit").then_some(())?;
    Some(format!("{}/audit/{}", part(1)?, part(0)?))
}

/// What is wrong with `checkpoint`, by which tools follow the log.
fn copy(directory: &Path) -> Result<Option<String>, VerifyIo> {
    let path = directory.join("checkpoint");
    let Opened::File(file) = regular_file(&path)? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(NOTE_MAX as u64).read_to_end(&mut bytes).map_err(unreadable(&path))?;
    // Looked at behind the copy: a writer makes the head durable before it shows it there.
    let Ok((newest, note)) = newest_head(directory) else { return Ok(None) };
    if bytes == note.to_string().as_bytes() {
        return Ok(None);
    }
    let shown = Note::parse(&bytes).ok().and_then(|note| Checkpoint::parse(note.unverified_text()).ok());
    Ok(Some(match shown {
        Some(shown) if shown.size < newest.size && shown.origin == newest.origin => {
            format!("`checkpoint` shows {} records, the newest head in `checkpoints/` counts {}", shown.size, newest.size)
        }
        Some(_) => {
            "`checkpoint` is not the newest head in `checkpoints/`: whoever follows the log by it is led astray".to_owned()
        }
        None => "`checkpoint` is no head".to_owned(),
    }))
}
