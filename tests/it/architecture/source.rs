//! Reads Rust source as far as imports need it: names, paths and braces, without strings, comments and test modules.

#![expect(clippy::indexing_slicing, clippy::string_slice, reason = "a test fails by panicking; places come from searches")]

use std::path::Path;

/// One file of `src/`.
pub(super) struct Source {
    /// Its path below `src/`.
    pub(super) name: String,
    pub(super) text: String,
}

/// A path of two segments or more, `crate`, `self` and `super` resolved; `*` for a glob.
pub(super) struct ModulePath {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
}

impl ModulePath {
    pub(super) fn first(&self, name: &str) -> bool {
        self.segments.first().is_some_and(|first| first == name)
    }
}

impl Source {
    pub(super) fn is_test(&self) -> bool {
        let stem = Path::new(&self.name).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem == "tests" || stem.ends_with("_tests") || self.name.contains("/tests/")
    }

    pub(super) fn is_layer(&self) -> bool {
        self.name.starts_with("layers/") && self.name.ends_with("/mod.rs") && self.module().len() == 2
    }

    /// What a part may always use: its station, which for a layer is that layer alone.
    pub(super) fn own(&self) -> Vec<String> {
        let module = self.module();
        let depth = if self.name.starts_with("layers/") { 2 } else { 1 };
        vec![module[..depth.min(module.len())].join("::")]
    }

    fn module(&self) -> Vec<String> {
        let path = self.name.trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        if path == "lib" || path == "main" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
    }

    /// Every path outside of strings, comments and test modules.
    pub(super) fn paths(&self) -> Vec<ModulePath> {
        let code = without_test_modules(&without_strings(&self.text, false));
        let tokens = tokens(&code);
        let (mut at, mut paths) = (0, Vec::new());
        while at < tokens.len() {
            let starts = is_name(tokens[at].0) && tokens.get(at + 1).is_some_and(|next| next.0 == "::");
            if starts { path_tree(&tokens, &mut at, &[], &mut paths) } else { at += 1 }
        }
        for path in &mut paths {
            path.segments = self.resolve(&path.segments);
        }
        paths
    }

    fn resolve(&self, segments: &[String]) -> Vec<String> {
        let mut module = self.module();
        let mut rest = segments;
        while let Some((first, after)) = rest.split_first() {
            match first.as_str() {
                "super" => drop(module.pop()),
                "self" => {}
                _ => break,
            }
            rest = after;
        }
        if rest.len() == segments.len() {
            return segments.to_vec();
        }
        let mut resolved = vec!["crate".to_owned()];
        resolved.append(&mut module);
        resolved.extend_from_slice(rest);
        resolved
    }
}

/// Reads `a::b::{c, d::*}` from `at` on, which ends behind it.
fn path_tree(tokens: &[(&str, usize)], at: &mut usize, prefix: &[String], out: &mut Vec<ModulePath>) {
    let mut segments = prefix.to_vec();
    while let Some((name, line)) = tokens.get(*at).copied() {
        *at += 1;
        if name == "{" {
            while tokens.get(*at).is_some_and(|token| token.0 != "}") {
                path_tree(tokens, at, &segments, out);
                while tokens.get(*at).is_some_and(|token| !["}", ","].contains(&token.0)) {
                    *at += 1;
                }
                *at += usize::from(tokens.get(*at).is_some_and(|token| token.0 == ","));
            }
            *at += 1;
            return;
        }
        if name != "self" || segments.is_empty() {
            segments.push(name.to_owned());
        }
        let goes_on = tokens.get(*at).is_some_and(|token| token.0 == "::")
            && tokens.get(*at + 1).is_some_and(|token| is_name(token.0) || ["{", "*"].contains(&token.0));
        if !goes_on {
            out.push(ModulePath { segments, line });
            return;
        }
        *at += 1;
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Names, `::`, and every other character on its own, each with its line.
fn tokens(code: &str) -> Vec<(&str, usize)> {
    let mut tokens = Vec::new();
    for (number, line) in (1..).zip(code.lines()) {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let name = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let length = if rest.starts_with("::") { 2 } else { name.max(first.len_utf8()) };
            tokens.push((&rest[..length], number));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// The code with string and character literals blanked, and with comments too unless they are kept; lines stay lines.
pub(super) fn without_strings(text: &str, keep_comments: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let hashes = rest.strip_prefix('r').map_or(0, |raw| raw.len() - raw.trim_start_matches('#').len());
        let in_name = |c: char| c.is_alphanumeric() && c != 'b';
        let opens_raw = rest.starts_with('r') && rest[1 + hashes..].starts_with('"') && !out.ends_with(in_name);
        let (length, keep) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), keep_comments)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), keep_comments)
        } else if opens_raw {
            let (body, close) = (2 + hashes, format!("\"{}", "#".repeat(hashes)));
            (rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len()), false)
        } else if first == '"' {
            (quoted(rest, '"'), false)
        } else if first == '\'' && is_character(rest) {
            (quoted(rest, '\''), false)
        } else {
            (first.len_utf8(), true)
        };
        let (taken, after) = rest.split_at(length);
        if keep {
            out.push_str(taken);
        } else {
            out.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        }
        rest = after;
    }
    out
}

/// A character, and not a lifetime or a label.
fn is_character(rest: &str) -> bool {
    let mut inside = rest.chars().skip(1);
    inside.next() == Some('\\') || inside.next() == Some('\'')
}

fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let closes = *c == mark && !escaped;
        escaped = *c == '\\' && !escaped;
        closes
    });
    end.map_or(rest.len(), |(at, _)| at + 1)
}

/// The code with `#[cfg(test)] mod ... { ... }` blanked. Formatted code closes a top-level module in the first column.
fn without_test_modules(code: &str) -> String {
    let (mut out, mut inside, mut before) = (String::new(), false, "");
    for line in code.lines() {
        inside |= before.trim() == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{');
        out.push_str(if inside { "" } else { line });
        out.push('\n');
        inside &= line != "}";
        before = line;
    }
    out
}
