//! From a path to a checked [`Config`], or to every reason why not.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};

use super::outline::Outline;
use super::values::{Environment, Process, resolve};
use super::{Config, Server, sections};
use crate::policy;
use crate::yaml::{Node, Place, Report, Value, read, read_file};

/// A configuration that may be served.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub config: Config,
    /// What is weak in it; has no errors.
    pub warnings: Report,
}

/// Loads `yett.yaml` and the policy folder it names, in the environment of this process.
///
/// # Errors
/// Everything that is wrong in any of the files, together with the warnings.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    load_with(path, &Process)
}

/// [`load`] in an environment of the caller's.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, environment: &dyn Environment) -> Result<Loaded, Report> {
    let (name, bytes) = contents(path)?;
    // `Path::parent` of a bare file name is the empty path, which joins as the working directory.
    let base = path.parent().unwrap_or(Path::new(""));
    let mut loaded = load_bytes(&name, &bytes, base, environment, Report::new())?;
    loaded.config.file = Some(path.to_owned());
    Ok(loaded)
}

/// The name of the file in messages, and what stands in it.
fn contents(path: &Path) -> Result<(String, Vec<u8>), Report> {
    let name = path.display().to_string();
    match read_file(path) {
        Ok(bytes) => Ok((name, bytes)),
        Err(error) => {
            let mut report = Report::new();
            let file = report.add_file(name, "");
            report.error(Place::whole(file), format!("the file cannot be read: {error}")).hint("name it with `--config`");
            Err(report)
        }
    }
}

/// What stands in the files of a configuration, told apart by hashes and not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// As [`Config::hash`]; `None` if the file cannot be read.
    pub configuration: Option<String>,
    /// As the hash of a policy; `None` if it would be refused before it is read.
    pub policy: Option<String>,
    /// The folder of the policies, if the file names one.
    pub folder: Option<PathBuf>,
}

/// Looks at `yett.yaml` and the policy folder that it names, in the environment of this process.
pub fn on_disk(path: &Path) -> OnDisk {
    let bytes = read_file(path).ok();
    let folder = bytes.as_ref().and_then(|bytes| {
        let (mut aside, base) = (Report::new(), path.parent().unwrap_or(Path::new("")));
        let mut root = read("", bytes, &mut aside)?;
        resolve(&mut root, base, &Process, &mut aside);
        policies_path(&root).map(|written| base.join(written))
    });
    let policy = folder.as_deref().and_then(policy::hash_of_folder);
    OnDisk { configuration: bytes.map(|bytes| sha256_hex(&bytes)), policy, folder }
}

/// [`load`] of a text that stands in no file; relative paths start at `base_dir`.
///
/// # Errors
/// As [`load`].
pub fn load_str(text: &str, base_dir: &Path) -> Result<Loaded, Report> {
    load_str_with(text, base_dir, &Process)
}

/// [`load_str`] in an environment of the caller's.
///
/// # Errors
/// As [`load`].
pub fn load_str_with(text: &str, base_dir: &Path, environment: &dyn Environment) -> Result<Loaded, Report> {
    load_bytes("yett.yaml", text.as_bytes(), base_dir, environment, Report::new())
}

/// What policies are about and what they say: all that a decision needs, and no secret.
#[derive(Debug)]
pub struct Judged {
    /// The servers.
    pub servers: Vec<Arc<Server>>,
    /// The policy.
    pub policy: policy::Policy,
    /// Names that it may refer to.
    pub known: policy::Known,
    /// What is weak in the policy; has no errors.
    pub warnings: Report,
}

