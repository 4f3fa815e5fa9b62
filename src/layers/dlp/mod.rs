//! Data loss prevention: personal data and secrets, both ways.
//!
//! **Does**: looks at every text of a message and blocks, masks or records what the policy's detectors find.
//!
//! **Request**: a rule applies when its sensitivity is above the server's `classification`, or when it has none. `mask` puts a
//! placeholder in the argument; a match in a name, a URI or a mirrored header cannot be masked and blocks.
//!
//! **Reply**: a rule applies when its sensitivity is above the caller's clearance. `block` withholds the result: the call has
//! happened, its caller reads that it was withheld.
//!
//! **Streams**: message by message. A match split over two messages is not seen.
//!
//! **When it cannot decide**: closed: edits that would make two keys of an object equal block the message.
//!
//! **Findings**: rule, detector, action and how often; never the matched text.
//!
//! **Cost**: one pass over the text; nothing is allocated while nothing is found.
//!
//! **Limits**: text inside base64, compressed or encoded text, and free text such as names and diagnoses are not seen.

pub mod detectors;
mod layer;
pub mod redact;
mod rules;

pub use layer::DlpLayer;
pub use rules::Rules;
