//! What a witness shows of a log: the last head that it cosigned under each of the log's keys. An extension of C2SP tlog-witness
//! (`docs/witness.md`).

use std::fmt;

use super::note::Note;
use super::number::decimal;

/// The last heads of some epochs of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastHeads {
    /// Number of the epoch of the first.
    pub newest: u64,
    /// One for each epoch, from that one back without a gap.
    pub notes: Vec<Note>,
}

impl LastHeads {
    /// Reads an answer. Who signed the heads is not looked at.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let (newest, notes) = str::from_utf8(body).ok()?.split_once('\n')?;
        let newest = decimal(newest)?;
        // Text and signatures of each, by turns: a head has no empty line of its own.
        let parts: Vec<&str> = notes.split_terminator("\n\n").collect();
        let note = |parts: &[&str]| Note::parse(format!("{}\n\n{}\n", parts.first()?, parts.get(1)?).as_bytes()).ok();
        let notes = parts.chunks(2).map(note).collect::<Option<Vec<Note>>>()?;
        let counted = u64::try_from(notes.len()).ok()?;
        (counted <= newest.checked_add(1)?).then_some(Self { newest, notes })
    }

    /// The epoch of the last one: older ones are those before it.
    pub fn oldest(&self) -> u64 {
        self.newest.saturating_add(1).saturating_sub(self.notes.len() as u64)
    }

    /// The body of a request for those of epochs below `before`.
    pub fn request(origin: &str, before: u64) -> String {
        format!("{origin}\n{before}\n")
    }

    /// Reads the body of a request.
    pub fn parse_request(body: &[u8]) -> Option<(&str, u64)> {
        let (origin, before) = str::from_utf8(body).ok()?.strip_suffix('\n')?.split_once('\n')?;
        Some((origin, decimal(before)?))
    }
}

impl fmt::Display for LastHeads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.newest)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}
