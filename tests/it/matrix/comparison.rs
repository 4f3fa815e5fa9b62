//! One cell of the matrix: what a client saw of a server directly, and through the gateway.

use serde_json::Value;

use super::clients::Client;
use super::servers::Server;
use crate::peers::differences::{first_different_step, through_gateway};

pub(super) struct Cell {
    pub(super) client: Client,
    pub(super) server: Server,
    revision: String,
    directly: Figures,
    through: Figures,
    /// The first one, for people.
    pub(super) difference: Option<String>,
}

#[derive(Default)]
struct Figures {
    results: usize,
    errors: usize,
    reports: usize,
}

impl Cell {
    /// Its row of the table.
    pub(super) fn row(&self) -> String {
        let note = if self.client.stands_in(self.server) { " *" } else { "" };
        format!(
            "| {} | {} | {} | {}{note} | {}, {} |",
            self.client.title(),
            self.server.title(),
            self.revision,
            self.directly.text(),
            self.through.text(),
            if self.difference.is_none() { "equal" } else { "NOT EQUAL" }
        )
    }
}

impl Figures {
    fn of(transcript: &[Value]) -> Self {
        transcript.iter().filter(|step| step["step"] != "close").fold(Self::default(), |mut figures, step| {
            let failed = step["ok"] == false || step["result"]["isError"] == true;
            figures.errors += usize::from(failed);
            figures.results += usize::from(!failed);
            figures.reports += step["progress"].as_array().map_or(0, Vec::len);
            figures
        })
    }

    fn text(&self) -> String {
        format!("{} results, {} errors, {} reports", self.results, self.errors, self.reports)
    }
}

pub(super) fn compare(client: Client, server: Server, directly: &[Value], through: &[Value]) -> Cell {
    let [directly, through] = [directly, through].map(|transcript| seen(client, server, transcript));
    // Two refusals would be alike as well.
    let connected = directly.first().is_some_and(|connect| connect["ok"] == true);
    let (expected, _) = through_gateway(&directly);
    let difference = match first_different_step(&expected, &through) {
        _ if !connected => Some(format!("the direct walk did not begin: {:#}", directly.first().unwrap_or(&Value::Null))),
        other => other,
    };
    Cell {
        client,
        server,
        revision: directly
            .first()
            .map_or("", |connect| connect["result"]["protocolVersion"].as_str().unwrap_or_default())
            .to_owned(),
        directly: Figures::of(&directly),
        through: Figures::of(&through),
        difference: difference.map(|text| format!("{} before {}, {text}", client.title(), server.title())),
    }
}

/// What there is to compare: without what is chance in the client itself, or is seen over one transport alone.
fn seen(client: Client, server: Server, transcript: &[Value]) -> Vec<Value> {
    let mut transcript = transcript.to_vec();
    // Over standard streams and HTTP+SSE an error has no status.
    if client.stands_in(server) {
        for error in transcript.iter_mut().filter_map(|step| step.get_mut("error")?.as_object_mut()) {
            error.remove("http");
        }
    }
    // TypeScript SDK v1 and v2 forget who waits for reports when they read an answer, and look at reports a moment after they have read them:
    // the last report is lost where it comes in one piece with the answer, and whether it does is chance.
    if [Client::TypeScriptV1, Client::TypeScript, Client::McpRemote].contains(&client) {
        for step in &mut transcript {
            if let Some(reports) = step.get_mut("progress").and_then(Value::as_array_mut) {
                reports.retain(|report| report["progress"] != report["total"]);
            }
        }
    }
    transcript
}
