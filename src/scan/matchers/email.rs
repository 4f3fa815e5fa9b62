//! E-mail addresses: the dot-atom form of RFC 5321 4.1.2 as people use it, with a domain that ends in a name.
//!
//! Misses: quoted local parts, addresses in other scripts (RFC 6531), domain literals, `user@host` without a dot, `%40` and "at"
//! spellings, characters such as `!#$&*/=?^{|}~` in the local part (they delimit more often than they belong).
//! Left out on purpose: the user part of a URL, `git@host:path`, file names such as `logo@2x.png`.

use std::ops::Range;

/// RFC 5321 4.5.3.1.
const LOCAL: usize = 64;
const DOMAIN: usize = 255;
const LABEL: usize = 63;

/// Endings that are files far more often than the names they are not even registered as.
const FILES: &[&[u8]] = &[
    b"css", b"gif", b"gz", b"html", b"jar", b"jpeg", b"jpg", b"js", b"json", b"jsx", b"lock", b"pdf", b"png", b"svg", b"tgz",
    b"toml", b"ts", b"tsx", b"txt", b"webp", b"xml", b"yaml", b"yml",
];

/// The address whose local part ends at the `@` of this place.
pub(super) fn at(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let end = domain(bytes, at + 1)?;
    let start = local(bytes, at)?;
    (!is_remote(bytes, start, at, end)).then_some(start..end)
}

/// Where the local part that ends at `at` begins. At most one byte over the limit is read, and none before another `@`.
fn local(bytes: &[u8], at: usize) -> Option<usize> {
    let floor = at.saturating_sub(LOCAL + 1);
    let head = bytes.get(floor..at)?;
    let mut start = head.iter().rposition(|byte| !is_atom(*byte)).map_or(0, |other| other + 1);
    if head.len() > LOCAL && start == 0 {
        return None;
    }
    if let Some(dots) = head.get(start..)?.windows(2).rposition(|pair| pair == b"..") {
        start += dots + 2;
    }
    let text = head.get(start..)?;
    let first = text.iter().position(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')?;
    (text.last() != Some(&b'.')).then_some(floor + start + first)
}

/// Where the domain that begins at `start` ends.
fn domain(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    let rest = rest.get(..DOMAIN).unwrap_or(rest);
    let run = rest.get(..rest.iter().position(|byte| !is_label(*byte) && *byte != b'.').unwrap_or(rest.len()))?;
    let run = run.get(..run.iter().rposition(|byte| *byte != b'.')? + 1)?;
    let dot = run.iter().rposition(|byte| *byte == b'.')?;
    let (names, last) = (run.get(..dot)?, run.get(dot + 1..)?);
    if !names.split(|byte| *byte == b'.').all(is_name) {
        return None;
    }
    let top = if last.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--")) {
        last.len()
    } else {
        last.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(last.len())
    };
    let end = dot + 1 + top;
    let followed = bytes.get(start + end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let file = FILES.iter().any(|ending| last.eq_ignore_ascii_case(ending));
    ((2..=LABEL).contains(&top) && !followed && !file).then_some(start + end)
}

fn is_name(label: &[u8]) -> bool {
    !label.is_empty() && label.len() <= LABEL && label.first() != Some(&b'-') && label.last() != Some(&b'-')
}

/// `scheme://user:word@host` and `git@host:path`: a place, not a person.
fn is_remote(bytes: &[u8], start: usize, at: usize, end: usize) -> bool {
    let git = bytes.get(start..at) == Some(b"git") && bytes.get(end) == Some(&b':');
    let before = bytes.get(start.saturating_sub(LOCAL)..start).unwrap_or_default();
    let token = before.get(before.iter().rposition(|byte| !is_atom(*byte) && *byte != b':').map_or(0, |other| other + 1)..);
    let head = before.len() - token.map_or(0, <[u8]>::len);
    git || before.get(..head).is_some_and(|head| head.ends_with(b"://")) || before.ends_with(b"://")
}

fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn is_label(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn addresses_are_seen_whatever_stands_around_them() {
        for address in [
            "bob@example.com",
            "a@b.co",
            "first.last+tag@mail.example.co.uk",
            "o'brien@example.org",
            "x_y-z%9@sub-domain.example",
            "u@xn--bcher-kva.example",
            "BOB@EXAMPLE.COM",
            "_svc@example.net",
        ] {
            for text in [
                address.to_owned(),
                format!("<{address}>"),
                format!("mailto:{address}."),
                format!("'{address}',"),
                format!("key={address};"),
                format!("**{address}**"),
                format!("邮箱{address}。"),
                format!("...{address}..."),
            ] {
                assert_eq!(found("email", &text), [address], "{text}");
            }
        }
        assert_eq!(found("email", "a@b.com,c@d.org"), ["a@b.com", "c@d.org"]);
        assert_eq!(found("email", "bob@example.com@"), ["bob@example.com"]);
        assert_eq!(found("email", "bob@example.com--see"), ["bob@example.com"]);
    }

    #[test]
    fn look_alikes_stay_clean() {
        for text in [
            "@",
            "a@",
            "@b.com",
            "a@b",
            "user@localhost",
            "pkg@1.2.3",
            "react@18.2.0",
            "logo@2x.png",
            "@app.route",
            "a @ b.com",
            "a@b..com",
            "a@-b.com",
            "a.@b.com",
            "git@github.com:owner/repo.git",
            "https://user:word@host.example.com/x",
            "ssh://git@github.com/x",
            "x@y.T",
            "a@b.c0m",
            "foo@bar.baz_qux",
            "npm i @scope/name@4.5.6-beta",
        ] {
            assert!(found("email", text).is_empty(), "{text}: {:?}", found("email", text));
        }
        assert!(found("email", &format!("{}@example.com", "a".repeat(65))).is_empty());
        assert_eq!(found("email", &format!("{}@example.com", "a".repeat(64))).len(), 1);
    }
}
