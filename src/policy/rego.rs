//! `*.rego`: modules of the package `yett`, which may add denials and nothing else. Read, checked and prepared here; `decide/rego.rs` asks.

use std::collections::HashSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroU32;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};

use super::Origin;
use crate::yaml::{FileId, Place, Report};

/// The one package, and the one rule that is asked.
const PACKAGE: &str = "data.yett";
const DENY: &str = "data.yett.deny";

/// How long one decision may take.
const LIMIT: Duration = Duration::from_millis(50);

/// Steps between two looks at the clock.
const LOOK: NonZeroU32 = NonZeroU32::new(64).unwrap();

/// Functions by which the same access could be decided in two ways, so that no record could be judged again.
const UNSTEADY: [&str; 6] = ["time.now_ns", "rand.", "uuid.", "opa.runtime", "http.send", "net.lookup_ip_addr"];

/// With these a line may begin that defines nothing of its own.
const KEPT: [&str; 10] = ["", "deny", "else", "every", "import", "input", "not", "package", "rego", "some"];

/// What of `input.access` is the same for every use of a thing; `method` is not, and is found by its own name.
const ACCESS: [&str; 6] = ["method", "operation", "prompt", "resource", "target", "tool"];

/// All modules of a policy, prepared.
#[derive(Clone)]
pub struct Modules {
    engine: Engine,
    /// Those that have nothing to do with arguments, where others have.
    without_arguments: Option<Engine>,
    reads: Reads,
    digest: u64,
    origin: Origin,
}

/// What modules look at that is not the same for each use of a thing by its caller. Found by words: it may say more than is true, never less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Arguments.
    pub arguments: bool,
    /// The method, the time or the place.
    pub moment: bool,
}

impl Reads {
    fn of(text: &str) -> Self {
        let words = || text.split(|c: char| !is_word(c)).filter(|word| !word.is_empty());
        let has = |wanted: &[&str]| words().any(|word| wanted.contains(&word));
        // `input`, or `access`, by itself or with a name that is worked out may be any of it.
        let whole = standing(text, "input").any(|after| !after.strip_prefix('.').is_some_and(|name| name.starts_with(is_word)));
        let any_access = standing(text, "access").any(|after| {
            let name = after.strip_prefix('.').map(|after| after.split(|c: char| !is_word(c)).next().unwrap_or_default());
            !name.is_some_and(|name| ACCESS.contains(&name))
        });
        let moment = whole || any_access || has(&["method", "now", "peer", "time"]);
        Self { arguments: whole || has(&["arguments"]), moment }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// What comes after each place where a word stands alone.
fn standing<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    text.match_indices(word).filter_map(move |(at, word)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + word.len()..).unwrap_or_default());
        (!before.ends_with(is_word) && !after.starts_with(is_word)).then_some(after)
    })
}

impl Modules {
    /// Reads modules, each with its name and text; `None` if there is none, or one that is wrong.
    pub(super) fn read(files: &[(String, String)], report: &mut Report) -> Option<Self> {
        let (errors, mut engine, mut reads) = (report.errors(), empty(), Reads::default());
        let (mut places, mut hasher, mut of_arguments) = (Vec::new(), DefaultHasher::new(), None);
        for (name, text) in files {
            text.hash(&mut hasher);
            let file = report.add_file(name.clone(), text.clone());
            places.push((name.as_str(), file));
            refuse_unsteady(text, file, report);
            match engine.add_policy(name.clone(), text.clone()) {
                Ok(package) if package == PACKAGE => {}
                Ok(package) => {
                    let package = package.trim_start_matches("data.");
                    let line = text.lines().position(|line| line.trim_start().starts_with("package")).map_or(0, |line| line + 1);
                    let found = report.error(Place::point(file, line, 1), format!("this module is of the package `{package}`"));
                    found.hint("only the package `yett` is asked: write `package yett`");
                }
                Err(error) => tell(&error.to_string(), &places, report),
            }
            let found = Reads::of(text);
            if found.arguments {
                of_arguments.get_or_insert(file);
            }
            reads = Reads { arguments: reads.arguments || found.arguments, moment: reads.moment || found.moment };
        }
        let (_, first) = places.first().copied()?;
        if report.errors() == errors {
            prepare(&mut engine, &places, report);
        }
        let origin = Origin::at(Place::whole(first), report);
        let without_arguments = if reads.arguments { without_arguments(files) } else { None };
        // Who has rules about arguments only has nothing to part.
        let may_part = || files.iter().any(|(_, text)| rules_of(text).any(|rule| !Reads::of(rule).arguments));
        if let (Some(file), None, true) = (of_arguments, &without_arguments, report.errors() == errors)
            && may_part()
        {
            let said =
                "no module is asked about tasks: each may look at arguments, which a task has no more, or uses one that may";
            report.warning(Place::whole(file), said).hint(
                "write rules that do not look at `input.arguments` into a file of their own, which uses none of the others",
            );
        }
        (report.errors() == errors).then_some(Self { engine, without_arguments, reads, digest: hasher.finish(), origin })
    }

