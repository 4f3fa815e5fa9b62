//! The words that MCP itself puts into every message: names of members and of kinds. No rule finds anything in them, which a test says, and
//! messages of a few hundred bytes are made of them.

/// Whether a text is one of them, so that it need not be read.
pub(super) fn is_of_protocol(text: &str) -> bool {
    matches!(
        text,
        "2024-11-05"
            | "2025-03-26"
            | "2025-06-18"
            | "2025-11-25"
            | "2026-07-28"
            | "_meta"
            | "annotations"
            | "arguments"
            | "blob"
            | "cacheScope"
            | "complete"
            | "content"
            | "contents"
            | "data"
            | "description"
            | "id"
            | "inputSchema"
            | "io.modelcontextprotocol/clientCapabilities"
            | "io.modelcontextprotocol/clientInfo"
            | "io.modelcontextprotocol/protocolVersion"
            | "isError"
            | "messages"
            | "mimeType"
            | "name"
            | "object"
            | "outputSchema"
            | "progressToken"
            | "properties"
            | "required"
            | "resource"
            | "resultType"
            | "role"
            | "string"
            | "structuredContent"
            | "text"
            | "title"
            | "tools"
            | "ttlMs"
            | "type"
            | "uri"
            | "version"
    )
}

#[cfg(test)]
mod tests {
    use super::super::{Effort, Scanner, SurfaceKind};
    use super::*;

    #[test]
    fn in_the_words_of_the_protocol_nothing_is_found() {
        // The list, as it stands above.
        let source = include_str!("vocabulary.rs");
        let list = source.split_once("matches!(").unwrap().1.split_once("    )\n").unwrap().0;
        let words: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
        assert!(words.len() > 30 && words.iter().all(|word| is_of_protocol(word)), "{words:?}");
        let scanner = Scanner::new().unwrap();
        for word in words {
            // Beside a full stop it is a text like any other.
            let text = format!("{word}.");
            assert!(!is_of_protocol(&text));
            for surface in [SurfaceKind::Argument, SurfaceKind::Definition, SurfaceKind::Result] {
                let mut hits = Vec::new();
                scanner.scan(&text, surface, &mut Effort::default(), &mut hits);
                assert!(hits.is_empty(), "{word}: {hits:?}");
            }
        }
    }
}
