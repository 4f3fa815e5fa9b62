//! References in values: `${env:NAME}`, `${file:PATH}`, those to secret stores, and `$$` for a dollar.
//!
//! They are resolved in parsed scalars, after YAML has been read, so a value can never add a key; and once, so a value that
//! looks like a reference stays what it is. What a reference became is never shown: [`crate::yaml::Scalar::shown`] keeps
//! the reference.

use std::io::{self, IsTerminal};
use std::path::Path;

use zeroize::Zeroizing;

use crate::secrets::{BadTemplate, FileError, MAX_FILE, Piece, Reference, Template, read_file};
use crate::yaml::{Node, Place, Report, Scalar, Value, quoted};

/// What a configuration may know of the process it is loaded in.
pub trait Environment {
    /// The value of an environment variable; `None` when it is unset or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// Whether a person sits in front of it; then a stop waits for no load balancer.
    fn is_terminal(&self) -> bool;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct Process;

impl Environment for Process {
    #[expect(clippy::disallowed_methods, reason = "the one place where settings come from the environment")]
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn is_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }
}

/// Resolves every reference below `root` that leads to this machine; what leads elsewhere stays unknown. A value whose reference fails
/// is reported and becomes [`Value::Refused`]. Relative paths start at `base`.
pub(super) fn resolve(root: &mut Node, base: &Path, environment: &dyn Environment, report: &mut Report) {
    root.visit_scalars(&mut |value, place| {
        let Value::Scalar(scalar) = value else { return };
        if !scalar.text.contains('$') {
            return;
        }
        let template = Template::parse(&scalar.text).map_err(Failure::Bad);
        let resolved = template.and_then(|template| {
            let is_remote = template.references().any(Reference::is_remote);
            if is_remote { Ok(None) } else { substitute(&template, base, environment).map(Some) }
        });
        match resolved {
            Ok(text) => {
                scalar.unknown = text.is_none();
                let written = std::mem::replace(&mut scalar.text, text.unwrap_or_default());
                scalar.written = Some(written.to_string());
            }
            Err(failure) => {
                failure.report(scalar, place, report);
                *value = Value::Refused;
            }
        }
    });
}

/// The template of a value that was written with references, its paths made whole.
pub(super) fn template(written: &str, base: &Path) -> Option<Template> {
    Template::parse(written).ok().map(|template| template.rooted(base))
}

/// Why a reference has no value. Holds the reference, never a value.
enum Failure {
    Bad(BadTemplate),
    EmptyFile(String),
    EmptyVariable(String),
    LargeFile(String),
    NotText(String),
    Read(String, io::Error),
    Unset(String),
}

impl Failure {
    fn report(self, scalar: &Scalar, place: Place, report: &mut Report) {
        let (message, hint) = match self {
            Self::EmptyFile(path) => (format!("the file {} is empty", quoted(&path)), "a reference needs a value".to_owned()),
            Self::EmptyVariable(name) => {
                (format!("the environment variable {} is empty", quoted(&name)), "a reference needs a value".to_owned())
            }
            Self::Bad(BadTemplate::Form(inside, form)) => (
                format!("{} has no place that can be read", quoted(&format!("${{{inside}}}"))),
                format!("write `{form}`; see docs/secrets.md for the characters"),
            ),
            Self::Bad(BadTemplate::Unclosed) => {
                (format!("{} opens a reference and does not close it", scalar.shown()), "write `$$` for a dollar".to_owned())
            }
            Self::Bad(BadTemplate::Unknown(inside)) => {
                let hint = if is_variable_name(&inside) {
                    format!("did you mean `${{env:{inside}}}`?")
                } else {
                    "write `${env:NAME}`, `${file:/path}`, `${vault:mount/path#key}`, `${aws-sm:name#key}` or `${aws-ssm:name}`, and \
                     `$$` for a dollar"
                        .to_owned()
                };
                (format!("{} is not a reference", quoted(&format!("${{{inside}}}"))), hint)
            }
            Self::LargeFile(path) => {
                (format!("the file {} is larger than {MAX_FILE} bytes", quoted(&path)), "is it the right one?".to_owned())
            }
            Self::NotText(path) => (format!("the file {} is not UTF-8 text", quoted(&path)), "is it the right one?".to_owned()),
            Self::Read(path, error) => (
                format!("the file {} cannot be read: {error}", quoted(&path)),
                "relative paths start at the file that names them".to_owned(),
            ),
            Self::Unset(name) => {
                (format!("the environment variable {} is not set", quoted(&name)), "set it before starting Yett".to_owned())
            }
        };
        report.error(place, message).hint(hint);
    }
}

fn substitute(template: &Template, base: &Path, environment: &dyn Environment) -> Result<Zeroizing<String>, Failure> {
    let mut result = Zeroizing::new(String::new());
    for piece in template.pieces() {
        match piece {
            Piece::Text(text) => result.push_str(text),
            Piece::Reference(reference) => result.push_str(&value_of(reference, base, environment)?),
        }
    }
    Ok(result)
}

fn value_of(reference: &Reference, base: &Path, environment: &dyn Environment) -> Result<Zeroizing<String>, Failure> {
    match reference {
        Reference::Environment(name) => match environment.variable(name).map(Zeroizing::new) {
            None => Err(Failure::Unset(name.clone())),
            Some(value) if value.is_empty() => Err(Failure::EmptyVariable(name.clone())),
            Some(value) => Ok(value),
        },
        Reference::File(path) => contents(path, base),
        // INVARIANT: `resolve` lets none of these come here.
        Reference::Vault { .. } | Reference::AwsSecret { .. } | Reference::AwsParameter(_) => {
            Err(Failure::Bad(BadTemplate::Unknown(reference.to_string())))
        }
    }
}

fn contents(path: &str, base: &Path) -> Result<Zeroizing<String>, Failure> {
    read_file(&base.join(path)).map(|(text, _)| text).map_err(|failed| {
        let path = path.to_owned();
        match failed {
            FileError::Empty => Failure::EmptyFile(path),
            FileError::Large => Failure::LargeFile(path),
            FileError::NotText => Failure::NotText(path),
            FileError::Read(error) => Failure::Read(path, error),
        }
    })
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
