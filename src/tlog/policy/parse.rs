//! The lines of a policy file.

use std::collections::{HashMap, HashSet};

use super::{Node, POLICY_MAX, Policy, PolicyError, PolicyFault, PolicyLog, PolicyWitness, Quorum};
use crate::tlog::{
    key::{Scheme, VerifierKey},
    number::decimal,
};

/// The predefined name of the quorum that asks for nothing.
const NONE: &str = "none";

/// A policy as far as it was read.
#[derive(Default)]
struct Draft<'a> {
    logs: Vec<PolicyLog>,
    nodes: Vec<Node>,
    /// Where each name is among the nodes.
    names: HashMap<&'a str, usize>,
    /// What belongs to a group already.
    members: HashSet<usize>,
    quorum: Option<Quorum>,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Policy, PolicyError> {
    let whole = |reason| PolicyError { line: 0, reason };
    if bytes.len() > POLICY_MAX {
        return Err(whole(PolicyFault::TooLarge));
    }
    let text = str::from_utf8(bytes).map_err(|_not_utf8| whole(PolicyFault::NotUtf8))?;
    let lines = text.strip_suffix('\n').ok_or_else(|| whole(PolicyFault::NoFinalNewline))?;
    let mut draft = Draft::default();
    for (line, number) in lines.split('\n').zip(1..) {
        draft.read(line).map_err(|reason| PolicyError { line: number, reason })?;
    }
    let quorum = draft.quorum.ok_or_else(|| whole(PolicyFault::NoQuorum))?;
    Ok(Policy { logs: draft.logs, nodes: draft.nodes, quorum })
}

impl<'a> Draft<'a> {
    fn read(&mut self, line: &'a str) -> Result<(), PolicyFault> {
        if line.bytes().any(|byte| (byte < 0x20 && byte != b'\t') || byte == 0x7f) {
            return Err(PolicyFault::ControlByte);
        }
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let words: Vec<&str> = line.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        match words.as_slice() {
            ["log", key] => self.log(key, None),
            ["log", key, url] => self.log(key, Some(url)),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, threshold, members @ ..] if !members.is_empty() => self.group(name, threshold, members),
            ["quorum", name] => self.quorum(name),
            ["log", ..] => Err(PolicyFault::Form("log <vkey> [<url>]")),
            ["witness", ..] => Err(PolicyFault::Form("witness <name> <vkey> [<url>]")),
            ["group", ..] => Err(PolicyFault::Form("group <name> <all|any|k> <name>...")),
            ["quorum", ..] => Err(PolicyFault::Form("quorum <name|none>")),
            _ => Err(PolicyFault::Form("`log`, `witness`, `group` or `quorum`")),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), PolicyFault> {
        let key: VerifierKey = key.parse()?;
        if key.scheme() == Scheme::CosignatureV1 {
            return Err(PolicyFault::KeyType("for a log"));
        }
        if self.logs.iter().any(|log| log.key.public() == key.public()) {
            return Err(PolicyFault::DuplicateKey);
        }
        self.logs.push(PolicyLog { key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn witness(&mut self, name: &'a str, key: &str, url: Option<&str>) -> Result<(), PolicyFault> {
        let key: VerifierKey = key.parse()?;
        if !key.scheme().is_timestamped() {
            return Err(PolicyFault::KeyType("as a witness"));
        }
        let is_duplicate = |node: &Node| matches!(node, Node::Witness(witness) if witness.key.public() == key.public());
        if self.nodes.iter().any(is_duplicate) {
            return Err(PolicyFault::DuplicateKey);
        }
        self.define(name, Node::Witness(PolicyWitness { name: name.to_owned(), key, url: url.map(str::to_owned) }))
    }

    fn group(&mut self, name: &'a str, threshold: &str, names: &[&str]) -> Result<(), PolicyFault> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.defined(name)?;
            // Or one witness could count twice.
            if !self.members.insert(member) {
                return Err(PolicyFault::MemberTwice((*name).to_owned()));
            }
            members.push(member);
        }
        let threshold = match threshold {
            "all" => Some(members.len()),
            "any" => Some(1),
            number => decimal(number).and_then(|number| usize::try_from(number).ok()),
        };
        let threshold = threshold.filter(|number| (1..=members.len()).contains(number)).ok_or(PolicyFault::Threshold)?;
        self.define(name, Node::Group { threshold, members })
    }

    fn quorum(&mut self, name: &str) -> Result<(), PolicyFault> {
        if self.quorum.is_some() {
            return Err(PolicyFault::SecondQuorum);
        }
        self.quorum = Some(if name == NONE { Quorum::Nobody } else { Quorum::Node(self.defined(name)?) });
        Ok(())
    }

    fn define(&mut self, name: &'a str, node: Node) -> Result<(), PolicyFault> {
        if name == NONE || self.names.insert(name, self.nodes.len()).is_some() {
            return Err(PolicyFault::DuplicateName);
        }
        self.nodes.push(node);
        Ok(())
    }

    fn defined(&self, name: &str) -> Result<usize, PolicyFault> {
        self.names.get(name).copied().ok_or_else(|| PolicyFault::UnknownName(name.to_owned()))
    }
}
