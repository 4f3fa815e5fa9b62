//! Data loss prevention: personal data and secrets, both ways.
//!
//! **Does**: looks at every text of a message and blocks, masks, tokenizes or records what the policy's detectors find; puts values in
//! the place of tokens where the policy says so.
//!
//! What is escaped, base64, hexadecimal, compressed or written with odd letters is read as well, three deep. What is escaped is masked where it stands;
//! base64 is masked inside and encoded again; what cannot be written again is masked as a whole. There only masks stand in for values, whatever
//! does elsewhere, and tokens are not known.
//!
//! **Request**: a rule applies when its sensitivity is above the server's `classification`, or when it has none. `mask` puts a
//! placeholder in the argument, `tokenize` a token; headers that repeat the argument change with it. A match in a name, a URI or a header
//! that repeats no argument cannot be edited and blocks. A token
//! that the vault knows is nobody's data: no rule acts on it, and it passes as it is but where `dlp.restore` names purpose, server,
//! tool, role and argument. A restored value is what an operator lets the server have: no rule is asked about it.
//!
//! **Reply**: a rule applies when its sensitivity is above the caller's clearance. `block` withholds the result: the call has
//! happened, its caller reads that it was withheld. A number becomes text when it is masked, but where MCP wants a number (progress,
//! sizes, lifetimes): there it becomes 0. Tokens pass as they are. What the call has restored becomes its token again, whatever the
//! rules: the server was to have it, not the caller.
//!
//! **Fields**: a rule with `fields` acts on what stands in them, on what says the same elsewhere in the message, and on what stands nobody knows
//! where; `reach.rs` has what a path begins at.
//!
//! **Streams**: message by message, and the texts of progress and log messages are read on from one to the next, and into the result; a message that ends in
//! what may begin a value is held until its next, the result, or a second has come. The text blocks of one result are read across their seams. Of
//! what is found over a seam each part is masked.
//!
//! **When it cannot decide**: closed: edits that would make two keys of an object equal block the message; so do more values than are
//! looked up, or more than a MiB of values; without the vault what may hold tokens is answered 503; a header blocks that holds a token which the
//! body would restore and repeats no argument, or of which nobody can say which of several it repeats.
//!
//! What no detector reads (images, sounds, files, what is compressed to a small part of itself) passes or is refused as `dlp.unread` says.
//!
//! **Findings**: rule, detector, action and how often; never the matched text, a token or its value.
//!
//! **Cost**: one pass over the text; nothing is allocated while nothing is found. Where the policy makes tokens: one look into the vault
//! for all of a message's values, none when memory has them.
//!
//! **Limits**: free text such as names and diagnoses are not seen, nor what images, sounds and documents hold, ciphers, values in more than 32 pieces, and
//! of a value whose server is silent for a second in the middle of it what was said before. A token is seen
//! where its value would be, and bare digits of an SSN as a whole argument too. A number that happens to be the token of another value is
//! taken for it; `formats.rs` says for which kinds that can be.

mod carry;
mod echo;
mod formats;
mod hidden;
mod joints;
mod judge;
mod layer;
mod reach;
mod restore;
mod rules;
mod stand_in;
mod survey;
mod unread;

pub use layer::DlpLayer;
pub use rules::Rules;
