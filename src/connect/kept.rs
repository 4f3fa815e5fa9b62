//! Tokens that `--login` keeps: a file for each gateway, which only its owner can read, so that a desktop client's settings hold none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use http::Uri;

use crate::master_key::{hex, make_private_dir, write_private};
use crate::secret::Secret;

/// The folder of one user's tokens.
#[derive(Clone, Debug)]
pub struct Kept(PathBuf);

impl Kept {
    /// Below the folder for a user's state, `$XDG_STATE_HOME` or `~/.local/state`.
    pub fn below(state: &Path) -> Self {
        Self(state.join("yett").join("tokens"))
    }

    /// The file for a gateway's route, there or not. A token is for one route, so it is never found for another.
    pub fn file(&self, url: &Uri) -> PathBuf {
        let scheme = url.scheme_str().unwrap_or_default();
        let host = url.host().unwrap_or_default().to_ascii_lowercase();
        let port = url.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        let route = format!("{scheme}://{host}:{port}{}", url.path());
        let name = hex(digest(&SHA256, route.as_bytes()).as_ref());
        let shown: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')).take(64).collect();
        self.0.join(format!("{shown}-{}.token", name.get(..16).unwrap_or_default()))
    }

    /// Keeps a token in place of any before it, at once or not at all.
    pub fn keep(&self, url: &Uri, token: &Secret<String>) -> io::Result<PathBuf> {
        make_private_dir(&self.0)?;
        let file = self.file(url);
        let new = file.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write_private(&new, token.expose().trim().as_bytes())?;
        fs::rename(&new, &file)?;
        Ok(file)
    }

    /// Forgets it; false if there was none.
    pub fn forget(&self, url: &Uri) -> io::Result<bool> {
        match fs::remove_file(self.file(url)) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_token_is_kept_for_its_route_and_its_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let kept = Kept::below(state.path());
        let url: Uri = "https://mcp.example.com/mcp/crm".parse().unwrap();
        for token in ["first", "second\n"] {
            let file = kept.keep(&url, &Secret::new(token.to_owned())).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), token.trim());
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert_eq!(kept.file(&"https://MCP.example.com:443/mcp/crm".parse().unwrap()), kept.file(&url));
        for other in
            ["https://mcp.example.com/mcp/mail", "http://mcp.example.com/mcp/crm", "https://mcp.example.com:8443/mcp/crm"]
        {
            assert!(!kept.file(&other.parse().unwrap()).exists(), "{other}");
        }
        assert!(kept.forget(&url).unwrap());
        assert!(!kept.forget(&url).unwrap());
    }
}
