"""The client that the official conformance suite drives: one scenario, against the server that the suite plays.

    python client.py URL

The suite says by MCP_CONFORMANCE_SCENARIO, MCP_CONFORMANCE_PROTOCOL_VERSION and MCP_CONFORMANCE_CONTEXT (JSON) what to do. With
MCP_CONFORMANCE_BEARER every request carries that credential: a gateway that stands between wants one.

Official Python SDK (`mcp` 2.x). Of the suite's scenarios it knows those that are about messages; `auth/*` is about clients alone.
"""

import asyncio
import json
import os
import sys
from typing import Any

import httpx2
from mcp import Client, MCPError, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import ValidationError

SCENARIO = os.environ["MCP_CONFORMANCE_SCENARIO"]
MODERN = os.environ["MCP_CONFORMANCE_PROTOCOL_VERSION"] == "2026-07-28"
CONTEXT = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT") or "{}")


async def tools_call(client: Client) -> None:
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


async def list_tools(client: Client) -> None:
    await client.list_tools()


async def elicitation(client: Client) -> None:
    await client.list_tools()
    await client.call_tool("test_client_elicitation_defaults", {})


async def reconnection(client: Client) -> None:
    await client.list_tools()
    await client.call_tool("test_reconnection", {})


async def states(client: Client) -> None:
    await client.list_tools()
    for tool in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state", "test_mrtr_no_result_type"):
        await client.call_tool(tool, {})


async def standard_headers(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, {})
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name)


async def custom_headers(client: Client) -> None:
    await client.list_tools()
    for call in CONTEXT["toolCalls"]:
        await client.call_tool(call["name"], call["arguments"])


async def invalid_tools(client: Client) -> None:
    """Calls every tool that the SDK has kept."""
    for tool in (await client.list_tools()).tools:
        await client.call_tool(tool.name, {name: "x" for name in tool.input_schema["properties"]})


async def echo_schema(client: Client) -> None:
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["json_schema_2020_12_tool"].input_schema
    await client.call_tool("json_schema_echo", {"schema": schema})


SCENARIOS = {
    "initialize": list_tools,
    "tools_call": tools_call,
    "elicitation-sep1034-client-defaults": elicitation,
    "sse-retry": reconnection,
    "request-metadata": list_tools,
    "sep-2322-client-request-state": states,
    "http-standard-headers": standard_headers,
    "http-custom-headers": custom_headers,
    "http-invalid-tool-headers": invalid_tools,
    "json-schema-ref-no-deref": list_tools,
    "json-schema-2020-12-preservation": echo_schema,
}


async def accept(_context: Any, question: types.ElicitRequestParams) -> types.ElicitResult:
    """The user accepts what is proposed, and everything else that wants a yes."""
    fields = getattr(question, "requested_schema", {}).get("properties", {})
    content = {name: field["default"] for name, field in fields.items() if "default" in field}
    return types.ElicitResult(action="accept", content=content or {name: True for name in fields})


async def main(url: str) -> None:
    bearer = os.environ.get("MCP_CONFORMANCE_BEARER")
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    # trust_env: a proxy set for the machine is not for loopback.
    async with httpx2.AsyncClient(headers=headers, timeout=httpx2.Timeout(20, read=60), trust_env=False) as http:
        transport = streamable_http_client(url, http_client=http)
        mode = "auto" if MODERN else "legacy"
        async with Client(transport, mode=mode, elicitation_callback=accept, cache=None) as client:
            try:
                await SCENARIOS[SCENARIO](client)
            except (MCPError, ValidationError) as refused:
                # For the suite to judge. The SDK itself takes no result without `resultType`, which a client should.
                print(f"refused: {refused}", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[-1]))
