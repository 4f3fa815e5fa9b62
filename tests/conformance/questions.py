"""The tools and the prompt that ask something: by requests of their own (sessions), by results that want input (2026-07-28)."""

import json
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    SamplingMessage,
    TextContent,
)

# The defaults that a client is to fill in.
DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}

# The five ways to let somebody choose.
NAMES = [{"const": "value1", "title": "First Option"}, {"const": "value2", "title": "Second Option"}]
OPTIONS = ["option1", "option2", "option3"]
CHOICES = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": OPTIONS},
        "titledSingle": {"type": "string", "oneOf": NAMES},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": NAMES}},
    },
}


def register(server: MCPServer) -> None:
    """Adds them all."""
    for tool in (
        test_sampling,
        test_elicitation,
        test_elicitation_sep1034_defaults,
        test_elicitation_sep1330_enums,
        test_missing_capability,
        test_streaming_elicitation,
        test_input_required_result_elicitation,
        test_input_required_result_sampling,
        test_input_required_result_list_roots,
        test_input_required_result_request_state,
        test_input_required_result_multiple_inputs,
        test_input_required_result_multi_round,
        test_input_required_result_tampered_state,
        test_input_required_result_capabilities,
    ):
        server.add_tool(tool, structured_output=False)
    server.prompt()(test_input_required_result_prompt)


# --- in sessions ---


async def test_sampling(prompt: str, ctx: Context) -> str:
    """Asks the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    answer = await ctx.session.create_message(messages=[message], max_tokens=100, related_request_id=ctx.request_id)
    return f"LLM response: {getattr(answer.content, 'text', '')}"


async def test_elicitation(message: str, ctx: Context) -> str:
    """Asks the user."""
    fields = {"username": {"type": "string"}, "email": {"type": "string"}}
    schema = {"type": "object", "properties": fields, "required": ["username", "email"]}
    return f"User response: {await elicited(ctx, message, schema)}"


async def test_elicitation_sep1034_defaults(ctx: Context) -> str:
    """Asks the user, with a default for each kind of value."""
    return f"Elicitation completed: {await elicited(ctx, 'Please review your details', DEFAULTS)}"


async def test_elicitation_sep1330_enums(ctx: Context) -> str:
    """Asks the user to choose."""
    return f"Elicitation completed: {await elicited(ctx, 'Please choose', CHOICES)}"


async def elicited(ctx: Context, message: str, schema: dict[str, Any]) -> str:
    answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    return f"action={answer.action}, content={json.dumps(answer.content)}"


# --- 2026-07-28 ---


def test_missing_capability(ctx: Context) -> str:
    """Needs a client with a model."""
    if ctx.client_capabilities is None or ctx.client_capabilities.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs a client that declares sampling",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "The client has a model."


def test_streaming_elicitation(ctx: Context) -> Any:
    """Asks the user in a result, never in a request of its own."""
    return test_input_required_result_elicitation(ctx)


def test_input_required_result_elicitation(ctx: Context) -> Any:
    """Asks the user for a name."""
    name = entered(ctx, "user_name", "name")
    if name is None:
        return InputRequiredResult(input_requests={"user_name": ask("What is your name?", name="string")})
    return f"Hello, {name}!"


def test_input_required_result_sampling(ctx: Context) -> Any:
    """Asks the client's model for a capital."""
    answer = answered(ctx, "capital_question")
    if answer is None:
        question = "What is the capital of France?"
        return InputRequiredResult(input_requests={"capital_question": think(question, 100)})
    return answer.content.text


def test_input_required_result_list_roots(ctx: Context) -> Any:
    """Asks for the client's roots."""
    answer = answered(ctx, "client_roots")
    if answer is None:
        return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
    return "Roots: " + ", ".join(str(root.uri) for root in answer.roots)


def test_input_required_result_request_state(ctx: Context) -> Any:
    """Asks the user, and wants its state back."""
    if entered(ctx, "confirm", "ok") is None or ctx.request_state != "the state":
        return InputRequiredResult(
            input_requests={"confirm": ask("Please confirm", ok="boolean")}, request_state="the state"
        )
    return "state-ok"


def test_input_required_result_tampered_state(ctx: Context) -> Any:
    """The same, to see what comes of a state that was changed. The SDK seals it."""
    return test_input_required_result_request_state(ctx)


def test_input_required_result_multiple_inputs(ctx: Context) -> Any:
    """Asks for three things at once."""
    name, greeting, roots = (answered(ctx, key) for key in ("user_name", "greeting", "client_roots"))
    if name is None or greeting is None or roots is None:
        return InputRequiredResult(
            input_requests={
                "user_name": ask("What is your name?", name="string"),
                "greeting": think("Generate a greeting", 50),
                "client_roots": ListRootsRequest(),
            },
            request_state="three questions",
        )
    return f"{greeting.content.text} {name.content['name']}, {len(roots.roots)} roots"


def test_input_required_result_multi_round(ctx: Context) -> Any:
    """Asks twice, one after the other."""
    if ctx.request_state == "second" and (color := entered(ctx, "step2", "color")) is not None:
        return f"Your favorite color is {color}."
    if ctx.request_state == "first" and entered(ctx, "step1", "name") is not None:
        question = ask("Step 2: What is your favorite color?", color="string")
        return InputRequiredResult(input_requests={"step2": question}, request_state="second")
    question = ask("Step 1: What is your name?", name="string")
    return InputRequiredResult(input_requests={"step1": question}, request_state="first")


def test_input_required_result_capabilities(ctx: Context) -> Any:
    """Asks only what the client has declared."""
    declared, asked = ctx.client_capabilities, {}
    if declared is not None and declared.sampling is not None:
        asked["thought"] = think("Say something", 50)
    if declared is not None and declared.elicitation is not None:
        asked["user_name"] = ask("What is your name?", name="string")
    if not asked or any(answered(ctx, key) is not None for key in asked):
        return "Nothing to ask."
    return InputRequiredResult(input_requests=asked)


def test_input_required_result_prompt(ctx: Context) -> Any:
    """A prompt that asks the user first."""
    context = entered(ctx, "user_context", "context")
    if context is None:
        question = ask("What context should the prompt use?", context="string")
        return InputRequiredResult(input_requests={"user_context": question})
    return f"Use this context: {context}"


def ask(message: str, **fields: str) -> ElicitRequest:
    properties = {name: {"type": kind} for name, kind in fields.items()}
    schema = {"type": "object", "properties": properties, "required": list(fields)}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def think(prompt: str, tokens: int) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=tokens))


def answered(ctx: Context, key: str) -> Any:
    """The answer of that key, if there is one."""
    return (ctx.input_responses or {}).get(key)


def entered(ctx: Context, key: str, field: str) -> Any:
    """What the user has entered in a field, if anything."""
    return (getattr(answered(ctx, key), "content", None) or {}).get(field)
