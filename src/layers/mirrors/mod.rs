//! What tools' definitions say of calls: arguments that 2026-07-28 repeats in `Mcp-Param-*`, where whoever stands in front of a server
//! reads them, and the schemas of the arguments and of the results.
//!
//! **Does**: finds out which argument each header repeats, refuses a header that says something else, and withholds tools whose marks
//! (`x-mcp-header` in their input schema) are not good. Where a server has `input_schemas: enforce`, it refuses calls whose arguments do
//! not fit the `inputSchema` of their tool. Where it has `output_schemas: enforce`, it withholds results that do not fit the `outputSchema`.
//!
//! **Request**: where the definition of the tool was seen, its marks say which header repeats which argument: one that is missing, differs
//! or repeats nothing is refused (400, -32020), and clients then ask for the list again. Other headers are tied to the arguments that have
//! their value; one that equals none goes on as it came, after the scans have looked at it. A call of a tool that is withheld is refused like
//! one of a tool that does not exist. Arguments outside of a schema are refused (-32602), and so is a call of a tool that no list has
//! shown yet: the client is asked to list the tools first.
//!
//! **Reply**: lists of tools lose those with a bad mark; the marks of the others, and their schemas, are remembered.
//!
//! **Streams**: a list that comes in a stream is treated alike.
//!
//! **When it cannot decide**: a tool of which two definitions were seen (a server may show them to different callers) is not held to either:
//! its headers are tied by their values, and its server verifies them. With enforced schemas such a tool cannot be called, nor one whose
//! schema does not compile.
//!
//! **Findings**: rule `x-mcp-header`, and as the kind what is wrong with the mark; never a header's value.
//!
//! **Cost**: one look through the keys of each input schema in a list; nothing in older revisions. Enforced schemas are compiled by the
//! first call of their tool.
//!
//! **Limits**: marks live in memory and are gone with a restart and with a new policy; until the next list only values tie. At most 10,000
//! tools of a server are remembered.

mod check;
mod known;
mod layer;
mod schemas;

pub use layer::Mirrors;
