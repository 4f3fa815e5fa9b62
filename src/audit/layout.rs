//! Where a log keeps its files, and how they are named.

use std::path::{Path, PathBuf};

/// Name of the file that the writer of a log holds a lock on.
pub(crate) const LOCK: &str = "lock";

/// Name of the file with lines of pruned records.
pub(crate) const KEPT: &str = "kept.jsonl";

/// Longest origin and replica name; keeps the writer's members within their share of a line.
const NAME_MAX: usize = 200;

/// A name that cannot be part of a path and of a log's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name a log: 1 to 200 letters, digits or `.:_-[]`, not starting with a dot")]
pub struct BadName(pub String);

/// The paths of one log.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Name in every record: `<origin>/audit/<replica>`.
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
}

impl Layout {
    pub(crate) fn new(audit: &Path, origin: &str, replica: &str) -> Result<Self, BadName> {
        check(origin)?;
        check(replica)?;
        Ok(Self { name: log_name(origin, replica), directory: audit.join(origin).join(replica) })
    }

    /// Of the log in that directory.
    pub(crate) fn of(log: &Path) -> Self {
        let mut parts = log.iter().rev().map(|part| part.to_string_lossy());
        let (replica, origin) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Self { name: log_name(&origin, &replica), directory: log.to_owned() }
    }

    pub(crate) fn segments(&self) -> PathBuf {
        self.directory.join("seg")
    }

    pub(crate) fn segment(&self, first: u64) -> PathBuf {
        self.segments().join(segment_name(first))
    }

    /// The same segment, compressed.
    pub(crate) fn compressed(&self, first: u64) -> PathBuf {
        self.segments().join(compressed_name(first))
    }

    /// Lines of pruned records that are still needed.
    pub(crate) fn kept(&self) -> PathBuf {
        self.directory.join(KEPT)
    }

    /// Where heads are, a file for each segment.
    pub(crate) fn heads(&self) -> PathBuf {
        self.directory.join("checkpoints")
    }

    pub(crate) fn heads_file(&self, segment: u64) -> PathBuf {
        self.heads().join(heads_name(segment))
    }

    /// The newest head alone.
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.directory.join("checkpoint")
    }

    /// Private keys that heads are signed with.
    pub(crate) fn keys(&self) -> PathBuf {
        self.directory.join("keys")
    }

    pub(crate) fn epoch_key(&self, number: u64) -> PathBuf {
        self.keys().join(format!("{number:06}.key"))
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.directory.join("quarantine")
    }

    pub(crate) fn reserve(&self) -> PathBuf {
        self.directory.join("reserve")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.directory.join(LOCK)
    }
}

/// The name of the log that `replica` writes for `origin`.
pub(crate) fn log_name(origin: &str, replica: &str) -> String {
    format!("{origin}/audit/{replica}")
}

/// `0000000000000.jsonl`: the index of the segment's first record, so that names sort as records do.
pub(crate) fn segment_name(first: u64) -> String {
    format!("{first:013}.jsonl")
}

/// The index in a segment's name; `None` for any other file.
pub(crate) fn segment_index(name: &str) -> Option<u64> {
    number(name, ".jsonl", 13)
}

/// `0000000000000.jsonl.zst`: the same segment, compressed.
pub(crate) fn compressed_name(first: u64) -> String {
    format!("{first:013}.jsonl.zst")
}

/// The index in a compressed segment's name; `None` for any other file.
pub(crate) fn compressed_index(name: &str) -> Option<u64> {
    number(name, ".jsonl.zst", 13)
}

/// `0000000000000.notes`: the heads made while the segment of that name was the last.
pub(crate) fn heads_name(segment: u64) -> String {
    format!("{segment:013}.notes")
}

/// The index in the name of a file of heads; `None` for any other file.
pub(crate) fn heads_index(name: &str) -> Option<u64> {
    number(name, ".notes", 13)
}

/// The number of the epoch in the name of a key file.
pub(crate) fn epoch_number(name: &str) -> Option<u64> {
    number(name, ".key", 6)
}

fn number(name: &str, suffix: &str, width: usize) -> Option<u64> {
    let digits = name.strip_suffix(suffix)?;
    (digits.len() == width && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// SECURITY: these names become directories and stand unescaped in records.
fn check(name: &str) -> Result<(), BadName> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".:_-[]".contains(&byte);
    if name.is_empty() || name.len() > NAME_MAX || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(BadName(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_directory_or_need_escapes_are_refused() {
        let layout = Layout::new(Path::new("a"), "gw.bank.example:8443", "r1").unwrap();
        assert_eq!(layout.name, "gw.bank.example:8443/audit/r1");
        assert_eq!(layout.segment(42), Path::new("a/gw.bank.example:8443/r1/seg/0000000000042.jsonl"));
        for bad in ["", ".", "..", ".x", "a/b", "a\\b", "a\"b", "a b", "\u{e9}", &"x".repeat(201)] {
            assert_eq!(Layout::new(Path::new("a"), bad, "r1").unwrap_err(), BadName(bad.to_owned()));
            assert_eq!(Layout::new(Path::new("a"), "o", bad).unwrap_err(), BadName(bad.to_owned()));
        }
    }

    #[test]
    fn only_thirteen_digits_name_a_segment() {
        assert_eq!(segment_index(&segment_name(1_840_233)), Some(1_840_233));
        for other in ["head", "1.jsonl", "000000000000a.jsonl", "0000000000000.jsonl.zst", "+000000000000.jsonl"] {
            assert_eq!(segment_index(other), None, "{other}");
        }
        assert_eq!(compressed_index(&compressed_name(41_822)), Some(41_822));
        assert_eq!(compressed_index("0000000000000.jsonl.zst.tmp"), None);
    }
}
