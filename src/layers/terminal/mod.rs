//! Terminal control in what servers say: escape sequences and control characters.
//!
//! **Does**: takes what only a terminal acts on out of every text of a server's messages, so that nobody's terminal hides, overwrites or
//! sends anything by it.
//!
//! **Request**: passes.
//!
//! **Reply**: escape sequences (colours, cursor, links of OSC 8, the clipboard of OSC 52, titles, device controls) go as a whole, and so do
//! all characters of C0 and C1 and DEL but tab, line feed, and a carriage return before a line feed: that pair ends the lines of Windows, and
//! alone the first lets text be written over. What moves to another line (a lone carriage return, form feed, vertical tab, next line)
//! becomes a line feed. In keys as in values. The message is read again then: the stations further out judge what is left. An item of a list
//! whose own name or URI holds any is withheld: by another name it would be another thing.
//!
//! **Streams**: message by message, notifications and questions of servers too.
//!
//! **When it cannot decide**: closed: a message is withheld whose keys would become equal, whose `nextCursor` holds control characters (a
//! client has to give it back as it is), or which is none any more.
//!
//! **Findings**: rule `terminal-control`, action and how many sequences and characters; never what they said.
//!
//! **Cost**: one look over the bytes of a message for the few that can begin any; a second reading of those that have some.
//!
//! **Limits**: escapes written out in letters (`\x1b[0m`) are text, and stay. What a sequence holds that never ends is text as well.

mod layer;
mod sequences;

pub use layer::Terminal;
