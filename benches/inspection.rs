//! What does all inspection add to a call: terminal, forms, injection with its model, all detectors of secrets and personal data?
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

/// Everything that can be looked for in a text; what is found is told and goes on, so that both chains send the same.
const EVERYTHING: &str = "version: 1
roles: { all: { allow: [ { servers: [crm], tools: ['**'], prompts: ['**'] } ] } }
bindings: [ { role: all, groups: [bench] } ]
dlp:
  rules:
    - { name: personal, detect: [pii], action: log }
    - { name: credentials, detect: [secrets], action: log }
injection: { requests: log, results: log, definitions: log, terminal: strip, forms: block }
";

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
    println!("| case | nothing, us | everything, us | inspection adds, us | first pass adds, us |");
    println!("|---|---|---|---|---|");
    for case in CASES.iter().filter(|case| case.name.contains(&filter)) {
        measure(case);
    }
}

fn measure(case: &Case) {
    let replies: Vec<String> = texts::pool(case.reply, case.line).iter().map(|text| result(text)).collect();
    let calls: Vec<Bytes> = texts::pool(case.call, case.line).iter().take(replies.len()).map(|text| call(text)).collect();
    let (nothing, everything) = (Gateway::new(NOTHING, &replies), Gateway::new(EVERYTHING, &replies));
    let pass = |gateway: &Gateway| {
        let began = Instant::now();
        let spent = gateway.run(&calls, replies.len() as u64);
        assert!(spent <= began.elapsed(), "time went backwards");
        micros(spent) / replies.len() as f64
    };
    let first = -(pass(&nothing) - pass(&everything));
    let mut pairs: Vec<[f64; 2]> = (0..PASSES).map(|_| [pass(&nothing), pass(&everything)]).collect();
    pairs.sort_by(|[a, b], [c, d]| (b - a).total_cmp(&(d - c)));
    if let Some([without, with]) = pairs.get(PASSES / 2) {
        println!("| {} | {without:.1} | {with:.1} | {:.1} | {first:.1} |", case.name, with - without);
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