    /// What they can look at beside caller, server and target.
    pub fn reads(&self) -> Reads {
        self.reads
    }

    /// What they say, to be compared with what others say in one process.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The first file.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What they say of this input: the value of `deny`.
    ///
    /// # Errors
    /// It cannot be said, or not in time.
    pub fn deny(&self, input: Value) -> Result<Value, Unsaid> {
        ask(&self.engine, input)
    }

    /// What those say of it that say the same whatever the arguments are. `None`: all of them may look at arguments.
    ///
    /// # Errors
    /// It cannot be said, or not in time.
    pub fn deny_whatever_the_arguments(&self, input: Value) -> Option<Result<Value, Unsaid>> {
        self.without_arguments.as_ref().map(|engine| ask(engine, input))
    }
}

/// The rules of a module that deny, each with what stands behind it up to the next.
fn rules_of(text: &str) -> impl Iterator<Item = &str> {
    text.split("\ndeny").skip(1)
}

fn empty() -> Engine {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(true);
    engine.set_execution_timer_config(ExecutionTimerConfig { limit: LIMIT, check_interval: LOOK });
    engine
}

fn ask(engine: &Engine, input: Value) -> Result<Value, Unsaid> {
    let mut engine = engine.clone();
    engine.set_input(input);
    engine.eval_rule(DENY.to_owned()).map_err(|error| {
        let is_late = error.to_string().contains("time limit");
        if is_late { Unsaid::Late } else { Unsaid::Failed }
    })
}

/// The modules that neither look at arguments nor at what is defined in one that does; by words again. `None` where nothing is left that
/// denies anything.
fn without_arguments(files: &[(String, String)]) -> Option<Engine> {
    let (mut left, mut gone): (Vec<_>, Vec<_>) = files.iter().partition(|(_, text)| !Reads::of(text).arguments);
    while let Some((_, text)) = gone.pop() {
        let defined: HashSet<&str> = defined(text).collect();
        let is_used = |text: &str| text.split(|c: char| !is_word(c)).any(|word| defined.contains(word));
        gone.extend(left.extract_if(.., |(_, text)| is_used(text)));
    }
    let mut engine = empty();
    left.iter().try_for_each(|(name, text)| engine.add_policy(name.clone(), text.clone()).map(|_| ())).ok()?;
    engine.set_input(Value::new_object());
    engine.eval_rule(DENY.to_owned()).is_ok().then_some(engine)
}

/// Names of rules and functions, and more: whatever a line begins with.
fn defined(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.lines().map(|line| line.trim_start().trim_start_matches("default "));
    starts.filter_map(|line| line.split(|c: char| !is_word(c)).next()).filter(|name| !KEPT.contains(name))
}

/// Why nothing was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unsaid {
    /// A mistake.
    Failed,
    /// It took too long.
    Late,
}

/// Whatever is found out late is found out now: all rules are looked through once.
fn prepare(engine: &mut Engine, places: &[(&str, FileId)], report: &mut Report) {
    engine.set_input(Value::new_object());
    if let Err(error) = engine.eval_rule(DENY.to_owned()) {
        let text = error.to_string();
        if text.contains("-->") {
            tell(&text, places, report);
        } else if let Some((_, file)) = places.first() {
            report
                .error(Place::whole(*file), "no module has a rule `deny`")
                .hint("write `deny contains {\"rule\": \"name\", \"reason\": \"what callers are told\"} if { ... }`");
        }
    }
}

fn refuse_unsteady(text: &str, file: FileId, report: &mut Report) {
    for (number, line) in text.lines().enumerate() {
        // Comments too: where one begins is for a parser to say.
        let found = UNSTEADY.iter().find_map(|word| {
            let starts = |at: &usize| !line.get(..*at).unwrap_or_default().ends_with(|c: char| is_word(c) || c == '.');
            Some((line.match_indices(word).map(|(at, _)| at).find(starts)?, *word))
        });
        if let Some((at, word)) = found {
            let column = line.get(..at).map_or(1, |before| before.chars().count() + 1);
            report
                .error(Place::point(file, number + 1, column), format!("`{}` is another each time", word.trim_end_matches('.')))
                .hint("a decision must be the same when its record is judged again: the time is `input.now`");
        }
    }
}

