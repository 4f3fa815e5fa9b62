//! The station.

use std::sync::Arc;

use super::check::tie;
use super::known::{Known, Seen};
use super::schemas::{Schemas, Unfit};
use crate::chain::{
    Action, Carried, Category, Direction, Finding, McpRequest, McpResponse, Middleware, Next, Reason, Rejection, ServerMessage,
    Thing, Trail,
};
use crate::layers::authz::Permit;
use crate::protocol::json::Value;
use crate::protocol::{ListKind, MarkError, Method, ParamMarks, Target, is_tool_name, told_result, withhold_told_result};

const LAYER: &str = "mirrors";
const RULE: &str = "x-mcp-header";
const SCHEMA_RULE: &str = "input_schema";
const OUTPUT_RULE: &str = "output_schema";

/// Holds headers to the arguments that they repeat, and arguments to the schemas of their tools.
#[derive(Debug, Default)]
pub struct Mirrors {
    known: Arc<Known>,
    schemas: Arc<Schemas>,
    /// What results are held to.
    outputs: Arc<Schemas>,
}

impl Middleware for Mirrors {
    type In = McpRequest<Permit>;
    type Out = McpRequest<Permit>;

    async fn handle(&self, mut request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let server = Arc::clone(request.evidence.server());
        let mirrored = request.exchange.version.has_mirrored_headers();
        if mirrored {
            self.check(&mut request.carried, &server.name)?;
        }
        if server.input_schemas {
            self.check_schema(&request.carried, &server.name)?;
        }
        let held_to_output = if server.output_schemas { self.tool_with_output(&request.carried, &server.name)? } else { None };
        let trail = request.context.trail.clone();
        let method = request.access.method;
        let lists_tools = method == Method::ToolsList;
        let own_tasks = request.exchange.tasks.own.clone().filter(|_| method == Method::Listen && server.output_schemas);
        let response = next.run(request).await?;
        if let Some(tool) = held_to_output {
            let outputs = Arc::clone(&self.outputs);
            let held = move |message: ServerMessage| {
                let result = message.message.result();
                // What a task has come to stands in a member of its own. MCP Tasks extension.
                let result = if method == Method::TasksGet { result.and_then(|task| task.get("result")) } else { result };
                let fits = |result| fits(result, |content| outputs.check(&server.name, &tool, Some(content)).is_ok());
                if result.is_none_or(fits) { Ok(Some(message)) } else { Err(withheld(&trail)) }
            };
            return response.map_messages(held);
        }
        if let Some(own) = own_tasks {
            let outputs = Arc::clone(&self.outputs);
            return response.map_messages(move |mut message| {
                let told = told_result(&message.message).and_then(|(task, result)| Some((own.tool_of(task)?, result)));
                if told.is_some_and(|(tool, result)| !is_fit(&outputs, &server.name, &tool, result)) {
                    note_misfit(&trail);
                    withhold_told_result(&mut message.message);
                }
                Ok(Some(message))
            });
        }
        if !lists_tools || !(mirrored || server.input_schemas || server.output_schemas) {
            return Ok(response);
        }
        let (known, schemas, outputs) = (Arc::clone(&self.known), Arc::clone(&self.schemas), Arc::clone(&self.outputs));
        response.map_messages(move |message| {
            if server.input_schemas {
                note_schemas(&message, &schemas, &server.name, "inputSchema");
            }
            if server.output_schemas {
                note_schemas(&message, &outputs, &server.name, "outputSchema");
            }
            Ok(Some(if mirrored { read_list(message, &known, &server.name, &trail) } else { message }))
        })
    }
}

impl Mirrors {
    fn check(&self, carried: &mut Carried, server: &str) -> Result<(), Reason> {
        let Target::Tool(tool) = &carried.access.target else { return Ok(()) };
        let seen = self.known.of(server, tool);
        if seen == Some(Seen::Flawed) {
            carried.context.trail.with(|decision| decision.rule = Some(RULE.into()));
            return Err(Reason::UnknownTarget(Thing::Tool, tool.clone()));
        }
        let marks = match &seen {
            Some(Seen::Marks(marks)) => Some(&**marks),
            Some(Seen::Flawed | Seen::Varies) | None => None,
        };
        let Some(message) = carried.message.rpc() else { return Ok(()) };
        tie(message, marks, &mut carried.exchange.mirrored).map_err(|_mismatch| Reason::HeaderMismatch("Mcp-Param"))
    }
}

impl Mirrors {
    fn check_schema(&self, carried: &Carried, server: &str) -> Result<(), Reason> {
        let Target::Tool(tool) = &carried.access.target else { return Ok(()) };
        let arguments = carried.message.rpc().and_then(|message| message.param("arguments"));
        let unfit = match self.schemas.check(server, tool, arguments) {
            Ok(()) => return Ok(()),
            Err(unfit) => unfit,
        };
        Err(refusal(&unfit, SCHEMA_RULE, "input", &carried.context.trail))
    }

