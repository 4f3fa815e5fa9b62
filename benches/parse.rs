//! What does the strict parser cost beside `serde_json::from_slice::<Value>`? It defends 800 MB/s on a text of 64 KiB and 300 MB/s on
//! 64 KiB that are dense with keys and values. Text must not be slower than there (both are bound by the UTF-8 check and the
//! escapes), and lists of tools at least twice as fast.
//!
//! Each shape is a pool of several MiB of differing messages, walked in turn: one repeated message would sit in the cache and
//! train the branch predictor, which no gateway enjoys. `cargo bench --bench parse`.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark stops at the first surprise")]

use std::fmt::Write as _;
use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use yett::protocol::json::{Document, Limits, Parser};

/// Larger than the second-level cache of the machines we run on.
const POOL_BYTES: usize = 8 << 20;

/// A small generator of the same numbers on every machine (Steele, Lea and Flood: "Fast splittable pseudorandom number
/// generators", the `SplitMix64` constants).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 24] = [
            "the", "gateway", "policy", "reads", "a", "message", "and", "decides", "account", "number", "of", "customer", "in",
            "report", "quarter", "server", "to", "write", "naïve", "is", "invoice", "on", "Zürich", "file",
        ];
        WORDS[usize::try_from(self.below(24)).unwrap()]
    }

    fn words(&mut self, count: u64) -> String {
        (0..count).map(|_| self.word()).collect::<Vec<_>>().join(" ")
    }
}

/// A tool result: one text of lines, as file and search tools return.
fn text_result(random: &mut Random, length: usize) -> String {
    let mut text = String::new();
    while text.len() < length {
        let words = 6 + random.below(9);
        write!(text, "{}{}", random.words(words), if random.below(12) == 0 { ": \\\"quoted\\\".\\n" } else { ".\\n" }).unwrap();
    }
    let id = random.below(1 << 30);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}}}"#)
}

/// A list of tools: short keys, small objects, much syntax.
fn tools_list(random: &mut Random, length: usize) -> String {
    let mut tools = Vec::new();
    let mut total = 0;
    while total < length {
        let mut properties = Vec::new();
        for index in 0..=random.below(5) {
            let (name, text, most) = (random.word(), random.words(5), random.below(1000));
            properties
                .push(format!(r#""{name}_{index}":{{"type":"integer","description":"{text}","minimum":0,"maximum":{most}}}"#));
        }
        let (name, title, text) = (random.word(), random.words(2), random.words(12));
        let tool = format!(
            r#"{{"name":"{name}_{}","title":"{title}","description":"{text}","inputSchema":{{"type":"object","properties":{{{}}},"required":["{name}_0"],"additionalProperties":false}},"annotations":{{"readOnlyHint":true,"openWorldHint":false}}}}"#,
            tools.len(),
            properties.join(",")
        );
        total += tool.len();
        tools.push(tool);
    }
    format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{}]}}}}"#, random.below(1 << 30), tools.join(","))
}

/// A call with a few arguments.
fn call(random: &mut Random, length: usize) -> String {
    let (id, name, limit) = (random.below(1 << 30), random.word(), random.below(100));
    let query = random.words(length as u64 / 12);
    let filter = random.words(8);
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{"query":"{query}","limit":{limit},"filter":{{"owner":"{filter}","tags":["a","b"],"after":"2026-11-21"}},"exact":true}},"_meta":{{"progressToken":{id}}}}}}}"#
    )
}

fn pool(make: impl Fn(&mut Random, usize) -> String, length: usize) -> Vec<Bytes> {
    let mut random = Random(7);
    let mut messages = Vec::new();
    let mut total = 0;
    while total < POOL_BYTES {
        let message = make(&mut random, length);
        total += message.len();
        messages.push(Bytes::from(message));
    }
    messages
}

fn parse(criterion: &mut Criterion) {
    let shapes = [
        ("text result 64 KiB", pool(text_result, 64 << 10)),
        ("tools list 64 KiB", pool(tools_list, 64 << 10)),
        ("call 1 KiB", pool(call, 1 << 10)),
    ];
    let mut group = criterion.benchmark_group("parse");
    for (shape, messages) in &shapes {
        let mean = messages.iter().map(Bytes::len).sum::<usize>() / messages.len();
        group.throughput(Throughput::BytesDecimal(mean as u64));
        group.bench_function(BenchmarkId::new("document", shape), |bencher| {
            let mut turn = messages.iter().cycle();
            bencher.iter(|| black_box(Document::parse(turn.next().unwrap().clone(), Limits::default()).unwrap()));
        });
        group.bench_function(BenchmarkId::new("document, buffers reused", shape), |bencher| {
            let mut turn = messages.iter().cycle();
            let mut parser = Parser::new();
            bencher.iter(|| {
                let document = parser.parse(turn.next().unwrap().clone(), Limits::default()).unwrap();
                parser.recycle(black_box(document));
            });
        });
        group.bench_function(BenchmarkId::new("document and its texts", shape), |bencher| {
            let mut turn = messages.iter().cycle();
            bencher.iter(|| {
                let document = Document::parse(turn.next().unwrap().clone(), Limits::default()).unwrap();
                black_box(document.root().texts().map(|text| text.text.len()).sum::<usize>())
            });
        });
        group.bench_function(BenchmarkId::new("serde_json value", shape), |bencher| {
            let mut turn = messages.iter().cycle();
            bencher.iter(|| black_box(serde_json::from_slice::<serde_json::Value>(turn.next().unwrap()).unwrap()));
        });
    }
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
