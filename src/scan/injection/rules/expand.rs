//! What patterns say in short: lists of words, separators, white space.

use std::collections::BTreeMap;

/// Words that patterns share, by the name that stands for them: `%name%`. Each is a piece of a regular expression.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists(BTreeMap<String, Vec<String>>);

impl Lists {
    /// Adds a list, or puts it in the place of the one of that name.
    pub(super) fn set(&mut self, name: String, words: Vec<String>) {
        self.0.insert(name, words);
    }

    pub(super) fn get(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Whether a list can have this name. What begins with a digit is an escape of a URL: `%0d%0a`.
pub(super) fn is_list_name(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    name.starts_with(|letter: char| letter.is_ascii_lowercase()) && name.bytes().all(inside)
}

/// The first list that is named in `text`: what stands before, its name, and what stands behind.
pub(super) fn reference(text: &str) -> Option<(&str, &str, &str)> {
    let named = |(at, _)| {
        let (before, rest) = text.split_at_checked(at)?;
        let (name, behind) = rest.strip_prefix('%')?.split_once('%')?;
        is_list_name(name).then_some((before, name, behind))
    };
    text.match_indices('%').find_map(named)
}

/// Puts lists into the places of their names; the name of one that there is not is the error.
pub(super) fn with_lists(pattern: &str, lists: &Lists) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(pattern.len()), pattern);
    while let Some((before, name, behind)) = reference(rest) {
        let words = lists.get(name).ok_or_else(|| name.to_owned())?;
        out += before;
        out += "(?:";
        out += &words.join("|");
        out.push(')');
        rest = behind;
    }
    Ok(out + rest)
}

/// Spells out `~n`; a space stands for any white space, since texts are wrapped and padded.
pub(super) fn spelt_out(pattern: &str) -> String {
    // Sentence ends separate too: an order may be chopped up, but rarely beyond them.
    const SEPARATOR: &str = r"[^\w.!?;]+";
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut letters = pattern.chars().peekable();
    let (mut in_class, mut escaped) = (false, false);
    while let Some(letter) = letters.next() {
        match (letter, letters.peek().and_then(|next| next.to_digit(10))) {
            ('~', Some(words)) if !in_class => {
                letters.next();
                let gap = format!("(?:{SEPARATOR}[\\w']+){{0,{words}}}?{SEPARATOR}");
                out.push_str(&gap);
            }
            (' ', _) if !in_class => out.push_str(r"(?:\s+)"),
            _ => out.push(letter),
        }
        in_class = match letter {
            '[' if !escaped => true,
            ']' if !escaped => false,
            _ => in_class,
        };
        escaped = letter == '\\' && !escaped;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Lists {
        let mut lists = Lists::default();
        lists.set("tell".to_owned(), vec!["reveal(?:s|ing)?".to_owned(), "tell me".to_owned()]);
        lists
    }

    #[test]
    fn a_list_stands_where_its_name_does() {
        assert_eq!(with_lists(r"a%tell%\b", &lists()).unwrap(), r"a(?:reveal(?:s|ing)?|tell me)\b");
        // Per cent that names nothing is per cent, as in a URL.
        for same in ["%0d%0a", "100% of 5%", "%2e%2e", "%", "%%"] {
            assert_eq!(with_lists(same, &lists()).unwrap(), same);
        }
        assert_eq!(with_lists("%tall%", &lists()).unwrap_err(), "tall");
        assert_eq!(with_lists("%0d%tell%0a", &lists()).unwrap(), "%0d(?:reveal(?:s|ing)?|tell me)0a");
    }

    #[test]
    fn a_space_is_any_white_space_and_a_tilde_so_many_words() {
        assert_eq!(spelt_out(r"a b[ ~1]\[ "), r"a(?:\s+)b[ ~1]\[(?:\s+)");
        assert_eq!(spelt_out("a~2b"), r"a(?:[^\w.!?;]+[\w']+){0,2}?[^\w.!?;]+b");
    }
}
