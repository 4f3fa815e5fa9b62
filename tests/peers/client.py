"""A real MCP client for the tests: the official Python SDK (`mcp` 2.x) walking through a scenario.

    python client.py URL [--scenario NAME] [--calls FILE] [--tool NAME --args JSON] [--bearer TOKEN]
                         [--header NAME=VALUE]... [--answer] [--offers] [--era legacy|modern|auto] [--transport http|sse]
                         [--timeout SECONDS] [--stdio]

Prints one JSON document, the transcript, and ends 0 whatever the server said; README.md has the form of both.
"""

import argparse
import asyncio
import json
import os
import pathlib
import sys
import warnings
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx2
from mcp import Client, MCPError
from mcp import types
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPDeprecationWarning
from pydantic import TypeAdapter, ValidationError

MODERN = "2026-07-28"
MODES = {"legacy": "legacy", "modern": MODERN, "auto": "auto"}
LISTS = {
    "tools/list": ("list_tools", "tools", "name"),
    "prompts/list": ("list_prompts", "prompts", "name"),
    "resources/list": ("list_resources", "resources", "uri"),
    "resources/templates/list": ("list_resource_templates", "resourceTemplates", "uriTemplate"),
}


async def walk(chosen: argparse.Namespace, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Connects and takes the steps one after the other. A step that fails does not end the walk; a failed connect does."""
    transcript: list[dict[str, Any]] = []
    refusal: list[int] = []
    asked: list[str] = []

    async def note_refusal(response: httpx2.Response) -> None:
        if response.request.method == "POST" and response.status_code >= 400:
            refusal.append(response.status_code)

    async def answer(_context: Any, question: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(question.message)
        return types.ElicitResult(action="accept", content={"nickname": "hunter2"})

    async def think(_context: Any, question: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        asked.append(question.messages[0].content.text)
        return types.CreateMessageResult(role="assistant", content=types.TextContent(type="text", text="forty-two"), model="a-model")

    async def folders(_context: Any) -> types.ListRootsResult:
        asked.append("roots")
        return types.ListRootsResult(roots=[types.Root(uri="file:///home/ada/work", name="work")])

    async def attempt(label: str, work: Any) -> bool:
        refusal.clear()
        asked.clear()
        entry: dict[str, Any] = {"step": label, "ok": True}
        try:
            entry.update(await work)
        except Exception as caught:  # whatever the SDK raises is the observation
            entry["ok"] = False
            entry["error"] = describe(caught)
            if refusal:
                entry["error"]["http"] = refusal[-1]
        if asked:
            entry["asked"] = list(asked)
        transcript.append(entry)
        return entry["ok"]

    async with AsyncExitStack() as stack:
        # trust_env: a proxy set for the machine is not for loopback.
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                headers=headers(chosen),
                timeout=httpx2.Timeout(chosen.timeout, read=300),
                trust_env=False,
                event_hooks={"response": [note_refusal]},
            )
        )
        client = Client(
            transport_to(chosen, http),
            mode=MODES[chosen.era],
            client_info=types.Implementation(name="yett-test-python", version="1.0.0"),
            read_timeout_seconds=chosen.timeout,
            cache=None,
            elicitation_callback=answer if chosen.answer else None,
            sampling_callback=think if chosen.offers else None,
            list_roots_callback=folders if chosen.offers else None,
        )
        session = AsyncExitStack()

        async def connect() -> dict[str, Any]:
            await session.enter_async_context(client)
            return {"result": greeting(client)}

        async def close() -> dict[str, Any]:
            await session.aclose()
            return {}

        if not await attempt("connect", connect()):
            return transcript
        doing = "close"
        try:
            for step in steps:
                if step["method"] == "close":
                    await attempt("close", close())
                    break
                if step.get("era") in (None, "modern" if client.protocol_version == MODERN else "legacy"):
                    doing = label(step)
                    await attempt(doing, take(client, step))
        except asyncio.CancelledError:
            pass  # A connection that breaks takes the SDK's session down, and with it the step that waited.
        try:
            await session.aclose()
        except Exception as caught:
            transcript.append({"step": doing, "ok": False, "error": describe(caught)})
    return transcript


def transport_to(chosen: argparse.Namespace, http: httpx2.AsyncClient) -> Any:
    if chosen.stdio:
        return child(chosen)
    return over_sse(chosen) if chosen.transport == "sse" else streamable_http_client(chosen.url, http_client=http)


def over_sse(chosen: argparse.Namespace) -> Any:
    """The transport of 2024-11-05."""

    def make(headers: Any = None, timeout: Any = None, auth: Any = None) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, trust_env=False)

    return sse_client(chosen.url, headers=headers(chosen), timeout=chosen.timeout, httpx_client_factory=make)


def headers(chosen: argparse.Namespace) -> dict[str, str]:
    own = {"Authorization": f"Bearer {chosen.bearer}"} if chosen.bearer else {}
    return own | dict(header.split("=", 1) for header in chosen.header)


def child(chosen: argparse.Namespace) -> Any:
    """A server that this client starts itself; a token reaches it as desktop clients hand one over, by the environment."""
    command, *arguments = json.loads(chosen.url)
    own = {"YETT_TOKEN": chosen.bearer} if chosen.bearer else {}
    return stdio_client(StdioServerParameters(command=command, args=arguments, env=dict(os.environ) | own))


def greeting(client: Client) -> dict[str, Any]:
    found = {
        "protocolVersion": client.protocol_version,
        "serverInfo": plain(client.server_info),
        "capabilities": plain(client.server_capabilities),
        "instructions": client.instructions,
    }
    return {name: value for name, value in found.items() if value is not None}


async def take(client: Client, step: dict[str, Any]) -> dict[str, Any]:
    """One step: its result, and the progress reported on the way if it asks for that."""
    progress: list[dict[str, Any]] = []

    async def note_progress(done: float, total: float | None, message: str | None) -> None:
        report = {"progress": done, "total": total, "message": message}
        progress.append({name: value for name, value in report.items() if value is not None})

    async def depart(*_report: Any) -> None:
        scope.cancel()

    on_progress = depart if step.get("abandon") else note_progress if step.get("progress") else None
    with anyio.CancelScope() as scope:
        result = await request(client, step, on_progress)
    if scope.cancelled_caught:
        raise Abandoned
    return {"result": result, "progress": progress} if step.get("progress") else {"result": result}


async def request(client: Client, step: dict[str, Any], on_progress: Any) -> Any:
    method, params = step["method"], step.get("params") or {}
    if method in LISTS:
        return await whole_list(client, step)
    if method == "tools/call":
        return plain(await client.call_tool(params["name"], params.get("arguments"), progress_callback=on_progress))
    if method == "prompts/get":
        return plain(await client.get_prompt(params["name"], params.get("arguments")))
    if method == "resources/read":
        return plain(await client.read_resource(params["uri"]))
    if method == "completion/complete":
        reference = TypeAdapter(types.PromptReference | types.ResourceTemplateReference).validate_python(params["ref"])
        context = (params.get("context") or {}).get("arguments")
        return plain(await client.complete(reference, params["argument"], context))
    if method == "resources/subscribe":
        return plain(await client.session.subscribe_resource(params["uri"]))
    if method == "resources/unsubscribe":
        return plain(await client.session.unsubscribe_resource(params["uri"]))
    if method == "logging/setLevel":
        return plain(await client.session.set_logging_level(params["level"]))
    if method == "ping":
        return plain(await client.session.send_ping())
    if method == "server/discover":
        return await client.session.send_discover(client.protocol_version)
    return await client.session.send_request(types.Request(method=method, params=params), TypeAdapter(dict[str, Any]))


async def whole_list(client: Client, step: dict[str, Any]) -> Any:
    """Every page, in one fixed order: names, or with `full` the definitions. With `page` the first page as it came."""
    call, field, key = LISTS[step["method"]]
    if step.get("page"):
        return plain(await getattr(client, call)())
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = plain(await getattr(client, call)(cursor=cursor))
        items += page[field]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    items.sort(key=lambda item: item[key])
    return items if step.get("full") else [item[key] for item in items]


def label(step: dict[str, Any]) -> str:
    params = step.get("params") or {}
    reference = params.get("ref") or {}
    target = params.get("name") or params.get("uri") or reference.get("name") or reference.get("uri")
    return step.get("step") or " ".join(part for part in (step["method"], target) if part)


class Abandoned(Exception):
    """The step said `abandon`, and its first progress came: the client went away."""


def describe(caught: BaseException) -> dict[str, Any]:
    """The error as the SDK gives it: JSON-RPC code, message and data; a word in place of the code where there was none."""
    while len(getattr(caught, "exceptions", ())) == 1:
        caught = caught.exceptions[0]  # type: ignore[attr-defined]
    if isinstance(caught, MCPError):
        error: dict[str, Any] = {"code": caught.code, "message": caught.message}
        if caught.data is not None:
            error["data"] = without_call(caught.data)
        return error
    if isinstance(caught, Abandoned):
        return {"code": "abandoned", "message": ""}
    if isinstance(caught, httpx2.TransportError):
        return {"code": "transport", "message": type(caught).__name__}
    if isinstance(caught, (ValidationError, RuntimeError)):
        return {"code": "invalid_result", "message": str(caught).splitlines()[0]}
    return {"code": type(caught).__name__, "message": str(caught)}


def plain(model: Any) -> Any:
    return None if model is None else model.model_dump(by_alias=True, mode="json", exclude_unset=True)


def without_call(data: Any) -> Any:
    """The id of the audit record differs in every run."""
    return {**data, "call": "*"} if isinstance(data, dict) and "call" in data else data


def main() -> None:
    arguments = argparse.ArgumentParser(description="MCP test client (Python SDK)")
    arguments.add_argument("url", help="with --stdio a command, as a JSON list")
    arguments.add_argument("--scenario")
    arguments.add_argument("--calls", metavar="FILE", help="a JSON list of steps; - is standard input")
    arguments.add_argument("--tool")
    arguments.add_argument("--args", default="{}", metavar="JSON")
    arguments.add_argument("--bearer", metavar="TOKEN")
    arguments.add_argument("--header", action="append", default=[], metavar="NAME=VALUE", help="one more; may be repeated")
    arguments.add_argument("--answer", action="store_true", help="answer what the server asks of the user")
    arguments.add_argument("--offers", action="store_true", help="let the server ask the client's model, and for its folders")
    arguments.add_argument("--era", choices=sorted(MODES), default="legacy")
    arguments.add_argument("--transport", choices=("http", "sse"), default="http", help="Streamable HTTP, or HTTP+SSE")
    arguments.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS")
    arguments.add_argument("--stdio", action="store_true", help="start the server, and speak over its standard streams")
    chosen = arguments.parse_args()

    if chosen.calls:
        steps = json.loads(sys.stdin.read() if chosen.calls == "-" else pathlib.Path(chosen.calls).read_text("utf-8"))
    elif chosen.scenario == "call":
        if not chosen.tool:
            arguments.error("--scenario call needs --tool")
        steps = [{"method": "tools/call", "params": {"name": chosen.tool, "arguments": json.loads(chosen.args)}}]
    else:
        scenarios = json.loads(pathlib.Path(__file__).with_name("scenarios.json").read_text("utf-8"))
        if chosen.scenario not in scenarios:
            arguments.error(f"--scenario: call, {', '.join(scenarios)}")
        steps = scenarios[chosen.scenario]

    # Methods that only the legacy era has are asked for on purpose.
    warnings.simplefilter("ignore", MCPDeprecationWarning)
    transcript = asyncio.run(walk(chosen, steps))
    json.dump(transcript, sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
