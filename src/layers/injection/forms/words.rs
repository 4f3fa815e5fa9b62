//! The names of secrets, as labels of fields have them and as sentences ask for them.
//!
//! Read in the form that [`crate::scan::injection`] makes of a text: without accents, look-alikes and invisible letters.

/// What is asked for, and its names: in small letters, words by one space, separated by `;`. English first, then German, Dutch, French,
/// Spanish, Portuguese, Italian, Polish, Turkish and Russian.
const NAMES: &[(&str, &str)] = &[
    (
        "password",
        "password;passwords;pass word;passwd;pwd;passphrase;pass phrase;passcode;pass code;credentials;\
         login credential;otp;one time password;one time passcode;2fa code;mfa code;recovery phrase;seed phrase;\
         recovery code;backup code;master pass;passwort;kennwort;zugangsdaten;wachtwoord;mot de passe;motdepasse;\
         mdp;contrasena;contrasenas;contrasenya;palavra passe;senha;parola d ordine;password di accesso;haslo;\
         hasla;sifre;sifreniz;sifrenizi;sifresi;parola;parolanizi;пароль;пароля;паролем",
    ),
    (
        "api_key",
        "api key;api keys;apikey;apikeys;access key;secret key;secret access key;private key;ssh key;signing key;\
         encryption key;master key;account key;auth key;service account key;recovery key;client secret;\
         app secret;shared secret;webhook secret;secret;secrets;api secret;api schlussel;geheimer schlussel;\
         privater schlussel;cle api;cle d api;cle privee;cle secrete;clave api;clave de api;clave privada;\
         clave secreta;chave api;chave de api;chave privada;chave secreta;chiave api;chiave privata;\
         chiave segreta;api sleutel;geheime sleutel;klucz api;klucz prywatny;api anahtari;api anahtarinizi;\
         gizli anahtar;api ключ;ключ api;закрытый ключ;секретный ключ",
    ),
    (
        "token",
        "token;access token;access tokens;api token;api tokens;auth token;bearer token;bearer;refresh token;\
         session token;personal access token;session cookie;zugangstoken;jeton d acces;token de acceso;\
         token de acesso;token di accesso;токен;токен доступа",
    ),
    (
        "pin",
        "pin;pin code;pin number;cvv;cvc;csc;cvv code;cvc code;card verification;security code of your card;\
         card security code;geheimzahl;pruefziffer;prufziffer;code pin;codice pin;codigo pin;pin kodu;kod pin;\
         пин;пин код",
    ),
    (
        "card_number",
        "card number;card numbers;card no;cardnumber;credit card;debit card;credit card number;card pan;\
         payment card;creditcard;kartennummer;kreditkarte;kreditkartennummer;kaartnummer;creditcardnummer;\
         numero de carte;carte bancaire;carte de credit;numero de tarjeta;tarjeta de credito;numero do cartao;\
         cartao de credito;numero della carta;carta di credito;numer karty;kart numarasi;kart numaraniz;\
         kart numaranizi;номер карты",
    ),
    (
        "social_security_number",
        "ssn;social security number;social security no;social security;sozialversicherungsnummer;\
         numero de securite sociale;numero de seguridad social;numero da seguranca social;codice fiscale;снилс",
    ),
];

/// Words that names of fields have beside those.
const COMMON: &str = "a account admin again answer app application auth aws azure bank billing bot client cloud cluster code confirm confirmation \
    connection credential credit current customer data database db de debit email env feld field first for form git github gitlab google host id input \
    jira key last login mail my name new no number of old openai organization password payment phone pin please project provider repeat re reset second \
    secret security server service sign slack sms smtp ssh string stripe system temp temporary test text the to token type uri url user username users \
    value vault wallet wert wifi workspace x your";

/// Whether all words of a name are words of these lists, in any case, with `_`, `-`, `.`, or a capital between them.
pub(super) fn are_known(name: &str) -> bool {
    let mut apart = String::with_capacity(name.len() + 8);
    let mut was_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && was_small {
            apart.push(' ');
        }
        was_small = letter.is_ascii_lowercase();
        apart.push(if matches!(letter, '_' | '-' | '.') { ' ' } else { letter.to_ascii_lowercase() });
    }
    let named = |word: &str| NAMES.iter().any(|(_, names)| names.split([';', ' ']).any(|known| known == word));
    apart.split(' ').all(|word| COMMON.split(' ').any(|known| known == word) || named(word))
}

