//! Which national numbers there are behind each country code: ITU-T E.164 and its "List of assigned country codes"; the
//! lengths are those of the national plans that countries communicate under ITU-T E.129 (ITU, "National numbering plans").

/// Country code, first digits of a subscriber's number, fewest and most digits. Several rows of one code are alternatives.
/// Services that are nobody's (premium rate, short codes) are left out where they have a first digit of their own.
pub(super) const DETAILED: &[(u16, &str, usize, usize)] = &[
    (1, "23456789", 10, 10),   // North American Numbering Plan, see `is_nanp`
    (7, "34789", 10, 10),      // Russia, Kazakhstan
    (20, "1", 10, 10),         // Egypt, mobile
    (20, "23456789", 8, 9),    // Egypt
    (27, "12345678", 9, 9),    // South Africa
    (30, "2678", 10, 10),      // Greece
    (31, "12345678", 9, 9),    // Netherlands
    (32, "4", 8, 9),           // Belgium, mobile and Liège
    (32, "12356789", 8, 8),    // Belgium
    (33, "1234567", 9, 9),     // France
    (33, "89", 9, 9),          // France, services and voice over IP
    (34, "6789", 9, 9),        // Spain
    (36, "2357", 8, 9),        // Hungary, mobile among them
    (36, "14689", 8, 8),       // Hungary
    (39, "0", 6, 11),          // Italy: the zero stays
    (39, "3", 9, 10),          // Italy, mobile
    (40, "237", 9, 9),         // Romania
    (41, "23456789", 9, 9),    // Switzerland
    (43, "123456789", 7, 13),  // Austria
    (44, "12378", 10, 10),     // United Kingdom
    (44, "1", 9, 9),           // United Kingdom, some areas
    (45, "23456789", 8, 8),    // Denmark
    (46, "123456789", 7, 9),   // Sweden
    (47, "23456789", 8, 8),    // Norway
    (48, "123456789", 9, 9),   // Poland
    (49, "1", 10, 11),         // Germany, mobile
    (49, "23456789", 6, 11),   // Germany
    (51, "9", 9, 9),           // Peru, mobile
    (51, "145678", 8, 8),      // Peru
    (52, "23456789", 10, 10),  // Mexico
    (53, "234567", 6, 8),      // Cuba
    (54, "9", 11, 11),         // Argentina, mobile
    (54, "1236", 10, 10),      // Argentina
    (55, "123456789", 10, 11), // Brazil
    (56, "23456789", 9, 9),    // Chile
    (57, "36", 10, 10),        // Colombia
    (58, "24", 10, 10),        // Venezuela
    (60, "1", 9, 10),          // Malaysia, mobile
    (60, "3456789", 8, 9),     // Malaysia
    (61, "23478", 9, 9),       // Australia
    (62, "8", 9, 12),          // Indonesia, mobile
    (62, "2345679", 7, 11),    // Indonesia
    (63, "9", 10, 10),         // Philippines, mobile
    (63, "2345678", 8, 10),    // Philippines
    (64, "2", 8, 10),          // New Zealand, mobile
    (64, "34679", 8, 8),       // New Zealand
    (65, "3689", 8, 8),        // Singapore
    (66, "689", 9, 9),         // Thailand, mobile
    (66, "23457", 8, 8),       // Thailand
    (81, "123456789", 9, 9),   // Japan
    (81, "256789", 10, 10),    // Japan, mobile and voice over IP
    (82, "1", 9, 10),          // Korea, mobile
    (82, "23456", 8, 10),      // Korea
    (82, "7", 10, 10),         // Korea, voice over IP
    (84, "2", 10, 10),         // Viet Nam
    (84, "35789", 9, 9),       // Viet Nam, mobile
    (86, "1", 10, 11),         // China, mobile and Beijing
    (86, "23456789", 9, 11),   // China
    (90, "234578", 10, 10),    // Türkiye
    (91, "123456789", 10, 10), // India
    (92, "3", 10, 10),         // Pakistan, mobile
    (92, "2456789", 9, 10),    // Pakistan
    (93, "234567", 9, 9),      // Afghanistan
    (94, "123456789", 9, 9),   // Sri Lanka
    (95, "9", 8, 10),          // Myanmar, mobile
    (95, "12345678", 7, 9),    // Myanmar
    (98, "123456789", 10, 10), // Iran
    (212, "5678", 9, 9),       // Morocco
    (213, "567", 9, 9),        // Algeria, mobile
    (213, "1234", 8, 8),       // Algeria
    (216, "234579", 8, 8),     // Tunisia
    (233, "235", 9, 9),        // Ghana
    (234, "23789", 10, 10),    // Nigeria
    (254, "17", 9, 9),         // Kenya, mobile
    (254, "2456", 7, 9),       // Kenya
    (351, "239", 9, 9),        // Portugal
    (353, "8", 9, 9),          // Ireland, mobile
    (353, "12456790", 7, 9),   // Ireland
    (358, "45", 6, 10),        // Finland, mobile
    (358, "123678", 6, 9),     // Finland
    (380, "3456789", 9, 9),    // Ukraine
    (420, "234567", 9, 9),     // Czechia
    (421, "234569", 9, 9),     // Slovakia
    (852, "2345679", 8, 8),    // Hong Kong
    (880, "1", 10, 10),        // Bangladesh, mobile
    (880, "23456789", 8, 10),  // Bangladesh
    (886, "9", 9, 9),          // Taiwan, mobile
    (886, "2345678", 8, 9),    // Taiwan
    (966, "15", 9, 9),         // Saudi Arabia
    (971, "5", 9, 9),          // United Arab Emirates, mobile
    (971, "234679", 8, 8),     // United Arab Emirates
    (972, "57", 9, 9),         // Israel, mobile and voice over IP
    (972, "234689", 8, 8),     // Israel
];

