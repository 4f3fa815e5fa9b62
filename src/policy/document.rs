//! The folder: its files in their order, and what they are together.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::civil::Date;

use super::checks::check;
use super::folder::{File, What, files};
use super::sections::{Gathered, file};
use super::{Dlp, Modules, Policy};
use crate::scan::injection::{RuleAdditions, RuleSet};
use crate::scan::{Additions, Catalogue};
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

/// Reads every `*.yaml` and `*.rego` of `dir` (not of its sub-folders) in the order of their names, as one policy, the lists of words
/// (`*.txt`, there and in its sub-folder `lists`), detectors in `detectors/pii` and `detectors/secrets`, and rules of the injection scan in
/// `detectors/injection`. Whatever is wrong stands in `report`; with an error in it the result is not to be used.
///
/// The hash covers exactly the bytes that were read.
pub fn read_folder(dir: &Path, known: &Known, report: &mut Report) -> Policy {
    let Some(files) = files_of(dir, report) else { return Policy::default() };
    let mut hash = Hash::new();
    let mut gathered = Gathered::default();
    let (mut documents, mut modules) = (Vec::new(), Vec::new());
    gathered.bind_anonymous(known);
    for File { name, path, what } in files {
        let Some(bytes) = bytes_of(&path, report) else { continue };
        hash.add(&name, &bytes);
        match what {
            What::Document => documents.push((path, bytes)),
            What::Module => modules.extend(utf8(&path, bytes, report).map(|text| (path.display().to_string(), text))),
            What::List => gathered.lists.extend(utf8(&path, bytes, report).map(|text| (name, text))),
            What::Detectors(class) => gathered.detectors.read(class, &path.display().to_string(), &bytes, report),
            What::Rules => gathered.rules_of_scan.read(&path.display().to_string(), &bytes, report),
        }
    }
    // Before anything that names one.
    finish(&mut gathered.detectors, &mut gathered.rules_of_scan, report);
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

/// What a policy in `dir` looks by: detectors, and rules of the injection scan.
#[derive(Debug, Default)]
pub struct LooksBy {
    /// Where some are its own; `None`: those of this build.
    pub detectors: Option<Arc<Catalogue>>,
    /// Likewise.
    pub rules: Option<Arc<RuleSet>>,
}

/// What the policy in `dir` looks by. Whatever is wrong with it stands in `report`.
pub fn read_detectors(dir: &Path, report: &mut Report) -> LooksBy {
    let (mut detectors, mut rules) = (Additions::default(), RuleAdditions::default());
    for File { path, what, .. } in files_of(dir, report).unwrap_or_default() {
        if !matches!(what, What::Detectors(_) | What::Rules) {
            continue;
        }
        let Some(bytes) = bytes_of(&path, report) else { continue };
        let name = path.display().to_string();
        match what {
            What::Detectors(class) => detectors.read(class, &name, &bytes, report),
            What::Rules => rules.read(&name, &bytes, report),
            What::Document | What::List | What::Module => {}
        }
    }
    finish(&mut detectors, &mut rules, report);
    LooksBy { detectors: detectors.into_catalogue(), rules: rules.into_rules() }
}

fn finish(detectors: &mut Additions, rules: &mut RuleAdditions, report: &mut Report) {
    detectors.finish(report);
    rules.finish(|name| detectors.catalogue().is_ok_and(|catalogue| catalogue.named(name).is_some()), report);
}

fn files_of(dir: &Path, report: &mut Report) -> Option<Vec<File>> {
    let files = files(dir, report);
    let unread = |error| about(dir, format!("the folder cannot be read: {error}"), "it holds the policies, as `*.yaml`", report);
    files.map_err(unread).ok()
}

fn bytes_of(path: &Path, report: &mut Report) -> Option<Vec<u8>> {
    read_file(path).map_err(|error| about(path, format!("the file cannot be read: {error}"), "", report)).ok()
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
    let files = files(dir, &mut report).ok().filter(|_| !report.has_errors())?;
    let mut hash = Hash::new();
    for File { name, path, .. } in files {
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
        alerts: gathered.alerts.into_iter().map(|placed| Arc::new(placed.value)).collect(),
        exceptions: gathered.exceptions.into_iter().map(|placed| placed.value).collect(),
        modules,
        detectors: gathered.detectors.into_catalogue(),
        rules_of_scan: gathered.rules_of_scan.into_rules(),
        hash,
    }
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
