//! Credentials that carry their kind in a fixed prefix: one row a kind, so that another kind is another row.
//!
//! A row has its anchors (rare literals), a shape that answers how far the credential reaches, and, where the format has one, a
//! checksum. A checksum that fits settles doubt about the neighbourhood (a token glued to a word); a checksum that does not fit
//! dismisses only our own keys, whose format is ours to keep. Bodies of one repeated placeholder letter are documentation.
//!
//! Misses: credentials without a prefix (passwords, AWS secret keys, hex tokens), prefixes split over two strings, encoded text.

use crate::checksum::{base62, crc32};
use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

/// Where a credential begins, and its bytes to the end of the text.
struct Place<'a> {
    bytes: &'a [u8],
    start: usize,
    /// One past the anchor.
    body: usize,
}

struct Row {
    kind: &'static str,
    anchors: &'static [&'static str],
    /// One past the last byte of the credential, when it is one.
    shape: fn(&Place<'_>) -> Option<usize>,
    /// Whether a candidate's checksum fits.
    checksum: Option<fn(&[u8]) -> bool>,
}

const ROWS: &[Row] = &[
    // IAM User Guide, "IAM identifiers": AKIA long-term, ASIA temporary; 16 characters of base32 follow.
    Row { kind: "aws_access_key", anchors: &["AKIA", "ASIA"], shape: aws_access_key, checksum: None },
    // GitHub Engineering, "Behind GitHub's new authentication token formats" (2021): 30 characters of base62 and a CRC-32 of them in
    // six; GitHub Docs reserve up to 255. The newer, dotted `ghs_` form is missed.
    Row {
        kind: "github_token",
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"],
        shape: github_token,
        checksum: Some(github_checksum),
    },
    // Fine-grained: 22 characters, an underscore, 59 characters.
    Row { kind: "github_token", anchors: &["github_pat_"], shape: github_fine_grained, checksum: None },
    // RFC 7468, RFC 4716 and OpenPGP armour: any label that ends in PRIVATE KEY or PRIVATE KEY BLOCK, with some body after it.
    Row { kind: "private_key", anchors: &["-----BEGIN "], shape: private_key, checksum: None },
    // `yett keys create`: id of 12, secret of 32, CRC-32 of all before in 6.
    Row { kind: "yett_api_key", anchors: &["yett_"], shape: yett_api_key, checksum: None },
];

static ANCHORS: LazyLock<Anchors> = LazyLock::new(Anchors::compile);

struct Anchors {
    literals: Vec<(&'static str, &'static Row)>,
    /// Absent only if the automaton could not be built, and then each literal is searched for by itself.
    automaton: Option<AhoCorasick>,
}

impl Anchors {
    fn compile() -> Self {
        let literals: Vec<_> = ROWS.iter().flat_map(|row| row.anchors.iter().map(move |anchor| (*anchor, row))).collect();
        let automaton = AhoCorasick::builder()
            // No anchor is another's beginning, so this finds the same as any kind would; it is the kind that searches with SIMD.
            .match_kind(MatchKind::LeftmostFirst)
            .build(literals.iter().map(|(anchor, _)| anchor))
            .ok();
        Self { literals, automaton }
    }

    fn visit(&self, bytes: &[u8], mut visit: impl FnMut(&'static Row, Range<usize>)) {
        if let Some(automaton) = &self.automaton {
            for found in automaton.find_iter(bytes) {
                if let Some((_, row)) = self.literals.get(found.pattern().as_usize()) {
                    visit(row, found.range());
                }
            }
        } else {
            for (anchor, row) in &self.literals {
                memchr::memmem::find_iter(bytes, anchor).for_each(|at| visit(row, at..at + anchor.len()));
            }
        }
    }
}

/// No credential is shorter: `AKIA` and sixteen characters. The automaton has its price for every text, however short.
const SHORTEST: usize = 20;

/// Hands every credential and its kind to `visit`.
pub(super) fn scan(bytes: &[u8], mut visit: impl FnMut(&'static str, Range<usize>)) {
    if bytes.len() < SHORTEST {
        return;
    }
    ANCHORS.visit(bytes, |row, anchor| {
        let place = Place { bytes, start: anchor.start, body: anchor.end };
        let glued = anchor.start.checked_sub(1).is_some_and(|before| super::runs::is_alphanumeric(bytes, before));
        let Some(end) = (row.shape)(&place) else { return };
        let span = anchor.start..end;
        let vouched = || row.checksum.is_some_and(|fits| bytes.get(span.clone()).is_some_and(fits));
        if (!glued || vouched()) && !is_placeholder(bytes.get(anchor.end..end).unwrap_or_default()) {
            visit(row.kind, span);
        }
    });
}

fn aws_access_key(place: &Place<'_>) -> Option<usize> {
    let end = place.body + 16;
    let body = place.bytes.get(place.body..end)?;
    let base32 = body.iter().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte));
    (base32 && !super::runs::is_alphanumeric(place.bytes, end)).then_some(end)
}

fn github_token(place: &Place<'_>) -> Option<usize> {
    const CLASSIC: usize = 36;
    const LONGEST: usize = 255;
    let end = place.alphanumeric(place.body, LONGEST);
    let classic = place.body + CLASSIC;
    if end < classic {
        return None;
    }
    let fits = place.bytes.get(place.start..classic).is_some_and(github_checksum);
    Some(if fits { classic } else { end })
}

