//! Signed tokens taken apart: three strict parts, and no header that asks for something we do not do. RFC 7515, RFC 8725.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::Algorithm;

use super::token::TokenError;
use crate::protocol::json::{Document, Kind, Limits, Value};

/// What a header or payload may hold: far more than tokens do, and little enough to be read before anything is proven.
const PARTS: Limits = Limits { depth: 16, nodes: 1_024, string: 8 * 1024 };

/// An algorithm by its name in a header. RFC 9864 names the curve where RFC 8037 names a family, of which this is the one we do.
pub(super) fn algorithm_named(name: &str) -> Option<Algorithm> {
    if name == "Ed25519" { Some(Algorithm::EdDSA) } else { name.parse().ok() }
}

/// A token taken apart.
pub(super) struct Parts<'a> {
    pub(super) header: Vec<u8>,
    pub(super) payload: Vec<u8>,
    /// As it stands in the token, which is how the library wants it.
    pub(super) signature: &'a str,
    /// What is signed.
    pub(super) signed: &'a str,
}

pub(super) fn split(token: &str) -> Result<Parts<'_>, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    if payload.contains('.') || signature.is_empty() {
        return Err(TokenError::Malformed);
    }
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_unused| TokenError::Malformed);
    // The library decodes the signature again; here it is held to the strict alphabet, without padding or loose bits.
    decode(signature)?;
    Ok(Parts { header: decode(header)?, payload: decode(payload)?, signature, signed })
}

/// An object without duplicate members at any depth.
pub(super) fn strict_object(bytes: Vec<u8>) -> Result<Document, TokenError> {
    let document = Document::parse(Bytes::from(bytes), PARTS).map_err(|_unused| TokenError::Malformed)?;
    if document.root().kind() == Kind::Object { Ok(document) } else { Err(TokenError::Malformed) }
}

pub(super) fn check_header(header: Value<'_>) -> Result<(), TokenError> {
    // RFC 7515, section 4.1.11: an extension we do not understand must be refused. RFC 8725, section 3.10: keys that a token brings
    // along are the attacker's.
    for name in ["crit", "b64", "jku", "x5u", "jwk", "x5c"] {
        if header.get(name).is_some() {
            return Err(TokenError::Header(name));
        }
    }
    Ok(())
}
