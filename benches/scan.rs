//! What does it cost to look for everything that `policies/detectors/` describes, all rows at once?
//!
//! `cargo bench --bench scan [-- FILTER]`. Defends (one core): 200 MB/s on messages of 1 MiB, 150 on 16 KiB, 6 us for 1 KiB; 20 MB/s on text
//! made to be slow, so that no MiB costs more than 50 ms; 200 ms to read and compile the rows. Inputs rotate over a pool of several MiB, since
//! one input repeated flatters every cache and every lazily built automaton; the first pass, in which those are built, is told apart.

#![expect(
    clippy::cast_precision_loss,
    clippy::disallowed_types,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench that cannot start has nothing to say, and measures real time"
)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use yett::scan::{Catalogue, Effort, Scanner};

const POOL: usize = 4 << 20;
const ROUNDS: usize = 12;

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let began = Instant::now();
    let catalogue = Catalogue::built_in().expect("detectors");
    let read = began.elapsed();
    let began = Instant::now();
    let scanner = catalogue.scanner(["pii", "secrets"], []).expect("detectors");
    let made = began.elapsed();
    let began = Instant::now();
    scanner.compile().expect("patterns");
    println!("{} rows: read {read:.1?}, their anchors {made:.1?}, their patterns {:.1?}", scanner.all().count(), began.elapsed());
    for (name, line) in TYPICAL {
        for size in [1 << 10, 16 << 10, 1 << 20] {
            let name = format!("{name}, {} KiB", size >> 10);
            if name.contains(&filter) {
                measure(&name, &scanner, &pool(size, *line));
            }
        }
    }
    for (name, part) in HOSTILE {
        let name = format!("hostile: {name}");
        if name.contains(&filter) {
            measure(&name, &scanner, &[part.repeat((1 << 20) / part.len())]);
        }
    }
    if "hostile: every literal".contains(&filter) {
        measure("hostile: every literal", &scanner, &[literals(&scanner)]);
    }
}

fn measure(name: &str, scanner: &Scanner, pool: &[String]) {
    let all = scanner.set(|_| true);
    let pass = || {
        let (began, mut hits, mut unread) = (Instant::now(), 0, 0);
        for text in pool {
            let read = scanner.scan(black_box(text.as_bytes()), &all, &mut Effort::default(), |_, _| hits += 1);
            unread += usize::from(read.is_err());
        }
        (began.elapsed(), hits, unread)
    };
    let (first, hits, unread) = pass();
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| pass().0).collect();
    times.sort_unstable();
    let [best, median] = [0, ROUNDS / 2].map(|at| times.get(at).copied().unwrap_or_default());
    let bytes: usize = pool.iter().map(String::len).sum();
    let rate = |took: Duration| bytes as f64 / 1e6 / took.as_secs_f64();
    println!(
        "{name:32} {:7.1} MB/s, best {:7.1}, first {:7.1}; {:9.2} us a message; {hits} hits, {unread} unread",
        rate(median),
        rate(best),
        rate(first),
        median.as_secs_f64() * 1e6 / pool.len() as f64
    );
}

type Line = fn(u64, &mut String);

/// What tools answer with.
const TYPICAL: &[(&str, Line)] = &[("records", record), ("prose", prose), ("code", code)];

