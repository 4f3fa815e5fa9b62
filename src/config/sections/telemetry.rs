//! `telemetry:`, what operators see of the process; and the standard variables of OpenTelemetry, which go before the file.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Uri};

use super::Context;
use super::locations::endpoint;
use crate::config::units::{duration, within};
use crate::config::values::Environment;
use crate::config::{LogFormat, LogLevel, Logs, Telemetry, Traces};
use crate::reach::is_loopback;
use crate::secrets::{Form, Live};
use crate::trace::Sampling;
use crate::yaml::{Fields, Invalid, Node, Place, Report, choice, entries, parsed, text};

const LEVELS: &[(&str, LogLevel)] = &[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];

const FORMATS: &[(&str, LogFormat)] = &[("auto", LogFormat::Auto), ("json", LogFormat::Json), ("text", LogFormat::Text)];

const TIMEOUT: Duration = Duration::from_secs(10);

/// Headers and attributes that one may give; each is sent with every batch.
const MOST: usize = 32;

/// What stands in the file.
#[derive(Default)]
pub(super) struct Written {
    logs: Option<(Option<LogLevel>, Option<LogFormat>)>,
    traces: Option<Traces>,
}

/// Reads the section.
pub(super) fn telemetry(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Written> {
    let mut fields = Fields::of(node, "telemetry", report)?;
    let logs = fields.optional("logs", |node, report| {
        let mut fields = Fields::of(node, "telemetry.logs", report)?;
        let level = fields.optional("level", choice(LEVELS, &[]));
        let format = fields.optional("format", choice(FORMATS, &[]));
        fields.finish(&[]);
        Some((level, format))
    });
    let traces = fields.optional("traces", |node, report| traces(node, context, report));
    fields.finish(&[]);
    Some(Written { logs, traces })
}

fn traces(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Traces> {
    let mut fields = Fields::of(node, "telemetry.traces", report)?;
    let base = fields.required("endpoint", parsed(endpoint));
    let headers = fields.optional("headers", |node, report| headers(node, context, report)).unwrap_or_default();
    let ratio = fields.optional("sample", parsed(ratio)).unwrap_or(1.0);
    let timeout =
        fields.optional("timeout", within(duration, Duration::from_millis(100)..=Duration::from_mins(1), "from 100ms to 1m"));
    let service = fields.optional("service", text);
    let attributes = fields.optional("attributes", attributes).unwrap_or_default();
    let place = fields.place("endpoint");
    if !headers.is_empty() && base.as_ref().is_some_and(is_clear_text) {
        fields.report().warning(place, "the headers for the collector travel unencrypted").hint("use https");
    }
    fields.finish(&[]);
    Some(Traces {
        endpoint: signal_url(&base?)?,
        headers,
        sampling: Sampling::On { parent_based: true, ratio },
        timeout: timeout.unwrap_or(TIMEOUT),
        service: service.unwrap_or_else(|| "yett".to_owned()),
        attributes,
    })
}

/// What holds, file and environment together. `place` is where a variable is complained of.
pub(super) fn effective(written: Option<Written>, context: &Context<'_>, place: Place, report: &mut Report) -> Telemetry {
    let Written { logs, traces } = written.unwrap_or_default();
    let (level, format) = logs.unwrap_or_default();
    let logs = Logs {
        level: level.unwrap_or(LogLevel::Info),
        format: format.unwrap_or(LogFormat::Auto),
        directives: context.environment.variable("RUST_LOG").filter(|text| !text.is_empty()),
    };
    let mut variables = Variables { environment: context.environment, place, report };
    Telemetry { logs, traces: variables.traces(traces) }
}

/// Reads `OTEL_*`: OpenTelemetry, "Environment Variable Specification" and "OTLP Exporter Configuration".
struct Variables<'a, 'r> {
    environment: &'a dyn Environment,
    place: Place,
    report: &'r mut Report,
}

impl Variables<'_, '_> {
    fn traces(&mut self, written: Option<Traces>) -> Option<Traces> {
        if self.get("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        match self.get("OTEL_TRACES_EXPORTER").as_deref() {
            Some("none") => return None,
            None | Some("otlp") => {}
            Some(_) => self.refuse("OTEL_TRACES_EXPORTER", "is not an exporter of this build", "`otlp` or `none`"),
        }
        let endpoint = self.endpoint();
        let mut traces = match (written, endpoint) {
            (Some(written), endpoint) => Traces { endpoint: endpoint.unwrap_or_else(|| written.endpoint.clone()), ..written },
            (None, Some(endpoint)) => Traces {
                endpoint,
                headers: Vec::new(),
                sampling: Sampling::On { parent_based: true, ratio: 1.0 },
                timeout: TIMEOUT,
                service: "yett".to_owned(),
                attributes: Vec::new(),
            },
            (None, None) => return None,
        };
        if let Some((name, protocol)) = self.signal("PROTOCOL").filter(|(_, protocol)| protocol != "http/protobuf") {
            let _ = protocol;
            self.refuse(name, "is not a protocol of this build", "`http/protobuf`, usually on port 4318");
        }
        if let Some((name, text)) = self.signal("TIMEOUT") {
            match text.parse() {
                Ok(milliseconds @ 100..=60_000) => traces.timeout = Duration::from_millis(milliseconds),
                Ok(_) | Err(_) => self.refuse(name, "is not a time-out", "milliseconds, from 100 to 60000"),
            }
        }
        if let Some((name, text)) = self.signal("HEADERS") {
            match pairs(&text).into_iter().map(|pair| pair.and_then(|(key, value)| header(&key, &value))).collect() {
                Some(headers) => traces.headers = headers,
                None => self.refuse(name, "is not a list of headers", "`name=value,name=value`, values percent-encoded"),
            }
        }
        if let Some(text) = self.get("OTEL_RESOURCE_ATTRIBUTES") {
            match pairs(&text).into_iter().collect::<Option<Vec<_>>>() {
                Some(pairs) => traces.attributes.extend(pairs),
                None => self.refuse("OTEL_RESOURCE_ATTRIBUTES", "is not a list of attributes", "`key=value,key=value`"),
            }
        }
        if let Some(at) = traces.attributes.iter().rposition(|(key, _)| key == "service.name") {
            traces.service = traces.attributes.swap_remove(at).1;
            traces.attributes.retain(|(key, _)| key != "service.name");
        }
        if let Some(service) = self.get("OTEL_SERVICE_NAME") {
            traces.service = service;
        }
        self.sampler(&mut traces);
        Some(traces)
    }

    /// The variable of this signal, else that of all signals.
    fn signal(&self, what: &str) -> Option<(&'static str, String)> {
        let names = match what {
            "PROTOCOL" => ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"],
            "TIMEOUT" => ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"],
            _ => ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
        };
        names.into_iter().find_map(|name| Some((name, self.get(name)?)))
    }

    fn endpoint(&mut self) -> Option<Uri> {
        const WHOLE: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let (name, text) = [WHOLE, BASE].into_iter().find_map(|name| Some((name, self.get(name)?)))?;
        // That of the signal is taken as it is, the other gets the signal's path.
        let uri = endpoint(&text).ok().and_then(|uri| if name == WHOLE { Some(uri) } else { signal_url(&uri) });
        if uri.is_none() {
            self.refuse(name, "is not an http or https URL of a collector", "such as `http://127.0.0.1:4318`");
        }
        uri
    }

    fn sampler(&mut self, traces: &mut Traces) {
        const NAME: &str = "OTEL_TRACES_SAMPLER";
        const ARGUMENT: &str = "OTEL_TRACES_SAMPLER_ARG";
        let argument = self.get(ARGUMENT).map(|text| ratio(&text));
        let Some(sampler) = self.get(NAME) else { return };
        let (base, parent_based) = sampler.strip_prefix("parentbased_").map_or((sampler.as_str(), false), |base| (base, true));
        let ratio = match (base, argument) {
            ("always_on", _) | ("traceidratio", None) => 1.0,
            ("always_off", _) => 0.0,
            ("traceidratio", Some(Ok(ratio))) => ratio,
            ("traceidratio", Some(Err(_))) => return self.refuse(ARGUMENT, "is not a ratio", "a number from 0 to 1"),
            _ => {
                let known = "`always_on`, `always_off`, `traceidratio`, each also with `parentbased_` before it";
                return self.refuse(NAME, "is not a sampler of this build", known);
            }
        };
        traces.sampling = Sampling::On { parent_based, ratio };
    }

    /// Set and not empty: an empty one counts as unset.
    fn get(&self, name: &str) -> Option<String> {
        self.environment.variable(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Never shows the value: some of them are secrets.
    fn refuse(&mut self, name: &str, problem: &str, hint: &str) {
        self.report.error(self.place, format!("the environment variable `{name}` {problem}")).hint(hint);
    }
}

/// A collector's base URL with the path of traces.
fn signal_url(base: &Uri) -> Option<Uri> {
    format!("{}/v1/traces", base.to_string().trim_end_matches('/')).parse().ok()
}

fn ratio(text: &str) -> Result<f64, Invalid> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let ratio = text.parse().ok().filter(|ratio| plain && (0.0..=1.0).contains(ratio));
    ratio.ok_or(Invalid::new("is not a ratio", "a number from 0 (none) to 1 (all)"))
}

fn headers(node: &Node, context: &Context<'_>, report: &mut Report) -> Option<Vec<(HeaderName, Live)>> {
    // Whatever stands here is likely a credential.
    node.conceal(report);
    let mut headers = Vec::new();
    for entry in entries(node, report)?.iter().take(MOST) {
        let value = context.live(&entry.value, Form::Line, "this value is empty", report)?;
        match header_name(&entry.key.text) {
            Some(name) => headers.push((name, value)),
            None => {
                report.error(entry.key.place, "this is not a header that can be sent").hint(
                    "a name such as `Authorization`, a value of visible ASCII; Host, Content-* and connection headers are ours",
                );
            }
        }
    }
    Some(headers)
}

fn header(name: &str, value: &str) -> Option<(HeaderName, Live)> {
    HeaderValue::from_str(value).ok()?;
    Some((header_name(name)?, Live::fixed("OTEL_EXPORTER_OTLP_HEADERS", Form::Line, value.to_owned())))
}

fn header_name(name: &str) -> Option<HeaderName> {
    const OURS: [&str; 7] =
        ["host", "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "te"];
    HeaderName::from_bytes(name.as_bytes()).ok().filter(|name| !OURS.contains(&name.as_str()))
}

fn attributes(node: &Node, report: &mut Report) -> Option<Vec<(String, String)>> {
    let entries = entries(node, report)?;
    Some(entries.iter().take(MOST).filter_map(|entry| Some((entry.key.text.clone(), text(&entry.value, report)?))).collect())
}

/// `key=value,key=value`, percent-encoded: W3C Baggage without properties.
fn pairs(text: &str) -> Vec<Option<(String, String)>> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim();
        (!key.is_empty()).then(|| Some((key.to_owned(), decoded(value.trim())?)))?
    };
    text.split(',').filter(|text| !text.trim().is_empty()).take(MOST).map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn is_clear_text(url: &Uri) -> bool {
    url.scheme_str() == Some("http") && !is_loopback(url.host().unwrap_or_default())
}
