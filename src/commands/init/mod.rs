//! `yett init`: a configuration with its reasons, and a policy to start from, where there are none yet.
//!
//! What is written passes `yett check` and `yett policy test`; what does not is taken away again. Nothing that is there is changed.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};

use super::Exit;
use super::fresh_file::create;
use super::terminal::Terminal;
use crate::config;

const YETT: &str = include_str!("yett.yaml");
const POLICY: &str = include_str!("policy.yaml");

/// Where a server is that nobody has named: the example of the documentation.
const EXAMPLE: (&str, &str) = ("everything", "http://127.0.0.1:7321/mcp");

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
pub(super) struct Init {
    /// Where; it is made if it is not there
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// An MCP server at a URL (Streamable HTTP); may be repeated
    #[arg(long, value_name = "NAME=URL")]
    server: Vec<String>,
    /// An MCP server that the gateway starts: its program and arguments, split at spaces; may be repeated
    #[arg(long, value_name = "NAME=COMMAND")]
    stdio: Vec<String>,
}

/// A server as it was named.
struct Named<'a> {
    name: &'a str,
    /// Its entry in `yett.yaml`, one key of it.
    reached: String,
}

pub(super) fn run(command: &Init, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let servers = servers(command)?;
    let (yett, folder) = (command.dir.join("yett.yaml"), command.dir.join("policies"));
    refuse_what_is_there(&yett, &folder)?;
    let made_folder = !folder.exists();
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let files = [(yett.clone(), configuration(&servers)), (folder.join("access.yaml"), policy(&servers))];
    let mut written = Written { files: Vec::new(), folder: made_folder.then(|| folder.clone()), keep: false };
    for (path, text) in &files {
        create(path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        written.files.push(path.clone());
    }
    if let Err(report) = config::load(&yett) {
        terminal.note(&report);
        bail!("with these servers there would be no configuration that works; nothing was written");
    }
    written.keep = true;
    for (path, _) in &files {
        terminal.line(format_args!("wrote {}", path.display()));
    }
    let config = yett.display();
    let first = servers.first().map_or(EXAMPLE.0, |server| server.name);
    terminal.line(format_args!("\nNext:"));
    terminal.line(format_args!("  yett servers scan {first} --config {config}    # what the server offers, and a role for it"));
    terminal.line(format_args!("  yett serve --config {config}"));
    terminal.line(format_args!("  yett keys create --subject ada --group staff --config {config}"));
    Ok(Exit::Done)
}

/// A file that is there may say something that is in force.
fn refuse_what_is_there(yett: &Path, folder: &Path) -> anyhow::Result<()> {
    if fs::symlink_metadata(yett).is_ok() {
        bail!("`{}` is there already, and is not changed", yett.display());
    }
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            // Its files and ours would be one policy.
            Some(entry) => bail!("`{}` is there already, and is not changed", entry?.path().display()),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", folder.display())),
    }
}

/// What was written so far; taken away again unless it is to be kept.
struct Written {
    files: Vec<PathBuf>,
    folder: Option<PathBuf>,
    keep: bool,
}