fn github_fine_grained(place: &Place<'_>) -> Option<usize> {
    let middle = place.alphanumeric(place.body, 22);
    let secret = place.bytes.get(middle) == Some(&b'_') && middle == place.body + 22;
    let end = place.alphanumeric(middle + 1, 59);
    (secret && end == middle + 60).then_some(end)
}

fn yett_api_key(place: &Place<'_>) -> Option<usize> {
    let id = place.alphanumeric(place.body, 12);
    let secret = place.bytes.get(id) == Some(&b'_') && id == place.body + 12;
    let end = id + 39;
    let key = place.bytes.get(place.start..end)?;
    let (body, check) = key.split_at_checked(key.len().checked_sub(6)?)?;
    (secret && place.alphanumeric(id + 1, 38) == end && base62(crc32(body)) == check).then_some(end)
}

/// Header, body and footer; without a footer as much as looks like a key's body.
fn private_key(place: &Place<'_>) -> Option<usize> {
    const LABEL: usize = 40;
    let rest = place.bytes.get(place.body..)?;
    let label = rest.get(..LABEL).unwrap_or(rest);
    let label = label.get(..memchr::memmem::find(label, b"-----")?)?;
    if !(label.ends_with(b"PRIVATE KEY") || label.ends_with(b"PRIVATE KEY BLOCK")) {
        return None;
    }
    let body = place.body + label.len() + 5;
    let rest = place.bytes.get(body..)?;
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

/// No key is longer; what lies further apart is not one block.
const LONGEST_KEY: usize = 64 * 1024;

impl Place<'_> {
    /// Where the letters and digits that begin at `from` end, `most` of them at most.
    fn alphanumeric(&self, from: usize, most: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().take(most).take_while(|byte| byte.is_ascii_alphanumeric()).count()
    }
}

fn is_placeholder(body: &[u8]) -> bool {
    let repeated = |letter: u8| body.iter().all(|byte| *byte == letter || *byte == b'_');
    repeated(b'x') || repeated(b'X') || repeated(b'0')
}

fn github_checksum(token: &[u8]) -> bool {
    let parts = token.get(4..).and_then(|body| body.split_at_checked(30));
    parts.is_some_and(|(random, check)| base62(crc32(random)) == check)
}

#[cfg(test)]
mod tests {
    use super::super::Detector;
    use super::super::tests::{found, kinds};
    use super::*;

    fn token(prefix: &str, body: &str) -> String {
        format!("{prefix}{body}{}", str::from_utf8(&base62(crc32(body.as_bytes()))).unwrap())
    }

    fn pem(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----")
    }

    #[test]
    fn the_automaton_compiles() {
        assert!(ANCHORS.automaton.is_some());
    }

    #[test]
    fn each_kind_is_seen_in_its_surroundings() {
        let body = "abcDEF0123456789abcDEF01234567";
        let fine = format!("github_pat_{}_{}", "A1b2C3d4E5f6G7h8I9j0K1", "q".repeat(30) + &"Z9".repeat(14) + "z");
        let yett = {
            let text = format!("yett_{}_{}", "abcDEF012345", "s3cretS3cretS3cretS3cretS3cretS3");
            format!("{text}{}", str::from_utf8(&base62(crc32(text.as_bytes()))).unwrap())
        };
        let long = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC";
        for (kind, secret) in [
            ("aws_access_key", "AKIAIOSFODNN7EXAMPLE".to_owned()),
            ("aws_access_key", "ASIAQZ7WDEMO4KXYNTVB".to_owned()),
            ("github_token", token("ghp_", body)),
            ("github_token", format!("gho_{body}000000")),
            ("github_token", fine),
            ("private_key", pem("PRIVATE KEY", long)),
            ("private_key", pem("RSA PRIVATE KEY", &format!("Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n{long}"))),
            ("private_key", pem("OPENSSH PRIVATE KEY", "b3BlbnNzaC1rZXktdjEAAAAA")),
            ("private_key", pem("PGP PRIVATE KEY BLOCK", long)),
            ("private_key", format!("-----BEGIN EC PRIVATE KEY-----\\n{long}\\n{long}")),
            ("yett_api_key", yett),
        ] {
            for text in [secret.clone(), format!("key={secret}\n"), format!("\"{secret}\"."), format!("({secret} and more)")] {
                assert_eq!(found(Detector::Secrets, &text), [secret.as_str()], "{text}");
                assert_eq!(kinds(Detector::Secrets, &text), [kind], "{text}");
            }
        }
    }

    #[test]
    fn a_checksum_tells_a_glued_token_from_a_word() {
        let real = token("ghp_", "abcDEF0123456789abcDEF01234567");
        assert_eq!(found(Detector::Secrets, &format!("key{real}glued")), [real.as_str()]);
        assert!(found(Detector::Secrets, "keyghp_abcDEF0123456789abcDEF01234567000000").is_empty());
    }

    #[test]
    fn look_alikes_stay_clean() {
        for text in [
            "AKIA",
            "AKIAIOSFODNN7EXAMPL",
            "AKIAIOSFODNN7EXAMPLEX",
            "AKIAiosfodnn7example",
            "XAKIAIOSFODNN7EXAMPLE",
            "AKIAXXXXXXXXXXXXXXXX",
            "ghp_short",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "github_pat_",
            "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PUBLIC KEY-----",
            "if text.contains(\"-----BEGIN RSA PRIVATE KEY-----\") { refuse() }",
            "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----",
            "yett_abcDEF012345_s3cretS3cretS3cretS3cretS3cretS3000000",
            "yett_id_secret",
        ] {
            assert!(found(Detector::Secrets, text).is_empty(), "{text}");
        }
    }
}
