//! How an API key is written: `yett_<id>_<secret><check>`.

use crate::checksum::{ALPHABET, base62, crc32};
use crate::master_key::random_bytes;

const PREFIX: &str = "yett_";
const ID_LENGTH: usize = 12;
/// 32 characters of 62: 190 bits.
const SECRET_LENGTH: usize = 32;
const CHECK_LENGTH: usize = 6;

/// The id of a well-formed key whose check characters fit.
pub(super) fn parse(token: &str) -> Option<&str> {
    let rest = token.strip_prefix(PREFIX)?;
    let (id, secret) = rest.split_once('_')?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if id.len() != ID_LENGTH || secret.len() != SECRET_LENGTH + CHECK_LENGTH || !plain(id) || !plain(secret) {
        return None;
    }
    let (body, given) = token.split_at_checked(token.len() - CHECK_LENGTH)?;
    (check(body) == given).then_some(id)
}

/// An id for a new key.
pub(super) fn new_id() -> Option<String> {
    Some(random_text(ID_LENGTH)?.to_ascii_lowercase())
}

/// A new secret of the key with this id: the whole of what its holder shows.
pub(super) fn mint(id: &str) -> Option<String> {
    let body = format!("{PREFIX}{id}_{}", random_text(SECRET_LENGTH)?);
    Some(format!("{body}{}", check(&body)))
}

/// Uniform characters of the alphabet: bytes of 248 and above are thrown away, since 256 is no multiple of 62.
fn random_text(length: usize) -> Option<String> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in random_bytes::<64>()? {
            if byte < 248 && text.len() < length {
                text.push(ALPHABET.get(usize::from(byte % 62)).copied().map_or('0', char::from));
            }
        }
    }
    Some(text)
}

/// Six characters over everything before them, so that secret scanners tell a key from a look-alike without asking us.
fn check(body: &str) -> String {
    base62(crc32(body.as_bytes())).map(char::from).iter().collect()
}