impl Drop for Written {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        for path in &self.files {
            let _ = fs::remove_file(path);
        }
        if let Some(folder) = &self.folder {
            // Only while nobody has put something into it.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn servers(command: &Init) -> anyhow::Result<Vec<Named<'_>>> {
    let mut servers = Vec::new();
    for (option, written) in
        command.server.iter().map(|text| ("--server", text)).chain(command.stdio.iter().map(|text| ("--stdio", text)))
    {
        let (name, rest) = written.split_once('=').with_context(|| format!("`{option} {written}`: write NAME=..."))?;
        let good = (1..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'))
            && !name.starts_with(['_', '-']);
        if !good {
            bail!("`{name}` is no name for a server: 1 to 63 of a-z, 0-9, `_` and `-`, starting with a letter or a digit");
        }
        if servers.iter().any(|server: &Named<'_>| server.name == name) {
            bail!("the server `{name}` is named twice");
        }
        let reached = if option == "--server" {
            format!("url: {}", quoted(rest)?)
        } else {
            let words = rest.split_whitespace().map(quoted).collect::<anyhow::Result<Vec<_>>>()?;
            if words.is_empty() {
                bail!("`{option} {written}` names no program");
            }
            format!("stdio: {{ command: [{}] }}", words.join(", "))
        };
        servers.push(Named { name, reached });
    }
    Ok(servers)
}

/// A text as YAML reads it back. What begins a reference is meant as it stands: a credential has no place on a command line.
fn quoted(text: &str) -> anyhow::Result<String> {
    if text.chars().any(char::is_control) {
        return Err(anyhow!("a control character has no place here"));
    }
    Ok(serde_json::to_string(&text.replace('$', "$$"))?)
}

fn configuration(servers: &[Named<'_>]) -> String {
    let mut written = String::new();
    for Named { name, reached } in servers {
        let _infallible =
            write!(written, "  {name}:\n    {reached}\n    # tools: {{ delete_it: {{ operation: destructive }} }}\n");
    }
    if servers.is_empty() {
        let (name, url) = EXAMPLE;
        let _infallible = write!(
            written,
            "  # Put your own in its place. A program that the gateway starts: `stdio: {{ command: [mcp-server-files, /srv/files] }}`.\n  \
             {name}:\n    url: {url}\n    # Its credential, never in this file: auth: {{ bearer: \"${{env:EVERYTHING_TOKEN}}\" }}\n"
        );
    }
    YETT.replace("@SERVERS@\n", &(written + "\n"))
}

fn policy(servers: &[Named<'_>]) -> String {
    let names: Vec<&str> = if servers.is_empty() { vec![EXAMPLE.0] } else { servers.iter().map(|server| server.name).collect() };
    let (mut reader, mut tests) = (String::new(), String::new());
    for name in &names {
        let _infallible = write!(reader, "      - servers: [{name}]\n        tools: [get_*, list_*, read_*, search_*]\n");
        let _infallible = write!(
            tests,
            "  - {{ name: staff look at {name}, as: {{ issuer: api-key, groups: [staff] }}, call: {name}/get_it, expect: {{ effect: allow, rule: reader }} }}\n  \
             - {{ name: staff change nothing on {name}, as: {{ issuer: api-key, groups: [staff] }}, call: {name}/delete_it, expect: deny }}\n  \
             - {{ name: operations may on {name}, as: {{ issuer: api-key, groups: [operations] }}, call: {name}/delete_it, expect: allow }}\n  \
             - {{ name: strangers see nothing of {name}, as: {{ issuer: api-key, subject: nobody }}, call: {name}/get_it, expect: deny }}\n"
        );
    }
    let operator = format!("      - servers: [{}]\n        tools: [\"*\"]\n\n", names.join(", "));
    POLICY.replace("@READER@\n", &reader).replace("@OPERATOR@\n", &operator).replace("@TESTS@\n", &tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What does not depend on anybody's servers is the starter pack's, word for word.
    #[test]
    fn the_policy_is_the_starter_pack_for_other_servers() {
        let pack = include_str!("../../../policies/packs/starter/access.yaml");
        let (_, ours) = POLICY.split_once("rules:\n").unwrap();
        let lines = ours.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(['@', '#']));
        for line in lines {
            assert!(pack.lines().any(|pack| pack == line), "not in the pack: {line}");
        }
    }

    #[test]
    fn no_placeholder_is_left() {
        for servers in [vec![], vec![Named { name: "crm", reached: "url: \"https://crm.internal/mcp\"".to_owned() }]] {
            for text in [configuration(&servers), policy(&servers)] {
                assert!(
                    !text.contains("@READER")
                        && !text.contains("@OPERATOR")
                        && !text.contains("@TESTS")
                        && !text.contains("@SERVERS")
                );
            }
        }
    }
}
