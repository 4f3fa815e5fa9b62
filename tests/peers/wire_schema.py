"""Whether messages are what their revision's JSON Schema says: wire_schema.py DIR, where DIR/REVISION.schema.json are the schemas that
the specification publishes. Reads JSON lines {"what", "revision", "asked", "message"}; `asked` is the method that a response answers.
Says every message that is not valid, and how many were looked at; exits 1 if any was not."""
import collections, json, sys
from pathlib import Path
from jsonschema.validators import validator_for


class Revision:
    """The definitions of one revision. Which one holds for a message is found in the schema itself: by the constant of its method, by
    the name of its request, by the code of an error."""

    def __init__(self, path: Path):
        self.schema = json.loads(path.read_text())
        self.key = "$defs" if "$defs" in self.schema else "definitions"
        self.definitions = self.schema[self.key]
        self.by_method, self.by_code = {}, {}
        for name, definition in self.definitions.items():
            members = definition.get("properties", {})
            if "const" in members.get("method", {}):
                self.by_method.setdefault(members["method"]["const"], name)
            for part in [members.get("error", {}), definition]:
                for code in codes(part):
                    self.by_code[code] = name

    def errors(self, name: str, message):
        schema = {"$schema": self.schema["$schema"], "$ref": f"#/{self.key}/{name}", self.key: self.definitions}
        return validator_for(schema)(schema).iter_errors(message)

    def expected(self, message: dict, asked: str | None):
        """Pairs of a definition and the part of the message that it speaks about."""
        if "method" in message:
            yield "JSONRPCRequest" if "id" in message else "JSONRPCNotification", message
            yield self.by_method.get(message["method"], message["method"]), message
        elif "result" in message:
            result = message["result"]
            yield "JSONRPCResultResponse" if "JSONRPCResultResponse" in self.definitions else "JSONRPCResponse", message
            if result.get("resultType") == "input_required":
                yield "InputRequiredResult", result
            else:
                name = self.by_method.get(asked, f"{asked}Request").removesuffix("Request") + "Result"
                yield name if name in self.definitions else "EmptyResult", result
        else:
            # JSON-RPC 2.0, section 5: null where no id could be read. No revision has that, and three have no error without an id.
            whole = message if message.get("id") is not None else {**message, "id": 0}
            if "id" not in message and "JSONRPCErrorResponse" in self.definitions:
                whole = message
            yield "JSONRPCErrorResponse" if "JSONRPCErrorResponse" in self.definitions else "JSONRPCError", whole
            name = self.by_code.get(message["error"].get("code"))
            if name:
                has_envelope = "error" in self.definitions[name].get("properties", {})
                yield name, whole if has_envelope else message["error"]


def codes(schema: dict):
    for part in [schema, *schema.get("allOf", [])]:
        code = part.get("properties", {}).get("code", {}).get("const")
        if code is not None:
            yield code


def main(folder: str) -> int:
    revisions, seen, bad = {}, collections.Counter(), 0
    for line in sys.stdin:
        entry = json.loads(line)
        date, message = entry["revision"], entry["message"]
        if date not in revisions:
            revisions[date] = Revision(Path(folder) / f"{date}.schema.json")
        revision = revisions[date]
        seen[date] += 1
        for name, part in revision.expected(message, entry["asked"]):
            found = revision.errors(name, part) if name in revision.definitions else ["the revision has none"]
            for error in found:
                bad += 1
                place = "/".join(map(str, getattr(error, "absolute_path", [])))
                print(f"{date}, {entry['what']}: not a {name}: /{place}: {getattr(error, 'message', error)}\n    {json.dumps(message)}")
    print(", ".join(f"{date}: {count} messages" for date, count in sorted(seen.items())))
    return 1 if bad or not seen else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
