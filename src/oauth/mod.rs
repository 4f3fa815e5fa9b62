//! The gateway as a client of authorization servers (OAuth 2.1; RFC 6749, 7009, 7636, 8414, 8707, 9207).
//!
//! | file | what |
//! | --- | --- |
//! | `token_endpoint.rs` | how a token endpoint is asked, and what of its answer is believed |
//! | `server.rs` | one authorization server: where its endpoints are, codes for tokens, tokens for newer ones |
//! | `request.rs` | the URL that a user's browser is sent to, and what its way back is checked by |

mod request;
mod server;
mod token_endpoint;

pub use request::{Proof, Request, digest_of, unguessable};
pub use server::{AuthorizationServer, Denied, ServerError};
pub use token_endpoint::{Client, GrantError, Granted, TokenEndpoint};
