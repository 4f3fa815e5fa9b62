//! Texts out of templates: `{a|b}` is a choice, `@name` one of a list, a backslash takes its meaning from `{`, `}` and `|`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

/// How many texts are made of one template, at most.
const VARIANTS: u64 = 8;

/// One text.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) split: &'static str,
    pub(super) is_attack: bool,
    pub(super) surface: String,
    pub(super) text: String,
}

impl Row {
    /// Which way such a text goes, as `yett scan` calls it.
    pub(super) fn direction(&self) -> &'static str {
        match self.surface.as_str() {
            "direct" => "request",
            "tool_desc" | "benign_tool_desc" => "definition",
            _ => "response",
        }
    }
}

/// All that the templates of these files stand for, the same texts in every run.
pub(super) fn rows(split: &'static str, files: &[PathBuf]) -> Vec<Row> {
    let mut lists: HashMap<String, Vec<String>> = HashMap::new();
    let mut templates = Vec::new();
    for line in files.iter().flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()) {
        let row: Value = serde_json::from_str(&line).unwrap();
        if let Some(name) = row["list"].as_str() {
            lists.insert(name.to_owned(), serde_json::from_value(row["of"].clone()).unwrap());
        } else {
            templates.push(row);
        }
    }
    let mut rows = Vec::new();
    for template in &templates {
        let word = |key: &str| template[key].as_str().unwrap().to_owned();
        let mut texts = Vec::new();
        for seed in 0..VARIANTS {
            let mut chance = Chance(seed);
            let text = expand(&word("text").chars().collect::<Vec<_>>(), &lists, &mut chance);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let (is_attack, surface) = (word("label") == "attack", word("surface"));
        rows.extend(texts.into_iter().map(|text| Row { split, is_attack, surface: surface.clone(), text }));
    }
    rows
}

/// `SplitMix64`.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((word ^ (word >> 31)) % u64::try_from(most).unwrap()).unwrap()
    }
}

fn expand(template: &[char], lists: &HashMap<String, Vec<String>>, chance: &mut Chance) -> String {
    let mut out = String::new();
    let mut at = 0;
    while let Some(letter) = template.get(at) {
        match letter {
            '\\' if matches!(template.get(at + 1), Some('{' | '}' | '|')) => {
                out.push(template[at + 1]);
                at += 2;
            }
            '@' if at.checked_sub(1).is_none_or(|before| !template[before].is_alphanumeric()) => {
                let name: String = template[at + 1..].iter().take_while(|letter| letter.is_ascii_lowercase()).collect();
                if let Some(options) = lists.get(&name) {
                    out += &options[chance.below(options.len())];
                    at += 1 + name.len();
                } else {
                    out.push('@');
                    at += 1;
                }
            }
            '{' => {
                let (choices, end) = choices(template, at + 1);
                out += &expand(choices[chance.below(choices.len())], lists, chance);
                at = end;
            }
            _ => {
                out.push(*letter);
                at += 1;
            }
        }
    }
    out
}

/// What can be chosen from, up to the brace that closes, and what follows it.
fn choices(template: &[char], from: usize) -> (Vec<&[char]>, usize) {
    let (mut choices, mut start, mut at, mut depth) = (Vec::new(), from, from, 1);
    loop {
        match template[at] {
            '\\' => at += 1,
            '{' => depth += 1,
            '}' if depth == 1 => {
                choices.push(&template[start..at]);
                return (choices, at + 1);
            }
            '}' => depth -= 1,
            '|' if depth == 1 => {
                choices.push(&template[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
}
