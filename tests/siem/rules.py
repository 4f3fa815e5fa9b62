"""Converts the Sigma rules of a folder for Splunk and Elasticsearch, and says how many of the records in a file each of them finds.

    python rules.py FOLDER FILE [QUERIES]

FILE has OCSF events, one a line, as a sink of the gateway writes them. What is printed is one JSON object: for each file of rules the number of records, or for rules that count,
of groups. With QUERIES, a folder, what the rules became is written there. A rule that a backend cannot convert, or that a validator of pySigma finds fault with, ends this with 1.

What is asked is SQL, made by a third backend over a table in memory: a column for each path of an event, a row for each element where there is a list.
"""

import itertools
import json
import pathlib
import sqlite3
import sys

from sigma.backends.elasticsearch import ESQLBackend, LuceneBackend
from sigma.backends.splunk import SplunkBackend
from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.plugins import InstalledSigmaPlugins
from sigma.processing.pipeline import ProcessingPipeline
from sigma.validation import SigmaValidator

# These two ask the network what tags there are.
ONLINE = {"attacktag", "d3_fendtag"}
LINE = "_line"


def main(folder, records, queries=None):
    texts = {file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.yml"))}
    validate(texts)
    for file, text in texts.items():
        for name, made in convert(folder, text).items():
            if queries:
                queries.mkdir(exist_ok=True)
                (queries / f"{file}.{name}").write_text("\n\n".join(made) + "\n", encoding="utf-8")
    print(json.dumps(found(texts, records)))


def validate(texts):
    rules = SigmaCollection.merge(map(SigmaCollection.from_yaml, texts.values()))
    known = InstalledSigmaPlugins.autodiscover().validators
    validator = SigmaValidator(each for name, each in known.items() if name not in ONLINE)
    issues = validator.validate_rules(iter(rules.rules))
    if not texts or rules.errors or issues:
        sys.exit("\n".join(f"{[rule.title for rule in issue.rules]}: {issue}" for issue in issues) or f"no rules, or: {rules.errors}")


def convert(folder, text):
    """What each backend makes of a file. Lucene has no rules that count: those are for ES|QL, with the ones that they count."""

    def by(backend, name):
        pipeline = ProcessingPipeline.from_yaml((folder / "pipelines" / f"{name}.yml").read_text(encoding="utf-8"))
        # Read anew for each: what a pipeline does to a rule stays done.
        return backend(pipeline).convert(SigmaCollection.from_yaml(text))

    counts = any(isinstance(rule, SigmaCorrelationRule) for rule in SigmaCollection.from_yaml(text))
    made = {"splunk": by(SplunkBackend, "splunk"), "elastic": by(ESQLBackend if counts else LuceneBackend, "elastic")}
    if not all(made.values()):
        sys.exit(f"nothing became of a rule: {made}")
    return made


def found(texts, path):
    loaded = {file: SigmaCollection.from_yaml(text) for file, text in texts.items()}
    events = [json.loads(line) for line in path.open(encoding="utf-8")]
    rows = [dict(row, **{LINE: number}) for number, event in enumerate(events) for row in flat(event)]
    backend = sqliteBackend(table="events", timestamp_field="time", timestamp_format="unix_ms", event_id_field=LINE, collate_nocase=True)
    asked = {file: backend.convert(rules) for file, rules in loaded.items()}
    columns = dict.fromkeys(itertools.chain([LINE, "time"], *rows, *map(fields, loaded.values())))
    quoted = ", ".join(f'"{column}"' for column in columns)
    database = sqlite3.connect(":memory:")
    database.execute(f"create table events ({quoted})")
    values = ([row.get(column) for column in columns] for row in rows)
    database.executemany(f"insert into events values ({', '.join('?' * len(columns))})", values)
    return {file: sum(count(database, query) for query in queries) for file, queries in asked.items()}


def count(database, query):
    """Records, not rows; of rules that count, groups."""
    answer = database.execute(query)
    names = [column[0] for column in answer.description]
    lines = answer.fetchall()
    of = names.index(LINE if LINE in names else "group_keys")
    return len({line[of] for line in lines})


def fields(rules):
    """Every field that the rules of a file name: one that no record has is empty, not unknown."""
    backend = sqliteBackend()
    for rule in rules:
        if isinstance(rule, SigmaCorrelationRule):
            yield from rule.group_by or ()
            yield from [rule.condition.fieldref] if isinstance(rule.condition.fieldref, str) else rule.condition.fieldref or ()
        else:
            yield from backend.required_fields(rule)


def flat(value, name=""):
    """Rows of an event: `{"a": {"b": [1, 2]}}` is two of them, with `a.b` 1 and `a.b` 2."""
    if isinstance(value, dict):
        members = [flat(item, f"{name}.{key}" if name else key) for key, item in value.items()]
        return [dict(itertools.chain.from_iterable(part.items() for part in parts)) for parts in itertools.product(*members)]
    if isinstance(value, list):
        return [row for item in value for row in flat(item, name)] or [{}]
    return [{name: value}]


main(*map(pathlib.Path, sys.argv[1:]))