/// What is made to be slow: the anchors of many rows, as dense as they get, and what almost matches.
const HOSTILE: &[(&str, &str)] = &[
    ("at", "a@"),
    ("at with a dot", "a.a@"),
    ("addresses", "a@a.aa "),
    ("credentials of a URL", "://a:b@"),
    ("digits", "4"),
    ("digits apart", "4 "),
    ("digits and letters", "4a"),
    ("letters and nine digits", "a123456789"),
    ("small numbers", "1,2,"),
    ("dates", "2026-11-21 10:20:30,"),
    ("addresses of hosts", "10.0.0.1,"),
    ("hexadecimal", "0123456789abcdef,"),
    ("cards that are none", "4111111111111112,"),
    ("MAC addresses without end", "00:"),
    ("beginnings of IBANs", "GB82 "),
    ("telephones", "(212)5"),
    ("words", "ssn "),
    ("words and numbers", "ssn 123456789 "),
    ("words and telephones", "tel 0123456789 "),
    ("nineteen of base64", "abcdEFGH01234567890 "),
    ("twenty of base64", "abcdEFGH012345678901 "),
    ("endless base64", "MbcdEFGH012345678901x"),
    ("passwords", "password"),
    ("passwords in quotes", "password = \"abc\" "),
    ("machine-readable zone", "<"),
    ("prefixes", "ghp_abcdefghij "),
    ("keys", "sk-"),
    ("tokens", "eyJ"),
    ("of all a little", "ignore a@a.a4 4111 1111 1111 1112 ghp_ AKIA you are now from now on reveal DE89 ![a](http://a?b send "),
];

/// A MiB of the literals of all rows, in turn.
fn literals(scanner: &Scanner) -> String {
    let samples = scanner.all().flat_map(|detector| detector.finds.iter().chain(&detector.spares));
    let some: String = samples.map(|sample| sample.split("${").next().unwrap_or_default()).collect();
    let mut text = some.repeat((1 << 20) / some.len().max(1) + 1);
    text.truncate(text.floor_char_boundary(1 << 20));
    text
}

fn record(number: u64, text: &mut String) {
    let (mut random, day) = (random(number), number % 28 + 1);
    let _ = write!(
        text,
        "{{\"id\": {}, \"created_at\": \"2026-11-{day:02}T10:{:02}:07Z\", \"title\": \"",
        2_190_000 + number,
        number % 60
    );
    words(8, &mut random, text);
    let _ = write!(
        text,
        "\", \"url\": \"https://api.example.test/repos/acme/shop/issues/{number}\", \"total\": {}.{:02}, ",
        number * 37 % 10_000,
        day
    );
    let _ = writeln!(text, "\"labels\": [\"bug\", \"v{}.{day}\"], \"ref\": \"{:016x}\", \"open\": true}},", number % 9, random());
}

fn prose(number: u64, text: &mut String) {
    let mut random = random(number);
    words(14, &mut random, text);
    let _ = write!(text, ", since {} of ", 1900 + number % 130);
    words(9, &mut random, text);
    text.push_str(".\n");
}

fn code(number: u64, text: &mut String) {
    let mut random = random(number);
    let _ = write!(text, "    /// Returns the ");
    words(6, &mut random, text);
    let _ = writeln!(text, ".\n    pub fn next_page_token(&self, limit: usize) -> Option<&str> {{");
    let _ = writeln!(text, "        self.entries.get(limit + {}).map(|entry| entry.token.as_str())\n    }}\n", number % 100);
}

fn words(count: usize, random: &mut impl FnMut() -> u64, text: &mut String) {
    let all: Vec<&str> = WORDS.split_ascii_whitespace().collect();
    for at in 0..count {
        let word = usize::try_from(random() % all.len() as u64).ok().and_then(|at| all.get(at)).copied().unwrap_or_default();
        text.push_str(if at == 0 { "" } else { " " });
        text.push_str(word);
    }
}

const WORDS: &str = "the order was shipped from warehouse customer asked for a refund because delivery took longer than expected please see \
    attached report when status changes system returns an error code you can read more about this in our documentation before running \
    update all previous versions service account authorization header request response schema default server project github release \
    branch review comment author session identifier password token secret key value configuration environment is not set";

/// The generator `xorshift64`, begun anew for each line.
fn random(number: u64) -> impl FnMut() -> u64 {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn pool(size: usize, line: Line) -> Vec<String> {
    let mut number = 0;
    let mut text = || {
        let mut text = String::with_capacity(size + 512);
        while text.len() < size {
            line(number, &mut text);
            number += 1;
        }
        text.truncate(text.floor_char_boundary(size));
        text
    };
    (0..POOL / size).map(|_| text()).collect()
}
