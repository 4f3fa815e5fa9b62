//! `data_dir/admin.token`: made at first start, mode 0600; whoever may read it may operate the gateway.

use std::fs;
use std::io;
use std::path::Path;

use crate::master_key::{hex, random_bytes, write_private};
use crate::secret::Secret;

const NAME: &str = "admin.token";

/// The token, made if there is none.
pub fn admin_token(data_dir: &Path) -> io::Result<Secret<String>> {
    match read_admin_token(data_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = random_bytes::<32>().ok_or_else(|| io::Error::other("the system gives no random bytes"))?;
            write_private(&data_dir.join(NAME), format!("{}\n", hex(&bytes)).as_bytes())?;
            read_admin_token(data_dir)
        }
        other => other,
    }
}

/// The token of a gateway that has started at least once.
pub fn read_admin_token(data_dir: &Path) -> io::Result<Secret<String>> {
    let text = fs::read_to_string(data_dir.join(NAME))?;
    let token = text.trim();
    if token.len() < 32 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "admin.token is too short to be one"));
    }
    Ok(Secret::new(token.to_owned()))
}
