//! What MCP says: messages, methods, revisions and codes. No I/O, no policy, no tower.
//!
//! A message is its bytes plus an index into them ([`json::Document`]). It is read by one strict parser, once; layers look at
//! it through cursors and record edits, and [`Message::encode`] returns the same bytes with the edits spliced in. So what was
//! judged is what is sent, and no second parser can disagree.

mod access;
mod asked;
pub mod code;
mod envelope;
mod header;
mod joined;
pub mod json;
mod list_set;
mod message;
mod method;
mod param_marks;
mod request_id;
mod spelling;
mod tasks;
mod uri;
mod version;
mod walk;

pub(crate) use access::is_tool_name;
pub use access::{Access, AccessError, Target};
pub use asked::{Answerable, Asked};
pub use envelope::{EnvelopeError, Shape, Side};
pub use header::{decode_header, encode_header};
pub use joined::Row;
pub use list_set::{ListMarks, ListSet};
pub use message::{ClientMessage, Message};
pub use method::{ListKind, Method};
pub use param_marks::{MarkError, PARAM_PREFIX, ParamMarks, SUBSCHEMAS};
pub use request_id::RequestId;
pub use spelling::is_plain;
pub(crate) use spelling::is_plain_item;
pub use tasks::{
    Mention, TASKS_EXTENSION, Task, TaskPlace, asked_about, made_by_client, named_by_client, named_by_server, told_result,
    withhold_tasks, withhold_told_result,
};
pub use uri::{is_canonical, is_canonical_template};
pub use version::ProtocolVersion;
pub use walk::{binaries, content_texts, is_protocol_number, roots, routing_fields, visit_below, visit_texts};