/// What the library says, at the place of which it says it: `--> FILE:LINE:COLUMN`, a picture, `error: MESSAGE`.
fn tell(text: &str, places: &[(&str, FileId)], report: &mut Report) {
    let message = text.rsplit("error: ").next().unwrap_or(text).trim();
    let place = text.lines().find_map(|line| {
        let mut parts = line.trim().strip_prefix("--> ")?.rsplitn(3, ':');
        let (column, line, name) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let (_, file) = places.iter().find(|(known, _)| *known == name)?;
        Some(Place::point(*file, line, column))
    });
    let Some(place) = place.or_else(|| places.last().map(|(_, file)| Place::whole(*file))) else { return };
    report.error(place, format!("this is no Rego that is read: {message}")).hint("see docs/rego.md");
}

impl fmt::Debug for Modules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Modules").field("reads", &self.reads).field("origin", &self.origin).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Modules, Reads, Report, Value, ask, without_arguments};

    /// Whether the rest denies an empty input; `None` if there is no rest.
    fn rest(texts: &[&str]) -> Option<bool> {
        let file = |(at, text): (usize, &&str)| (format!("{at}.rego"), format!("package yett\n\n{text}\n"));
        let files: Vec<_> = texts.iter().enumerate().map(file).collect();
        let engine = without_arguments(&files)?;
        Some(ask(&engine, Value::new_object()).unwrap().as_set().is_ok_and(|denied| !denied.is_empty()))
    }

    #[test]
    fn modules_that_nobody_can_ask_about_tasks_are_warned_of() {
        let warned = |texts: &[&str]| {
            let files: Vec<_> =
                (0..).zip(texts).map(|(at, text)| (format!("{at}.rego"), format!("package yett\n\n{text}\n"))).collect();
            let mut report = Report::new();
            assert!(Modules::read(&files, &mut report).is_some(), "{report}");
            report.to_string()
        };
        let by_arguments = "deny contains \"x\" if input.arguments.x";
        let alone =
            warned(&["deny contains \"y\" if input.principal.tenant == \"acme\"\n\ndeny contains \"x\" if input.arguments.x"]);
        assert!(alone.contains("0.rego") && alone.contains("no module is asked about tasks"), "{alone}");
        assert_eq!(warned(&[by_arguments]), "", "it has nothing to part");
        assert_eq!(warned(&[by_arguments, "deny contains \"all\" if true"]), "");
        assert_eq!(warned(&["deny contains \"all\" if true"]), "");
    }

    #[test]
    fn a_module_keeps_its_word_beside_one_that_looks_at_arguments_unless_it_uses_what_that_one_defines() {
        let by_arguments = "deny contains \"x\" if input.arguments.x";
        assert_eq!(rest(&[by_arguments]), None);
        assert_eq!(rest(&[by_arguments, "deny contains \"all\" if true"]), Some(true));
        assert_eq!(rest(&[by_arguments, "deny contains \"none\" if false"]), Some(false));
        let helper = "default large := false\n\nlarge if input.arguments.x > 5";
        assert_eq!(rest(&[helper, "deny contains \"small\" if not large"]), None);
        assert_eq!(rest(&[helper, "small if not large", "deny contains \"small\" if small"]), None);
        assert_eq!(rest(&[helper, "deny contains \"small\" if not large", "deny contains \"all\" if true"]), Some(true));
    }

    #[test]
    fn what_modules_look_at_is_never_less_than_it_is() {
        let reads = |arguments, moment| Reads { arguments, moment };
        for (text, expected) in [
            ("deny contains \"x\" if input.principal.tenant == \"acme\"", reads(false, false)),
            ("deny contains \"x\" if input.arguments.amount > 5", reads(true, false)),
            ("deny contains \"x\" if input[\"arg\"]", reads(true, true)),
            ("deny contains \"x\" if walk(input)", reads(true, true)),
            ("import input as i", reads(true, true)),
            ("import input.arguments as a", reads(true, false)),
            ("deny contains \"x\" if input.now.hour > 17", reads(false, true)),
            ("deny contains \"x\" if input.access.method == \"tools/call\"", reads(false, true)),
            ("deny contains \"x\" if startswith(input.peer.address, \"10.\")", reads(false, true)),
            ("inputs := 1", reads(false, false)),
            ("deny contains \"x\" if \"prompts/get\" in input.access", reads(false, true)),
            ("deny contains \"x\" if input.access[k] == \"prompts/get\"", reads(false, true)),
            ("import input.access as a", reads(false, true)),
            ("deny contains \"x\" if input.access.tool == \"x\"", reads(false, false)),
            ("deny contains \"x\" if input .arguments", reads(true, true)),
        ] {
            assert_eq!(Reads::of(text), expected, "{text}");
        }
    }
}
