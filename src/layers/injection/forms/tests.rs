use bytes::Bytes;

use super::*;
use crate::protocol::json::{Document, Limits};

fn asked(params: &str) -> Option<(String, &'static str)> {
    let document = Document::parse(Bytes::from(params.to_owned()), Limits::default()).unwrap();
    secret_asked(document.root()).map(|asked| (asked.field, asked.what))
}

/// A form with one field.
fn form(message: &str, name: &str, schema: &str) -> Option<(String, &'static str)> {
    asked(&format!(
        r#"{{"message":"{message}","requestedSchema":{{"type":"object","properties":{{"who":{{"type":"string"}},"{name}":{schema}}}}}}}"#
    ))
}

#[test]
fn a_field_for_a_secret_is_seen_by_its_name() {
    for (name, what) in [
        ("password", "password"),
        ("userPassword", "password"),
        ("db_passwd", "password"),
        ("PASSPHRASE", "password"),
        ("p\u{430}ssword", "password"),
        ("pass\u{200b}word", "password"),
        ("p4ssw0rd", "password"),
        ("newPassword2", "password"),
        ("apiKey", "api_key"),
        ("API-Key", "api_key"),
        ("openai_api_key", "api_key"),
        ("clientSecret", "api_key"),
        ("secret", "api_key"),
        ("token", "token"),
        ("githubToken", "token"),
        ("personal_access_token", "token"),
        ("PIN", "pin"),
        ("cvv2", "pin"),
        ("cardNumber", "card_number"),
        ("credit_card", "card_number"),
        ("ssn", "social_security_number"),
        ("Passwort", "password"),
        ("mot_de_passe", "password"),
        ("contrase\u{f1}a", "password"),
        ("has\u{142}o", "password"),
        ("\u{5bc6}\u{7801}", "password"),
        ("\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}", "password"),
    ] {
        for schema in [r#"{"type":"string"}"#, r#"{"type":"integer"}"#, "{}"] {
            let found = form("Please fill in.", name, schema).map(|(_, what)| what);
            assert_eq!(found, Some(what), "{name} {schema}");
        }
    }
}

#[test]
fn or_by_what_else_is_said_of_it_and_the_message_counts_where_there_is_room_for_an_answer() {
    for schema in [
        r#"{"type":"string","title":"API key"}"#,
        r#"{"type":"string","description":"Enter your password to go on"}"#,
        r#"{"type":"string","description":"Password"}"#,
        r#"{"type":"string","format":"password"}"#,
        r#"{"type":"string","description":"Bitte das Kennwort eingeben"}"#,
        r#"{"type":"object","properties":{"token":{"type":"string"}}}"#,
        r#"{"anyOf":[{"type":"object","properties":{"pin":{"type":"string"}}}]}"#,
    ] {
        assert!(form("Hello.", "value", schema).is_some(), "{schema}");
    }
    for message in [
        "Please enter your password",
        "What is your PIN?",
        "To go on we need the card number and the CVV of your card.",
        "Do not worry, enter your API key",
        "Sign in with your GitHub password.",
        "Your password please",
        "Entrez votre mot de passe",
        "Introduzca su contrase\u{f1}a",
        "Inserisci il numero della carta",
        "\u{8bf7}\u{8f93}\u{5165}\u{5bc6}\u{7801}",
        "\u{30d1}\u{30b9}\u{30ef}\u{30fc}\u{30c9}\u{3092}\u{5165}\u{529b}\u{3057}\u{3066}\u{304f}\u{3060}\u{3055}\u{3044}",
        "\u{412}\u{432}\u{435}\u{434}\u{438}\u{442}\u{435} \u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
        "RW50ZXIgeW91ciBwYXNzd29yZCBub3cgcGxlYXNl",
    ] {
        let found = form(message, "value", r#"{"type":"string"}"#);
        assert_eq!(found.map(|(field, _)| field).as_deref(), Some("message"), "{message}");
        assert!(form(message, "value", r#"{"type":"boolean"}"#).is_some(), "`who` takes a text: {message}");
    }
    let choice = r#"{"message":"Please enter your password?","requestedSchema":{"properties":{"go":{"type":"boolean"}}}}"#;
    assert_eq!(asked(choice), None, "yes or no is no password");
}

#[test]
fn honest_forms_pass() {
    for (message, name, schema) in [
        ("What is your name?", "name", r#"{"type":"string","title":"Full name"}"#),
        ("When?", "date", r#"{"type":"string","format":"date"}"#),
        ("How many tokens may the summary have?", "token_count", r#"{"type":"integer","title":"Token count"}"#),
        ("Limits", "maxTokens", r#"{"type":"integer","description":"The most tokens of the answer"}"#),
        ("More?", "page_token", r#"{"type":"string"}"#),
        ("More?", "nextToken", r#"{"type":"string"}"#),
        ("Where do you live?", "postcode", r#"{"type":"string"}"#),
        ("Passport photo uploaded?", "passport_photo_uploaded", r#"{"type":"boolean"}"#),
        ("Your password expires in three days. Shall I remind you?", "when", r#"{"type":"string","format":"date"}"#),
        ("The password reset is done.", "comment", r#"{"type":"string"}"#),
        ("Which policy?", "password_policy", r#"{"type":"string"}"#),
        ("Which key?", "api_key_name", r#"{"type":"string","title":"API key name"}"#),
        ("Which key?", "access_key_id", r#"{"type":"string"}"#),
        ("Which one?", "kind", r#"{"type":"string","description":"The type of token being counted."}"#),
        ("Kind", "token_type", r#"{"type":"string"}"#),
        ("Kind", "password", r#"{"type":"string","enum":["keep","reset"]}"#),
        ("Kind", "token", r#"{"type":"string","oneOf":[{"const":"a","title":"A"},{"const":"b","title":"B"}]}"#),
        ("Delete the old tokens?", "secret", r#"{"type":"boolean"}"#),
        ("Never enter your password here.", "title", r#"{"type":"string"}"#),
        ("Pin this message?", "pinned", r#"{"type":"boolean"}"#),
        ("Which shipping option?", "shipping", r#"{"type":"string"}"#),
        ("What is the spinning speed?", "spin", r#"{"type":"number"}"#),
        ("Name the business card", "card_title", r#"{"type":"string"}"#),
        ("Compass heading", "compass_word", r#"{"type":"string"}"#),
        ("Opis", "opis", r#"{"type":"string","description":"Kr\u00f3tki opis zadania"}"#),
        ("E-mail", "email", r#"{"type":"string","format":"email"}"#),
    ] {
        assert_eq!(form(message, name, schema), None, "{message} {name} {schema}");
    }
    assert_eq!(asked("{}"), None);
    assert_eq!(asked(r#"{"message":"What is your name?","requestedSchema":{"type":"object","properties":{}}}"#), None);
}

#[test]
fn a_record_gets_a_name_of_plain_words_or_a_number() {
    for (name, shown) in [
        ("api_key", "api_key"),
        ("cardNumber2", "cardNumber2"),
        ("password_AKIAIOSFODNN7EXAMPLE", "#2"),
        ("password_io5otkrlmuh8", "#2"),
        ("password_otkrlmuh", "#2"),
        ("token 536-22-1234", "#2"),
        ("password for ada@example.com", "#2"),
        ("\u{5bc6}\u{7801}", "#2"),
    ] {
        let found = form("Please fill in.", name, r#"{"type":"string"}"#);
        assert_eq!(found.map(|(field, _)| field).as_deref(), Some(shown), "{name}");
    }
}
