//! What may stand where a grant names things.

use crate::yaml::Invalid;

/// A pattern of tool names. Tools are called by `[A-Za-z0-9_.-]`, so anything else could never match.
pub(super) fn tool(text: &str) -> Result<String, Invalid> {
    check_stars(text)?;
    if text.contains('/') {
        return Err(Invalid::new("holds a `/`", "write the server's own name of the tool: `search`, not `crm/search`"));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'*')) {
        return Err(Invalid::new(
            "could match no tool",
            "tools are named by letters, digits, `_`, `.` and `-`; `*` and `**` are the only wildcards",
        ));
    }
    Ok(text.to_owned())
}

/// A pattern of prompt names, which may be any text.
pub(super) fn prompt(text: &str) -> Result<String, Invalid> {
    check_stars(text)?;
    if text.chars().any(char::is_control) {
        return Err(Invalid::new("holds a control character", "write it as one line"));
    }
    Ok(text.to_owned())
}

/// A pattern of resource URIs.
pub(super) fn resource(text: &str) -> Result<String, Invalid> {
    check_stars(text)?;
    let scheme = text.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    let good = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !good {
        return Err(Invalid::new("has no scheme", "write `file:///reports/**`; a scheme is never a wildcard"));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Invalid::new("holds a space or a control character", "write it percent-encoded, as URIs have it"));
    }
    if text.split('/').any(|step| matches!(step, "." | "..")) {
        return Err(Invalid::new("holds a `.` or `..` step", "write the path without it"));
    }
    Ok(text.to_owned())
}

/// An extension method, exactly.
pub(super) fn method(text: &str) -> Result<String, Invalid> {
    /// What grants the methods of the protocol itself.
    const OWN: [&str; 11] = [
        "tools/",
        "prompts/",
        "resources/",
        "completion/",
        "logging/",
        "tasks/",
        "sampling/",
        "elicitation/",
        "roots/",
        "subscriptions/",
        "server/discover",
    ];
    if text.contains('*') {
        return Err(Invalid::new("is a pattern", "extension methods are named one by one"));
    }
    if text.is_empty() || text.len() > 128 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Invalid::new("is not a method", "write it as it stands in the message, such as `vendor/ping`"));
    }
    if matches!(text, "initialize" | "ping") || OWN.iter().any(|own| text.starts_with(own)) {
        return Err(Invalid::new(
            "is a method of the protocol itself",
            "it is granted by `tools`, `prompts` or `resources`, or with any grant on the server",
        ));
    }
    Ok(text.to_owned())
}

/// What a binding compares: exact, so a star would be compared as one.
pub(super) fn exact(text: &str) -> Result<String, Invalid> {
    if text.trim().is_empty() {
        return Err(Invalid::new("is empty", "write the exact value"));
    }
    if text.contains('*') {
        return Err(Invalid::new("is a pattern", "bindings compare exactly; to match everybody leave the key out"));
    }
    Ok(text.to_owned())
}

/// One scope, by its letters. RFC 6749, section 3.3.
pub(super) fn scope(text: &str) -> Result<String, Invalid> {
    if text.is_empty() || text.len() > 256 || !text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
        return Err(Invalid::new("is not a scope", "write one scope for each item, in visible ASCII without quotes"));
    }
    Ok(text.to_owned())
}

fn check_stars(text: &str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("is an empty pattern", "write a name, or `*` for all"));
    }
    if text.contains("***") {
        return Err(Invalid::new("holds `***`", "`*` stops at `/`, `**` does not"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_could_never_match_are_refused() {
        for good in ["search", "get_*", "a.b-C", "*", "**", "*_x_*"] {
            assert!(tool(good).is_ok(), "{good}");
        }
        for bad in ["", "***", "a***", "crm/search", "a b", "[ab]", "a?", "{a,b}", "a\n", "ü"] {
            assert!(tool(bad).is_err(), "{bad:?}");
        }
        for good in ["file:///reports/**", "crm://*/x", "urn:isbn:*", "https://a.example/**?x=[1]"] {
            assert!(resource(good).is_ok(), "{good}");
        }
        for bad in ["", "**", "*://x", "reports/**", ":x", "file:///a/../b", "file:///a b", "file:///***"] {
            assert!(resource(bad).is_err(), "{bad:?}");
        }
        assert!(prompt("weekly report *").is_ok());
        assert!(prompt("").is_err() && prompt("a\u{7}").is_err());
    }

    #[test]
    fn methods_and_binding_values_are_exact() {
        assert!(method("vendor/ping").is_ok() && method("notifications/vendor/x").is_ok());
        for bad in ["", "vendor/*", "tools/call", "initialize", "ping", "server/discover", "a b"] {
            assert!(method(bad).is_err(), "{bad:?}");
        }
        assert!(exact("Sales Team").is_ok());
        assert!(exact("*").is_err() && exact("team-*").is_err() && exact(" ").is_err());
    }
}
