//! What does it cost to inspect ordinary tool output for sensitive data and for injected orders?
//!
//! Defends: on plain text 200 MB/s for sensitive data and 100 MB/s for orders; 20 MB/s on text made to be slow. Inputs rotate over a pool of several MiB, since one input repeated flatters every cache
//! and every lazily built automaton. Two further groups: text that is not ASCII, and text made to be slow.

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use yett::scan::injection::{Effort, ModelMode, Scanner, SurfaceKind};
use yett::scan::{self, Catalogue, Set};

const POOL: usize = 4 << 20;

fn plain(criterion: &mut Criterion) {
    for size in [1 << 10, 16 << 10, 64 << 10] {
        measure(criterion, &format!("plain-{}KiB", size >> 10), &pool(size, record));
    }
}

fn not_ascii(criterion: &mut Criterion) {
    let prose = |number: u64| format!("Die Prüfung Nr. {number} – „bestanden“ – Отчёт готов, 报告已完成。\n");
    measure(criterion, "not-ascii-16KiB", &pool(16 << 10, prose));
}

fn hostile(criterion: &mut Criterion) {
    let dense = |number: u64| {
        format!("ignore a@a.a{number} 4111 1111 1111 1112 ghp_ AKIA you are now from now on reveal DE89 ![a](http://a?b send ")
    };
    measure(criterion, "hostile-64KiB", &pool(64 << 10, dense));
}

fn measure(criterion: &mut Criterion, name: &str, pool: &[String]) {
    let Ok(scanner) = Scanner::new() else { return };
    let Ok(detectors) = Detectors::new() else { return };
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Bytes(pool.first().map_or(0, |text| text.len() as u64)));
    let mut at = 0;
    let mut next = || {
        at = (at + 1) % pool.len();
        pool.get(at).map_or("", String::as_str)
    };
    group.bench_function("dlp", |bencher| {
        bencher.iter_batched(&mut next, |text| black_box(detectors.dlp(text)), BatchSize::PerIteration);
    });
    group.bench_function("injection", |bencher| {
        bencher.iter_batched(&mut next, |text| black_box(injection(&scanner, text)), BatchSize::PerIteration);
    });
    // What the model of words costs is the difference.
    let rules = scanner.with_model(ModelMode::Off);
    group.bench_function("injection-rules", |bencher| {
        bencher.iter_batched(&mut next, |text| black_box(injection(&rules, text)), BatchSize::PerIteration);
    });
    group.bench_function("both", |bencher| {
        bencher.iter_batched(
            &mut next,
            |text| black_box((detectors.dlp(text), injection(&scanner, text))),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Everything that a policy can name.
struct Detectors {
    scanner: scan::Scanner,
    all: Set,
}

impl Detectors {
    fn new() -> Result<Self, scan::NotCompiled> {
        let scanner = Catalogue::built_in().map_err(Clone::clone)?.scanner(["pii", "secrets"], [])?;
        scanner.compile()?;
        Ok(Self { all: scanner.set(|_| true), scanner })
    }

    fn dlp(&self, text: &str) -> usize {
        let mut out = Vec::new();
        let _read = self.scanner.find(text, &self.all, &mut scan::Effort::default(), &mut out);
        out.len()
    }
}

fn injection(scanner: &Scanner, text: &str) -> usize {
    let mut out = Vec::new();
    scanner.scan(text, SurfaceKind::Result, &mut Effort::default(), &mut out);
    out.len()
}

/// What a tool that reads a database or a repository answers: records, prose, a little code.
fn record(number: u64) -> String {
    const WORDS: &[&str] = &[
        "the",
        "order",
        "was",
        "shipped",
        "from",
        "warehouse",
        "customer",
        "asked",
        "for",
        "a",
        "refund",
        "because",
        "delivery",
        "took",
        "longer",
        "than",
        "expected",
        "please",
        "see",
        "attached",
        "report",
        "when",
        "status",
        "changes",
        "system",
        "returns",
        "an",
        "error",
        "code",
        "you",
        "can",
        "read",
        "more",
        "about",
        "this",
        "in",
        "our",
        "documentation",
        "before",
        "running",
        "update",
        "all",
        "previous",
        "versions",
    ];
    let mut text =
        format!("{{\"id\": {number}, \"created\": \"2026-11-{:02}T10:{:02}:00Z\", \"note\": \"", number % 28 + 1, number % 60);
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..24 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = usize::try_from(state % WORDS.len() as u64).unwrap_or(0);
        let _ = write!(text, "{} ", WORDS.get(word).unwrap_or(&""));
    }
    let _ = writeln!(text, "\", \"total\": {}.{:02}, \"ref\": \"{state:016x}\"}},", number * 37 % 10_000, number % 100);
    text
}

fn pool(size: usize, line: impl Fn(u64) -> String) -> Vec<String> {
    let mut number = 0;
    let mut text = || {
        let mut text = String::with_capacity(size + 256);
        while text.len() < size {
            text.push_str(&line(number));
            number += 1;
        }
        text.truncate(text.floor_char_boundary(size));
        text
    };
    (0..POOL / size).map(|_| text()).collect()
}

criterion_group!(benches, plain, not_ascii, hostile);
criterion_main!(benches);
