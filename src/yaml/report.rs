//! What was found wrong, where, and what to do: collected, never first-fail.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

/// Most findings that a terminal is shown; JSON has all.
const SHOWN: usize = 100;
/// Longest stretch of a source line that is shown, in characters.
const SNIPPET: usize = 120;
/// Longest quotation of what the operator wrote, in characters.
const QUOTATION: usize = 80;

/// A file known to a [`Report`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A stretch of a file. Lines and columns count from 1, columns in characters; line 0 means the file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// First line.
    pub line: usize,
    /// First column.
    pub column: usize,
    /// Line of the end.
    pub end_line: usize,
    /// Column behind the end.
    pub end_column: usize,
}

impl Place {
    /// The file as a whole.
    pub fn whole(file: FileId) -> Self {
        Self { file, line: 0, column: 0, end_line: 0, end_column: 0 }
    }

    /// One character of a file.
    pub fn point(file: FileId, line: usize, column: usize) -> Self {
        Self { file, line, column, end_line: line, end_column: column + 1 }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nothing starts with this.
    Error,
    /// It starts, but a choice is weak or without effect.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    pub place: Place,
    /// What is wrong: lower case, without a full stop, what the operator wrote in backticks.
    pub message: String,
    /// What was expected, or what to do; stands beside the caret.
    pub hint: Option<String>,
    /// More of it, such as the list of accepted keys; stands below.
    pub note: Option<String>,
}

impl Diagnostic {
    /// Says what was expected, or what to do. An empty hint is none.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into()).filter(|hint| !hint.is_empty());
        self
    }

    /// Adds more to the hint.
    pub fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.note = Some(note.into()).filter(|note| !note.is_empty());
        self
    }
}

/// All that was found, in all files. `Display` is for a terminal, [`Report::to_json`] for programs.
///
/// Neither shows a resolved secret: messages quote what stands in the file ([`crate::yaml::Scalar::shown`]), and source
/// lines are shown with the [concealed](Report::conceal) stretches starred out.
#[derive(Clone, Debug, Default)]
pub struct Report {
    files: Vec<Source>,
    diagnostics: Vec<Diagnostic>,
    concealed: Vec<Place>,
    keys: BTreeSet<(&'static str, &'static str)>,
}

#[derive(Clone)]
struct Source {
    name: String,
    text: Zeroizing<String>,
}

