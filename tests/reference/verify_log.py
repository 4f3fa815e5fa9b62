#!/usr/bin/env python3
"""A second verifier of Yett's audit log, written from docs/audit-format.md alone: where it and `yett audit verify`
agree, they do so because of that page, and not because they share a line or a mistake. Prints JSON, exits as it says.

    verify_log.py [--policy FILE] [--pin FILE]... [--now TIME] PATH       with `-`: such command lines from the input
"""
import base64, getopt, hashlib, json, re, shlex, sys
from collections import namedtuple
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial, reduce
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

ED25519, COSIGNATURE, ML_DSA_44, END = b"\1", b"\4", b"\6", 2**63
LENGTHS = {ED25519: 33, COSIGNATURE: 33, ML_DSA_44: 1313}
NUMBER, NAME, ID = "(?:0|[1-9][0-9]{0,18})", r"[^\s+\x00-\x1f\x7f-\x9f]{1,255}", "[0-9a-f]{8}"
MEMBERS = {"i": NUMBER, "kind": '"[a-z.]{1,32}"', "log": r'"[^\\]*"', "prev": '"[0-9a-f]{64}"', "t": '".*Z"', "v": "1"}
HEAD = re.compile(rf"(([^\x00-\x1f]{{1,255}})\n({NUMBER})\n(\S{{44}})\n)(?:\n((?:\u2014 {NAME} \S+\n){{1,100}}))?")
PROOF = re.compile(rf"extra (\S*)\nindex ({NUMBER})\n((?:\S+\n)*)\n((?s:.*))")
LINE, FRAME = re.compile(rb"[^\n\0]*\n"), re.compile(rb"(?:[^\n\0]+\n)*\n(?:[^\n\0]+\n)*\n")
# What reading the bytes of a stranger may raise: all of it says that they are not as they must be.
BAD = (AttributeError, LookupError, TypeError, ValueError, RecursionError)
Key = namedtuple("Key", "name id body")
Head = namedtuple("Head", "text name size root signatures")
Epoch = namedtuple("Epoch", "n keys index handed_over", defaults=[0])
# A head, or nothing that can stand where it is: looked at when so many records are read; then that record may be bad.
Claim = namedtuple("Claim", "at bad part head", defaults=[None])
written = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))

def must(holds, rule: str):
    if not holds: raise ValueError(rule)

def attempt(read, data: bytes):
    with suppress(*BAD): return read(data)

def sha(*parts: bytes) -> bytes: return hashlib.sha256(b"".join(parts)).digest()
def node(left: bytes, right: bytes) -> bytes: return sha(b"\1", left, right)
def contents(path: Path) -> bytes | None: return path.read_bytes() if path.is_file() else None

def numbered(directory: Path, ending: str) -> dict[int, bytes]:
    """The files that are named after a record, in order."""
    return {int(path.name[:13]): contents(path) or b"" for path in sorted(directory.glob("[0-9]" * 13 + ending))}

def parse(line: bytes) -> dict:
    """The record in a line. What has the one form comes out of a JSON writer as the bytes it was; no other does."""
    def members(pairs):
        keys = [key for key, _ in pairs]
        must(keys == sorted(set(keys)) and re.fullmatch(r"[ !#-\[\]-~]*", "".join(keys)), "keys are ASCII and ascend")
        return dict(pairs)
    def depth(value) -> int:
        must(value is not None and (type(value) is not int or abs(value) < 2**53), "numbers are integers below 2^53")
        inside = value.values() if type(value) is dict else value if type(value) is list else None
        return 0 if inside is None else 1 + max(map(depth, inside), default=0)
    # A number that is no integer becomes a null.
    record = json.loads(line.decode(), object_pairs_hook=members, parse_float={}.get, parse_constant={}.get)
    must(len(line) <= 16_384 and depth(record) <= 8 and written(record).encode() == line, "a record has the one form")
    must(all(re.fullmatch(form, written(record[key])) for key, form in MEMBERS.items()), "a record has what each has")
    time = datetime.fromisoformat(record["t"][:-1])
    must(time.isoformat(timespec="microseconds") + "Z" == record["t"] >= "1970", "a time is a real one")
    return record | {"time": time, "prev": bytes.fromhex(record["prev"]), "leaf": sha(b"\0", line)}

def append(tree, leaf: bytes):
    """A tree is the number of its leaves and its frontier; this one has a leaf more."""
    carry, frontier = tree[0], [*tree[1], leaf]
    while carry & 1: carry, frontier[-2:] = carry >> 1, [node(*frontier[-2:])]
    return tree[0] + 1, frontier

