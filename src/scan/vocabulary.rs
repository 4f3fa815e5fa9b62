//! The words that MCP itself puts into every message: names of members and of kinds. No rule and no detector of this build finds anything in
//! them, which tests say, and messages of a few hundred bytes are made of them.

macro_rules! vocabulary {
    ($($word:literal),+ $(,)?) => {
        /// All of them.
        pub(super) const WORDS: &[&str] = &[$($word),+];

        /// Whether a text is one of them, so that it need not be read.
        pub(super) fn is_of_protocol(text: &str) -> bool {
            matches!(text, $($word)|+)
        }
    };
}

vocabulary! {
    "2024-11-05",
    "2025-03-26",
    "2025-06-18",
    "2025-11-25",
    "2026-07-28",
    "_meta",
    "annotations",
    "arguments",
    "blob",
    "cacheScope",
    "complete",
    "content",
    "contents",
    "data",
    "description",
    "id",
    "inputSchema",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/protocolVersion",
    "isError",
    "messages",
    "mimeType",
    "name",
    "object",
    "outputSchema",
    "progressToken",
    "properties",
    "required",
    "resource",
    "resultType",
    "role",
    "string",
    "structuredContent",
    "text",
    "title",
    "tools",
    "ttlMs",
    "type",
    "uri",
    "version",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::injection::{Effort, Scanner, SurfaceKind};
    use crate::scan::readings::{Hints, Room, each};
    use crate::scan::{self, Catalogue, Detector, Own};
    use crate::yaml::Report;

    #[test]
    fn in_the_words_of_the_protocol_nothing_is_found() {
        let scanner = Scanner::new().unwrap();
        for word in WORDS {
            assert!(is_of_protocol(word));
            // Beside a full stop it is a text like any other.
            let text = format!("{word}.");
            assert!(!is_of_protocol(&text));
            for surface in [SurfaceKind::Argument, SurfaceKind::Definition, SurfaceKind::Result] {
                let mut hits = Vec::new();
                scanner.scan(&text, surface, &mut Effort::default(), &mut hits);
                assert!(hits.is_empty(), "{word}: {hits:?}");
            }
            let mut readings = 0;
            let all = each(word, &mut Room::default(), &mut |_| {
                readings += 1;
                Hints::default()
            });
            assert_eq!((readings, all), (1, true), "{word} says something else besides");
        }
    }

    #[test]
    fn detectors_of_this_build_find_nothing_in_them_and_others_are_asked() {
        let scanner = |own: Vec<Detector>| Catalogue::built_in().unwrap().scanner(["pii", "secrets"], own).unwrap();
        let find = |scanner: &scan::Scanner, text: &str| {
            let mut out = Vec::new();
            scanner.find(text, &scanner.set(|_| true), &mut scan::Effort::default(), &mut out).unwrap();
            out.len()
        };
        let own = |words| vec![Detector::own("mine", Own::words(words).unwrap().into())];
        let of_rows = || {
            let row = "{ id: mine, title: t, kind: kind, source: s, misses: m, anchors: [mimeT], pattern: 'mimeT[a-z]+', before: 0, \
                       edges: none, after: 32, finds: [mimeTypes], spares: [mime] }";
            let file = format!("version: 1\ndetectors: [{row}]\n");
            let mut report = Report::new();
            let rows = scan::detectors("mine.yaml", file.as_bytes(), &mut report).unwrap();
            assert!(report.is_empty(), "{report}");
            rows
        };
        let built_in = scanner(Vec::new());
        for word in WORDS {
            // Beside a full stop it is a text like any other.
            assert_eq!((find(&built_in, word), find(&built_in, &format!("{word}."))), (0, 0), "{word}");
        }
        assert_eq!(find(&scanner(own("annotations\nobject")), "object"), 1);
        let of_rows = scanner(of_rows());
        assert_eq!((find(&of_rows, "mimeTypes"), find(&of_rows, "mimeType")), (1, 1));
    }
}
