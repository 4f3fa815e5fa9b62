//! A byte that every match of a pattern has: what has none of it needs no further look.

use regex_syntax::hir::{Class, Hir, HirKind};

use super::Bytes;

/// Bytes of which every match has one at least, if there are such, the fewest. Only marks count: letters and digits are what texts are made of.
pub(super) fn needed(hir: &Hir) -> Option<Bytes> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Unicode(_)) => None,
        HirKind::Literal(literal) => literal.0.iter().map(|byte| Bytes::one(*byte)).find(is_of_marks),
        HirKind::Class(Class::Bytes(class)) => {
            let mut bytes = Bytes::default();
            class.iter().for_each(|range| bytes.add(range.start()..=range.end()));
            Some(bytes).filter(is_of_marks)
        }
        HirKind::Repetition(repetition) => needed(&repetition.sub).filter(|_| repetition.min > 0),
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Concat(all) => all.iter().filter_map(needed).min_by_key(count),
        HirKind::Alternation(all) => all.iter().try_fold(Bytes::default(), |any, one| Some(any.or(needed(one)?))),
    }
}

fn is_of_marks(bytes: &Bytes) -> bool {
    !(0..=u8::MAX).any(|byte| bytes.holds(byte) && (byte.is_ascii_alphanumeric() || !byte.is_ascii()))
}

fn count(bytes: &Bytes) -> u32 {
    bytes.bits.iter().map(|bits| bits.count_ones()).sum()
}

#[cfg(test)]
mod tests {
    use regex_syntax::ParserBuilder;

    use super::*;

    #[test]
    fn of_every_match_one_byte_is_known_that_is_no_letter() {
        for (pattern, expected) in [
            ("(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}", Some("-:")),
            ("[0-9]{3}[ .-]?[0-9]{2}", None),
            ("[0-9]{3}[ .-][0-9]{2}/x", Some("/")),
            ("a-?b", None),
            ("a(?:-|b)c", None),
            ("(?<value>a\\.)+", Some(".")),
            ("a[-b]c", None),
            ("", None),
        ] {
            let hir = ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern).unwrap();
            let shown = needed(&hir).map(|bytes| (0..128).filter(|byte| bytes.holds(*byte)).map(char::from).collect::<String>());
            assert_eq!(shown.as_deref(), expected, "{pattern}");
        }
    }
}
