//! What every report on an operator's files keeps to.

use yett::yaml::Report;

/// A folder for files of one run; in memory where the system has that.
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Every place lies inside its file, as far as `text_of` knows the file by its name, and what is shown is bounded.
pub fn check_report<'t>(report: &Report, text_of: impl Fn(&str) -> Option<&'t [u8]>) {
    for found in report.diagnostics() {
        let place = found.place;
        assert!(!found.message.is_empty());
        assert!(found.message.len() <= 4096, "a message of {} bytes", found.message.len());
        let Some(text) = text_of(report.file_name(place.file)) else { continue };
        if place.line == 0 {
            continue;
        }
        let text = String::from_utf8_lossy(text);
        let lines: Vec<&str> = text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect();
        let columns = |line: usize| lines.get(line - 1).unwrap_or_else(|| panic!("no line {line}: {found:?}")).chars().count();
        assert!(place.column >= 1 && place.column <= columns(place.line) + 1, "outside of its line: {found:?}");
        assert!((place.line, place.column) <= (place.end_line, place.end_column), "ends before it begins: {found:?}");
        assert!(place.end_line <= lines.len(), "ends outside of the file: {found:?}");
    }
    let shown = report.to_string();
    assert!(shown.len() <= 1 << 20, "{} bytes for a terminal", shown.len());
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "controls a terminal: {shown:?}");
    let json = report.to_json();
    assert_eq!(json.as_array().map(Vec::len), Some(report.diagnostics().len()));
}
