//! What stands in place of a value that must not be read: a placeholder, what is left of it, its hash. Pure.
//!
//! No detector of this build finds any of them, so that a text which was cleaned once is not changed again.

use crate::scan::{Class, Found};

/// How many letters and digits of a value stay.
const LAST: usize = 4;

/// The least that a value has for some of it to stay: of less, too much would be told.
const SHORTEST: usize = 9;

/// Nothing of it.
pub(super) fn placeholder(found: &Found) -> String {
    format!("[{}]", name(found))
}

/// The last four letters or digits; of an address the domain, which is nobody's name.
pub(super) fn partial(found: &Found, value: &str) -> String {
    if let Some((_, domain)) = value.rsplit_once('@').filter(|_| found.kind == "email") {
        return format!("[email *@{domain}]");
    }
    let letters: Vec<char> = value.chars().filter(|letter| letter.is_alphanumeric()).collect();
    if letters.len() < SHORTEST {
        return placeholder(found);
    }
    let last: String = letters.iter().skip(letters.len() - LAST).collect();
    format!("[{} *{last}]", name(found))
}

/// Its hash.
pub(super) fn hashed(found: &Found, hash: &str) -> String {
    format!("[{} #{hash}]", name(found))
}

/// What is said of what it was. What a policy looks for by words of its own is its secret.
fn name(found: &Found) -> &'static str {
    match found.class {
        Class::Secrets => "secret",
        Class::Pii => found.kind,
        Class::Own => "redacted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Catalogue, Effort, Set};

    fn found(class: Class, kind: &'static str) -> Found {
        Found { by: 0, class, kind, start: 0, end: 0 }
    }

    #[test]
    fn of_a_value_its_last_four_stay_and_of_a_short_one_nothing() {
        for (class, kind, value, shown) in [
            (Class::Pii, "card", "4111 1111 1111 1234", "[card *1234]"),
            (Class::Pii, "us_ssn", "123-45-6789", "[us_ssn *6789]"),
            (Class::Pii, "email", "ada@corp.example", "[email *@corp.example]"),
            (Class::Secrets, "github_token", "ghp_abcdefgh", "[secret *efgh]"),
            (Class::Secrets, "password", "hunter2", "[secret]"),
            (Class::Own, "words", "Projekt Größe", "[redacted *röße]"),
        ] {
            assert_eq!(partial(&found(class, kind), value), shown);
        }
    }

    #[test]
    fn nothing_that_stands_in_place_of_a_value_is_found_again() {
        let catalogue = Catalogue::built_in().unwrap();
        let scanner = catalogue.scanner(["pii", "secrets"], []).unwrap();
        let everything = scanner.set(|_| true);
        let mut again = Vec::new();
        for row in scanner.members(&everything) {
            let found = found(row.class(), row.detector().kind);
            let before = "ssn passport iban card password: ";
            for text in [placeholder(&found), partial(&found, "a1b2c3d4e5f6"), hashed(&found, "abcdefghijklmnop")] {
                scanner.find(&format!("{before}{text}"), &everything, &mut Effort::default(), &mut again).unwrap();
                assert_eq!(again, [], "{text}");
            }
        }
        assert_ne!(everything, Set::EMPTY);
    }
}
