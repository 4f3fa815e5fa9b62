//! Characters that read as others: a small part of Unicode's confusables (UTS 39) and compatibility forms (UAX 15), enough
//! for text that a model still reads as English.

/// Whether a character shows nothing: zero-width, bidirectional and other format characters, fillers, combining marks that only
/// decorate Latin letters, control characters.
pub(super) fn is_dropped(letter: char) -> bool {
    matches!(letter,
        '\0'..='\u{8}' | '\u{E}'..='\u{1F}' | '\u{7F}'..='\u{84}' | '\u{86}'..='\u{9F}' | '\u{AD}'
        | '\u{300}'..='\u{36F}' | '\u{483}'..='\u{489}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{20D0}'..='\u{20FF}' | '\u{3164}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{FE20}'..='\u{FE2F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}'
        | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// The ASCII that a character is a form of, in any word.
pub(super) fn plain(letter: char) -> Option<&'static str> {
    let code = letter as u32;
    match letter {
        '\u{B}' | '\u{C}' | '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => Some(" "),
        '\u{85}' | '\u{2028}' | '\u{2029}' => Some("\n"),
        '‘' | '’' | '‚' | '‛' | '′' | 'ʼ' => Some("'"),
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => Some("\""),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some("-"),
        '…' => Some("..."),
        'Æ' | 'æ' | 'Ǽ' | 'ǽ' => Some("ae"),
        'Œ' | 'œ' => Some("oe"),
        'ß' => Some("ss"),
        'ﬀ' => Some("ff"),
        'ﬁ' => Some("fi"),
        'ﬂ' => Some("fl"),
        'ﬃ' => Some("ffi"),
        'ﬄ' => Some("ffl"),
        'ﬅ' | 'ﬆ' => Some("st"),
        'À'..='ſ' => pick(LATIN, code - 0xC0),
        '\u{180}'..='\u{24F}' => pick(EXTENDED, code - 0x180),
        '\u{1E00}'..='\u{1EFF}' => pick(ADDITIONAL, code - 0x1E00),
        '！'..='～' => pick(ASCII, code - 0xFF01),
        '\u{1D400}'..='\u{1D6A3}' => pick(LETTERS, (code - 0x1D400) % 52),
        '\u{1D7CE}'..='\u{1D7FF}' => pick(DIGITS, (code - 0x1D7CE) % 10),
        '⓪' | '⁰' | '₀' => Some("0"),
        '①'..='⑨' => pick(NUMBERS, code - 0x2460),
        '₁'..='₉' => pick(NUMBERS, code - 0x2081),
        'Ⓐ'..='ⓩ' => pick(CIRCLED, code - 0x24B6),
        '⒜'..='⒵' => pick(CIRCLED, code - 0x249C),
        '\u{1F110}'..='\u{1F129}' => pick(CIRCLED, code - 0x1F110),
        '\u{1F130}'..='\u{1F149}' => pick(CIRCLED, code - 0x1F130),
        '\u{1F150}'..='\u{1F169}' => pick(CIRCLED, code - 0x1F150),
        '\u{1F170}'..='\u{1F189}' => pick(CIRCLED, code - 0x1F170),
        '\u{1F1E6}'..='\u{1F1FF}' => pick(CIRCLED, code - 0x1F1E6),
        _ => single(letter),
    }
}

/// The Latin letter that a Cyrillic, Greek or Armenian one looks like.
pub(super) fn latin(letter: char) -> Option<&'static str> {
    let latin = match letter {
        'а' | 'А' | 'α' | 'Α' => "a",
        'В' | 'в' | 'Ь' | 'ь' | 'Β' | 'β' => "b",
        'с' | 'С' | 'ϲ' | 'Ϲ' => "c",
        'ԁ' | 'Ԁ' => "d",
        'е' | 'Е' | 'ё' | 'Ё' | 'є' | 'ε' | 'Ε' => "e",
        'ԍ' | 'Ԍ' | 'ց' => "g",
        'һ' | 'Һ' | 'Н' | 'н' | 'Η' | 'հ' => "h",
        'і' | 'І' | 'ї' | 'Ї' | 'ι' | 'Ι' | 'ί' => "i",
        'ј' | 'Ј' | 'ϳ' => "j",
        'к' | 'К' | 'κ' | 'Κ' => "k",
        'ӏ' | 'Ӏ' => "l",
        'м' | 'М' | 'Μ' => "m",
        'п' | 'η' | 'Ν' | 'ո' | 'ռ' => "n",
        'о' | 'О' | 'ο' | 'Ο' | 'σ' | 'ό' | 'օ' | 'Օ' => "o",
        'р' | 'Р' | 'ρ' | 'Ρ' => "p",
        'ԛ' | 'Ԛ' | 'զ' => "q",
        'ѕ' | 'Ѕ' | 'Տ' => "s",
        'т' | 'Т' | 'τ' | 'Τ' => "t",
        'υ' | 'μ' | 'ս' | 'Ս' => "u",
        'ѵ' | 'Ѵ' | 'ν' => "v",
        'ԝ' | 'Ԝ' | 'ω' => "w",
        'х' | 'Х' | 'χ' | 'Χ' => "x",
        'у' | 'У' | 'ү' | 'Ү' | 'γ' | 'Υ' => "y",
        'Ζ' | 'ζ' => "z",
        _ => return None,
    };
    Some(latin)
}

