//! `servers.*.stdio:`, a server that is a process of ours.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Context;
use crate::config::units::{duration, size, within};
use crate::config::{Per, ProcessLimits, Stdio, User};
use crate::secrets::{Form, Live};
use crate::yaml::{Fields, Invalid, Node, Report, choice, entries, items, number, parsed, quoted, scalar, text};

/// The search path of a process for which none is written, and where its program is looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Text is UTF-8 in MCP.
const LANG: &str = "C.UTF-8";

const OWNERS: &[(&str, Per)] = &[("server", Per::Server), ("tenant", Per::Tenant), ("principal", Per::Principal)];

/// Reads one.
pub(super) fn stdio(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Stdio> {
    let mut fields = Fields::of(node, "servers.*.stdio", report)?;
    let environment =
        fields.optional("env", |node, report| environment(node, context, report)).unwrap_or_else(|| with_defaults(Vec::new()));
    let command = fields.required("command", |node, report| command(node, context.base, &environment, report));
    let per = fields.optional("per", choice(OWNERS, &[])).unwrap_or_default();
    let sha256 = fields.optional("sha256", parsed(checksum));
    let directory = fields.optional("directory", |node, report| directory(node, context.base, report));
    let ids = number(1..=u32::MAX - 1);
    let (uid, gid) = (fields.optional("uid", &ids), fields.optional("gid", &ids));
    let user = uid.zip(gid).map(|(uid, gid)| User { uid, gid });
    if fields.has("uid") != fields.has("gid") {
        let place = fields.place(if fields.has("uid") { "uid" } else { "gid" });
        fields
            .report()
            .error(place, "`uid` and `gid` belong together")
            .hint("name both: a user without its group keeps the group of the gateway");
    }
    let limits = fields.optional("limits", limits).unwrap_or_default();
    let processes = fields.optional("processes", number(1..=10_000));
    let times = |longest, words| within(duration, Duration::from_millis(100)..=longest, words);
    let idle_timeout = fields.optional("idle_timeout", times(Duration::from_hours(24), "from 100ms to 24h"));
    let stop_timeout = fields.optional("stop_timeout", times(Duration::from_mins(1), "from 100ms to 1m"));
    for key in ["processes", "idle_timeout"] {
        if per == Per::Server && fields.has(key) {
            let place = fields.place(key);
            fields
                .report()
                .error(place, format!("`{key}` is for processes of callers, and this one is shared by all"))
                .hint("write `per: tenant` or `per: principal`, or leave it out");
        }
    }
    fields.finish(&[]);
    let (program, arguments) = command?;
    Some(Stdio {
        program,
        arguments,
        environment,
        per,
        sha256,
        directory: directory.unwrap_or_else(|| "/".into()),
        user,
        limits,
        processes: processes.unwrap_or(16),
        idle_timeout: idle_timeout.unwrap_or(Duration::from_mins(10)),
        stop_timeout: stop_timeout.unwrap_or(Duration::from_secs(5)),
    })
}

/// The program and its arguments. No shell reads them.
fn command(node: &Node, base: &Path, environment: &[(String, Live)], report: &mut Report) -> Option<(PathBuf, Vec<String>)> {
    let mut words = items(node, report, |word, report| {
        let scalar = scalar(word, report)?;
        if scalar.text.contains('\0') {
            report.error(word.place, "a NUL byte cannot be passed to a program");
            return None;
        }
        Some((word.place, scalar.shown(), scalar.text.to_string()))
    })?
    .into_iter();
    let Some((place, shown, program)) = words.next().filter(|(.., program)| !program.trim().is_empty()) else {
        report.error(node.place, "`command` names no program").hint("write `[program, argument, ...]`");
        return None;
    };
    let found = if program.contains('/') { executable(base.join(&program)) } else { search(&program, environment) };
    match found {
        Ok(path) => Some((path, words.map(|(.., word)| word).collect())),
        Err(problem) => {
            let hint = if program.contains('/') {
                "relative paths start at the file that names them".to_owned()
            } else {
                format!("it is looked for in {}; write its path, or a `PATH` under `env`", quoted(&path_of(environment)))
            };
            report.error(place, format!("{shown} {problem}")).hint(hint);
            None
        }
    }
}

fn path_of(environment: &[(String, Live)]) -> String {
    let written = environment.iter().find(|(name, _)| name == "PATH").and_then(|(_, path)| path.current().ok());
    written.map_or_else(|| PATH.to_owned(), |path| path.secret.expose().clone())
}

/// The first program of that name in the search path of the process. What is no absolute folder is passed over: where it leads would
/// depend on where somebody stands.
fn search(program: &str, environment: &[(String, Live)]) -> Result<PathBuf, &'static str> {
    let path = path_of(environment);
    let mut folders = path.split(':').map(Path::new).filter(|folder| folder.is_absolute());
    folders.find_map(|folder| executable(folder.join(program)).ok()).ok_or("is found nowhere in the search path")
}

