//! What does all inspection add to a call, and what each part of it: terminal and forms, injection by rules and by its model, all detectors of
//! secrets and personal data?
//!
//! `cargo bench --bench inspection [-- FILTER]`. Defends: at most 20 us for a call of 1 KiB and its reply of 1 KiB, 200 us for a result of
//! 16 KiB, and 50 ms for each MiB of text made to be slow. The real chain runs twice, once with nothing to look for and once with
//! everything, in turns, on the same messages; what is told is the median of the differences, in time of one core. Messages rotate over
//! a pool of several MiB; the first pass, which builds what is built on first use, is told apart.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a bench tells what it measures, in real time"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/null_disk.rs"]
mod null_disk;
#[path = "support/texts.rs"]
mod texts;

use gateway::{Gateway, NOTHING, call, result};

/// What can be looked for in a text; what is found is told and goes on, so that both chains send the same.
const NO_DLP: &str = "dlp: { clearance: { default: internal } }";
const SECRETS: &str = "dlp: { rules: [ { name: credentials, detect: [secrets], action: log } ] }";
const DETECTORS: &str =
    "dlp: { rules: [ { name: personal, detect: [pii], action: log }, { name: credentials, detect: [secrets], action: log } ] }";
const NO_INJECTION: &str = "injection: { requests: 'off', results: 'off', definitions: 'off', terminal: 'off', forms: 'off' }";
const FORMS: &str = "injection: { requests: 'off', results: 'off', definitions: 'off', terminal: strip, forms: block }";
const RULES: &str = "injection: { requests: log, results: log, definitions: log, model: 'off', terminal: 'off', forms: 'off' }";
const MODEL: &str = "injection: { requests: log, results: log, definitions: log, terminal: 'off', forms: 'off' }";
const ALL: &str = "injection: { requests: log, results: log, definitions: log, terminal: strip, forms: block }";

/// A part of inspection, as a policy that wants nothing else.
const STAGES: &[(&str, [&str; 2])] = &[
    ("everything", [DETECTORS, ALL]),
    ("detectors of secrets", [SECRETS, NO_INJECTION]),
    ("detectors of secrets and personal data", [DETECTORS, NO_INJECTION]),
    ("injection, rules", [NO_DLP, RULES]),
    ("injection, rules and model", [NO_DLP, MODEL]),
    ("terminal and forms", [NO_DLP, FORMS]),
];

/// Pairs of passes over the pool.
const PASSES: usize = 11;

struct Case {
    name: &'static str,
    call: usize,
    reply: usize,
    line: fn(u64) -> String,
}

const CASES: &[Case] = &[
    Case { name: "1 KiB call, 1 KiB reply, records", call: 1 << 10, reply: 1 << 10, line: texts::record },
    Case { name: "1 KiB call, 1 KiB reply, prose", call: 1 << 10, reply: 1 << 10, line: texts::prose },
    Case { name: "small call, 16 KiB result, records", call: 16, reply: 16 << 10, line: texts::record },
    Case { name: "small call, 16 KiB result, prose", call: 16, reply: 16 << 10, line: texts::prose },
    Case { name: "small call, 1 MiB result, records", call: 16, reply: 1 << 20, line: texts::record },
    Case { name: "small call, 1 MiB result, made to be slow", call: 16, reply: 1 << 20, line: texts::hostile },
];

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    println!("| case | looked for | nothing, us | with it, us | it adds, us | first pass adds, us |");
    println!("|---|---|---|---|---|---|");
    for case in CASES {
        // What each part costs is told where latency is promised.
        let parts = if case.reply < 1 << 20 { STAGES.len() } else { 1 };
        for (stage, sections) in
            STAGES.iter().take(parts).filter(|(stage, _)| format!("{}, {stage}", case.name).contains(&filter))
        {
            measure(case, stage, sections);
        }
    }
}

fn measure(case: &Case, stage: &str, sections: &[&str; 2]) {
    let replies: Vec<String> = texts::pool(case.reply, case.line).iter().map(|text| result(text)).collect();
    let calls: Vec<Bytes> = texts::pool(case.call, case.line).iter().take(replies.len()).map(|text| call(text)).collect();
    let (nothing, something) = (Gateway::new(NOTHING, &replies), Gateway::new(&policy(sections), &replies));
    let pass = |gateway: &Gateway| {
        let began = Instant::now();
        let spent = gateway.run(&calls, replies.len() as u64);
        assert!(spent <= began.elapsed(), "time went backwards");
        micros(spent) / replies.len() as f64
    };
    let first = -(pass(&nothing) - pass(&something));
    let mut pairs: Vec<[f64; 2]> = (0..PASSES).map(|_| [pass(&nothing), pass(&something)]).collect();
    pairs.sort_by(|[a, b], [c, d]| (b - a).total_cmp(&(d - c)));
    if let Some([without, with]) = pairs.get(PASSES / 2) {
        println!("| {} | {stage} | {without:.1} | {with:.1} | {:.1} | {first:.1} |", case.name, with - without);
    }
}

/// Everybody may call everything.
fn policy(sections: &[&str]) -> String {
    let rights = "roles: { all: { allow: [ { servers: [crm], tools: ['**'], prompts: ['**'] } ] } }\nbindings: [ { role: all, groups: [bench] } ]";
    format!("version: 1\n{rights}\n{}\n", sections.join("\n"))
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
