//! E-mail addresses: the dot-atom form of RFC 5321 4.1.2 as people use it, with a domain that ends in a name.

use crate::scan::registers::is_file_ending;

/// RFC 5321 4.5.3.1.
const LOCAL: usize = 64;
const DOMAIN: usize = 255;
/// RFC 1035 2.3.4.
const LABEL: usize = 63;

/// The shape of a mailbox. `git` is what hosts of repositories call everybody.
pub(super) fn email(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b'@');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(local), Some(domain), None) => is_local(local) && local != b"git" && is_domain(domain),
        (_, _, _) => false,
    }
}

fn is_local(local: &[u8]) -> bool {
    let atoms = local.split(|byte| *byte == b'.').all(|atom| !atom.is_empty() && atom.iter().all(|byte| is_atom(*byte)));
    local.len() <= LOCAL && atoms && local.first().is_some_and(|first| first.is_ascii_alphanumeric() || *first == b'_')
}

/// Characters that delimit more often than they belong (`!#$&*/=?^{|}~`) are left out.
fn is_atom(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%' | b'+' | b'-' | b'\'')
}

fn is_domain(domain: &[u8]) -> bool {
    let mut labels = domain.rsplit(|byte| *byte == b'.');
    let top = labels.next().unwrap_or_default();
    domain.len() <= DOMAIN && is_top(top) && labels.clone().next().is_some() && labels.all(is_label)
}

/// RFC 3696, 2: a top-level name is not all digits; all there are are letters, or encoded in the way of RFC 5890.
fn is_top(top: &[u8]) -> bool {
    let encoded = top.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--"));
    let named = top.len() >= 2 && (encoded || top.iter().all(u8::is_ascii_alphabetic));
    named && is_label(top) && !is_file_ending(top)
}

fn is_label(label: &[u8]) -> bool {
    let inside = label.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let ends = [label.first(), label.last()].iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric));
    inside && ends && label.len() <= LABEL
}

#[cfg(test)]
mod tests {
    use super::super::proof::{accepts, refuses};
    use super::*;

    #[test]
    fn mailboxes_pass() {
        accepts(
            email,
            &[
                "bob@example.com",
                "a@b.co",
                "first.last+tag@mail.example.co.uk",
                "o'brien@example.org",
                "_svc@example.net",
                "x_y-z%9@sub-domain.example",
                "u@xn--bcher-kva.example",
                "BOB@EXAMPLE.COM",
                "u@b.xn--p1ai",
            ],
        );
        accepts(email, &[&format!("{}@example.com", "a".repeat(64))]);
    }

    #[test]
    fn look_alikes_do_not_pass() {
        refuses(
            email,
            &[
                "",
                "@",
                "a@",
                "@b.com",
                "a@b",
                "user@localhost",
                "pkg@1.2.3",
                "react@18.2.0",
                "logo@2x.png",
                "a..b@c.com",
                "a@b..com",
                "a@-b.com",
                "a@b-.com",
                "a.@b.com",
                ".a@b.com",
                "git@github.com",
                "x@y.T",
                "a@b.c0m",
                "a@b.com.",
                "a@b@c.com",
                "word:a@b.com",
                "a b@c.com",
                "-a@b.com",
                "a@b.json",
                "a@b.xn--",
                "\u{e4}@b.com",
            ],
        );
        refuses(email, &[&format!("{}@example.com", "a".repeat(65)), &format!("a@{}.com", "b".repeat(64))]);
        refuses(email, &[&format!("a@{}com", "b.".repeat(130))]);
    }
}
