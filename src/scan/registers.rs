//! Registers that detectors go by, whoever looks: what networks and banks give out, and what names are not.

/// First and last six digits of a range, and the lengths in use there.
const ISSUERS: &[(u64, u64, &[usize])] = &[
    (220_000, 220_499, &[16, 17, 18, 19]),             // Mir
    (222_100, 272_099, &[16]),                         // Mastercard
    (300_000, 305_999, &[14, 16, 17, 18, 19]),         // Diners Club
    (309_500, 309_599, &[14, 16, 17, 18, 19]),         // Diners Club
    (340_000, 349_999, &[15]),                         // American Express
    (352_800, 358_999, &[16, 17, 18, 19]),             // JCB
    (360_000, 369_999, &[14, 16, 17, 18, 19]),         // Diners Club
    (370_000, 379_999, &[15]),                         // American Express
    (380_000, 399_999, &[14, 16, 17, 18, 19]),         // Diners Club
    (400_000, 499_999, &[13, 16, 19]),                 // Visa
    (500_000, 509_999, &[13, 14, 15, 16, 17, 18, 19]), // Maestro, Verve, RuPay, Elo
    (510_000, 559_999, &[16]),                         // Mastercard
    (560_000, 589_999, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (601_100, 601_199, &[16, 17, 18, 19]),             // Discover
    (606_282, 606_282, &[16]),                         // Hipercard
    (606_985, 608_500, &[16]),                         // RuPay
    (620_000, 629_999, &[16, 17, 18, 19]),             // UnionPay
    (630_400, 630_499, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (636_000, 639_999, &[16]),                         // InstaPayment, Maestro
    (644_000, 659_999, &[16, 17, 18, 19]),             // Discover, RuPay, Elo
    (670_000, 679_999, &[13, 14, 15, 16, 17, 18, 19]), // Maestro
    (810_000, 817_199, &[16, 17, 18, 19]),             // UnionPay
    (817_200, 820_199, &[16]),                         // RuPay
    (979_200, 979_289, &[16]),                         // Troy
];

/// Length of the whole number, and the countries that use it.
const LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

/// Endings that are files far more often than the names they are not even registered as.
const FILES: &[&[u8]] = &[
    b"css", b"gif", b"gz", b"html", b"jar", b"jpeg", b"jpg", b"js", b"json", b"jsx", b"lock", b"pdf", b"png", b"svg", b"tgz",
    b"toml", b"ts", b"tsx", b"txt", b"webp", b"xml", b"yaml", b"yml",
];

/// Whether a network has issued cards whose number begins with these six digits and has this many.
pub(crate) fn is_card(prefix: u64, length: usize) -> bool {
    let issuer = ISSUERS.iter().find(|(first, last, _)| (*first..=*last).contains(&prefix));
    issuer.is_some_and(|(_, _, lengths)| lengths.contains(&length))
}

/// How long the account numbers of a country are; its letters in any case.
pub(crate) fn iban_length(country: [u8; 2]) -> Option<usize> {
    let lists = |countries: &str| countries.split(' ').any(|code| country.eq_ignore_ascii_case(code.as_bytes()));
    LENGTHS.iter().find(|(_, countries)| lists(countries)).map(|(length, _)| *length)
}

/// Whether a name ends as files do.
pub(crate) fn is_file_ending(name: &[u8]) -> bool {
    FILES.iter().any(|ending| name.eq_ignore_ascii_case(ending))
}
