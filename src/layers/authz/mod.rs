//! Authorization: who may ask what of which server.
//!
//! **Does**: gives a [`Permit`] where some role of the caller grants the access and no rule takes it away, and nothing otherwise. What decides
//! is [`crate::decide`].
//!
//! **Request**: enforced on calls, gets, reads, subscriptions, completions, listens and extension methods; anything not granted
//! is refused. What the caller may not see and what does not exist are one answer, given before the server is asked. A server
//! on which the caller has no grant at all is no such path. A task belongs to the call that made it, and to its caller: it is
//! judged as a call of that tool. A grant with `scopes` is one for tokens that hold them all: where nothing but scopes is missing, the
//! caller is told which (403), and who has no token is refused. Of what `subscriptions/listen` asks for, what is not granted is left out.
//!
//! **Reply**: lists keep what the same decision allows, or would with more scopes, and are marked `cacheScope: private`; so do capabilities. A call is answered by
//! a task only where its client has asked for one, or knows what to do with it.
//!
//! A result that asks something of the client (2026-07-28) passes only where a role grants each thing it asks (`server_requests`) and
//! the client declares it.
//!
//! **Streams**: the same for requests that the server makes of the client in a session; what is not granted is answered for the
//! client, with a refusal. Notifications about resources the caller may not read, lists that are empty for them, and tasks that are not
//! theirs, or were not asked for, are dropped; on the stream of `subscriptions/listen` so is every kind that its request does not name.
//!
//! What lies open is judged again: by another policy as soon as that is in force, and every second where a rule about it looks at the
//! time. What is no longer allowed ends, and its outcome says by which policy and rule; what is allowed goes on, and what comes on it is
//! judged by the policy in force. Arguments are kept by nobody: what depends on them goes on. A listener that would be granted something
//! else than it was has to ask again. Where another policy may have changed a list for the caller, the client hears
//! `notifications/.../list_changed`, and so it does where an approval of a definition comes into force or goes out of it that makes its list of
//! tools another one; on the stream of its session or listener; where the server has no such stream, on one that is the
//! gateway's own. That it will is said of every list, whatever the server says of its own.
//!
//! **When it cannot decide**: closed. No binding, no role, no grant: no access. An item of a list whose name cannot be read for
//! sure is withheld.
//!
//! **Findings**: `rule` for rules in shadow that would have denied; `server-request` for everything that a server asks; `resource-update`, `foreign-task` and `unasked` for what was
//! dropped; the deciding rule is `role:<name>` or `rule:<name>`.
//!
//! **Cost**: a few string compares and glob matches per message; patterns are split at load. One comparison of pointers a second for
//! what lies open, and one decision where the policy is new or the time counts.
//!
//! **Limits**: whether a server keeps its own callers apart cannot be seen from here.

mod capabilities;
mod in_force;
mod layer;
mod listen;
mod listing;
mod permit;
mod questions;
mod reply;
mod standing;
mod tasks;
mod telling;

pub use in_force::{InForce, Rulebook};
pub use layer::Authz;
pub use permit::Permit;
