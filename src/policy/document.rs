//! The folder: which files are read, in which order, and what they are together.

use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::civil::Date;

use super::checks::check;
use super::sections::{Gathered, file};
use super::{Dlp, Modules, Policy};
use crate::yaml::{MAX_FILE_SIZE, Node, Place, Report, Value, read, read_file};

/// Names outside the policies that they may refer to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Configured servers.
    pub servers: Vec<String>,
    /// Configured token issuers.
    pub issuers: Vec<String>,
    /// Whether there are API keys, whose issuer is `api-key`.
    pub api_keys: bool,
    /// Whether callers are known by certificate, whose issuer is `mtls`.
    pub mtls: bool,
    /// The roles of callers without a credential, whose issuer is `anonymous`, and where they are given.
    pub anonymous: Vec<(String, Place)>,
    /// Whether callers are of tenants.
    pub tenants: bool,
    /// Where servers are, of those that say so: each server and its region.
    pub regions: Vec<(String, String)>,
    /// Where an issuer's callers are, of the issuers of which yett.yaml says so.
    pub issuer_regions: Vec<(String, String)>,
    /// Attributes that some issuer's claims give a caller.
    pub attributes: Vec<String>,
    /// The date in UTC, for what ends.
    pub today: Option<Date>,
}

impl Known {
    /// Where the callers of an issuer are whose credentials do not say.
    pub fn region_of(&self, issuer: &str) -> Option<String> {
        self.issuer_regions.iter().find(|(known, _)| known == issuer).map(|(_, region)| region.clone())
    }

    /// Whether this name, which no token issuer may have, stands for callers of another kind.
    pub(super) fn has(&self, name: &str) -> bool {
        (name == "api-key" && self.api_keys) || (name == "mtls" && self.mtls)
    }
}

/// Reads every `*.yaml` and `*.rego` of `dir` (not of its sub-folders) in the order of their names, as one policy, and the lists of words
/// (`*.txt`, there and in its sub-folder `lists`). Whatever is wrong
/// stands in `report`; with an error in it the result is not to be used.
///
/// The hash covers exactly the bytes that were read.
pub fn read_folder(dir: &Path, known: &Known, report: &mut Report) -> Policy {
    let files = match names(dir, report) {
        Ok(files) => files,
        Err(error) => {
            about(dir, format!("the folder cannot be read: {error}"), "it holds the policies, as `*.yaml`", report);
            return Policy::default();
        }
    };
    let mut hash = Hash::new();
    let mut gathered = Gathered::default();
    let (mut documents, mut modules) = (Vec::new(), Vec::new());
    gathered.bind_anonymous(known);
    for (name, path) in files {
        let bytes = match read_file(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                about(&path, format!("the file cannot be read: {error}"), "", report);
                continue;
            }
        };
        hash.add(&name, &bytes);
        match path.extension().and_then(OsStr::to_str) {
            Some("rego") => modules.extend(utf8(&path, bytes, report).map(|text| (path.display().to_string(), text))),
            Some("txt") => gathered.lists.extend(utf8(&path, bytes, report).map(|text| (name, text))),
            _ => documents.push((path, bytes)),
        }
    }
    for (path, bytes) in documents {
        if let Some(mut node) = read(&path.display().to_string(), &bytes, report) {
            refuse_references(&mut node, report);
            file(&node, known, &mut gathered, report);
        }
    }
    check(&gathered, known, dir, report);
    let modules = Modules::read(&modules, report).map(Arc::new);
    assemble(gathered, modules, hash.finish())
}

fn utf8(path: &Path, bytes: Vec<u8>, report: &mut Report) -> Option<String> {
    if bytes.len() > MAX_FILE_SIZE {
        about(path, format!("this file has more than {} MiB", MAX_FILE_SIZE >> 20), "split it", report);
        return None;
    }
    let text = String::from_utf8(bytes);
    text.map_err(|_not_utf8| about(path, "this file is not UTF-8".to_owned(), "", report)).ok()
}

/// The hash that [`read_folder`] would give the policy of `dir` as it stands there now, whatever is wrong with it; `None` where not every
/// file can be read, or one is there that would be refused by its name.
pub fn hash_of_folder(dir: &Path) -> Option<String> {
    let mut report = Report::new();
    let files = names(dir, &mut report).ok().filter(|_| !report.has_errors())?;
    let mut hash = Hash::new();
    for (name, path) in files {
        hash.add(&name, &read_file(&path).ok()?);
    }
    Some(hash.finish())
}

/// Over files, one after the other.
struct Hash(Context);

impl Hash {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// With their lengths, or bytes could move from one name to the next without a trace.
    fn add(&mut self, name: &str, bytes: &[u8]) {
        for part in [name.as_bytes(), bytes] {
            self.0.update(&(part.len() as u64).to_be_bytes());
            self.0.update(part);
        }
    }

