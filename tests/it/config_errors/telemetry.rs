//! `telemetry:` and the variables of OpenTelemetry.

use yett::config::{LogFormat, LogLevel, Traces};
use yett::trace::Sampling;

use super::{Folder, server_with};

fn with(telemetry: &str) -> Folder {
    Folder::new(&server_with(&format!("telemetry:\n{telemetry}")))
}

fn traces(folder: &Folder) -> Option<Traces> {
    folder.loaded().config.telemetry.traces
}

const WRITTEN: &str = "  traces:\n    endpoint: https://collector.internal/base/\n    headers: { Authorization: \"Bearer ${env:TOKEN}\" }\n    sample: 0.25\n    timeout: 2s\n    service: gate\n    attributes: { region: eu }\n";

fn written() -> Folder {
    with(WRITTEN).variable("TOKEN", "collector-secret")
}

fn on(parent_based: bool, ratio: f64) -> Sampling {
    Sampling::On { parent_based, ratio }
}

#[test]
fn without_a_word_there_are_logs_and_no_traces() {
    let telemetry = Folder::new(super::MINIMAL).loaded().config.telemetry;
    assert_eq!((telemetry.logs.level, telemetry.logs.format, telemetry.logs.directives), (LogLevel::Info, LogFormat::Auto, None));
    assert!(telemetry.traces.is_none());
}

#[test]
fn logs_are_as_written_and_the_variable_goes_before() {
    let logs = with("  logs: { level: warn, format: text }\n").variable("RUST_LOG", "yett=debug").loaded().config.telemetry.logs;
    assert_eq!((logs.level, logs.format, logs.directives.as_deref()), (LogLevel::Warn, LogFormat::Text, Some("yett=debug")));
}

#[test]
fn traces_are_as_written() {
    let traces = traces(&written()).unwrap();
    assert_eq!(traces.endpoint, "https://collector.internal/base/v1/traces");
    assert_eq!(traces.sampling, on(true, 0.25));
    assert_eq!((traces.timeout.as_secs(), traces.service.as_str()), (2, "gate"));
    assert_eq!(traces.attributes, [("region".to_owned(), "eu".to_owned())]);
    let (name, value) = &traces.headers[0];
    assert_eq!((name.as_str(), value.current().unwrap().secret.expose().as_str()), ("authorization", "Bearer collector-secret"));
    assert!(!format!("{traces:?}").contains("collector-secret"), "{traces:?}");
}

#[test]
fn the_standard_variables_go_before_the_file() {
    let folder = written()
        .variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
        .variable("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20other, x-tenant = a")
        .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")
        .variable("OTEL_RESOURCE_ATTRIBUTES", "service.name=ignored,k8s.pod.name=yett-0")
        .variable("OTEL_SERVICE_NAME", "named")
        .variable("OTEL_TRACES_SAMPLER", "traceidratio")
        .variable("OTEL_TRACES_SAMPLER_ARG", "0.5");
    let found = traces(&folder).unwrap();
    assert_eq!(found.endpoint, "http://127.0.0.1:4318/v1/traces");
    let headers: Vec<_> =
        found.headers.iter().map(|(name, value)| (name.to_string(), value.current().unwrap().secret.expose().clone())).collect();
    let expected = [("authorization", "Bearer other"), ("x-tenant", "a")];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!((found.timeout.as_millis(), found.service.as_str(), found.sampling), (1500, "named", on(false, 0.5)));
    assert!(found.attributes.contains(&("k8s.pod.name".to_owned(), "yett-0".to_owned())), "{:?}", found.attributes);

    // One for traces alone goes before one for everything, and is taken as it is.
    let folder = folder.variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4319/own");
    assert_eq!(traces(&folder).unwrap().endpoint, "http://127.0.0.1:4319/own");
    for (name, value) in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert!(traces(&written().variable(name, value)).is_none(), "{name}={value}");
    }
    // An endpoint is enough; an empty variable is none.
    let bare = || Folder::new(super::MINIMAL);
    assert_eq!(
        traces(&bare().variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/")).unwrap().endpoint,
        "http://c:4318/v1/traces"
    );
    assert!(traces(&bare().variable("OTEL_EXPORTER_OTLP_ENDPOINT", "")).is_none());
    for (sampler, sampling) in [
        ("always_on", on(false, 1.0)),
        ("always_off", on(false, 0.0)),
        ("parentbased_always_on", on(true, 1.0)),
        ("parentbased_always_off", on(true, 0.0)),
        ("parentbased_traceidratio", on(true, 1.0)),
    ] {
        assert_eq!(traces(&written().variable("OTEL_TRACES_SAMPLER", sampler)).unwrap().sampling, sampling, "{sampler}");
    }
}

#[test]
fn each_mistake_has_its_message() {
    for (telemetry, expected) in [
        ("  log: {}\n", "yett.yaml:9:3 unknown key `log` in `telemetry`"),
        ("  logs: { level: loud }\n", "yett.yaml:9:18 `loud` is not one of the accepted words"),
        ("  logs: { format: xml }\n", "yett.yaml:9:19 `xml` is not one of the accepted words"),
        ("  traces: {}\n", "yett.yaml:9:11 the key `endpoint` is missing in `telemetry.traces`"),
        ("  traces: { endpoint: \"grpc://c:4317\" }\n", "yett.yaml:9:23 `grpc://c:4317` is not an http or https URL"),
        (
            "  traces: { endpoint: \"http://169.254.169.254\" }\n",
            "yett.yaml:9:23 `http://169.254.169.254` is a link-local address",
        ),
        ("  traces: { endpoint: \"http://c\", sample: 1.5 }\n", "yett.yaml:9:43 `1.5` is not a ratio"),
        ("  traces: { endpoint: \"http://c\", sample: NaN }\n", "yett.yaml:9:43 `NaN` is not a ratio"),
        ("  traces: { endpoint: \"http://c\", headers: { Host: x } }\n", "yett.yaml:9:46 this is not a header that can be sent"),
    ] {
        assert_eq!(with(telemetry).errors(), [expected]);
    }
    for (name, value, expected) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "no-scheme", "is not an http or https URL of a collector"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "is not a protocol of this build"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon", "is not a time-out"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret-without-a-name", "is not a list of headers"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=%zz", "is not a list of headers"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "is not a sampler of this build"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "is not an exporter of this build"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a", "is not a list of attributes"),
    ] {
        let folder = written().variable(name, value);
        assert_eq!(folder.errors(), [format!("yett.yaml:1:1 the environment variable `{name}` {expected}")]);
        assert!(!folder.load().unwrap_err().to_string().contains(value) || value.len() < 3, "{value} is shown");
    }
}

#[test]
fn a_credential_for_the_collector_is_not_shown_and_not_sent_in_clear_without_a_word() {
    let folder = with(
        "  traces:\n    endpoint: http://collector.internal:4318\n    headers: { Authorization: Bearer plain-secret }\n    sample: 2\n",
    );
    let shown = folder.load().unwrap_err().to_string();
    assert!(!shown.contains("plain-secret"), "{shown}");
    assert!(shown.contains("the headers for the collector travel unencrypted"), "{shown}");
}