/// Loads what decisions are made by: the servers that `yett.yaml` names, and the policy in its folder or in `policies`. Secrets are not
/// needed, so that a machine that tests policies holds none; what else is wrong in the file is for `yett check`.
///
/// # Errors
/// Everything that is wrong in the policy, and what makes the servers of `yett.yaml` unreadable.
pub fn load_policy(path: &Path, policies: Option<&Path>) -> Result<Judged, Report> {
    let (name, bytes) = contents(path)?;
    let mut report = Report::new();
    let base = path.parent().unwrap_or(Path::new(""));
    let Some(mut root) = read(&name, &bytes, &mut report) else {
        return Err(report);
    };
    // Whatever of it concerns secrets and listeners does not concern decisions.
    let mut aside = Report::new();
    resolve(&mut root, base, &Process, &mut aside);
    let context = sections::Context::of(&root, base, &Process);
    let servers = sections::servers_alone(&root, &context, &mut aside);
    let known = context.known.clone();
    if let Some(missing) = known.servers.iter().find(|name| !servers.iter().any(|server| server.name == **name)) {
        let place = root.get("servers").map_or(root.place, |node| node.place);
        report.error(place, format!("the server `{missing}` cannot be read")).hint("see `yett check`");
    }
    let folder = policies.map(Path::to_owned).or_else(|| policies_path(&root).map(|written| base.join(written)));
    let Some(folder) = folder else {
        report.error(root.place, "the key `policies` is missing").hint("name the folder there, or with `--policies`");
        return Err(report);
    };
    let policy = policy::read_folder(&folder, &known, &mut report);
    if report.has_errors() { Err(report) } else { Ok(Judged { servers, policy, known, warnings: report }) }
}

fn load_bytes(
    name: &str,
    bytes: &[u8],
    base: &Path,
    environment: &dyn Environment,
    mut report: Report,
) -> Result<Loaded, Report> {
    let Some(mut root) = read(name, bytes, &mut report) else {
        return Err(report);
    };
    resolve(&mut root, base, environment, &mut report);
    let context = sections::Context::of(&root, base, environment);
    let config = sections::root(&root, &context, &mut report);

    // Also when `yett.yaml` is wrong: its mistakes and those of the policies come out at once.
    let policy = policies_path(&root).map(|written| base.join(written)).filter(|folder| folder.is_dir());
    let policy = policy.map(|folder| policy::read_folder(&folder, &context.known, &mut report));
    if let Some(policy) = &policy {
        warn_of_unbound_issuers(&root, policy, &mut report);
    }
    match (config, policy) {
        (Some(mut config), Some(policy)) if !report.has_errors() => {
            config.policy = Arc::new(policy);
            config.hash = sha256_hex(bytes);
            let secrets = context.secrets();
            config.outline = Outline::of(&root, &secrets.iter().map(|(place, _)| *place).collect());
            config.secrets.live = secrets.into_iter().map(|(_, live)| live).collect();
            Ok(Loaded { config, warnings: report })
        }
        _ => {
            if !report.has_errors() {
                // INVARIANT: a reader that fails has reported. Should one not have, its user still must not start.
                let file = report.add_file(name, "");
                report.error(Place::whole(file), "this configuration cannot be read");
            }
            Err(report)
        }
    }
}

fn policies_path(root: &Node) -> Option<&str> {
    match &root.get("policies")?.value {
        Value::Scalar(scalar) => Some(scalar.text.as_str()),
        Value::Mapping(_) | Value::Refused | Value::Sequence(_) => None,
    }
}

fn warn_of_unbound_issuers(root: &Node, policy: &policy::Policy, report: &mut Report) {
    let Some(Value::Sequence(issuers)) = root.get("identity").and_then(|node| node.get("issuers")).map(|node| &node.value) else {
        return;
    };
    for name in issuers.iter().filter_map(|issuer| issuer.get("name")) {
        let Value::Scalar(scalar) = &name.value else { continue };
        let bound = policy.bindings.iter().any(|binding| binding.issuers.is_empty() || binding.issuers.contains(&*scalar.text));
        if !bound {
            report
                .warning(name.place, format!("no binding gives callers of {} a role", scalar.shown()))
                .hint("they may do nothing; add a binding to the policies");
        }
    }
}

fn sha256_hex(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}
