"""An MCP client that gets its own tokens: the official Python SDK (`mcp` 2.x) with its OAuth support, and somebody who signs in.

    python flow.py URL LOGIN MODE TOOL...

Nothing but the URL of the route is known beforehand: the client asks, is told where to get a token (RFC 9728), finds the issuer, registers
itself, sends its user there (authorization code, PKCE), calls the tools one after the other, and goes back for more scopes when it is told
to. MODE is `legacy` or `modern`. Prints one JSON document: what the tools said, what the user was asked for, and the last token.
"""

import asyncio
import json
import re
import sys
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata

# Nobody listens there: the browser of a test reads where it is sent.
CALLBACK = "http://127.0.0.1:9/callback"


class Memory:
    """Where the client keeps what it got."""

    def __init__(self):
        self.tokens = None
        self.client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


class User:
    """Signs in at the issuer, and agrees to everything."""

    def __init__(self, login):
        self.login = login
        self.browser = httpx2.AsyncClient(timeout=30)
        self.sent_to = []
        self.arrived = None

    async def open(self, url):
        query = parse_qs(urlsplit(url).query)
        self.sent_to.append({name: query[name][0] for name in ("resource", "scope", "code_challenge_method") if name in query})
        response = await self.browser.get(url)
        for _ in range(20):
            while response.is_redirect:
                target = urljoin(str(response.url), response.headers["location"])
                if target.startswith(CALLBACK):
                    self.arrived = target
                    return
                response = await self.browser.get(target)
            prompt = re.search(r'name="prompt" value="(\w+)"', response.text)
            action = re.search(r'<form[^>]* action="([^"]+)"', response.text)
            if prompt is None or action is None:
                raise RuntimeError(f"{response.status_code} {response.url}: {response.text[:2000]}")
            fields = {"prompt": prompt.group(1)}
            if fields["prompt"] == "login":
                fields |= {"login": self.login, "password": "any"}
            response = await self.browser.post(urljoin(str(response.url), action.group(1)), data=fields)
        raise RuntimeError("the issuer asks for ever")

    async def back(self):
        query = parse_qs(urlsplit(self.arrived).query)
        if "code" not in query:
            raise RuntimeError(self.arrived)
        return AuthorizationCodeResult(code=query["code"][0], state=query["state"][0], iss=query.get("iss", [None])[0])


async def main(url, login, mode, tools):
    memory, user = Memory(), User(login)
    metadata = OAuthClientMetadata(redirect_uris=[CALLBACK], client_name="A client of a test")
    auth = OAuthClientProvider(url, metadata, memory, redirect_handler=user.open, callback_handler=user.back)
    said = {}
    async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
        async with Client(
            streamable_http_client(url, http_client=http), mode="2026-07-28" if mode == "modern" else "legacy"
        ) as client:
            listed = await client.list_tools()
            for tool in tools:
                result = await client.call_tool(tool, {})
                said[tool] = result.content[0].text
    await user.browser.aclose()
    return {
        "tools": [tool.name for tool in listed.tools],
        "said": said,
        "asked": user.sent_to,
        "token": memory.tokens.access_token,
    }


print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))))