/// Fewest and most digits, and the codes of the countries that have so many.
pub(super) const OTHERS: &[(usize, usize, &[u16])] = &[
    (4, 7, &[290, 683, 690]),
    (5, 8, &[247, 500, 672, 676, 677, 678, 682, 685, 686, 688]),
    (6, 7, &[298, 299, 597, 681, 687]),
    (6, 9, &[252, 376, 508]),
    (6, 10, &[378]),
    (6, 11, &[352]),
    (7, 7, &[238, 239, 246, 248, 269, 291, 297, 501, 592, 673, 674, 679, 680, 691, 692, 960]),
    (7, 8, &[230, 241, 267, 372, 507, 599, 670, 675, 961, 975]),
    (7, 9, &[220, 231, 243, 245, 265, 354, 359, 423, 595, 967]),
    (
        8,
        8,
        &[
            222, 223, 226, 227, 228, 232, 235, 236, 253, 257, 266, 268, 350, 356, 357, 370, 371, 373, 374, 382, 383, 386, 389,
            502, 503, 504, 505, 506, 509, 591, 598, 689, 853, 965, 968, 973, 974, 976, 993,
        ],
    ),
    (8, 9, &[224, 258, 264, 355, 377, 385, 387, 593, 855, 962, 963, 970]),
    (8, 10, &[263, 381, 850, 856, 964, 977]),
    (
        9,
        9,
        &[211, 218, 221, 237, 240, 242, 244, 249, 250, 251, 255, 256, 260, 261, 262, 375, 590, 594, 596, 992, 994, 995, 996, 998],
    ),
    (10, 10, &[225, 229]),
];

/// Country codes of two digits; 1 and 7 are the only ones of one digit, all others have three, and none begins another.
pub(super) const TWO_DIGITS: &[u16] = &[
    20, 27, 30, 31, 32, 33, 34, 36, 39, 40, 41, 43, 44, 45, 46, 47, 48, 49, 51, 52, 53, 54, 55, 56, 57, 58, 60, 61, 62, 63, 64,
    65, 66, 81, 82, 84, 86, 90, 91, 92, 93, 94, 95, 98,
];
