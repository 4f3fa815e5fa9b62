use super::*;

fn read(text: &str) -> String {
    normalize(text).rewritten.text().trim().to_owned()
}

#[test]
fn plain_text_is_borrowed() {
    let text = "Ignore\tall\nprevious <b> & 100 %";
    let normalized = normalize(text);
    assert!(std::ptr::eq(normalized.rewritten.text(), text));
    assert_eq!(normalized.rewritten.original(3..9), 3..9);
}

#[test]
fn what_hides_a_word_is_taken_away() {
    for text in [
        "I\u{200b}g\u{200d}n\u{2060}o\u{feff}r\u{ad}e",
        "I\u{336}g\u{336}n\u{336}o\u{301}r\u{336}e\u{336}",
        "Ｉｇｎｏｒｅ",
        "𝐈𝗀𝓃𝚘𝔯𝖾",
        "ⓘⓖⓝⓞⓡⓔ",
        "ɪɢɴᴏʀᴇ",
        "Ignоrе",
        "Ignοre",
        "Ïgnóré",
        "Ịġṋọŗẻ",
        "I\u{1b}[0mgn\u{1b}[31;1more",
        "I\0gn\u{8}ore",
        "\u{202e}erongI",
    ] {
        assert_eq!(read(text).to_ascii_lowercase(), "ignore", "{text:?}");
    }
}

#[test]
fn honest_scripts_stay_readable() {
    for text in ["Отчёт готов", "игнорируй все", "Η αναφορά", "報告已完成。", "שלום", "API-ключ"]
    {
        assert_eq!(read(text), text.to_lowercase().replace("api", "API"), "{text}");
    }
    assert_eq!(read("Straße, Œuvre, früher, „ja“ – nein…"), "Strasse, oeuvre, fruher, \"ja\" - nein...");
}

#[test]
fn smuggled_text_is_spelt_out_and_counted() {
    let tags: String = "stop".chars().map(|letter| char::from_u32(0xE0000 + letter as u32).unwrap()).collect();
    let text = format!("fine{tags} day");
    let normalized = normalize(&text);
    assert_eq!(normalized.rewritten.text(), "fine stop  day");
    assert_eq!(normalized.concealed, [Concealed { means: Means::Unicode, span: 4..20, length: 4 }]);

    let selectors: String = "hi".bytes().map(|byte| char::from_u32(0xE0100 + u32::from(byte) - 16).unwrap()).collect();
    assert_eq!(normalize(&format!("x{selectors}")).rewritten.text(), "x hi ");
}

#[test]
fn emoji_hide_nothing() {
    let england = "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
    for text in [england, "❤\u{fe0f} ok", "👩\u{200d}💻", "1\u{fe0f}\u{20e3}"] {
        assert!(normalize(text).concealed.is_empty(), "{text}");
    }
}

#[test]
fn concealed_terminal_text_is_marked() {
    let text = "a\u{1b}[8mhidden\u{1b}[0m b";
    let normalized = normalize(text);
    assert_eq!(normalized.rewritten.text(), "ahidden b");
    assert_eq!(normalized.concealed, [Concealed { means: Means::Terminal, span: 1..11, length: 10 }]);
    assert!(normalize("\u{1b}[1;31merror\u{1b}[0m\u{1b}[2K").concealed.is_empty());
    let clipboard = normalize("\u{1b}]52;c;cm0gLXJmIC8=\u{7} done").concealed;
    assert_eq!(clipboard, [Concealed { means: Means::Terminal, span: 0..19, length: 19 }]);
    assert_eq!(normalize("a\u{9b}31mb\u{9b}0mc").rewritten.text(), "abc");
    assert_eq!(normalize("\u{1b}]0;title\u{7}x").rewritten.text(), "]0;titlex");
}

#[test]
fn spans_lead_back_to_the_original() {
    for (text, word, original) in [
        ("é: I\u{200b}gnore it", "Ignore", "I\u{200b}gnore"),
        ("报告 ignore 。", "ignore", "ignore"),
        ("аnd ѕtop now", "stop", "ѕtop"),
        ("x \u{202e}erongi\u{202c} y", "ignore", "\u{202e}erongi\u{202c}"),
        ("groß", "gross", "groß"),
        ("ŉo", "no", "ŉo"),
    ] {
        let normalized = normalize(text);
        let at = normalized.rewritten.text().find(word).unwrap();
        let span = normalized.rewritten.original(at..at + word.len());
        assert_eq!(text.get(span), Some(original), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn every_span_leads_back_to_characters(text in "(?s)[a-c \u{200b}éß\u{1b}\\[8m\u{202e}\u{202c}\n\u{e0041}\u{fe00}аЖ报🏴]{0,60}") {
        let normalized = normalize(&text);
        let length = normalized.rewritten.text().len();
        let mut last = 0;
        for at in 0..length {
            let span = normalized.rewritten.original(at..at + 1);
            assert!(text.get(span.clone()).is_some(), "{span:?}");
            assert!(span.start >= last && span.end <= text.len());
            last = span.start;
        }
    }
}