    /// The tool that is called, if its results are held to a schema.
    fn tool_with_output(&self, carried: &Carried, server: &str) -> Result<Option<String>, Reason> {
        let answers = matches!(carried.access.method, Method::TasksGet | Method::TasksResult | Method::ToolsCall);
        let Some(tool) = carried.access.tool().filter(|_| answers) else { return Ok(None) };
        let has_schema = self.outputs.has(server, tool);
        let has_schema = has_schema.map_err(|unfit| refusal(&unfit, OUTPUT_RULE, "output", &carried.context.trail))?;
        Ok(has_schema.then(|| tool.to_owned()))
    }
}

/// Refuses a call, in words for whoever made it.
fn refusal(unfit: &Unfit, rule: &'static str, which: &str, trail: &Trail) -> Reason {
    let (detail, told) = match unfit {
        Unfit::Arguments(told) => ("schema_misfit", format!("Invalid arguments: {told}")),
        Unfit::Unseen => {
            let told = "schema of this tool is not known yet: list the tools of this server (`tools/list`), then call again";
            ("schema_unseen", format!("The {which} {told}"))
        }
        Unfit::Unusable(why) => ("schema_unusable", format!("This tool cannot be called: of its {which} schema, {why}")),
    };
    trail.with(|decision| {
        decision.rule = Some(rule.into());
        decision.detail = Some(detail);
    });
    Reason::InvalidArguments(told.into())
}

/// Whether a result fits the schema of its tool. An error needs no content of that kind, nor does what asks for more or becomes a task.
///
/// SECURITY: by what is there, not by what the server calls it: a word of its own would be a way past the schema.
fn fits(result: Value<'_>, check: impl FnOnce(Value<'_>) -> bool) -> bool {
    match result.get("structuredContent") {
        Some(content) => check(content),
        None => result.get("content").is_none() || result.get("isError").is_some_and(|flag| flag.raw() == "true"),
    }
}

/// The same of a result that nobody has asked for. One that nobody can judge does not fit.
fn is_fit(outputs: &Schemas, server: &str, tool: &str, result: Value<'_>) -> bool {
    match outputs.has(server, tool) {
        Ok(true) => fits(result, |content| outputs.check(server, tool, Some(content)).is_ok()),
        Ok(false) => true,
        Err(_unjudged) => false,
    }
}

fn note_misfit(trail: &Trail) {
    let (rule, kind) = (OUTPUT_RULE.into(), "schema_misfit");
    let (action, side) = (Action::Blocked, Direction::Response);
    trail.find(Finding { layer: LAYER, rule, kind, action, side, count: 1, by: None, about: None });
}

fn withheld(trail: &Trail) -> Rejection {
    note_misfit(trail);
    Reason::BlockedResult(Category::OutputSchema).into()
}

/// Remembers the schemas of a list, also of tools that this caller is not shown: they are the server's, not the caller's.
fn note_schemas(message: &ServerMessage, schemas: &Schemas, server: &str, which: &str) {
    let tools = message.message.result().and_then(|result| result.get(ListKind::Tools.member()));
    for tool in tools.into_iter().flat_map(Value::items) {
        if let Some(name) = tool.get(ListKind::Tools.key()).and_then(Value::as_str) {
            schemas.note(server, name, tool.get(which));
        }
    }
}

/// Withholds tools with a bad mark, and remembers the marks of the others.
fn read_list(mut message: ServerMessage, known: &Known, server: &str, trail: &Trail) -> ServerMessage {
    let tools = message.message.result().and_then(|result| result.get(ListKind::Tools.member()));
    let Some(list) = tools.map(Value::id) else { return message };
    let (document, edits) = message.message.split();
    edits.retain(document, list, |tool| {
        let found = ParamMarks::of(tool.get("inputSchema"));
        let flaw = found.as_ref().err().copied();
        if let Some(name) = tool.get(ListKind::Tools.key()).and_then(Value::as_str) {
            note(known, server, name, found);
        }
        if let Some(flaw) = flaw {
            let (rule, kind) = (RULE.into(), flaw.word());
            let (action, side) = (Action::Quarantined, Direction::Response);
            trail.find(Finding { layer: LAYER, rule, kind, action, side, count: 1, by: None, about: None });
        }
        flaw.is_none()
    });
    message
}

fn note(known: &Known, server: &str, tool: &str, found: Result<ParamMarks, MarkError>) {
    if let Err(flaw) = &found
        && known.of(server, tool) != Some(Seen::Flawed)
    {
        let shown = if is_tool_name(tool) { tool } else { "(a name outside the grammar)" };
        tracing::warn!(server, tool = shown, reason = flaw.word(), "a tool is withheld: its `x-mcp-header` is not good");
    }
    known.note(server, tool, found);
}
