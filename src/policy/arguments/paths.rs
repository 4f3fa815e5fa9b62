//! Paths that every reader takes for the same file.

/// Longest path, in bytes.
const MAX_PATH: usize = 4096;

/// Whether `path` is absolute and written in the one way that no reader resolves to something else: no `.`, `..` or empty step, no
/// backslash, no percent code, no control or invisible character, nothing that is or becomes a `/` or `.` somewhere.
pub(crate) fn plain_path(path: &str) -> bool {
    let Some(steps) = path.strip_prefix('/').or_else(|| without_drive(path)) else {
        return false;
    };
    path.len() <= MAX_PATH && steps.split('/').all(plain_step)
}

/// What stands behind `C:/`.
fn without_drive(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(|c: char| c.is_ascii_uppercase())?;
    rest.strip_prefix(":/")
}

fn plain_step(step: &str) -> bool {
    // Windows drops spaces and dots at the end of a name, and some readers trim those at the start.
    !step.is_empty()
        && !matches!(step, "." | "..")
        && !step.ends_with([' ', '.'])
        && !step.starts_with(' ')
        && step.chars().all(plain_character)
}

fn plain_character(c: char) -> bool {
    // A colon begins a drive, or an alternate stream of a file, on Windows.
    !(c.is_control() || matches!(c, '\\' | '%' | ':' | '/')) && (c.is_ascii() || plain_beyond_ascii(c))
}

/// SECURITY: characters that some reader turns into `/`, `\` or `.` (compatibility forms, best-fit code pages), and those that nobody
/// sees.
fn plain_beyond_ascii(c: char) -> bool {
    let invisible = matches!(c,
        '\u{00A0}' | '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{1680}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{2000}'..='\u{200F}' | '\u{2028}'..='\u{202F}' | '\u{205F}'..='\u{206F}' | '\u{3000}'
        | '\u{3164}' | '\u{E000}'..='\u{F8FF}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFF}'
        | '\u{E0000}'..='\u{10FFFF}');
    let solidus = matches!(c,
        '\u{00A5}' | '\u{00BC}'..='\u{00BE}' | '\u{0337}' | '\u{0338}' | '\u{20A9}' | '\u{2044}' | '\u{2100}' | '\u{2101}'
        | '\u{2105}' | '\u{2106}' | '\u{2150}'..='\u{215F}' | '\u{2189}' | '\u{2215}' | '\u{2216}' | '\u{2571}' | '\u{2572}'
        | '\u{27CB}' | '\u{27CD}' | '\u{29F5}' | '\u{29F6}' | '\u{29F8}' | '\u{29F9}' | '\u{2AFB}' | '\u{2CC6}' | '\u{3033}'
        | '\u{30CE}' | '\u{31D3}' | '\u{4E3F}' | '\u{FE68}' | '\u{FF0F}' | '\u{FF3C}' | '\u{FFE5}' | '\u{FFE6}' | '\u{1735}'
        | '\u{1D23A}');
    let dot = matches!(c,
        '\u{00B7}' | '\u{0660}' | '\u{06D4}' | '\u{06F0}' | '\u{0701}' | '\u{0702}' | '\u{2022}' | '\u{2024}'..='\u{2027}'
        | '\u{2219}' | '\u{22C5}' | '\u{2488}'..='\u{249B}' | '\u{3002}' | '\u{30FB}' | '\u{33C2}' | '\u{33D8}' | '\u{A4F8}'
        | '\u{A60E}' | '\u{FE12}' | '\u{FE19}' | '\u{FE30}' | '\u{FE52}' | '\u{FF0E}' | '\u{FF61}' | '\u{FF65}' | '\u{FF05}'
        | '\u{FE6A}' | '\u{FF1A}' | '\u{FE55}' | '\u{1F100}' | '\u{1D16D}' | '\u{10A50}');
    !(invisible || solidus || dot)
}
