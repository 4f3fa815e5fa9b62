//! The key that packs are signed with.
//!
//! Not the log's: those change every day, are destroyed, and sign heads alone, so that nothing else can be passed for one. A key of its own follows
//! from the master key, under a label of its own: it stays the same for as long as the master key does, and whoever reads data on this
//! host to make a pack has it already. Where packs are made from a copy of the log, a file has the key.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::master_key::MasterKey;
use crate::tlog::{SEED_LEN, Scheme, Signer};

/// What the key is for that follows from the master key.
const LABEL: &str = "evidence packs";

/// What is behind the log's name in the name of the key.
const NAME: &str = "evidence";

/// Longest key file that is looked at.
const FILE_MAX: u64 = 4096;

/// PKCS #8 of an Ed25519 key without its public half (RFC 8410, section 7), up to the seed.
const PKCS8: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key for packs of `log`: that in `file`, or else the one that follows from the master key of `config`.
pub(super) fn signer(log: &str, file: Option<&Path>, config: Option<&Config>) -> anyhow::Result<Signer> {
    let seed = match (file, config) {
        (Some(file), _) => read(file)?,
        (None, Some(config)) => derived(config)?,
        (None, None) => bail!("`--key` says what to sign with"),
    };
    Signer::from_seed(&format!("{log}/{NAME}"), Scheme::Ed25519, &seed).context("no key for packs of this log can be made")
}

fn derived(config: &Config) -> anyhow::Result<Zeroizing<[u8; SEED_LEN]>> {
    // A pack is no reason to make a master key.
    if config.master_key.is_none() && !config.data_dir.join("master.key").exists() {
        bail!("there is no master key in `{}`; `--key` says what to sign with instead", config.data_dir.display());
    }
    let derived = MasterKey::open(config.master_key.as_ref(), &config.data_dir)?.derive_bytes(LABEL);
    seed(derived.expose()).context("the master key gives no key for packs")
}

fn read(path: &Path) -> anyhow::Result<Zeroizing<[u8; SEED_LEN]>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let found = seed(&bytes).or_else(|| pem(&bytes));
    found.with_context(|| format!("`{}` holds no Ed25519 key: neither PKCS #8 in PEM nor 32 bytes", path.display()))
}

fn seed(bytes: &[u8]) -> Option<Zeroizing<[u8; SEED_LEN]>> {
    bytes.try_into().ok().map(Zeroizing::new)
}

/// What `openssl genpkey -algorithm ed25519` writes.
fn pem(text: &[u8]) -> Option<Zeroizing<[u8; SEED_LEN]>> {
    let text = str::from_utf8(text).ok()?.trim();
    let lines = text.strip_prefix("-----BEGIN PRIVATE KEY-----")?.strip_suffix("-----END PRIVATE KEY-----")?;
    let base64 = Zeroizing::new(lines.split_whitespace().collect::<String>());
    let der = Zeroizing::new(STANDARD.decode(base64.as_bytes()).ok()?);
    seed(der.strip_prefix(&PKCS8)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_openssl_writes_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key");
        // RFC 8410, section 10.3.
        let text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        std::fs::write(&path, text).unwrap();
        let from_pem = signer("gw/audit/r1", Some(&path), None).unwrap();
        // What openssl says is its public half.
        let public = STANDARD.decode("Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=").unwrap();
        assert_eq!((from_pem.key().name(), from_pem.key().public()), ("gw/audit/r1/evidence", public.as_slice()));
        let seed = pem(text.as_bytes()).unwrap();
        std::fs::write(&path, seed.as_slice()).unwrap();
        assert_eq!(signer("gw/audit/r1", Some(&path), None).unwrap().key().public(), public);
        for bad in ["", "no key", &text.replace("MC4C", "MC5C"), &text.replace("PRIVATE", "PUBLIC")] {
            std::fs::write(&path, bad).unwrap();
            assert!(signer("gw/audit/r1", Some(&path), None).is_err(), "{bad}");
        }
        assert!(signer("gw/audit/r1", None, None).is_err());
    }
}
