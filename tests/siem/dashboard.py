"""Prints every PromQL expression of a Grafana dashboard, one a line: its panel's title, a tab, and the expression as Grafana would send it with every variable at *All*."""

import json
import re
import sys

# Longest first: `$__rate_interval` is no `$__range`.
VARIABLES = {"__rate_interval": "1m", "__interval": "15s", "__range": "1h", "job": ".*", "instance": ".*", "server": ".*"}


def main(path):
    dashboard = json.load(open(path, encoding="utf-8"))
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in panels(dashboard["panels"]):
        for target in panel.get("targets", ()):
            for place in (panel, target):
                assert place["datasource"]["uid"] == "${datasource}", f"{panel['title']} asks another data source"
            print(panel["title"], replaced(target["expr"], known), sep="\t")


def panels(listed):
    for panel in listed:
        yield panel
        yield from panels(panel.get("panels", ()))


def replaced(expression, known):
    def value(match):
        name = match[1] or match[2]
        assert name.startswith("__") or name in known, f"no variable {name}: {expression}"
        return VARIABLES[name]

    return " ".join(re.sub(r"\$(?:\{(\w+)\}|(\w+))", value, expression).split())


main(sys.argv[1])
