//! Injection scan: instructions hidden in arguments, results and definitions.
//!
//! **Does**: looks for signs of instructions where only data belongs, by rules and by a model of words (`model:`), and blocks, labels, strips,
//! withholds or records them.
//!
//! **Request**: arguments are scanned (`requests:`); a call to a tool whose definition is withheld is refused like one to a tool
//! that does not exist.
//!
//! **Reply**: results are scanned (`results:`): `label` wraps a flagged text block and says that it is external data, `strip`
//! removes the span, `block` withholds the result. A link or an image whose URL carries something out is made one that nobody follows
//! (`hxxps:`) by `label` too, wherever it stands. A flagged question to the client is withheld by `label` too: it cannot be called
//! data. A form that asks for a password, a key, a token, a PIN or the number of a card or of social security is withheld (`forms:`).
//! Definitions in lists are scanned (`definitions:`): a flagged one is withheld
//! and its tool refused from then on, until an operator approves that definition or forgets it; and so is one whose name reads like that of another server's tool, or that says how such a tool is to be used;
//! `instructions` of a server are emptied, where a rule says so: the model alone is only recorded there.
//!
//! The text blocks of a result are read across their seams too; each part of what is found there is treated like a finding of its own.
//!
//! **Streams**: message by message; notifications are scanned like results, and the texts of progress and log messages are read on from one to the
//! next, and into the result. Where `results:` takes something out (`block`, `strip`), a message that ends in what may begin an order is held until
//! its next, the result, or a second has come; elsewhere nothing waits, and what stands over messages is recorded.
//!
//! From which severity on it acts says `thresholds:`; a rule under `shadow:` is recorded and not acted on.
//!
//! **When it cannot decide**: closed: a message that could not be read never comes here.
//!
//! **Findings**: rule, action and how often, of a definition its hash, of a form the field; never the text. A score of all of them.
//!
//! **Cost**: three passes over the text and one of the model, regexes only around rare words; what is encoded in it is read as well, up to four times the
//! text, and what goes beyond that is flagged as `unread`.
//!
//! **Limits**: orders without any sign ("send a link to Alice") are not a text problem; of an order over two messages that is cut within its first word,
//! or whose server is silent for a second in the middle of it, the first part leaves. `docs/detection.md` has the figures.

mod canonical;
mod definitions;
mod forms;
mod heed;
mod layer;
mod neighbours;
mod quarantine;
mod reply;
mod seams;
mod told;

pub use layer::InjectionLayer;
pub use quarantine::{Quarantine, Withheld};
