//! Private keys in PEM and its like: any label that ends in PRIVATE KEY or PRIVATE KEY BLOCK, with some body after it (RFC 7468, RFC 4716
//! and `OpenPGP` armour). A matcher and no pattern, since the whole block is the secret, and one may have 64 KiB.
//!
//! Misses: keys without a header, a header without any line of base64 behind it.

use std::ops::Range;

/// Bytes of `-----BEGIN `.
const HEADER: usize = 11;

/// No key is longer; what lies further apart is not one block.
const LONGEST_KEY: usize = 64 * 1024;

/// Header, body and footer; without a footer as much as looks like a key's body.
pub(super) fn at(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    Some(start..end(bytes, start + HEADER)?)
}

/// Where a key ends whose label begins at `body`.
fn end(bytes: &[u8], body: usize) -> Option<usize> {
    const LABEL: usize = 40;
    let rest = bytes.get(body..)?;
    let label = rest.get(..LABEL).unwrap_or(rest);
    let label = label.get(..memchr::memmem::find(label, b"-----")?)?;
    if !(label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK")) {
        return None;
    }
    let body = body + label.len() + 5;
    let rest = bytes.get(body..)?;
    // The next five dashes belong to the footer or to another header: either way the search ends there, and no byte is
    // searched twice.
    let dashes = memchr::memmem::find(rest, b"-----");
    let inner = rest.get(..dashes.unwrap_or(rest.len()))?;
    let footer = dashes.and_then(|at| rest.get(at..)).filter(|footer| footer.starts_with(b"-----END "));
    if let Some(footer) = footer.filter(|_| inner.len() <= LONGEST_KEY) {
        let head = footer.get(..LABEL + 14).unwrap_or(footer);
        let close = head.get(9..).and_then(|label| memchr::memmem::find(label, b"-----"));
        let empty = inner.iter().all(|byte| !byte.is_ascii_alphanumeric());
        return (!empty).then_some(body + inner.len() + close.map_or(9, |at| at + 14));
    }
    lines(inner).map(|end| body + end)
}

/// Where the lines of base64 that `text` begins with end.
fn lines(text: &[u8]) -> Option<usize> {
    const SHORTEST: usize = 16;
    let mut start = 0;
    let mut end = None;
    for word in text.split(|byte| byte.is_ascii_whitespace() || *byte == b'\\') {
        let length = word.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')).count();
        if length >= SHORTEST {
            end = Some(start + length);
        }
        // The `n` of a `\n` that nobody decoded stands alone or before a line.
        let open = length == word.len() && (length >= SHORTEST || matches!(word, b"" | b"n" | b"r"));
        if !open {
            break;
        }
        start += word.len() + 1;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;

    #[test]
    fn each_label_is_seen_in_its_surroundings() {
        let pem = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----");
        let long = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
        for secret in [
            pem("PRIVATE KEY", long),
            pem("PRIVATE KEY", &long.repeat(300)),
            pem("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{long}")),
            pem("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAA"),
            pem("PGP PRIVATE KEY BLOCK", long),
            format!("-----BEGIN EC PRIVATE KEY-----\\n{long}\\n{long}"),
        ] {
            for text in [secret.clone(), format!("key={secret}\n"), format!("\"{secret}\"."), format!("({secret} and more)")] {
                assert_eq!(found("pem-private-key", &text), [secret.as_str()], "{text}");
            }
        }
    }

    #[test]
    fn look_alikes_stay_clean() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PUBLIC KEY-----",
            "if text.contains(\"-----BEGIN RSA PRIVATE KEY-----\") { refuse() }",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
        ] {
            assert!(found("pem-private-key", text).is_empty(), "{text}");
        }
    }
}
