//! `yett audit`, as far as it is about proofs: what is given to somebody without access to the log, and what is done with it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;

use super::Exit;
use super::terminal::Terminal;
use crate::audit::{self, Compared, EPOCHS_MAX, Prover, Trust};
use crate::tlog::{Checkpoint, LinesError, NOTE_MAX, Note, POLICY_MAX, Policy, ProofFile, VerifierKey};

/// Longest proof file: hashes, and the largest note.
const PROOF_BYTES: usize = NOTE_MAX + (64 << 10);

/// Longest record that is read: above that of any log.
const RECORD_BYTES: usize = 64 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum Proofs {
    /// Write a proof that a record is in the log, as a C2SP .tlog-proof file
    Prove {
        /// A log, or a directory that holds one
        path: PathBuf,
        /// The record's number, `i` in it
        index: u64,
        /// Where to write the proof, instead of standard output
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Where to write the epochs: what it takes to check the proof with the key of epoch 0 alone. Reads all of the log
        #[arg(long, value_name = "FILE")]
        epochs: Option<PathBuf>,
    },
    /// Check, without the log, that it holds a record
    ///
    /// Exit codes: 0 it does, 1 the proof does not hold, 2 usage or I/O.
    CheckReceipt {
        /// The record: its line, a file that holds it, or - for standard input
        record: String,
        /// The .tlog-proof file
        proof: PathBuf,
        /// Verifier key: of the epoch that signed, or with --epochs of epoch 0
        #[arg(long, value_name = "VKEY", required_unless_present = "policy", conflicts_with = "policy")]
        key: Option<VerifierKey>,
        /// A C2SP tlog-policy instead of a key
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// The file of epochs that `prove --epochs` wrote
        #[arg(long, value_name = "FILE")]
        epochs: Option<PathBuf>,
    },
    /// Check a signed note, such as a head
    ///
    /// Exit codes: 0 good, 1 malformed or not signed with a key given, 2 usage or I/O.
    VerifyNote {
        /// The note
        file: PathBuf,
        /// Verifier key; may be given more than once
        #[arg(long = "key", value_name = "VKEY", required = true)]
        keys: Vec<VerifierKey>,
    },
    /// Compare two of: a signed head, a log
    ///
    /// Exit codes: 0 one continues the other, 1 two histories (with a file of evidence) or a log that is behind a head, 2 usage or I/O.
    Compare {
        /// A file with a signed head, or a log
        a: PathBuf,
        /// The same
        b: PathBuf,
        /// Verifier key; the heads compared must be signed with one that is given. May be given more than once
        #[arg(long = "key", value_name = "VKEY")]
        keys: Vec<VerifierKey>,
        /// Where to write the evidence of a fork
        #[arg(long, short, value_name = "FILE", default_value = "fork.evidence")]
        output: PathBuf,
    },
    /// Copy a range of records into a directory that `audit verify` can check
    Bundle {
        /// A log, or a directory that holds one
        path: PathBuf,
        /// First record
        #[arg(long, value_name = "INDEX")]
        from: u64,
        /// Last record; those up to the head that counts it come with it
        #[arg(long, value_name = "INDEX")]
        to: u64,
        /// The directory to make
        #[arg(long, short, value_name = "DIR")]
        output: PathBuf,
    },
    /// Make the tiles of a log again, if the log itself verifies
    ///
    /// Exit codes: 0 done, 1 the log does not verify, 2 usage or I/O.
    Repair {
        /// A log, the audit directory, or the data directory
        path: PathBuf,
    },
}

pub(super) fn run(command: Proofs, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    match command {
        Proofs::Prove { path, index, output, epochs } => prove(&path, index, output.as_deref(), epochs.as_deref(), terminal),
        Proofs::CheckReceipt { record, proof, key, policy, epochs } => {
            let trust = match (key, policy) {
                (Some(key), _) => Trust::Key(key),
                (None, Some(path)) => {
                    let policy = Policy::parse(&read(&path, POLICY_MAX)?);
                    Trust::Policy(policy.with_context(|| format!("cannot use the policy `{}`", path.display()))?)
                }
                (None, None) => anyhow::bail!("--key or --policy says whom to believe"),
            };
            let epochs = epochs.map(|path| read(&path, EPOCHS_MAX)).transpose()?;
            check_receipt(&read_record(&record)?, &read(&proof, PROOF_BYTES)?, &trust, epochs.as_deref(), terminal)
        }
        Proofs::VerifyNote { file, keys } => {
            let note = read(&file, NOTE_MAX)?;
            Ok(verify_note(&note, &keys, terminal))
        }
        Proofs::Compare { a, b, keys, output } => compare(&a, &b, &keys, &output, terminal),
        Proofs::Bundle { path, from, to, output } => {
            anyhow::ensure!(!output.exists(), "`{}` exists already", output.display());
            let made = audit::bundle(&audit::only_log(&path)?, from, to, &output)?;
            terminal.line(format_args!(
                "records {} to {} and {} heads in `{}`",
                made.first,
                made.end - 1,
                made.heads,
                output.display()
            ));
            Ok(Exit::Done)
        }
        Proofs::Repair { path } => match audit::repair(&path) {
            Ok(0) => {
                terminal.line("all tiles were right");
                Ok(Exit::Done)
            }
            Ok(made) => {
                terminal.line(format_args!("{made} tiles were missing or wrong, and are made again"));
                Ok(Exit::Done)
            }
            Err(error @ (audit::RepairError::Tampered { .. } | audit::RepairError::Incomplete { .. })) => {
                Ok(bad(error, terminal))
            }
            Err(error) => Err(error.into()),
        },
    }
}

