//! Accounts that callers have at servers. Who calls a server with `auth: user_oauth` calls it with a token of their own account there: they
//! connect it once, with a browser, and the gateway keeps, renews and shows the tokens.
//!
//! | file | what |
//! | --- | --- |
//! | `tokens.rs` | the token for a caller and a server: kept, renewed by one process at a time, told to be lost |
//! | `desk/` | the pages on which users sign in, connect and disconnect, and how they are bound to browser and caller |
//!
//! SECURITY: a link to a page is no secret, and opens nothing: whose account it is that is connected says the issuer at which the browser's
//! user has signed in, not the link. A link that is sent to somebody else connects that somebody's account for themselves.

mod desk;
mod service;
mod tokens;

pub use desk::{Answer, Desk, Page, Visit};
pub use tokens::{AccountError, Accounts, Given, Parts, Stamp};
