"""Two open rule sets, judging the texts of scripts/evaluate beside our scan.

| | package | judged by |
| --- | --- | --- |
| mcp-scanner | PyPI cisco-ai-mcp-scanner (Apache-2.0): its YARA rules | yara-python, the engine it uses |
| ATR | npm agent-threat-rules (MIT): rules of regular expressions in YAML | the engine in the package |

Both are pinned, with hashes, in requirements.txt and package-lock.json, and installed into .parts/rule-sets (or $YETT_PARTS/rule-sets), the
first without what only its other analysers need. What cannot be installed or does not answer ends the program.
To renew: raise the version in requirements.txt with the hashes that `pip download` and `pip hash` give, and in package.json, then
`npm install --package-lock-only --ignore-scripts`.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PARTS = pathlib.Path(os.environ.get("YETT_PARTS") or HERE.parent.parent / ".parts").resolve() / "rule-sets"

# What an engine may take for one text. Nearly all take a tenth of a second at most, a few some seconds, on a busy machine ten and more.
SECONDS = 60


def judged(texts):
    """Each rule set: what it is, the titles of its columns, and for each of `texts` ({"text", "direction"}) a list of as many answers, or
    None where its engine did not end in time."""
    install()
    scanner = one("venv/lib/*/site-packages/mcpscanner")
    yield judge(pinned_scanner(), scanner / "data/yara_rules", [PARTS / "venv/bin/python", HERE / "mcp_scanner.py", scanner], texts)
    threat_rules = one("node_modules/agent-threat-rules")
    yield judge(pinned_threat_rules(), threat_rules / "rules", ["node", HERE / "agent_threat_rules.mjs", threat_rules, str(SECONDS)], texts)


def judge(name, rules, command, texts):
    """Asks as many processes as there are processors: an engine takes one text after the other."""
    processes = os.cpu_count() or 1
    with concurrent.futures.ThreadPoolExecutor(processes) as pool:
        parts = list(pool.map(lambda part: ask(name, command, texts[part::processes]), range(processes)))
    answers = [None] * len(texts)
    for number, (about, given) in enumerate(parts):
        answers[number::processes] = given
    return f"{name}, {about['rules']} rules, sha256 {digest(rules)}", about["columns"], answers


def ask(name, command, texts):
    asked = "".join(json.dumps(text) + "\n" for text in texts)
    done = run(command, input=asked)
    lines = done.stdout.splitlines()
    if done.returncode != 0 or len(lines) != len(texts) + 1:
        fail(f"{name} ended with {done.returncode} and answered {max(len(lines) - 1, 0)} of {len(texts)} rows:\n{done.stderr[-2000:]}")
    about, *answers = map(json.loads, lines)
    return about, answers


def install():
    """Does nothing when all is there. The stamp is written last, so an interrupted installation is done again."""
    python = f"{sys.executable} {sys.version}"
    stamp = hashlib.sha256(python.encode())
    for name in ("rule_sets.py", "requirements.txt", "package.json", "package-lock.json"):
        stamp.update((HERE / name).read_bytes())
    written = PARTS / ".stamp"
    if written.is_file() and written.read_text() == stamp.hexdigest():
        return
    print(f"installing the rule sets into {PARTS}", file=sys.stderr)
    shutil.rmtree(PARTS, ignore_errors=True)
    PARTS.mkdir(parents=True)
    do(sys.executable, "-m", "venv", PARTS / "venv")
    pip = [PARTS / "venv/bin/pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
    do(*pip, "--no-deps", "--require-hashes", "-r", HERE / "requirements.txt")
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, PARTS)
    do("npm", "ci", "--prefix", PARTS, "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    written.write_text(stamp.hexdigest())


def do(*command):
    done = run(command)
    if done.returncode != 0:
        fail(f"this failed: {' '.join(map(str, command))}\n{(done.stdout + done.stderr)[-2000:]}")


def run(command, **options):
    try:
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False, **options)
    except OSError as error:
        return fail(f"`{command[0]}` cannot be started: {error}; needs Python 3.11 or newer with venv, and Node 20 or newer with npm")


def one(pattern):
    found = sorted(PARTS.glob(pattern))
    if not found:
        fail(f"there is no {PARTS / pattern}; remove {PARTS} to install again")
    return found[0]


def pinned_scanner():
    found = re.search(r"^(cisco-ai-mcp-scanner)==(\S+)", (HERE / "requirements.txt").read_text(), re.MULTILINE)
    return " ".join(found.groups())


def pinned_threat_rules():
    (found,) = json.loads((HERE / "package.json").read_text())["dependencies"].items()
    return " ".join(found)


def digest(folder):
    total = hashlib.sha256()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        total.update(str(file.relative_to(folder)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def fail(why):
    sys.exit(f"evaluate: rule sets: {why}")
