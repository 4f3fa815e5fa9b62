//! `yett scan`: what the detectors of this build, or of a policy, find in texts on standard input.

mod batch;
mod judge;

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::Context as _;

use super::Exit;
use super::detectors::in_force;
use super::terminal::Terminal;
use crate::scan::injection::ModelMode;
use batch::{Batch, Batches};
use judge::{Judge, Line};

/// The longest line, and the longest text.
const LONGEST: usize = 64 << 20;

/// `yett scan`.
#[derive(Debug, clap::Args)]
pub(super) struct Scan {
    /// What standard input holds
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Look for these only
    #[arg(long, value_enum, value_delimiter = ',', value_name = "CLASS")]
    only: Vec<Class>,
    /// Look by the detectors that a policy in this folder chooses from: with the files in its `detectors`, whatever its rules name, and
    /// without their words and patterns
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// Whether the model of the injection scan counts, is logged or is not asked
    #[arg(long, value_enum, default_value_t, value_name = "USE")]
    model: Model,
}

/// What becomes of the model's opinion, on the command line as in a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Model {
    Off,
    Log,
    #[default]
    On,
}

impl Model {
    fn mode(self) -> ModelMode {
        match self {
            Self::Off => ModelMode::Off,
            Self::Log => ModelMode::Log,
            Self::On => ModelMode::On,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// One text
    #[default]
    Text,
    /// A JSON object a line: `{"id": ..., "text": "...", "direction": "response"}`
    Jsonl,
}

/// What is looked for, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Class {
    /// Orders to a model
    Injection,
    /// Data about people, and payment
    Pii,
    /// Credentials
    Secrets,
}

pub(super) fn run(command: &Scan, terminal: &mut Terminal) -> anyhow::Result<Exit> {
    let wants = |class| command.only.is_empty() || command.only.contains(&class);
    let Some(in_force) = in_force(command.policies.as_deref(), terminal)? else { return Ok(Exit::Bad) };
    let judge = Judge::new(&in_force, &wants, command.model.mode())?;
    let answered = match command.format {
        Format::Text => text(&judge)?,
        Format::Jsonl => lines(&judge)?,
    };
    if answered.broken > 0 {
        terminal.note(format_args!("{} lines could not be read", answered.broken));
        return Ok(Exit::Bad);
    }
    Ok(Exit::Done)
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Answered {
    broken: usize,
}

fn text(judge: &Judge) -> anyhow::Result<Answered> {
    let mut bytes = Vec::new();
    io::stdin().lock().take(LONGEST as u64 + 1).read_to_end(&mut bytes).context("cannot read standard input")?;
    let line = if bytes.len() > LONGEST { Line::TooLong } else { Line::Text(bytes) };
    let mut out = Vec::new();
    let broken = usize::from(!judge.answer(&line, &mut out));
    write(&out)?;
    Ok(Answered { broken })
}

/// In how many parts each processor is given its share of a batch: lines differ in how long they take, and none is to wait for another.
const PARTS: usize = 4;

/// Reads a batch of lines, has all processors judge it, and writes the answers in order.
fn lines(judge: &Judge) -> anyhow::Result<Answered> {
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut batches = Batches::new(io::stdin().lock(), LONGEST);
    let mut answered = Answered::default();
    while let Some(batch) = batches.next().context("cannot read standard input")? {
        for (out, broken) in judged(judge, &batch, workers) {
            answered.broken += broken;
            if !write(&out)? {
                return Ok(answered);
            }
        }
    }
    Ok(answered)
}

/// The answers to parts of the batch, in order, and how many of each say that a line is broken.
fn judged(judge: &Judge, batch: &Batch, workers: usize) -> Vec<(Vec<u8>, usize)> {
    let part = |lines: &[Line]| {
        let mut out = Vec::new();
        let broken = lines.iter().filter(|line| !judge.answer(line, &mut out)).count();
        (out, broken)
    };
    std::thread::scope(|scope| {
        let parts: Vec<_> = batch.parts(PARTS * workers).map(|lines| scope.spawn(move || part(lines))).collect();
        parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// Whether anybody still reads.
fn write(out: &[u8]) -> anyhow::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(out).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error).context("cannot write to standard output"),
    }
}
