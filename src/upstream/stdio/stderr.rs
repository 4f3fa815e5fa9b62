//! What a process says on its standard error, as lines fit for the log: short, few, and with nothing in them that a terminal or a reader
//! of logs would obey. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::time::Instant;

use crate::secret::Secret;
use crate::secrets::Live;

/// Longest line; of a longer one its begin.
pub(super) const LONGEST: usize = 1 << 10;

/// Lines at once, and one more in each of these times.
const BURST: u32 = 50;
const PACE: Duration = Duration::from_millis(100);

/// A variable's value that is shorter is no secret, and would be found everywhere.
const LEAST_SECRET: usize = 6;

/// Which lines are logged, and how.
#[derive(Debug)]
pub(super) struct Filter {
    hidden: Vec<(String, Secret<String>)>,
    left: u32,
    since: Instant,
    suppressed: u64,
}

/// A line for the log, and how many before it are in no line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) line: String,
    pub(super) suppressed: u64,
}

impl Filter {
    /// Hides the values of these variables; paths and the like, which are no secrets, stay.
    pub(super) fn hiding(environment: &[(String, Live)], now: Instant) -> Self {
        let harmless = |name: &str| matches!(name, "PATH" | "LANG" | "HOME" | "TZ");
        let current = |(name, value): &(String, Live)| Some((name.clone(), value.current().ok()?.secret.clone()));
        let hidden = environment.iter().filter_map(current);
        let hidden = hidden.filter(|(name, value)| !harmless(name) && value.expose().len() >= LEAST_SECRET);
        Self { hidden: hidden.collect(), left: BURST, since: now, suppressed: 0 }
    }

    /// The line as it is logged; `None` if there were too many lately.
    pub(super) fn pass(&mut self, line: &[u8], now: Instant) -> Option<Logged> {
        let paces = now.duration_since(self.since).as_millis() / PACE.as_millis();
        let more = u32::try_from(paces).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.since = now;
        }
        if self.left == 0 {
            self.suppressed += 1;
            return None;
        }
        self.left -= 1;
        Some(Logged { line: self.clean(line), suppressed: std::mem::take(&mut self.suppressed) })
    }

    fn clean(&self, line: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(line).into_owned();
        for (name, value) in &self.hidden {
            if text.contains(value.expose().as_str()) {
                text = text.replace(value.expose().as_str(), &format!("[{name}]"));
            }
        }
        let mut clean = String::with_capacity(text.len());
        for c in text.trim_end().chars() {
            if clean.len() >= LONGEST {
                clean.push('…');
                break;
            }
            if c.is_control() || is_direction(c) {
                // Writing to a String cannot fail.
                let _ = write!(clean, "\\u{{{:x}}}", u32::from(c));
            } else {
                clean.push(c);
            }
        }
        clean
    }
}

/// What lets a line be read in another order than it is written in.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::Form;

    fn filter(environment: &[(&str, &str)]) -> Filter {
        let environment: Vec<_> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Live::fixed(name, Form::Variable, (*value).to_owned())))
            .collect();
        Filter::hiding(&environment, Instant::now())
    }

    fn line(filter: &mut Filter, text: &str) -> String {
        filter.pass(text.as_bytes(), Instant::now()).unwrap().line
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        let mut filter = filter(&[]);
        assert_eq!(line(&mut filter, "a\x1b[2Jb\u{202e}c\r"), "a\\u{1b}[2Jb\\u{202e}c");
        assert_eq!(filter.pass(b"\xff\n", Instant::now()).unwrap().line, "\u{fffd}");
    }

    #[test]
    fn values_of_the_environment_are_hidden() {
        let mut filter = filter(&[("TOKEN", "s3cr3t-value"), ("SHORT", "abc"), ("PATH", "/usr/bin")]);
        assert_eq!(line(&mut filter, "no /usr/bin for s3cr3t-value, abc"), "no /usr/bin for [TOKEN], abc");
    }

    #[test]
    fn lines_are_short() {
        let long = "x".repeat(10 * LONGEST);
        assert_eq!(line(&mut filter(&[]), &long).chars().count(), LONGEST + 1);
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_few_and_those_left_out_are_counted() {
        let mut filter = filter(&[]);
        let mut passed = 0;
        for _ in 0..1_000 {
            passed += u32::from(filter.pass(b"x", Instant::now()).is_some());
        }
        assert_eq!(passed, BURST);
        tokio::time::advance(PACE).await;
        assert_eq!(filter.pass(b"y", Instant::now()), Some(Logged { line: "y".to_owned(), suppressed: 950 }));
        assert_eq!(filter.pass(b"z", Instant::now()), None);
    }
}
