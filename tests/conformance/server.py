"""An MCP server with the names and answers that the official conformance suite looks for, in both eras on one port.

Official Python SDK (`mcp` 2.x), streamable HTTP at /mcp: `initialize` up to 2025-11-25 with an event store, so that
streams can be resumed, and 2026-07-28. What each tool must do stands in the suite's own descriptions of its scenarios.

    python server.py [--port 0]

Prints one line, `listening on http://localhost:PORT/mcp`, when it accepts connections. Ends on SIGTERM.
"""

import argparse
import base64
import json
import socket
import warnings
from typing import Annotated, Any

import anyio
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.transport_security import TransportSecuritySettings
from mcp.types import (
    AudioContent,
    Completion,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import Field

import questions
import tasks

# A red dot, and no sound at all.
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="

# The suite's own words for them: the logging capability is deprecated, and tested all the same.
warnings.simplefilter("ignore")

server = MCPServer("yett-conformance-fixture", version="1.0.0", log_level="CRITICAL", extensions=[tasks.Tasks()])
questions.register(server)
tasks.register(server)


# --- tools that answer at once ---


@server.tool(structured_output=False)
def test_simple_text() -> str:
    """Returns a text."""
    return "This is a simple text response for testing."


@server.tool(structured_output=False)
def test_image_content() -> ImageContent:
    """Returns an image."""
    return image()


@server.tool(structured_output=False)
def test_audio_content() -> AudioContent:
    """Returns a sound."""
    return AudioContent(type="audio", data=WAV, mime_type="audio/wav")


@server.tool(structured_output=False)
def test_embedded_resource() -> EmbeddedResource:
    """Returns a resource."""
    return embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")


@server.tool(structured_output=False)
def test_multiple_content_types() -> list[Any]:
    """Returns a text, an image and a resource."""
    text = TextContent(type="text", text="Multiple content types test:")
    resource = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return [text, image(), resource]


@server.tool(structured_output=False)
def test_error_handling() -> str:
    """Fails."""
    raise RuntimeError("This tool intentionally returns an error for testing")


@server.tool(structured_output=False)
def test_x_mcp_header(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})] = "") -> str:
    """Takes an argument that clients repeat in a header."""
    return f"region: {region}"


@server.tool(structured_output=False)
def json_schema_2020_12_tool(name: str = "") -> str:
    """Has a schema with keywords of JSON Schema 2020-12."""
    return f"name: {name}"


# Written by hand: no Python signature says this.
server._tool_manager.get_tool("json_schema_2020_12_tool").parameters = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


# --- tools that say something under way ---


@server.tool(structured_output=False)
async def test_tool_with_logging(ctx: Context) -> str:
    """Logs three messages."""
    await ctx.info("Tool execution started")
    await anyio.sleep(0.05)
    await ctx.info("Tool processing data")
    await anyio.sleep(0.05)
    await ctx.info("Tool execution completed")
    return "Tool with logging executed successfully"


@server.tool(structured_output=False)
async def test_logging_tool(ctx: Context) -> str:
    """Logs a message, which only a caller that named a level may get."""
    await ctx.info("A log message")
    return "logged"


@server.tool(structured_output=False)
async def test_tool_with_progress(ctx: Context) -> str:
    """Reports progress three times."""
    for step in (0, 50, 100):
        await ctx.report_progress(step, 100, f"Completed step {step} of 100")
        await anyio.sleep(0.05)
    return "Tool with progress executed successfully"


@server.tool(structured_output=False)
async def test_reconnection(ctx: Context) -> str:
    """Drops its connection in the middle, so that the client has to come back for the answer."""
    await ctx.info("Before the connection is dropped")
    await ctx.close_sse_stream()
    await anyio.sleep(0.3)
    return "Reconnection test completed"


@server.tool(structured_output=False)
async def test_trigger_tool_change(ctx: Context) -> str:
    """Tells subscribers that the list of tools has changed."""
    await ctx.notify_tools_changed()
    return "The list of tools has changed."


@server.tool(structured_output=False)
async def test_trigger_prompt_change(ctx: Context) -> str:
    """Tells subscribers that the list of prompts has changed."""
    await ctx.notify_prompts_changed()
    return "The list of prompts has changed."


# --- prompts, resources, completion ---


@server.prompt()
def test_simple_prompt() -> str:
    """A prompt without arguments."""
    return "This is a simple prompt for testing."


@server.prompt()
def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """A prompt with two arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


@server.prompt()
def test_prompt_with_embedded_resource(resourceUri: str) -> list[Any]:
    """A prompt that holds a resource."""
    resource = embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
    return [user(resource), user(TextContent(type="text", text="Please process the embedded resource above."))]


@server.prompt()
def test_prompt_with_image() -> list[Any]:
    """A prompt that holds an image."""
    return [user(image()), user(TextContent(type="text", text="Please analyze the image above."))]


@server.resource("test://static-text", name="static-text", mime_type="text/plain")
def static_text() -> str:
    """A text."""
    return "This is the content of the static text resource."


@server.resource("test://static-binary", name="static-binary", mime_type="image/png")
def static_binary() -> bytes:
    """An image."""
    return base64.b64decode(PNG)


@server.resource("test://watched-resource", name="watched-resource", mime_type="text/plain")
def watched() -> str:
    """A text to be told about."""
    return "Watched resource content."


@server.resource("test://template/{id}/data", name="template", mime_type="application/json")
def template(id: str) -> str:
    """A document by id."""
    return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


@server.completion()
async def complete(ref: Any, argument: Any, context: Any) -> Completion:
    values = [value for value in ("paris", "park", "party") if value.startswith(argument.value)]
    return Completion(values=values, total=len(values), has_more=False)


async def accept(ctx: Any, params: Any) -> EmptyResult:
    """Sessions only; there is nothing to filter and nobody to tell."""
    return EmptyResult()


for method, params in (
    ("logging/setLevel", SetLevelRequestParams),
    ("resources/subscribe", SubscribeRequestParams),
    ("resources/unsubscribe", UnsubscribeRequestParams),
):
    server._lowlevel_server.add_request_handler(method, params, accept)


def image() -> ImageContent:
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(
        type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    )


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


# --- serving ---


class Events(EventStore):
    """Every event of every stream, for clients that come back for what they missed."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    async def store_event(self, stream_id: str, message: Any) -> str:
        self.events.append((stream_id, message))
        return str(len(self.events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        if not last_event_id.isdigit() or not 0 < int(last_event_id) <= len(self.events):
            return None
        last = int(last_event_id)
        stream = self.events[last - 1][0]
        for number, (of, message) in enumerate(self.events[last:], start=last + 1):
            # A priming event has no message, and is not told again.
            if of == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


class Announcing(uvicorn.Server):
    """Says where it listens once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        for bound in sockets or []:
            print(f"listening on http://localhost:{bound.getsockname()[1]}/mcp", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description="MCP conformance fixture")
    arguments.add_argument("--port", type=int, default=0, help="0 takes a free one")
    bound = socket.create_server(("127.0.0.1", arguments.parse_args().port), backlog=512)
    hosts = ["localhost:*", "127.0.0.1:*"]
    app = server.streamable_http_app(
        event_store=Events(),
        retry_interval=100,
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{host}" for host in hosts]
        ),
    )
    config = uvicorn.Config(app, log_level="error", access_log=False, timeout_graceful_shutdown=1)
    Announcing(config).run(sockets=[bound])


if __name__ == "__main__":
    main()