    fn finish(self) -> String {
        hex(self.0.finish().as_ref())
    }
}

fn assemble(gathered: Gathered, modules: Option<Arc<Modules>>, hash: String) -> Policy {
    Policy {
        roles: gathered.roles.into_iter().map(|placed| placed.value).collect(),
        bindings: gathered.bindings.into_iter().map(|placed| placed.value).collect(),
        cases: gathered.cases.into_iter().map(|placed| placed.value).collect(),
        rules: gathered.rules.into_iter().map(|placed| placed.value).collect(),
        results: gathered.results.into_iter().map(|placed| placed.value).collect(),
        limits: gathered.limits.into_iter().map(|placed| placed.value).collect(),
        dlp: gathered.dlp.map(|_| Dlp {
            default_clearance: gathered.clearance.as_ref().map(|placed| placed.value.default).unwrap_or_default(),
            clearance_attribute: gathered.clearance.and_then(|placed| placed.value.attribute),
            rules: gathered.dlp_rules.into_iter().map(|placed| placed.value).collect(),
            restore: gathered.restores.into_iter().map(|placed| placed.value).collect(),
            unread: gathered.unread.map(|placed| placed.value).unwrap_or_default(),
        }),
        injection: gathered.injection.map(|placed| placed.value),
        injection_for: gathered.injection_for,
        injection_shadow: gathered.injection_shadow,
        injection_thresholds: gathered.injection_thresholds,
        exceptions: gathered.exceptions.into_iter().map(|placed| placed.value).collect(),
        modules,
        hash,
    }
}

/// What the name of a file in the folder makes of it.
enum Named<'a> {
    /// It is read.
    Policy(&'a str),
    /// It looks like a policy and is not read: why, and what to do.
    Refused(&'static str, &'static str),
    /// It is none.
    Other,
}

impl<'a> Named<'a> {
    fn of(name: &'a OsStr) -> Self {
        let Some(name) = name.to_str() else { return Self::Refused("the name of this file is not UTF-8", "rename it") };
        // Editors' backups, and the folders by which Kubernetes swaps a mounted map.
        if name.starts_with('.') {
            return Self::Other;
        }
        let extension = Path::new(name).extension().and_then(OsStr::to_str).unwrap_or_default();
        match extension {
            "rego" | "txt" | "yaml" => Self::Policy(name),
            other if other.eq_ignore_ascii_case("rego") => Self::Refused("this file is not read", "name it `.rego`"),
            other if ["yaml", "yml"].iter().any(|like| other.eq_ignore_ascii_case(like)) => {
                Self::Refused("this file is not read", "name it `.yaml`")
            }
            _ => Self::Other,
        }
    }
}

impl Policy {
    /// Whether a file of the folder that is called so is read, or refused for its name: no other makes a difference to the policy.
    pub(crate) fn depends_on(name: &OsStr) -> bool {
        !matches!(Named::of(name), Named::Other)
    }
}

/// Where lists of words may lie, beside the folder itself.
pub(crate) const LISTS: &str = "lists";

/// The policy files, sorted by name, and the lists of words; names that look like policies and are not read are errors.
fn names(dir: &Path, report: &mut Report) -> io::Result<Vec<(String, PathBuf)>> {
    let mut files = Vec::new();
    let lists = dir.join(LISTS);
    if lists.is_dir() {
        for entry in fs::read_dir(lists)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Named::Policy(name) = Named::of(&name)
                && entry.path().extension().is_some_and(|extension| extension == "txt")
            {
                files.push((format!("{LISTS}/{name}"), entry.path()));
            }
        }
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name();
        match Named::of(&name) {
            Named::Other => {}
            // Sub-folders are not read, whatever they are called.
            Named::Policy(_) | Named::Refused(..) if path.is_dir() => {}
            Named::Policy(name) => files.push((name.to_owned(), path)),
            Named::Refused(why, hint) => about(&path, why.to_owned(), hint, report),
        }
    }
    files.sort();
    Ok(files)
}

/// Policies are reviewed as they stand: a reference would let them say something else on each machine.
fn refuse_references(node: &mut Node, report: &mut Report) {
    node.visit_scalars(&mut |value, place| {
        if let Value::Scalar(scalar) = value
            && ["${env:", "${file:", "${vault:", "${aws-"].iter().any(|start| scalar.text.contains(start))
        {
            report
                .error(place, format!("{} holds a reference", scalar.shown()))
                .hint("references are resolved in `yett.yaml` only; write the value itself");
            *value = Value::Refused;
        }
    });
}

fn about(path: &Path, message: String, hint: &str, report: &mut Report) {
    let file = report.add_file(path.display().to_string(), "");
    report.error(Place::whole(file), message).hint(hint);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}
