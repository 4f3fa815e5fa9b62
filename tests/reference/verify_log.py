#!/usr/bin/env python3
"""A second verifier of Yett's audit log, written from docs/audit-format.md alone: where it and `yett audit verify` agree,
they do so because of that page, and not because they share a line or a mistake.

    verify_log.py [--policy FILE] [--pin FILE]... [--now TIME] [--json] PATH

PATH is a log's directory, an audit directory or a data directory; `-` reads paths from standard input, one a line, and
answers each with a line of JSON. The exit code is that of the page's table. Needs the package `cryptography`; where that
knows no ML-DSA (before version 47) the second signature is not checked, and the output says so.
"""

import argparse
import base64
import json
import re
import sys
from datetime import timedelta
from pathlib import Path

from audit_format import (
    ED25519, ML_DSA_44, PART, Fault, Head, MLDSA44PublicKey, Trust, append, files_of_heads, first_name, has_wrong_tile,
    is_signed, leaf_hash, lines, parse, read_heads, read_key, root_of,
)  # fmt: skip

# Of several logs, and of what is found in one, the first of these decides.
VERDICTS = {1: "tampered", 5: "incomplete", 2: "gaps", 3: "unanchored", 0: "verified", 4: "nothing could be checked"}
TAMPERED, INCOMPLETE, GAPS, UNANCHORED, VERIFIED, NOTHING = VERDICTS
DAY, SILENCE, UNDER_NO_HEAD = timedelta(days=1), timedelta(seconds=120), 10_000