/// The same in scripts that write words together.
const RUNNING: &[(&str, &str)] = &[
    ("password", "密码;密碼;口令;パスワード;暗証番号;비밀번호;암호;كلمة المرور;كلمة السر;पासवर्ड;पासवर्द"),
    ("api_key", "密钥;密鑰;金鑰;秘密鍵;apiキー;api 키;api키;비밀 키;مفتاح api;المفتاح السري;api कुंजी"),
    ("token", "令牌;アクセストークン;トークン;토큰;رمز الوصول;टोकन"),
    ("pin", "安全码;セキュリティコード;보안 코드;رمز التحقق;पिन नंबर"),
    ("card_number", "信用卡号;信用卡號;银行卡号;卡号;カード番号;카드 번호;카드번호;رقم البطاقة;कार्ड नंबर"),
    ("social_security_number", "社会保障号;社会保険番号;주민등록번호;رقم الضمان الاجتماعي"),
];

/// Behind a name these say that something about the thing is meant, and not the thing.
const ABOUT: &str = "address;age;aging;budget;change;changed;changes;count;counts;created;expiration;expired;expires;expiry;\
     field;file;format;generator;hint;holder;label;last;length;limit;limits;link;location;manager;name;names;\
     network;owner;path;per;policies;policy;position;price;protected;protection;provider;reset;rotation;santa;\
     store;strategy;strength;symbol;type;types;uri;url;usage;vault;version";

/// The same behind the names of keys and tokens, whose numbers are no secret.
const NUMBERS: &str = "id;ids";

/// Before `token` these make it a mark or a measure, and before `pin` a place.
const MARKS: &str = "cancellation;completion;continuation;csrf;cursor;erc20;input;max;maximum;min;minimum;next;nft;output;page;\
     pagination;progress;prompt;stop;sync;drop;gpio;header;map;push;location";

/// Behind `pin` these say that something is to be pinned.
const PINNED: &str = "a;as;at;comment;for;in;issue;it;message;on;post;that;the;them;these;this;to;version";

/// Verbs that ask, in front of what they ask for.
const ASKING: &str = "authenticate;confirm;enter;fill;give;input;insert;is;need;needs;paste;provide;provided;reenter;repeat;\
     require;required;requires;send;share;specify;submit;supply;tell;type;using;verify;with;your";

/// Verbs of other languages, on either side.
const ASKING_ELSEWHERE: &str = "angeben;bestatigen;bitte;brauche;brauchen;eingeben;gib;geben;nenne;nennen;tippe;ihr;dein;benotigen;donnez;\
     entrez;entrer;fournir;fournissez;indiquez;renseignez;saisir;saisissez;tapez;votre;veuillez;escriba;escribe;\
     facilite;indique;ingresa;ingrese;introduce;introduzca;necesito;proporcione;favor;digite;forneca;informe;\
     insira;preciso;digita;digiti;fornisci;fornisca;inserire;inserisca;inserisci;geef;invoeren;invullen;typ;vul;\
     voer;podac;podaj;wpisz;wprowadz;prosze;girin;giriniz;yazin;введите;укажите;сообщите;пожалуйста";

/// And of those in scripts that write words together.
const ASKING_RUNNING: &str = "输入;輸入;提供;填写;填寫;请;請;入力;教えて;ください;입력;알려;أدخل;ادخل;اكتب;दर्ज;डालें;बताएं;बताएँ";

/// In those scripts a text of so few letters is a label.
const LABEL_RUNNING: usize = 12;

/// How far such a verb stands from what it asks for, in words.
const REACH: usize = 8;

/// A text of so few words is a label, whatever it says.
const LABEL: usize = 4;

/// What a label names.
pub(super) fn as_label(text: &str) -> Option<&'static str> {
    let words = words(text);
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    running(text).or_else(|| named(&words).next().map(|named| named.what))
}