fn prove(path: &Path, index: u64, output: Option<&Path>, epochs: Option<&Path>, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let log = audit::only_log(path)?;
    let mut prover = Prover::newest(&log)?;
    let proof = prover.inclusion(index)?;
    if let Some(file) = epochs {
        write(file, &audit::epochs(&log, prover.head().size)?)?;
    }
    match output {
        Some(file) => write(file, &proof.to_string())?,
        None => io::stdout().write_all(proof.to_string().as_bytes()).or_else(closed_pipe)?,
    }
    let size = prover.head().size;
    if prover.is_pruned(index) {
        terminal.note(format_args!("record {index} was pruned: the proof is for whoever has its bytes"));
    }
    terminal.note(format_args!("record {index} is under the head over {size} records"));
    Ok(Exit::Done)
}

fn check_receipt(
    record: &[u8],
    proof: &[u8],
    trust: &Trust,
    epochs: Option<&[u8]>,
    terminal: &mut Terminal,
) -> anyhow::Result<Exit> {
    let proof = match ProofFile::parse(proof) {
        Ok(proof) => proof,
        Err(error @ LinesError::TooLarge(_)) => return Err(error.into()),
        Err(error) => return Ok(bad(error, terminal)),
    };
    match audit::check_receipt(record, &proof, trust, epochs) {
        Ok(head) => {
            terminal.line(format_args!(
                "record {} is in the log {}, under its signed head over {} records",
                proof.index,
                head.origin.escape_debug(),
                head.size
            ));
            Ok(Exit::Done)
        }
        Err(error) => Ok(bad(error, terminal)),
    }
}

fn verify_note(bytes: &[u8], keys: &[VerifierKey], terminal: &mut Terminal) -> Exit {
    let note = match Note::parse(bytes) {
        Ok(note) => note,
        Err(error) => return bad(error, terminal),
    };
    let keys: Vec<&VerifierKey> = keys.iter().collect();
    let verified = match note.verify(&keys) {
        Ok(verified) => verified,
        Err(error) => return bad(error, terminal),
    };
    let head = match Checkpoint::parse(verified.text) {
        Ok(head) => head,
        Err(error) => return bad(error, terminal),
    };
    terminal.line(format_args!("{}: {} records, root {}", head.origin.escape_debug(), head.size, head.root.base64()));
    for signed in verified.signatures {
        let time = signed.time.map_or_else(String::new, |time| format!(" at {time} seconds since 1970"));
        terminal.line(format_args!("  signed by {}{time}", signed.key));
    }
    Exit::Done
}

fn compare(a: &Path, b: &Path, keys: &[VerifierKey], output: &Path, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let compared = audit::compare(a, b, keys)?;
    if keys.is_empty() {
        terminal.note("signatures were not checked: no --key");
    }
    match compared {
        Compared::Same { size } => {
            terminal.line(format_args!("consistent: the first {size} records are the same"));
            Ok(Exit::Done)
        }
        Compared::Behind { has, counts } => {
            terminal.line(format_args!(
                "behind: the log has {has} records under heads, the other head counts {counts}: an older copy, or its end was cut off"
            ));
            Ok(Exit::Bad)
        }
        Compared::Forked(fork) => {
            write(output, &fork.to_string())?;
            terminal
                .line(format_args!("forked: two histories of one log were signed; the evidence is in `{}`", output.display()));
            Ok(Exit::Bad)
        }
    }
}

/// The checked thing is bad, and why.
fn bad(error: impl Into<anyhow::Error>, terminal: &mut Terminal) -> Exit {
    terminal.error(&error.into());
    Exit::Bad
}

fn read_record(record: &str) -> anyhow::Result<Vec<u8>> {
    let mut line = match record {
        "-" => limited(io::stdin(), RECORD_BYTES).context("cannot read standard input")?,
        line if line.starts_with('{') => line.as_bytes().to_owned(),
        file => read(Path::new(file), RECORD_BYTES)?,
    };
    line.pop_if(|last| *last == b'\n');
    Ok(line)
}

fn read(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    File::open(path).and_then(|file| limited(file, limit)).with_context(|| format!("cannot read `{}`", path.display()))
}

/// One byte more than may be there shows whoever parses it that it is too long.
fn limited(source: impl io::Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// Whoever has closed the pipe does not want to read more.
fn closed_pipe(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}