class Log:
    """What is known of a log after its first records."""

    def __init__(self, directory: Path, trust: Trust):
        self.directory, self.trust = directory, trust
        self.segments = sorted(p for p in (directory / "seg").glob("*.jsonl") if re.fullmatch("[0-9]{13}", p.stem))
        firsts = [int(path.stem) for path in self.segments]
        self.first = self.count = firsts[0] if firsts else 0
        self.name = first_name(self.segments)
        self.heads, bad = read_heads(directory / "checkpoints", firsts, self.name, least=1)
        self.witnessed, bad_witnessed = read_heads(directory / "witnessed", firsts, self.name, least=0)
        strays = [n for n in files_of_heads(directory / "checkpoints") if n >= self.first and n not in firsts]
        self.ahead = [fault for fault in (bad, bad_witnessed) if fault]
        self.ahead += [Fault(n, "with it heads begin, and no segment", n) for n in strays]
        self.pins = [pin for pin in trust.pins if pin.name == self.name]
        self.by_size, self.claims = {head.size: head for head in self.heads}, {}
        for head in self.heads + self.witnessed + self.pins:
            self.claims.setdefault(head.size, []).append(head)
        self.newest, self.before, self.is_torn, self.leaves, self.times = None, None, False, [], []
        self.frontier, self.frontier_before = None if self.first else [], []
        self.keys, self.epoch, self.announced = {}, None, []
        self.open_calls, self.gaps = set(), []

    def verdict(self) -> tuple[int, Fault | None]:
        try:
            self.read()
            self.end()
        except Fault as fault:
            return TAMPERED, fault
        if self.first or self.is_torn or not self.heads:
            return INCOMPLETE, None
        if self.gaps or has_wrong_tile(self.directory / "tile", self.leaves):
            return GAPS, None
        anchors = self.pins + [head for head in self.witnessed if self.trust.is_witnessed(head)]
        anchored = max((head.size for head in anchors), default=0)
        now = self.trust.now or self.times[-1]
        return VERIFIED if anchored and now - self.times[anchored - 1] <= DAY else UNANCHORED, None

    def read(self):
        items = lines(self.segments)
        item = next(items)
        while isinstance(item, bytes):
            self.look_ahead()
            following = next(items)
            self.take(item, following)
            for head in self.claims.get(self.count, []):
                self.check_root(head)
            if self.count in self.by_size:
                self.check_signatures(self.by_size[self.count])
            item = following
        self.look_ahead()
        if isinstance(item, Fault):
            raise item
        self.is_torn = item

    def look_ahead(self):
        for fault in self.ahead:
            if fault.at <= self.count:
                raise fault

    def take(self, line: bytes, following: bytes | bool | Fault):
        try:
            record = parse(line)
        except ValueError as error:
            raise Fault(self.count, str(error)) from None
        leaf, prev = leaf_hash(line), bytes.fromhex(record["prev"])
        fits = prev == (self.leaves[-1] if self.leaves else bytes(32)) or self.first == self.count > 0
        if record["i"] != self.count:
            raise Fault(self.count if fits else min(record["i"], self.count), f"it says it is record {record['i']}")
        if record["log"] != self.name:
            raise Fault(self.count, "it is of another log")
        if not fits:
            one_before = self.count > 0 and self.is_one_before_changed(prev, leaf, following)
            raise Fault(self.count - one_before, f"prev of record {self.count} is not the hash of the record before")
        if self.before and record["time"] < self.before["time"] and record["kind"] != "clock.step":
            raise Fault(self.count, "it is earlier than the record before it")
        try:
            self.look_into(record)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise Fault(self.count, f"its {record['kind']} is not as it must be") from None
        if self.frontier is not None:
            self.frontier_before, self.frontier = self.frontier, append(self.frontier, self.count, leaf)
        self.leaves.append(leaf)
        self.times.append(record["time"])
        self.before, self.count = record, self.count + 1

    def is_one_before_changed(self, prev: bytes, leaf: bytes, following: bytes | bool | Fault) -> bool:
        try:
            return parse(following)["prev"] == leaf.hex()
        except (TypeError, ValueError):
            pass
        if self.frontier is None:
            return False
        root = root_of(append(append(self.frontier_before, self.count - 1, prev), self.count, leaf))
        return any((head.size, head.root) == (self.count + 1, root) for head in self.heads)

    def look_into(self, record: dict):
        """What members of some kinds say about the tree, the keys and gaps."""
        kind, last = record["kind"], self.before["kind"] if self.before else "stop"
        if kind == "tick" and "tree" in record:
            hashes = [bytes.fromhex(text) for text in record["tree"]["hashes"]]
            if self.frontier is None and len(hashes) == self.count.bit_count():
                self.frontier = hashes
            if (record["tree"]["n"], hashes) != (self.count, self.frontier):
                raise ValueError
        if kind == "key.rotate":
            self.rotate(record["epoch"])
        elif self.count == 0:
            raise ValueError
        if kind == "call.decision" and "call" in record and record.get("open") is True:
            self.open_calls.add(str(record["call"]))
        if kind == "call.outcome":
            self.open_calls.discard(str(record.get("call")))
        recovery = record.get("recovery")
        if kind == "recovery" and type(recovery) is dict and recovery.get("bytes"):
            self.gaps.append(f"record {self.count}: a recovery that moved bytes")
        if self.open_calls and kind == "start":
            self.gaps.append(f"record {self.count}: a start with calls open")
        is_explained = kind in ("start", "recovery", "clock.step") or last == "stop"
        if not is_explained and record["time"] - self.before["time"] > SILENCE:
            self.gaps.append(f"record {self.count}: silence before it")

    def rotate(self, epoch: dict):
        n, keys = epoch["n"], [read_key(epoch["ed25519"])]
        if "ml_dsa_44" in epoch:
            keys.append(read_key("".join(epoch["ml_dsa_44"])))
        if [(key.name, key.type) for key in keys] != [(self.name, ED25519), (self.name, ML_DSA_44)][: len(keys)]:
            raise ValueError
        if n != (max(self.keys) + 1 if self.keys else 0) and (self.keys or not self.first):
            raise ValueError
        if n == 0 and self.trust.logs and not set(keys) & set(self.trust.logs):
            raise Fault(0, "the policy does not name its key")
        if self.announced:
            raise Fault(self.count, "it announces keys before a head was made over those before")
        self.keys[n] = keys
        self.announced.append(n)

    def check_root(self, head: Head):
        if head.name != self.name or self.frontier is not None and head.root != root_of(self.frontier):
            raise Fault(self.count - 1, "the root of a head is not that of its leaves")

    def check_signatures(self, head: Head):
        if self.frontier is not None:
            self.newest = head
        if self.announced == [0]:
            self.epoch = 0
        # A log without its beginning has heads of an epoch whose keys it has not.
        if not all(is_signed(head, key) for key in self.keys.get(self.epoch, [])):
            raise Fault(self.count - 1, "a head is not signed with the keys of its epoch")
        if self.announced:
            self.epoch = self.announced.pop()

    def end(self):
        """What is wrong with the end of a log whose records are all right."""
        counted = max((head.size for head in self.heads), default=0)
        if max(self.claims, default=0) > self.count or self.ahead:
            raise Fault(self.count, "it is missing: a head counts it")
        if len(self.leaves) > 1 and not self.heads:
            raise Fault(self.first, "no head counts it or any other")
        if self.count - max(counted, self.first) > UNDER_NO_HEAD:
            raise Fault(counted, "no head counts it, nor 10,000 records behind it")
        if self.open_calls and self.before["kind"] == "stop":
            self.gaps.append("the log ends with calls open")


