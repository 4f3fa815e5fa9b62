//! C2SP tlog-policy: which logs to believe, and whose cosignatures it takes.
//!
//! What passes through: the text of a policy file, then signed tree heads. What it guarantees: every mistake in the file is an
//! error with its line, before anything is decided by it; each witness counts once, however many lines it signed. Limits: the
//! file is at most [`POLICY_MAX`] bytes and, narrower than the specification, UTF-8.

mod parse;

use super::{
    checkpoint::{Checkpoint, CheckpointError},
    key::VerifierKey,
    note::{Note, NoteError, Signed},
};

/// Largest policy file.
pub const POLICY_MAX: usize = 1 << 20;

/// A set of logs, a set of witnesses, and the rule that says how many of them it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    /// Witnesses and groups in the order of the file: a group comes after all its members.
    nodes: Vec<Node>,
    quorum: Quorum,
}

/// A log the policy believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    /// Its key; the key's name is the log's origin.
    pub key: VerifierKey,
    /// Where to reach it.
    pub url: Option<String>,
}

/// A witness the policy knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy file calls it.
    pub name: String,
    /// Its key.
    pub key: VerifierKey,
    /// Where to reach it.
    pub url: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Witness(PolicyWitness),
    Group { threshold: usize, members: Vec<usize> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quorum {
    /// `quorum none`: nobody has to cosign.
    Nobody,
    /// Number of the node that has to be met.
    Node(usize),
}

/// Why a policy file is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct PolicyError {
    /// Which line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong with it.
    pub reason: PolicyFault,
}

/// What may be wrong with a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// A control character.
    #[error("control character")]
    ControlByte,
    /// The same public key twice.
    #[error("this public key was listed before")]
    DuplicateKey,
    /// The same name twice.
    #[error("this name was defined before")]
    DuplicateName,
    /// Not a line of the format.
    #[error("expected {0}")]
    Form(&'static str),
    /// Not a verifier key.
    #[error(transparent)]
    Key(#[from] super::key::KeyError),
    /// A key that cannot do what the line wants of it.
    #[error("a key of this type does not sign {0}")]
    KeyType(&'static str),
    /// A name that is a member already.
    #[error("`{0}` is a member of a group already")]
    MemberTwice(String),
    /// No last newline.
    #[error("no newline at the end")]
    NoFinalNewline,
    /// No quorum line.
    #[error("no quorum line")]
    NoQuorum,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// A second quorum line.
    #[error("a second quorum line")]
    SecondQuorum,
    /// A threshold no group can meet, or that is none.
    #[error("the threshold is not `all`, `any` or a number from 1 to the number of members")]
    Threshold,
    /// Larger than [`POLICY_MAX`].
    #[error("more than {POLICY_MAX} bytes")]
    TooLarge,
    /// A name nobody defined.
    #[error("`{0}` is not defined on a line before")]
    UnknownName(String),
}

/// Why a tree head does not meet a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// The note is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The log did not sign.
    #[error("no signature of a log the policy knows under origin {0}")]
    Log(String),
    /// The signatures do not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Not enough witnesses, or not the right ones.
    #[error("{0} known witnesses cosigned, which is no quorum")]
    Quorum(usize),
}

/// A tree head that meets a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met<'a> {
    /// The head.
    pub checkpoint: Checkpoint,
    /// The good signatures, of log and witnesses.
    pub signatures: Vec<Signed<'a>>,
}

impl Policy {
    /// Reads a policy file.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(bytes)
    }

    /// The logs, in the order of the file.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of the file.
    pub fn witnesses(&self) -> impl Iterator<Item = &PolicyWitness> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Witness(witness) => Some(witness),
            Node::Group { .. } => None,
        })
    }

    /// Whether the file asks for any cosignature at all.
    pub const fn needs_witnesses(&self) -> bool {
        matches!(self.quorum, Quorum::Node(_))
    }

    /// Checks a tree head. `more_logs` are log keys known from elsewhere, as those of a log that changes keys every day.
    pub fn verify<'a>(&'a self, note: &'a Note, more_logs: &[&'a VerifierKey]) -> Result<Met<'a>, Unmet> {
        let logs: Vec<_> = self.logs.iter().map(|log| &log.key).chain(more_logs.iter().copied()).collect();
        let witnesses = self.witnesses().map(|witness| &witness.key);
        let keys: Vec<_> = logs.iter().copied().chain(witnesses).collect();
        let verified = note.verify(&keys)?;
        let checkpoint = Checkpoint::parse(verified.text)?;
        let signed_by = |key: &VerifierKey| verified.signatures.iter().any(|signed| signed.key == key);
        if !logs.into_iter().any(|log| log.name() == checkpoint.origin && signed_by(log)) {
            return Err(Unmet::Log(checkpoint.origin));
        }
        if !self.is_quorum(signed_by) {
            return Err(Unmet::Quorum(self.witnesses().filter(|witness| signed_by(&witness.key)).count()));
        }
        Ok(Met { checkpoint, signatures: verified.signatures })
    }

    /// Whether the witnesses whose keys `cosigned` accepts are enough.
    pub fn is_quorum(&self, cosigned: impl Fn(&VerifierKey) -> bool) -> bool {
        let Quorum::Node(quorum) = self.quorum else { return true };
        let mut met: Vec<bool> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            met.push(match node {
                Node::Witness(witness) => cosigned(&witness.key),
                Node::Group { threshold, members } => {
                    members.iter().filter(|member| met.get(**member) == Some(&true)).count() >= *threshold
                }
            });
        }
        met.get(quorum) == Some(&true)
    }
}

#[cfg(test)]
mod tests;
