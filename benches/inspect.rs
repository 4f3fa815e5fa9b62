//! What does it cost to inspect ordinary tool output for sensitive data and for injected orders?
//!
//! Defends: on plain text 200 MB/s for sensitive data and 100 MB/s for orders; 20 MB/s on text made to be slow. Inputs rotate over a pool of several MiB, since one input repeated flatters every cache
//! and every lazily built automaton. Two further groups: text that is not ASCII, and text made to be slow.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use yett::scan::injection::{Effort, ModelMode, Scanner, SurfaceKind};
use yett::scan::{self, Catalogue, Set};

#[path = "support/texts.rs"]
mod texts;

fn plain(criterion: &mut Criterion) {
    for size in [1 << 10, 16 << 10, 64 << 10] {
        measure(criterion, &format!("plain-{}KiB", size >> 10), &texts::pool(size, texts::record));
    }
    measure(criterion, "prose-16KiB", &texts::pool(16 << 10, texts::prose));
}

fn not_ascii(criterion: &mut Criterion) {
    let prose = |number: u64| format!("Die Prüfung Nr. {number} – „bestanden“ – Отчёт готов, 报告已完成。\n");
    measure(criterion, "not-ascii-16KiB", &texts::pool(16 << 10, prose));
}

fn hostile(criterion: &mut Criterion) {
    measure(criterion, "hostile-64KiB", &texts::pool(64 << 10, texts::hostile));
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

criterion_group!(benches, plain, not_ascii, hostile);
criterion_main!(benches);
