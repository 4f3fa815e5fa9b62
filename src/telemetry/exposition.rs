//! The two texts that Prometheus reads: OpenMetrics 1.0, and the classic format (0.0.4) for everybody who does not ask for it.
//!
//! The registry writes OpenMetrics. The classic text is the same lines with other comments: there a counter's HELP and TYPE carry
//! its whole name, an info is a gauge, and UNIT and EOF do not exist.

/// A text format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// `text/plain; version=0.0.4`
    Classic,
    /// OpenMetrics 1.0
    OpenMetrics,
}

impl Exposition {
    /// What fits this `Accept` best (RFC 9110, section 12.5.1). OpenMetrics has to be named: a wildcard is a person or a script.
    pub fn negotiate(accept: &str) -> Self {
        let (mut classic, mut open) = (0, 0);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut version, mut quality) = (None, 1000);
            for (name, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = thousandths(value.trim()),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            match (kind.as_str(), version) {
                ("application/openmetrics-text", None | Some("1.0.0")) => open = open.max(quality),
                ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", _) => classic = classic.max(quality),
                _ => {}
            }
        }
        if open > 0 && open >= classic { Self::OpenMetrics } else { Self::Classic }
    }

    /// Its `Content-Type`.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// From what the registry has written to this format.
    pub(super) fn of(self, text: String) -> String {
        match self {
            Self::Classic => classic(&text),
            Self::OpenMetrics => text,
        }
    }
}

/// A quality value; what is none counts as refused.
fn thousandths(text: &str) -> u32 {
    text.parse::<f64>().ok().filter(|quality| (0.0..=1.0).contains(quality)).map_or(0, |quality| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        let thousandths = (quality * 1000.0).round() as u32;
        thousandths
    })
}

fn classic(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len());
    // HELP stands before TYPE, and its name depends on the type.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|text| text.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().filter(|(described, _)| *described == name) {
                out.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            out.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            out.extend([line, "\n"]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it() {
        use Exposition::{Classic, OpenMetrics};
        for (accept, expected) in [
            ("", Classic),
            ("*/*", Classic),
            ("text/plain", Classic),
            ("text/html, */*;q=0.1", Classic),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", OpenMetrics),
            ("application/openmetrics-text;version=2.0.0", Classic),
            ("application/openmetrics-text;version=0.0.1", Classic),
            ("application/openmetrics-text;q=0", Classic),
            ("application/openmetrics-text;q=0.3,text/plain;q=0.7", Classic),
            ("application/openmetrics-text;q=nan,text/plain;q=0.1", Classic),
            // Prometheus 2.42, then 3.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
        ] {
            assert_eq!(Exposition::negotiate(accept), expected, "{accept}");
        }
    }

    #[test]
    fn classic_names_are_those_of_the_samples() {
        let open = "# HELP a_calls Calls, all of them.\n# TYPE a_calls counter\na_calls_total{b=\"# HELP\"} 1\n\
                    # HELP a_build The build.\n# TYPE a_build info\na_build_info{v=\"1\"} 1\n\
                    # HELP a_age_seconds Age.\n# TYPE a_age_seconds gauge\n# UNIT a_age_seconds seconds\na_age_seconds 2.5\n# EOF\n";
        let expected = "# HELP a_calls_total Calls, all of them.\n# TYPE a_calls_total counter\na_calls_total{b=\"# HELP\"} 1\n\
                        # HELP a_build_info The build.\n# TYPE a_build_info gauge\na_build_info{v=\"1\"} 1\n\
                        # HELP a_age_seconds Age.\n# TYPE a_age_seconds gauge\na_age_seconds 2.5\n";
        assert_eq!(classic(open), expected);
    }
}