/// Whether a letter is of a script with letters that look Latin.
pub(super) fn is_cross_script(letter: char) -> bool {
    matches!(letter, '\u{370}'..='\u{58F}')
}

/// Phonetic letters, small capitals, letterlike symbols, super- and subscripts.
fn single(letter: char) -> Option<&'static str> {
    let plain = match letter {
        'ᴀ' | 'ɑ' | 'ⱥ' | 'ᵃ' | 'ₐ' | 'ª' => "a",
        'ʙ' | 'ɓ' | 'ᵇ' => "b",
        'ᴄ' | 'ℂ' | 'ℭ' | 'ⅽ' | 'ᶜ' => "c",
        'ᴅ' | 'ɗ' | 'ⅾ' | 'ᵈ' => "d",
        'ᴇ' | 'ɛ' | 'ℯ' | 'ℰ' | '℮' | 'ᵉ' | 'ₑ' => "e",
        'ꜰ' | 'ℱ' | 'ᶠ' => "f",
        'ɢ' | 'ɡ' | 'ℊ' | 'ᵍ' => "g",
        'ʜ' | 'ɦ' | 'ℎ' | 'ℋ' | 'ℌ' | 'ʰ' | 'ₕ' => "h",
        'ɪ' | 'ɩ' | 'ℐ' | 'ℑ' | 'ⅰ' | 'Ⅰ' | 'ⁱ' | 'ᵢ' => "i",
        'ᴊ' | 'ʲ' | 'ⱼ' => "j",
        'ᴋ' | 'ᵏ' | 'ₖ' => "k",
        'ʟ' | 'ℓ' | 'ℒ' | 'ⅼ' | 'ˡ' | 'ₗ' => "l",
        'ᴍ' | 'ℳ' | 'ⅿ' | 'ᵐ' | 'ₘ' => "m",
        'ɴ' | 'ℕ' | 'ⁿ' | 'ₙ' => "n",
        'ᴏ' | 'ɔ' | 'ℴ' | 'ᵒ' | 'ₒ' | 'º' => "o",
        'ᴘ' | 'ℙ' | 'ᵖ' | 'ₚ' => "p",
        'ꞯ' | 'ℚ' => "q",
        'ʀ' | 'ɾ' | 'ℛ' | 'ℜ' | 'ℝ' | 'ʳ' | 'ᵣ' => "r",
        'ꜱ' | 'ʂ' | 'ˢ' | 'ₛ' => "s",
        'ᴛ' | 'ᵗ' | 'ₜ' => "t",
        'ᴜ' | 'ʊ' | 'ᵘ' | 'ᵤ' => "u",
        'ᴠ' | 'ⅴ' | 'Ⅴ' | 'ᵛ' | 'ᵥ' => "v",
        'ᴡ' | 'ʷ' => "w",
        'ⅹ' | 'Ⅹ' | 'ˣ' | 'ₓ' => "x",
        'ʏ' | 'ʸ' => "y",
        'ᴢ' | 'ℤ' | 'ℨ' | 'ᶻ' => "z",
        _ => return None,
    };
    Some(plain)
}

/// À to ſ; a star where one letter does not do.
const LATIN: &str = "AAAAAA*CEEEEIIIIDNOOOOO*OUUUUYT*aaaaaa*ceeeeiiiidnooooo*ouuuuyty\
    AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi**JjKkkLlLlLlLlLlNnNnNnnNnOoOoOo**RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
/// U+0180 to U+024F and U+1E00 to U+1EFF, likewise.
const EXTENDED: &str = "bBBb***CcDDDd***EFfG***IKkl**NnOOo**Pp*****tTtTUu*VYyZz**********************AaIiOoUuUuUuUuUu*AaAa****Gg\
    KkOoOo**j***Gg**NnAa****AaAaEeEeIiIiOoOoRrRrUuUuSsTt**Hh*d**ZzAaEeOoOoOoOoYylntj**ACcLTsz**BU*EeJj**RrYy";
const ADDITIONAL: &str = "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRr\
    SsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwy*s****AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEe\
    EeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy******";
const ASCII: &str = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CIRCLED: &str = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
const DIGITS: &str = "0123456789";
const NUMBERS: &str = "123456789";

fn pick(table: &'static str, at: u32) -> Option<&'static str> {
    let at = at as usize;
    table.get(at..=at).filter(|plain| *plain != "*" || table == ASCII)
}
