"""Judges texts with the YARA rules of Cisco's mcp-scanner: python mcp_scanner.py PACKAGE

Reads JSON lines {"text", "direction"}, prints one JSON line about the rules, then one a text: whether it is flagged, in a list of two columns.
Compiles and matches as mcpscanner/core/analyzers/yara_analyzer.py does: all files of rules together, for whatever kind of text, and any
match is a finding. Most of these rules look for commands, queries, credentials, and so for code: what is left without them stands beside.
"""

import json
import pathlib
import sys

import yara

# What its rules call the kinds that our scan is about.
ORDERS = {"PROMPT INJECTION", "TOOL POISONING"}

files = sorted((pathlib.Path(sys.argv[1]) / "data/yara_rules").glob("*.yara"))
if not files:
    sys.exit(f"there are no rules in {sys.argv[1]}")
rules = yara.compile(sources={file.name: file.read_text(encoding="utf-8") for file in files})
print(json.dumps({"columns": ["mcp-scanner", "mcp-scanner, prompt injection and tool poisoning"], "rules": sum(1 for _ in rules)}))
for line in sys.stdin:
    threats = {match.meta["threat_type"] for match in rules.match(data=json.loads(line)["text"])}
    print(json.dumps([bool(threats), bool(threats & ORDERS)]))
