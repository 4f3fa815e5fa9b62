//! C2SP tlog-checkpoint: what a tree head says. Three lines: whose log, how many entries, which root.
//!
//! Lines after the third are allowed by the format and refused here: no monitor can audit them, and an ML-DSA-44 signature
//! does not cover them.

use std::fmt;

use super::{hash::Hash, number::decimal, tree::MAX_SIZE};

/// Longest origin an ML-DSA-44 signature can cover.
pub const ORIGIN_MAX: usize = 255;

/// A tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log it belongs to.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root of the tree of that many leaves.
    pub root: Hash,
}

/// Why a text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Lines after the root.
    #[error("lines after the root hash are not accepted")]
    ExtensionLine,
    /// Fewer than three lines, or the last one does not end.
    #[error("a checkpoint is three lines, each ended by a newline")]
    MissingLine,
    /// No origin.
    #[error("the origin line is empty")]
    OriginEmpty,
    /// An origin no signature can carry.
    #[error("the origin is longer than {ORIGIN_MAX} bytes")]
    OriginTooLong,
    /// Not canonical base64 of 32 bytes.
    #[error("the root is not canonical base64 of 32 bytes")]
    Root,
    /// Not a decimal number.
    #[error("the size is not a decimal number")]
    SizeDigits,
    /// A size with more than one spelling.
    #[error("the size has a leading zero")]
    SizeLeadingZero,
    /// More leaves than a tree can have.
    #[error("the size is above {MAX_SIZE}")]
    SizeTooLarge,
}

impl Checkpoint {
    /// Reads the text of a note, without its signatures.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(rest)) = (lines.next(), lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::MissingLine);
        };
        if !rest.is_empty() || lines.next().is_some() {
            return Err(CheckpointError::ExtensionLine);
        }
        if origin.is_empty() {
            return Err(CheckpointError::OriginEmpty);
        }
        if origin.len() > ORIGIN_MAX {
            return Err(CheckpointError::OriginTooLong);
        }
        let size = parse_size(size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// The three lines: the text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root.base64())
    }
}

fn parse_size(text: &str) -> Result<u64, CheckpointError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(CheckpointError::SizeDigits);
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(CheckpointError::SizeLeadingZero);
    }
    decimal(text).ok_or(CheckpointError::SizeTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[test]
    fn the_example_of_the_specification_reads_and_writes_back() {
        let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.to_string(), text);
    }

    #[test]
    fn aud_034_every_malformed_checkpoint_has_its_own_reason() {
        use CheckpointError as E;
        let long = "o".repeat(256);
        let cases = [
            (String::new(), E::MissingLine),
            (format!("origin\n1\n{ROOT}"), E::MissingLine),
            ("origin\n1\n".to_owned(), E::MissingLine),
            (format!("\n1\n{ROOT}\n"), E::OriginEmpty),
            (format!("{long}\n1\n{ROOT}\n"), E::OriginTooLong),
            (format!("origin\n01\n{ROOT}\n"), E::SizeLeadingZero),
            (format!("origin\n-1\n{ROOT}\n"), E::SizeDigits),
            (format!("origin\n+1\n{ROOT}\n"), E::SizeDigits),
            (format!("origin\n\n{ROOT}\n"), E::SizeDigits),
            (format!("origin\n1 \n{ROOT}\n"), E::SizeDigits),
            (format!("origin\n9223372036854775808\n{ROOT}\n"), E::SizeTooLarge),
            (format!("origin\n99999999999999999999999\n{ROOT}\n"), E::SizeTooLarge),
            (format!("origin\n1\n{}\n", ROOT.replace("I=", "J=")), E::Root),
            (format!("origin\n1\n{}\n", ROOT.replace('=', "")), E::Root),
            ("origin\n1\nAAAA\n".to_owned(), E::Root),
            (format!("origin\n1\n{ROOT}\nextension\n"), E::ExtensionLine),
            (format!("origin\n1\n{ROOT}\n\n"), E::ExtensionLine),
        ];
        for (text, reason) in cases {
            assert_eq!(Checkpoint::parse(&text), Err(reason), "{text:?}");
        }
    }
}
