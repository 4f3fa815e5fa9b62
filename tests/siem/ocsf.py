"""Validates a file of OCSF events, one a line, by the published schemas of 1.8.0; says how many there are of each class.

Each class is closed, and so are its objects: a member that the schema does not know is an error, as is a missing one that it requires.
"""

import collections
import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

VERSION = "1.8.0"
OPEN = {"unmapped", "data"}


def closed(schema):
    """The same, in which no object may have other members than those it names."""
    if isinstance(schema, dict):
        made = {key: closed(value) for key, value in schema.items()}
        if made.get("type") == "object" and made.get("properties") and "additionalProperties" not in made:
            made["additionalProperties"] = False
        return made
    return [closed(item) for item in schema] if isinstance(schema, list) else schema


def main(path):
    published, validators = OcsfJsonSchemaEmbedded(get_ocsf_schema(VERSION)), {}
    counts, wrong = collections.Counter(), []
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        event = json.loads(line)
        assert event["metadata"]["version"] == VERSION
        profiles = tuple(event["metadata"].get("profiles", ()))
        key = event["class_uid"], profiles
        if key not in validators:
            name = published.lookup_class_name_from_uid(event["class_uid"])
            validators[key] = Draft202012Validator(closed(published.get_class_schema(name, list(profiles))))
        for error in validators[key].iter_errors(event):
            wrong.append(f"line {number}, class {event['class_uid']}: {'/'.join(map(str, error.path))}: {error.message[:300]}")
        if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"]:
            wrong.append(f"line {number}: type_uid {event['type_uid']}")
        counts[event["class_uid"]] += 1
    print(json.dumps({"counts": counts, "wrong": wrong[:20]}))


main(sys.argv[1])
