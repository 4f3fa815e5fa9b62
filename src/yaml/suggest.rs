//! "Did you mean": the nearest of the words that would have been right.

/// Words longer than this are not compared: the table below is quadratic, and no key of ours comes near.
const MAX_WORD: usize = 64;

/// The candidate nearest to `word`, if it is near enough to be what was meant: one edit in three characters, a swap of
/// neighbours counting as one; failing that, one that holds `word` or is held by it. The first of equals wins, so the answer does not depend on chance.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let written: Vec<char> = word.to_lowercase().replace('-', "_").chars().collect();
    if written.is_empty() || written.len() > MAX_WORD {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    let mut within = None;
    for candidate in candidates {
        let target: Vec<char> = candidate.to_lowercase().replace('-', "_").chars().collect();
        if target.len() > MAX_WORD {
            continue;
        }
        // `ssn` for `us_ssn`, `metrics_token_file` for `metrics_token`.
        if within.is_none()
            && written.len().min(target.len()) >= 3
            && (contains(&written, &target) || contains(&target, &written))
        {
            within = Some(candidate);
        }
        let distance = edits(&written, &target);
        let allowed = written.len().max(target.len()).div_ceil(3);
        if distance <= allowed && distance < target.len() && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate).or(within)
}

fn contains(long: &[char], short: &[char]) -> bool {
    long.windows(short.len().max(1)).any(|window| window == short)
}

/// Optimal string alignment distance (Damerau-Levenshtein without edits inside a swap), row by row.
fn edits(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    let mut previous_a = None;
    for (row, &a) in from.iter().enumerate() {
        let mut current = Vec::with_capacity(to.len() + 1);
        let mut left = row + 1;
        current.push(left);
        let mut previous_b = None;
        for (column, &b) in to.iter().enumerate() {
            let diagonal = last.get(column).copied().unwrap_or(usize::MAX - 1);
            let above = last.get(column + 1).copied().unwrap_or(usize::MAX - 1);
            let mut cost = (diagonal + usize::from(a != b)).min(above + 1).min(left + 1);
            if previous_a == Some(b) && previous_b == Some(a) {
                let swap = column.checked_sub(1).and_then(|at| before_last.get(at)).copied();
                cost = cost.min(swap.map_or(usize::MAX, |swapped| swapped + 1));
            }
            current.push(cost);
            left = cost;
            previous_b = Some(b);
        }
        before_last = std::mem::replace(&mut last, current);
        previous_a = Some(a);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_word_and_a_stranger_finds_none() {
        let keys = ["address", "allowed_hosts", "allowed_origins", "name", "url", "tls"];
        for (written, meant) in [
            ("adress", Some("address")),
            ("addres", Some("address")),
            ("adderss", Some("address")),
            ("allowed-hosts", Some("allowed_hosts")),
            ("alowed_origin", Some("allowed_origins")),
            ("Name", Some("name")),
            ("ulr", Some("url")),
            ("xyz", None),
            ("", None),
            ("hosts", Some("allowed_hosts")),
            ("frequency", None),
        ] {
            assert_eq!(closest(written, keys), meant, "{written}");
        }
    }

    #[test]
    fn swapped_neighbours_are_one_edit() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(edits(&chars("abcd"), &chars("abdc")), 1);
        assert_eq!(edits(&chars(""), &chars("abc")), 3);
        assert_eq!(edits(&chars("kitten"), &chars("sitting")), 3);
    }
}