/// What a sentence asks for.
pub(super) fn as_prose(text: &str) -> Option<&'static str> {
    let words = words(text);
    let words: Vec<&str> = words.split_ascii_whitespace().collect();
    let asks = text.chars().count() <= LABEL_RUNNING || ASKING_RUNNING.split(';').any(|verb| text.contains(verb));
    if let Some(what) = running(text).filter(|_| asks) {
        return Some(what);
    }
    named(&words).find(|named| words.len() <= LABEL || is_asked(&words, named)).map(|named| named.what)
}

/// A name, by where it stands among the words.
struct Named {
    what: &'static str,
    start: usize,
    end: usize,
}

fn running(text: &str) -> Option<&'static str> {
    if text.is_ascii() {
        return None;
    }
    let text = text.to_lowercase();
    RUNNING.iter().find(|(_, names)| names.split(';').any(|name| text.contains(name))).map(|(what, _)| *what)
}

fn named<'w>(words: &'w [&'w str]) -> impl Iterator<Item = Named> + 'w {
    (0..words.len()).filter_map(|start| {
        let rest = words.get(start..)?;
        let longest = |names: &str| names.split(';').filter_map(|name| matches(rest, name)).max();
        let (what, length) =
            NAMES.iter().filter_map(|(what, names)| Some((*what, longest(names)?))).max_by_key(|(_, length)| *length)?;
        let next = rest.get(length).copied().unwrap_or_default();
        let before = start.checked_sub(1).and_then(|at| words.get(at)).copied().unwrap_or_default();
        let is_about = among(ABOUT, next)
            || (among(NUMBERS, next) && rest.first() != Some(&"secret"))
            || (matches!(what, "token" | "pin") && length == 1 && among(MARKS, before))
            || (what == "pin" && length == 1 && among(PINNED, next));
        (!is_about).then_some(Named { what, start, end: start + length })
    })
}

fn among(list: &str, word: &str) -> bool {
    list.split(';').any(|known| known == word)
}

/// How many words `name` has, if `words` begin with it.
fn matches(words: &[&str], name: &str) -> Option<usize> {
    let mut length = 0;
    for word in name.split(' ') {
        if words.get(length) != Some(&word) {
            return None;
        }
        length += 1;
    }
    Some(length)
}

fn is_asked(words: &[&str], named: &Named) -> bool {
    let before = words.get(named.start.saturating_sub(REACH)..named.start).unwrap_or_default();
    let behind = words.get(named.end..(named.end + REACH).min(words.len())).unwrap_or_default();
    // Only where the word before it forbids: "do not worry, enter" does not.
    let asks = |(at, word): (usize, &&str)| {
        let forbids =
            at.checked_sub(1).and_then(|at| before.get(at)).is_some_and(|word| matches!(*word, "not" | "never" | "t" | "dont"));
        let is_noun = *word == "type" && before.get(at + 1) == Some(&"of");
        among(ASKING, word)
            && !forbids
            && !is_noun
            && (!matches!(*word, "is" | "with" | "using" | "your") || is_close(words, named, word))
    };
    before.iter().enumerate().any(asks) || before.iter().chain(behind).any(|word| among(ASKING_ELSEWHERE, word))
}

/// Words that ask only together with others: "what is your PIN", "sign in with your password", "your password:".
fn is_close(words: &[&str], named: &Named, word: &str) -> bool {
    let before = words.get(named.start.saturating_sub(4)..named.start).unwrap_or_default();
    match word {
        "is" => before.iter().any(|word| matches!(*word, "what" | "whats" | "which")),
        "your" => named.end == words.len() || words.get(named.end) == Some(&"please"),
        _ => before.iter().any(|word| matches!(*word, "sign" | "log" | "login" | "in" | "authenticate" | "unlock" | "again")),
    }
}

/// The words of a text in small letters, by one space; `apiKey`, `api_key` and `API-Key` are two.
fn words(text: &str) -> String {
    let mut words = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    let mut before = ' ';
    while let Some(letter) = letters.next() {
        if letter.is_alphanumeric() {
            let next_is_small = letters.peek().is_some_and(|next| next.is_lowercase());
            let begins = letter.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && next_is_small));
            let counts = letter.is_ascii_digit() && before.is_alphabetic();
            if begins || counts {
                words.push(' ');
            }
            words.extend(letter.to_lowercase());
        } else if !words.ends_with(' ') {
            words.push(' ');
        }
        before = letter;
    }
    words
}