def root_of(tree) -> bytes:
    return reduce(lambda right, left: node(left, right), reversed(tree[1])) if tree[0] else sha()

def root_over(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """Where an inclusion proof leads (RFC 6962, section 2.1.1)."""
    inner = (index ^ (size - 1)).bit_length()
    must(index < size and len(path) == inner + (index >> inner).bit_count(), "a proof is as long as its place asks for")
    is_right = [level >= inner or index >> level & 1 for level in range(len(path))]
    return reduce(lambda own, step: node(step[1], own) if step[0] else node(own, step[1]), zip(is_right, path), leaf)

def unbase64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    must(base64.b64encode(data).decode() == text, "base64 is canonical")
    return data

def read_key(text: str) -> Key:
    name, id, body = re.fullmatch(rf"({NAME})\+({ID})\+(.*)", text).groups()
    key = Key(name, bytes.fromhex(id), unbase64(body))
    must(sha(name.encode(), b"\n", key.body)[:4] == key.id, "the id of a key follows from it")
    must(len(key.body) == LENGTHS[key.body[:1]], "a key is as long as its type says")
    return key

def read_head(note: bytes) -> Head:
    """A note, or its text alone."""
    text, name, size, root, lines = HEAD.fullmatch(note.decode()).groups()
    signatures = [(name, unbase64(data)) for name, data in re.findall(r"\u2014 (\S+) (\S+)\n", lines or "")]
    must(int(size) < END and len(name.encode()) < 256, "a size is below 2^63, and a name below 256 bytes")
    must(all(len(data) > 4 for _, data in signatures), "a signature has more than the id of a key")
    return Head(text.encode(), name, int(size), unbase64(root), signatures)

def is_signed(head: Head, key: Key, signature: bytes) -> bool:
    kind, time, timed = key.body[:1], signature[:8], signature[8:]
    signer, origin = (bytes([len(name)]) + name for name in (key.name.encode(), head.name.encode()))
    said = {ED25519: (signature, head.text),
            COSIGNATURE: (timed, b"cosignature/v1\ntime %d\n" % int.from_bytes(time, "big") + head.text),
            ML_DSA_44: (timed, b"subtree/v1\n\0" + signer + time + origin + head.size.to_bytes(16, "big") + head.root)}
    with suppress(InvalidSignature, ValueError):
        public = mldsa.MLDSA44PublicKey if kind == ML_DSA_44 else ed25519.Ed25519PublicKey
        public.from_public_bytes(key.body[1:]).verify(*said[kind])
        return kind == ED25519 or time < b"\x80"
    return False

def signers(head: Head, keys) -> set[Key]:
    """Whose signatures a head has: nobody's, if a line with the name and id of one of these keys is bad."""
    claims = [(key, data[4:]) for name, data in head.signatures for key in keys if key[:2] == (name, data[:4])]
    return {key for key, _ in claims} if all(is_signed(head, *claim) for claim in claims) else set()

def read_epoch(record: dict) -> Epoch:
    """The keys that a record announces."""
    epoch = record["epoch"]
    second = ["".join(list.copy(epoch["ml_dsa_44"]))] if "ml_dsa_44" in epoch else []
    keys = [read_key(text) for text in [epoch["ed25519"], *second]]
    its = [(record["log"], ED25519), (record["log"], ML_DSA_44)][: len(keys)]
    must(record["kind"] == "key.rotate" and [(key.name, key.body[:1]) for key in keys] == its, "keys are the log's own")
    must(re.fullmatch(NUMBER, written(epoch["n"])), "epochs are numbered")
    return Epoch(epoch["n"], set(keys), record["i"])

def read_epochs(data: bytes, log: str) -> list[Epoch]:
    """A file of epochs: each signs the head that hands over to the next."""
    before, *proofs = re.split(r"(?m)^c2sp\.org/tlog-proof@v1\n", data.decode())
    epochs = []
    for n, proof in enumerate(proofs):
        line, index, path, note = PROOF.fullmatch(proof).groups()
        record, head = parse(unbase64(line)), read_head(note.encode())
        epoch = read_epoch(record)._replace(handed_over=head.size)
        last = epochs[-1] if epochs else epoch._replace(handed_over=0)
        root = root_over(record["leaf"], epoch.index, head.size, list(map(unbase64, path.split())))
        must((epoch.n, str(epoch.index), root) == (n, index, head.root), "an epoch is proven by its record and path")
        must(record["log"] == head.name == log and signers(head, last.keys) == last.keys, "the last one signs for each")
        must(last.handed_over <= epoch.index and (n or not epoch.index), "each comes behind the hand-over to the last")
        epochs.append(epoch)
    must(not before and epochs, "epochs are in it and nothing else")
    return epochs

def read_policy(text: str):
    """A C2SP tlog-policy: keys of logs, keys of witnesses, and whether a set of those is the quorum."""
    logs, witnesses, named, free, quorums = [], [], {"none": lambda by: False}, set(), []
    for line in text.split("\n"):
        match re.split("[ \t]+", line.strip(" \t")):
            case ["log", key] | ["log", key, _]: logs.append(read_key(key))
            case ["witness", name, key] | ["witness", name, key, _] if name not in named:
                witnesses.append(key := read_key(key))
                named[name], free = lambda by, key=key: key in by, free | {name}
            case ["group", name, least, *names] if name not in named and 0 < len(names) == len(free & set(names)):
                least = {"any": 1, "all": len(names)}.get(least) or int(re.fullmatch(NUMBER, least)[0])
                must(1 <= least <= len(names), "a group can reach its threshold, and not without anybody")
                others, free = [named[one] for one in names], free - set(names) | {name}
                named[name] = lambda by, others=others, least=least: sum(holds(by) for holds in others) >= least
            case ["quorum", name]: quorums.append(named[name])
            case [word, *_]: must(word[:1] in ("", "#"), f"a policy has no line like this: {line}")
    must(re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f]*\n", text) and len(quorums) == 1, "a policy is text, with one quorum")
    for keys, wrong in ((logs, COSIGNATURE), (witnesses, ED25519)):
        bodies = {key.body[1:] for key in keys if key.body[:1] != wrong}
        must(len(bodies) == len(keys), "logs sign, witnesses cosign, and a key stands there once")
    return set(logs), witnesses, *quorums

def frames(data: bytes, form: re.Pattern, longest: int) -> tuple[list[bytes], bytes]:
    """The lines or heads of a file, each without its last newline, and what is behind them."""
    found, at = [], 0
    while frame := form.match(data, at, min(at + longest, len(data))):
        found.append(frame[0][:-1])
        at = frame.end()
    return found, data[at:]

def read_heads(files: dict[int, bytes], segments, reached: int, log: str, part: str) -> list[Claim]:
    """The heads beside those segments that are reached, up to one that cannot stand there."""
    claims, least, step = [], 0, part == "checkpoints"
    for first, end in [*zip(segments, [*segments, END][1:])][:reached]:
        notes, torn = frames(files.pop(first, b""), FRAME, 16_384)
        bad, least = Claim(first, first, part), max(least, first + 1)
        for head in [attempt(read_head, note) for note in notes]:
            if not head or not least <= head.size <= end: return [*claims, bad]
            claims.append(Claim(head.size, head.size - 1, part, head))
            bad, least = claims[-1]._replace(head=None), head.size + step
        # A crash tears no head but the newest.
        if torn and (files or f"\n{log}".encode() in torn): return [*claims, bad]
    return claims

def read_lines(segments: dict[int, bytes]):
    """Lines, how many segments they are in, what is torn behind them, and what cannot stand there."""
    lines, torn = [], b""
    for reached, (first, data) in enumerate(segments.items()):
        count = min(segments) + len(lines)
        if first != count: return lines, reached, b"", [Claim(count, min(first, count), "seg")]
        whole, rest = frames(data, LINE, len(data))
        lines, torn, count = lines + whole, rest.rstrip(b"\0"), count + len(whole)
        times = {record["t"] for line in torn.split(b"\n")[:-1] if (record := attempt(parse, line))}
        is_one_batch = len(times) < 2 and len(torn) <= 1_081_344 and len(torn.split(b"\0")[0].split(b"\n")[0]) <= 65_536
        if not is_one_batch or rest and first != max(segments):
            return lines, reached + 1, b"", [Claim(count, count, "seg")]
    return lines, len(segments), torn, []

def tile(log: Path, level: int, n: int) -> bytes | None:
    *above, last = f"{n:,}".split(",")
    return contents(log.joinpath("tile", str(level), *(f"x{part:0>3}" for part in above), f"{last:0>3}"))

def has_wrong_tile(log: Path, hashes: list[bytes], level: int = 0) -> bool:
    right = [b"".join(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
    if any(tile(log, level, n) not in (None, data) for n, data in enumerate(right)): return True
    for _ in range(8): hashes = [node(*pair) for pair in zip(hashes[::2], hashes[1::2])]
    return len(hashes) > 0 and has_wrong_tile(log, hashes, level + 1)

class Log:
    """One pass over a log. A broken rule raises one of `BAD`, and `bad` is the record that is."""
    time = n = in_force = announced = newest = anchored = before = None
    kind, has_gap = "stop", False

    def __init__(self, directory: Path, policy, pins: list[Head]):
        notes = {part: numbered(directory / part, ".notes") for part in ("checkpoints", "witnessed")}
        segments = numbered(directory / "seg", ".jsonl")
        self.directory, (self.logs, self.witnesses, self.is_quorum) = directory, policy
        self.first = self.count = min(segments, default=0)
        self.lines, reached, self.torn, claims = read_lines(segments)
        self.name = (attempt(parse, self.lines[0] if self.lines else b"") or {"log": "\u2014"})["log"]
        for part, files in notes.items():
            files = {first: data for first, data in files.items() if data and first >= self.first}
            claims += [Claim(first, first, part) for first in files if first not in segments]
            claims += read_heads(files, segments, reached, self.name, part)
        pins = [pin for pin in pins if pin.name == self.name and pin.size > self.first]
        claims += [Claim(pin.size, pin.size - 1, "pin", pin) for pin in pins]
        self.claims = sorted(claims, key=lambda claim: (claim.at, claim.part == "seg", claim.bad))
        self.tree, self.leaf = (None, None) if self.first else ((0, []), bytes(32))
        self.leaves, self.open = [], set()

    def must(self, bad: int, holds, rule: str):
        self.bad = bad
        must(holds, rule)

    def read(self):
        self.bad = self.first
        if self.first: self.go_on()
        self.judge()
        for line, following in zip(self.lines, [*self.lines[1:], b""]):
            self.bad = self.count
            self.take(parse(line), attempt(parse, following))
            self.judge()
        covered = self.newest.size if self.newest else self.first
        self.must(self.count, not self.claims, "it is missing: a head or the name of a file counts it")
        self.must(self.first, self.newest or self.count < self.first + 2, "no head counts it or any other")
        self.must(covered, self.count - covered <= 10_000, "no head counts it, nor 10,000 records behind it")
        self.has_gap |= self.kind == "stop" and len(self.open) > 0

    def go_on(self):
        """Begins with what a bundle says for the records before it."""
        if (frontier := contents(self.directory / "frontier")) is not None:
            size, *hashes, end = frontier.decode().split("\n")
            self.tree = self.good = self.first, list(map(unbase64, hashes))
            must((size, end, len(hashes)) == (str(self.first), "", self.first.bit_count()), "a frontier is one")
        if (epochs := contents(self.directory / "epochs")) is not None:
            self.n = -1
            for epoch in read_epochs(epochs, self.name):
                if epoch.index < self.first: self.announce(epoch)
                if epoch.handed_over <= self.first: self.in_force, self.announced = epoch, None

    def announce(self, epoch: Epoch):
        must(self.n in (None, epoch.n - 1) and not self.announced, "epochs follow each other, with a head in between")
        must(epoch.n or not self.logs or epoch.keys & self.logs, "the policy names a key of epoch 0")
        self.n, self.announced = epoch.n, epoch

    def take(self, record: dict, following: dict | None):
        count, time, kind, follows = self.count, record["time"], record["kind"], self.leaf in (None, record["prev"])
        self.must(count if follows else min(record["i"], count), record["i"] == count, "a record says its own index")
        self.must(count, record["log"] == self.name, "a record says the name of its log")
        one_before = not follows and count > 0 and self.is_one_before(record, following)
        self.must(count - one_before, follows, "a record has the hash of the one before it")
        self.must(count, not self.time or time >= self.time or kind == "clock.step", "time goes on")
        must(kind == "key.rotate" or count, "the first record announces keys")
        match record:
            case {"kind": "key.rotate"}: self.announce(read_epoch(record))
            case {"kind": "call.decision", "call": call, "open": True}: self.open.add(written(call))
            case {"kind": "call.outcome", "call": call}: self.open.discard(written(call))
            case {"kind": "recovery", "recovery": {"bytes": int(size)}}: self.has_gap |= size > 0 and size is not True
            case {"kind": "tick", "tree": tree}:
                self.tree = self.tree or (count, [bytes.fromhex(text) for text in tree["hashes"]])
                said = written([count, [text.hex() for text in self.tree[1]]])
                must(said == written([tree["n"], tree["hashes"]]), "a tick says the tree before it")
        if kind not in ("start", "recovery", "clock.step") and self.kind != "stop":
            self.has_gap |= time - self.time > timedelta(seconds=120)
        self.has_gap |= kind == "start" and self.open != set()
        self.before, self.tree = self.tree, self.tree and append(self.tree, record["leaf"])
        self.leaf, self.time, self.kind, self.count = record["leaf"], time, kind, count + 1
        self.leaves.append(self.leaf)

    def is_one_before(self, record: dict, following: dict | None) -> bool:
        """Of two records that do not fit each other, whether the first was changed: the next can tell, or a head."""
        root = self.before and root_of(append(append(self.before, record["prev"]), record["leaf"]))
        heads = [(at, head.root) for at, _, part, head in self.claims if head and part == "checkpoints"]
        return following["prev"] == record["leaf"] if following else (self.count + 1, root) in heads

    def judge(self):
        while self.claims and self.claims[0].at <= self.count:
            (_, bad, part, head), *self.claims = self.claims
            self.must(bad, head, "here comes what is no head, line or segment, or none that can stand here")
            must(head.name == self.name, "a head has the name of its log")
            if part == "pin" and not self.tree: continue
            if part == "checkpoints" and head.root != root_of(self.tree): self.bad = self.first_changed(head)
            must(head.root == root_of(self.tree), "a head has the root of its leaves")
            if part == "checkpoints":
                self.in_force = self.announced if self.announced and self.announced.n == 0 else self.in_force
                keys = self.in_force.keys if self.in_force else set()
                must(signers(head, keys) == keys, "a head is signed with the keys in force")
                self.in_force, self.announced = self.announced or self.in_force, None
                self.newest, self.good = head, self.tree
            elif part == "pin" or self.is_quorum(signers(head, self.witnesses)): self.anchored = self.time

    def first_changed(self, head: Head) -> int:
        """Which of the records that a head counts, and the one before does not: tiles may have the hash it had."""
        size = self.good[0]
        stored = b"".join(tile(self.directory, 0, n) or b"" for n in range(size // 256, -(-head.size // 256)))
        hashes = [stored[at : at + 32] for at in range(size % 256 * 32, (head.size - size // 256 * 256) * 32, 32)]
        if self.first > 0 or root_of(reduce(append, hashes, self.good)) != head.root: return self.bad
        return next(size + at for at, one in enumerate(hashes) if one != self.leaves[size + at])

def verify(directory: Path, policy, pins: list[Head], now: datetime | None) -> dict:
    log, fault = Log(directory, policy, pins), None
    try:
        log.read()
        is_fresh = log.anchored and (now or log.time) - log.anchored <= timedelta(days=1)
        has_gap = log.has_gap or has_wrong_tile(directory, log.leaves)
        code = 5 if log.first or log.torn or not log.newest else 2 if has_gap else 0 if is_fresh else 3
    except BAD as error:
        code, fault = 1, {"index": log.bad, "meaning": str(error)}
    root = base64.b64encode(log.newest.root).decode() if log.newest else None
    return {"exit": code, "log": log.name, "records": len(log.leaves), "root": root, "fault": fault}

def answer(arguments: list[str]) -> dict:
    try:
        options, [path] = getopt.getopt(arguments, "", ["policy=", "pin=", "now="])
        given, pins = dict(options), [read_head(Path(file).read_bytes()) for name, file in options if name == "--pin"]
        policy = read_policy(Path(given["--policy"]).read_bytes().decode() if "--policy" in given else "quorum none\n")
        now = datetime.fromisoformat(given["--now"].removesuffix("Z")) if "--now" in given else None
        parts = [depth + part for depth in ("", "*/", "*/*/", "*/*/*/") for part in ("seg", "checkpoints")]
        logs = sorted({found.parent for part in parts for found in Path(path).glob(part) if found.is_dir()})
        logs = [verify(log, policy, pins, now) for log in logs]
        # Of several logs the first of these decides.
        code = next(code for code in (1, 5, 2, 3, 0) if code in [log["exit"] for log in logs])
        must(code == 1 or {pin.name for pin in pins} <= {log["log"] for log in logs}, "a pin is of a log that is here")
        return {"exit": code, "logs": logs}
    except (*BAD, OSError, StopIteration, getopt.GetoptError) as error:
        return {"exit": 4, "logs": [], "error": str(error)}

if __name__ == "__main__":
    for line in sys.stdin if sys.argv[1:] == ["-"] else [shlex.join(sys.argv[1:])]:
        print(json.dumps(said := answer(shlex.split(line))), flush=True)
    sys.exit(0 if sys.argv[1:] == ["-"] else said["exit"])