// The text may hold a secret that was written literally.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a file known, with the text that snippets are cut from.
    pub fn add_file(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Source { name: name.into(), text: Zeroizing::new(text.into()) });
        id
    }

    /// Records an error; the result takes the hint.
    pub fn error(&mut self, place: Place, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, place, message.into())
    }

    /// Records a warning; the result takes the hint.
    pub fn warning(&mut self, place: Place, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, place, message.into())
    }

    /// Number of errors.
    pub fn errors(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Error).count()
    }

    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// All findings: by file in the order of reading, then by place, errors and warnings together.
    pub fn diagnostics(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<&Diagnostic> = self.diagnostics.iter().collect();
        sorted.sort_by_key(|found| found.place);
        sorted
    }

    /// The name of a file, as it was opened.
    pub fn file_name(&self, file: FileId) -> &str {
        self.source(file).map_or("?", |source| source.name.as_str())
    }

    /// `file:line:column`, to name a second place in a hint.
    pub fn locate(&self, place: Place) -> String {
        let name = self.file_name(place.file);
        if place.line == 0 { name.to_owned() } else { format!("{name}:{}:{}", place.line, place.column) }
    }

    /// Stars out this stretch wherever a source line is shown: a secret may stand there.
    pub fn conceal(&mut self, place: Place) {
        self.concealed.push(place);
    }

    /// Every key that was asked for so far, as `section.key`; what a test holds the documentation against.
    pub fn keys(&self) -> impl Iterator<Item = String> + '_ {
        self.keys.iter().map(|(section, key)| if section.is_empty() { (*key).to_owned() } else { format!("{section}.{key}") })
    }

    /// A list of `{severity, file, line, column, message, hint}`, and `note` where there is one. `line` and `column` are 0
    /// when the file as a whole is meant.
    pub fn to_json(&self) -> Json {
        let list = self.diagnostics().into_iter().map(|found| {
            let mut object = json!({
                "severity": found.severity.as_str(),
                "file": self.file_name(found.place.file),
                "line": found.place.line,
                "column": found.place.column,
                "message": found.message,
                "hint": found.hint,
            });
            if let (Some(note), Some(members)) = (&found.note, object.as_object_mut()) {
                members.insert("note".to_owned(), Json::from(note.as_str()));
            }
            object
        });
        Json::Array(list.collect())
    }

    pub(super) fn asked(&mut self, section: &'static str, key: &'static str) {
        self.keys.insert((section, key));
    }

    fn push(&mut self, severity: Severity, place: Place, message: String) -> &mut Diagnostic {
        let at = self.diagnostics.len();
        // Not `push` and `last_mut`: that would need a way out for an empty list.
        self.diagnostics.insert(at, Diagnostic { severity, place, message, hint: None, note: None });
        #[expect(clippy::indexing_slicing, reason = "inserted at this index on the line above")]
        &mut self.diagnostics[at]
    }

    fn source(&self, file: FileId) -> Option<&Source> {
        self.files.get(usize::try_from(file.0).ok()?)
    }

    /// The text of a file as it stands on disk, to find a place in what was made from it. It may hold secrets.
    pub(crate) fn text_of(&self, file: FileId) -> Option<&str> {
        self.source(file).map(|source| source.text.as_str())
    }

    fn line(&self, file: FileId, line: usize) -> Option<&str> {
        lines(&self.source(file)?.text).nth(line.checked_sub(1)?)
    }

    /// The source line of `place`, fit for a terminal, and where in it the caret stands.
    fn snippet(&self, place: Place) -> Option<(String, Range<usize>)> {
        let line: Vec<char> = self.line(place.file, place.line)?.chars().collect();
        let start = place.column.saturating_sub(1).min(line.len());
        let end = if place.end_line == place.line { place.end_column.saturating_sub(1) } else { line.len() };
        let end = end.clamp(start + 1, (line.len() + 1).max(start + 1));

        let shown_from = if line.len() > SNIPPET { start.saturating_sub(SNIPPET / 4) } else { 0 };
        let text = line.iter().enumerate().skip(shown_from).take(SNIPPET).map(|(at, &c)| {
            if self.is_concealed(place.file, place.line, at + 1) {
                '*'
            } else if c.is_control() || is_direction_control(c) {
                ' '
            } else {
                c
            }
        });
        let text: String = text.collect();
        Some((text.trim_end().to_owned(), (start - shown_from)..(end - shown_from).min(SNIPPET + 1)))
    }

    fn is_concealed(&self, file: FileId, line: usize, column: usize) -> bool {
        self.concealed.iter().any(|place| {
            place.file == file
                && (place.line, place.column) <= (line, column)
                && (line, column) < (place.end_line, place.end_column)
        })
    }

    fn write_one(&self, f: &mut fmt::Formatter<'_>, found: &Diagnostic) -> fmt::Result {
        writeln!(f, "{}: {}", found.severity.as_str(), found.message)?;
        let number = found.place.line.to_string();
        let margin = " ".repeat(number.len() + 2);
        writeln!(f, "{}--> {}", " ".repeat(number.len() + 1), self.locate(found.place))?;
        let hint = found.hint.as_deref().unwrap_or_default();
        if let Some((text, caret)) = self.snippet(found.place) {
            writeln!(f, "{margin}|")?;
            writeln!(f, " {number} | {text}")?;
            let marks = format!("{}{} {hint}", " ".repeat(caret.start), "^".repeat(caret.len().max(1)));
            writeln!(f, "{margin}| {}", marks.trim_end())?;
        } else if !hint.is_empty() {
            writeln!(f, "{margin}= {hint}")?;
        }
        if let Some(note) = &found.note {
            writeln!(f, "{margin}= {note}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.diagnostics();
        for (index, found) in found.iter().take(SHOWN).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            self.write_one(f, found)?;
        }
        match found.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "\n... and {more} more"),
        }
    }
}

impl std::error::Error for Report {}

/// `text` in backticks, fit for a message: cut when long, without anything that moves a terminal's cursor.
pub fn quoted(text: &str) -> String {
    let mut clean = String::from("`");
    for (count, c) in text.chars().enumerate() {
        if count == QUOTATION {
            clean.push('…');
            break;
        }
        if c.is_control() || is_direction_control(c) {
            clean.extend(c.escape_default());
        } else {
            clean.push(c);
        }
    }
    clean.push('`');
    clean
}

/// Characters that make a line read in another order than it is written.
pub(super) fn is_direction_control(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}')
}

/// Lines as YAML counts them: a lone carriage return ends one too.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}
