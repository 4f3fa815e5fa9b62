"""A real MCP client for the matrix: the official Python SDK of the first kind (`mcp` 1.x), which speaks the legacy era alone.

    python client_v1.py URL --calls FILE [--bearer TOKEN] [--transport http|sse] [--stdio]

Steps and transcript are those of tests/peers/client.py; tests/peers/README.md has the form of both.
"""

import argparse
import asyncio
import json
import os
import pathlib
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import httpx
from mcp import ClientSession, McpError, types
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

LISTS = {
    "tools/list": ("list_tools", "tools", "name"),
    "prompts/list": ("list_prompts", "prompts", "name"),
    "resources/list": ("list_resources", "resources", "uri"),
    "resources/templates/list": ("list_resource_templates", "resourceTemplates", "uriTemplate"),
}
PATIENCE = timedelta(seconds=60)


async def walk(chosen: argparse.Namespace, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Connects and takes the steps one after the other. A step that fails does not end the walk; a failed connect does."""
    transcript: list[dict[str, Any]] = []

    async def attempt(label: str, work: Any) -> bool:
        entry: dict[str, Any] = {"step": label, "ok": True}
        try:
            entry.update(await work)
        except Exception as caught:  # whatever the SDK raises is the observation
            entry["ok"] = False
            entry["error"] = describe(caught)
        transcript.append(entry)
        return entry["ok"]

    stack = AsyncExitStack()
    session: ClientSession

    async def connect() -> dict[str, Any]:
        nonlocal session
        streams = await stack.enter_async_context(await transport_to(chosen, stack))
        info = types.Implementation(name="yett-test-python-v1", version="1.0.0")
        session = ClientSession(streams[0], streams[1], read_timeout_seconds=PATIENCE, client_info=info)
        await stack.enter_async_context(session)
        return {"result": plain(await session.initialize())}

    async def close() -> dict[str, Any]:
        await stack.aclose()
        return {}

    if await attempt("connect", connect()):
        for step in steps:
            if step["method"] == "close":
                await attempt("close", close())
            elif step.get("era") in (None, "legacy"):
                await attempt(label(step), take(session, step))
    return transcript


async def transport_to(chosen: argparse.Namespace, stack: AsyncExitStack) -> Any:
    if chosen.stdio:
        command, *arguments = json.loads(chosen.url)
        return stdio_client(StdioServerParameters(command=command, args=arguments, env=dict(os.environ)))
    headers = {"Authorization": f"Bearer {chosen.bearer}"} if chosen.bearer else {}

    def client(headers: Any = headers, timeout: Any = None, auth: Any = None) -> httpx.AsyncClient:
        # trust_env: a proxy set for the machine is not for loopback.
        return httpx.AsyncClient(headers=headers, timeout=timeout or httpx.Timeout(60, read=300), auth=auth, trust_env=False)

    if chosen.transport == "sse":
        return sse_client(chosen.url, headers=headers, httpx_client_factory=client)
    return streamable_http_client(chosen.url, http_client=await stack.enter_async_context(client()))


async def take(session: ClientSession, step: dict[str, Any]) -> dict[str, Any]:
    """One step: its result, and the progress reported on the way if it asks for that."""
    progress: list[dict[str, Any]] = []

    async def note_progress(done: float, total: float | None, message: str | None) -> None:
        report = {"progress": done, "total": total, "message": message}
        progress.append({name: value for name, value in report.items() if value is not None})

    result = await request(session, step, note_progress if step.get("progress") else None)
    return {"result": result, "progress": progress} if step.get("progress") else {"result": result}


async def request(session: ClientSession, step: dict[str, Any], on_progress: Any) -> Any:
    method, params = step["method"], step.get("params") or {}
    if method in LISTS:
        return await whole_list(session, step)
    if method == "tools/call":
        return plain(await session.call_tool(params["name"], params.get("arguments"), progress_callback=on_progress))
    if method == "prompts/get":
        return plain(await session.get_prompt(params["name"], params.get("arguments")))
    if method == "resources/read":
        return plain(await session.read_resource(AnyUrl(params["uri"])))
    if method == "ping":
        return plain(await session.send_ping())
    raise ValueError(f"no such step: {method}")


async def whole_list(session: ClientSession, step: dict[str, Any]) -> Any:
    """Every page, in one fixed order."""
    call, field, key = LISTS[step["method"]]
    items: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = plain(await getattr(session, call)(params=types.PaginatedRequestParams(cursor=cursor)))
        items += page[field]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    items.sort(key=lambda item: item[key])
    return items if step.get("full") else [item[key] for item in items]


def label(step: dict[str, Any]) -> str:
    params = step.get("params") or {}
    target = params.get("name") or params.get("uri")
    return step.get("step") or " ".join(part for part in (step["method"], target) if part)


def describe(caught: BaseException) -> dict[str, Any]:
    """The error as the SDK gives it; the name of what was raised in place of the code where there was none."""
    while len(getattr(caught, "exceptions", ())) == 1:
        caught = caught.exceptions[0]  # type: ignore[attr-defined]
    if isinstance(caught, McpError):
        data = caught.error.data
        if isinstance(data, dict) and "call" in data:
            data = {**data, "call": "*"}  # The id of the audit record differs in every run.
        error = {"code": caught.error.code, "message": caught.error.message, "data": data}
        return {name: value for name, value in error.items() if value is not None}
    return {"code": type(caught).__name__, "message": str(caught)}


def plain(model: Any) -> Any:
    return model.model_dump(by_alias=True, mode="json", exclude_unset=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description="MCP test client (Python SDK 1.x)")
    arguments.add_argument("url", help="with --stdio a command, as a JSON list")
    arguments.add_argument("--calls", required=True, metavar="FILE", help="a JSON list of steps; - is standard input")
    arguments.add_argument("--bearer", metavar="TOKEN")
    arguments.add_argument("--transport", choices=("http", "sse"), default="http", help="Streamable HTTP, or HTTP+SSE")
    arguments.add_argument("--stdio", action="store_true", help="start the server, and speak over its standard streams")
    chosen = arguments.parse_args()
    steps = json.loads(sys.stdin.read() if chosen.calls == "-" else pathlib.Path(chosen.calls).read_text("utf-8"))
    json.dump(asyncio.run(walk(chosen, steps)), sys.stdout, indent=1, sort_keys=True, ensure_ascii=False)
    print()


if __name__ == "__main__":
    main()
