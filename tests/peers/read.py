"""How Python reads messages: five readers in one process, for tests/it/differential.

Takes one message a line (base64) on standard input and prints, for each, a line of JSON: reader -> reading. A reading is
{"refused": reason} or {"method", "id", "name", "uri", "tree"}, each null where there is none. Texts are UTF-16 units in hexadecimal.
A value is a list of words: z, b0, b1, i and digits, f and the bits of a double, s and text, a and a count, o and a count, k and text.
"""

import base64
import json
import struct
import sys

import pydantic_core
from mcp.types import jsonrpc_message_adapter

sys.setrecursionlimit(5_000)


def units(text):
    return text.encode("utf-16-be", "surrogatepass").hex()


def tree(value):
    """The value as a list of words in document order, since a tree as deep as some messages could not be read back."""
    if value is None:
        return ["z"]
    if isinstance(value, bool):
        return ["b1" if value else "b0"]
    if isinstance(value, int):
        return ["i" + str(value)]
    if isinstance(value, float):
        return ["f" + struct.pack(">d", value).hex()]
    if isinstance(value, str):
        return ["s" + units(value)]
    if isinstance(value, list):
        return [f"a{len(value)}"] + [word for item in value for word in tree(item)]
    return [f"o{len(value)}"] + [word for key, item in value.items() for word in ["k" + units(key), *tree(item)]]


def text(value):
    return units(value) if isinstance(value, str) else None


def reading(value, whole=True, find=lambda members, key: members.get(key)):
    """What an untyped reader makes of a message."""
    if not isinstance(value, dict):
        return {"refused": "not an object"}
    params = find(value, "params")
    params = params if isinstance(params, dict) else {}
    identifier = find(value, "id")
    return {
        "method": text(find(value, "method")),
        "id": None if identifier is None else tree(identifier),
        "name": text(find(params, "name")),
        "uri": text(find(params, "uri")),
        "tree": tree(value) if whole else None,
    }


def python_json(body):
    """`json.loads`: what most Python servers read with."""
    return reading(json.loads(body))


def pydantic(body):
    return reading(pydantic_core.from_json(body))


def python_sdk(body):
    """The types of the official SDK, as its transports use them."""
    message = jsonrpc_message_adapter.validate_json(body, by_name=False)
    return reading(message.model_dump(by_alias=True, exclude_unset=True, mode="python"))


class Pairs(list):
    """The members of an object, in order, repeated ones too."""


def plain(value):
    if isinstance(value, Pairs):
        return {key: plain(item) for key, item in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


def first_wins(body):
    """A reader that stops at the first member of a name, as those do that scan for a key."""
    value = json.loads(body, object_pairs_hook=Pairs)

    def find(members, key):
        return next((plain(item) for name, item in members if name == key), None) if isinstance(members, Pairs) else None

    if not isinstance(value, Pairs):
        return {"refused": "not an object"}
    params = next((item for name, item in value if name == "params"), None)
    return looked_up(value, params, find)


def fold(key):
    return key.replace("\u017f", "s").replace("\u212a", "k").lower()


def folding(body):
    """A reader for which case does not count and the last member wins: Go's encoding/json (CVE-2026-27896)."""
    value = json.loads(body, object_pairs_hook=Pairs)

    def find(members, key):
        found = [plain(item) for name, item in members if fold(name) == key] if isinstance(members, Pairs) else []
        return found[-1] if found else None

    if not isinstance(value, Pairs):
        return {"refused": "not an object"}
    params = [item for name, item in value if fold(name) == "params"]
    return looked_up(value, params[-1] if params else None, find)


def looked_up(value, params, find):
    identifier = find(value, "id")
    return {
        "method": text(find(value, "method")),
        "id": None if identifier is None else tree(identifier),
        "name": text(find(params, "name")),
        "uri": text(find(params, "uri")),
        "tree": None,
    }


READERS = {
    "python json": python_json,
    "pydantic": pydantic,
    "python sdk": python_sdk,
    "first member wins": first_wins,
    "case folded": folding,
}


def read(reader, body):
    try:
        return reader(body)
    except (ValueError, RecursionError) as error:
        return {"refused": type(error).__name__}


for line in sys.stdin:
    body = base64.b64decode(line)
    print(json.dumps({name: read(reader, body) for name, reader in READERS.items()}))