fn executable(path: PathBuf) -> Result<PathBuf, &'static str> {
    let path = std::path::absolute(path).map_err(|_unreadable| "is not a path")?;
    match fs::metadata(&path) {
        Err(_) => Err("is not there, or cannot be looked at"),
        Ok(found) if !found.is_file() => Err("is not a file"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Err("is not executable"),
        Ok(_) => Ok(path),
    }
}

/// `env:`, which holds credentials more often than not.
fn environment(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Vec<(String, Live)>> {
    node.conceal(report);
    let mut written = Vec::new();
    for entry in entries(node, report)? {
        let (name, key) = (&entry.key.text, entry.key.place);
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || !letters || name.starts_with(|c: char| c.is_ascii_digit()) {
            report
                .error(key, format!("{} is not a name for a variable", quoted(name)))
                .hint("use letters, digits and `_`, not starting with a digit");
            continue;
        }
        if let Some(value) = context.live(&entry.value, Form::Variable, "", report) {
            written.push((name.clone(), value));
        }
    }
    Some(with_defaults(written))
}

/// What nearly every program needs. Nothing of the gateway's own environment, where its secrets are, goes to a server.
fn with_defaults(mut environment: Vec<(String, Live)>) -> Vec<(String, Live)> {
    for (name, value) in [("PATH", PATH), ("LANG", LANG)] {
        if !environment.iter().any(|(written, _)| written == name) {
            environment.push((name.to_owned(), Live::fixed(name, Form::Variable, value.to_owned())));
        }
    }
    environment
}

fn checksum(text: &str) -> Result<String, Invalid> {
    if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Invalid::new("is not a SHA-256", "write the 64 hex digits that `sha256sum` prints for the program"))
}

fn directory(node: &Node, base: &Path, report: &mut Report) -> Option<PathBuf> {
    let written = text(node, report)?;
    let path = std::path::absolute(base.join(&written)).ok().filter(|path| path.is_dir());
    if path.is_none() {
        report
            .error(node.place, format!("{} is not a folder that can be entered", quoted(&written)))
            .hint("relative paths start at the file that names them");
    }
    path
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self { open_files: 1_024, memory: None, processes: None, cpu_time: None }
    }
}

fn limits(node: &Node, report: &mut Report) -> Option<ProcessLimits> {
    let default = ProcessLimits::default();
    let mut fields = Fields::of(node, "servers.*.stdio.limits", report)?;
    let memory = fields.optional("memory", within(size, 16 << 20..=1 << 40, "from 16MiB to 1024GiB"));
    let seconds = Duration::from_secs(1)..=Duration::from_hours(24 * 365);
    let read = ProcessLimits {
        open_files: fields.optional("open_files", number(16..=1_048_576)).unwrap_or(default.open_files),
        memory: memory.and_then(|bytes| u64::try_from(bytes).ok()),
        processes: fields.optional("processes", number(1..=1_000_000)),
        cpu_time: fields.optional("cpu_time", within(duration, seconds, "from 1s to 365d")),
    };
    fields.finish(&[]);
    Some(read)
}
