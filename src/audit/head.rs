//! The head: how many records a log has and what the last one hashes to, kept outside the segments so that a cut tail
//! is missed. Unsigned so far; the signed checkpoint will take its place and add the tree's root.
//!
//! Three lines of fixed width, so that one positioned write within the first sector replaces it whole.

use super::hash::Leaf;

/// Longest head file that is looked at.
pub(crate) const HEAD_MAX: u64 = 1_024;

/// Size and last leaf of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    /// [`Leaf::NONE`] for an empty log.
    pub(crate) leaf: Leaf,
}

impl Head {
    /// The file for the log named `log`.
    pub(crate) fn text(&self, log: &str) -> String {
        format!("{log}\n{:016}\n{}\n", self.size, self.leaf)
    }

    /// Reads exactly what [`Head::text`] writes: the log's name and the head.
    pub(crate) fn parse(text: &[u8]) -> Option<(&str, Self)> {
        let text = str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let mut lines = text.split('\n');
        let (log, size, leaf) = (lines.next()?, lines.next()?, lines.next()?);
        let digits = size.len() == 16 && size.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || log.is_empty() || lines.next().is_some() {
            return None;
        }
        Some((log, Self { size: size.parse().ok()?, leaf: Leaf::from_hex(leaf.as_bytes())? }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_written_form_is_read() {
        let head = Head { size: 12, leaf: Leaf::of(b"x") };
        let text = head.text("o/audit/r1");
        assert_eq!(Head::parse(text.as_bytes()), Some(("o/audit/r1", head)));
        let bad = [
            String::new(),
            text.trim_end().to_owned(),
            format!("{text}\n"),
            text.replace("0000000000000012", "12"),
            text.replace("0000000000000012", "+000000000000012"),
            text.to_uppercase(),
            text.replace('\n', "\r\n"),
        ];
        for text in bad {
            assert_eq!(Head::parse(text.as_bytes()), None, "{text:?}");
        }
    }
}