def sizes(directory: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in (directory / "checkpoints").glob("*.notes")}


def verify(directory: Path, trust: Trust) -> tuple[int, dict]:
    """A log that fails while its heads grow has a writer at work, and is read again."""
    while True:
        before = sizes(directory)
        log = Log(directory, trust)
        code, fault = log.verdict()
        if code != TAMPERED or sizes(directory) == before:
            break
    return code, {
        "log": log.name,
        "verdict": VERDICTS[code],
        "records": len(log.leaves),
        "root": base64.b64encode(log.newest.root).decode() if log.newest else None,
        "fault": {"index": fault.index, "meaning": fault.meaning} if fault else None,
        "gaps": log.gaps,
    }


def is_log(path: Path) -> bool:
    return (path / "seg").is_dir() or (path / "checkpoints").is_dir()


def verify_all(path: Path, trust: Trust) -> dict:
    audit = path / "audit" if (path / "audit").is_dir() else path
    named = [p for p in sorted(audit.glob("*/*")) if re.fullmatch(f"{PART}/{PART}", f"{p.parent.name}/{p.name}")]
    logs = []
    for directory in [path] if is_log(path) else filter(is_log, named):
        try:
            logs.append(verify(directory, trust))
        except OSError as error:
            print(error, file=sys.stderr)
            nothing = {"log": str(directory), "verdict": VERDICTS[NOTHING], "records": 0}
            logs.append((NOTHING, nothing | {"root": None, "fault": None, "gaps": []}))
    code = next(code for code in VERDICTS if code in [code for code, _ in logs] or code == NOTHING)
    second = MLDSA44PublicKey is not None
    return {"exit": code, "verdict": VERDICTS[code], "second_signatures_checked": second, "logs": [log for _, log in logs]}


def main() -> int:
    parser = argparse.ArgumentParser(description="Verifies audit logs.")
    # What argparse exits with by itself means gaps.
    parser.error = lambda message: parser.exit(NOTHING, f"{message}\n")
    parser.add_argument("--policy", type=Path)
    parser.add_argument("--pin", type=Path, action="append", default=[])
    parser.add_argument("--now")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("path", type=Path)
    given = parser.parse_args()
    try:
        policy = given.policy.read_text() if given.policy else ""
        trust = Trust(policy, [pin.read_bytes() for pin in given.pin], given.now)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if str(given.path) == "-":
        for path in sys.stdin:
            print(json.dumps(verify_all(Path(path.rstrip("\n")), trust)), flush=True)
        return 0
    answer = verify_all(given.path, trust)
    if given.json:
        print(json.dumps(answer))
        return answer["exit"]
    for log in answer["logs"]:
        print(f"{log['log']}: {log['verdict']}, {log['records']} records, newest head {log['root']}")
        if log["fault"]:
            print(f"  record {log['fault']['index']}: {log['fault']['meaning']}")
        for gap in log["gaps"]:
            print(f"  {gap}")
    if MLDSA44PublicKey is None:
        print("second signatures (ML-DSA-44) were not checked: the package `cryptography` is too old")
    print(answer["verdict"])
    return answer["exit"]


if __name__ == "__main__":
    sys.exit(main())
