//! References in values: `${env:NAME}`, `${file:PATH}`, and `$$` for a dollar.
//!
//! They are resolved in parsed scalars, after YAML has been read, so a value can never add a key; and once, so a value that
//! looks like a reference stays what it is. What a reference became is never shown: [`crate::yaml::Scalar::shown`] keeps
//! the reference.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::yaml::{Node, Place, Report, Scalar, Value, quoted};

/// Largest file that a reference may name. Keys and tokens are small; a device or a log is a mistake.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// Kinds of references that the contract knows and this build does not resolve.
const LATER: [&str; 3] = ["vault", "aws-sm", "aws-ssm"];

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

/// Resolves every reference below `root`. A value whose reference fails is reported and becomes [`Value::Refused`].
/// Relative paths start at `base`.
pub(super) fn resolve(root: &mut Node, base: &Path, environment: &dyn Environment, report: &mut Report) {
    root.visit_scalars(&mut |value, place| {
        let Value::Scalar(scalar) = value else { return };
        if !scalar.text.contains('$') {
            return;
        }
        match substitute(&scalar.text, base, environment) {
            Ok(text) => {
                let written = std::mem::replace(&mut scalar.text, text);
                scalar.written = Some(written.to_string());
            }
            Err(failure) => {
                failure.report(scalar, place, report);
                *value = Value::Refused;
            }
        }
    });
}

/// Why a reference has no value. Holds the reference, never a value.
enum Failure {
    EmptyFile(String),
    EmptyVariable(String),
    Later(String),
    LargeFile(String),
    NotText(String),
    Read(String, io::Error),
    Unclosed,
    Unknown(String),
    Unset(String),
}

impl Failure {
    fn report(self, scalar: &Scalar, place: Place, report: &mut Report) {
        let (message, hint) = match self {
            Self::EmptyFile(path) => (format!("the file {} is empty", quoted(&path)), "a reference needs a value".to_owned()),
            Self::EmptyVariable(name) => {
                (format!("the environment variable {} is empty", quoted(&name)), "a reference needs a value".to_owned())
            }
            Self::Later(kind) => (
                format!("references to `{kind}` are not resolved by this build yet"),
                "use `${file:/path}` or `${env:NAME}`, filled by your secret store's agent".to_owned(),
            ),
            Self::LargeFile(path) => {
                (format!("the file {} is larger than {MAX_SECRET_FILE} bytes", quoted(&path)), "is it the right one?".to_owned())
            }
            Self::NotText(path) => (format!("the file {} is not UTF-8 text", quoted(&path)), "is it the right one?".to_owned()),
            Self::Read(path, error) => (
                format!("the file {} cannot be read: {error}", quoted(&path)),
                "relative paths start at the file that names them".to_owned(),
            ),
            Self::Unclosed => {
                (format!("{} opens a reference and does not close it", scalar.shown()), "write `$$` for a dollar".to_owned())
            }
            Self::Unknown(inside) => {
                let hint = if is_variable_name(&inside) {
                    format!("did you mean `${{env:{inside}}}`?")
                } else {
                    "write `${env:NAME}` or `${file:/path}`, and `$$` for a dollar".to_owned()
                };
                (format!("{} is not a reference", quoted(&format!("${{{inside}}}"))), hint)
            }
            Self::Unset(name) => {
                (format!("the environment variable {} is not set", quoted(&name)), "set it before starting Yett".to_owned())
            }
        };
        report.error(place, message).hint(hint);
    }
}

fn substitute(text: &str, base: &Path, environment: &dyn Environment) -> Result<Zeroizing<String>, Failure> {
    let mut result = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        if let Some(behind) = after.strip_prefix('$') {
            result.push('$');
            rest = behind;
        } else if let Some(inside) = after.strip_prefix('{') {
            let (reference, behind) = inside.split_once('}').ok_or(Failure::Unclosed)?;
            result.push_str(&value_of(reference, base, environment)?);
            rest = behind;
        } else {
            // A lone dollar means nothing else; patterns and passwords have them.
            result.push('$');
            rest = after;
        }
    }
    result.push_str(rest);
    Ok(result)
}

fn value_of(reference: &str, base: &Path, environment: &dyn Environment) -> Result<Zeroizing<String>, Failure> {
    match reference.split_once(':') {
        Some(("env", name)) if is_variable_name(name) => match environment.variable(name).map(Zeroizing::new) {
            None => Err(Failure::Unset(name.to_owned())),
            Some(value) if value.is_empty() => Err(Failure::EmptyVariable(name.to_owned())),
            Some(value) => Ok(value),
        },
        Some(("file", path)) if !path.is_empty() => contents(path, base),
        Some((kind, _)) if LATER.contains(&kind) => Err(Failure::Later(kind.to_owned())),
        _ => Err(Failure::Unknown(reference.to_owned())),
    }
}

/// The text of a file, without the newline that editors and `echo` leave at its end.
fn contents(path: &str, base: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error| Failure::Read(path.to_owned(), error);
    let full = base.join(path);
    // Before opening: a pipe would wait for ever.
    if !std::fs::metadata(&full).map_err(failed)?.is_file() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(&full).and_then(|file| file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_SECRET_FILE) {
        return Err(Failure::LargeFile(path.to_owned()));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(Failure::NotText(path.to_owned()));
    };
    let text = text.strip_suffix('\n').map_or(text, |line| line.strip_suffix('\r').unwrap_or(line));
    if text.is_empty() { Err(Failure::EmptyFile(path.to_owned())) } else { Ok(Zeroizing::new(text.to_owned())) }
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
