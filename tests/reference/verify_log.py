"""A second verifier, written from docs/audit-format.md alone: where it and `yett audit verify` agree, they do so because of that page. It
looks at no tiles: a damaged one is no gap to it, a wrong head blames the last record it counts, and a pruned log is read as a bundle of
what is left. Prints JSON, exits as it says: verify_log.py [--policy FILE] [--pin FILE]... [--now TIME] PATH"""
import base64, getopt, hashlib, json, re, sys
from collections import namedtuple
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial, reduce
from pathlib import Path
import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

ED25519, COSIGNATURE, ML_DSA_44 = b"\1", b"\4", b"\6"
PUBLIC = {ED25519: ed25519.Ed25519PublicKey, COSIGNATURE: ed25519.Ed25519PublicKey, ML_DSA_44: mldsa.MLDSA44PublicKey}
NUMBER, NAME = "(?:0|[1-9][0-9]{0,18})", r"[^\s+\x00-\x1f\x7f-\x9f]{1,255}"
HEAD = re.compile(rf"(([^\x00-\x1f]{{1,255}})\n({NUMBER})\n(\S{{44}})\n)(?:\n((?:\u2014 {NAME} \S+\n){{1,100}}))?")
FRAME = re.compile(rb"(?:[^\n\0]+\n)*\n(?:[^\n\0]+\n)*\n")
MEMBERS = {"i": NUMBER, "kind": '"[a-z.]{1,32}"', "log": r'"[^\\]*"', "prev": '"[0-9a-f]{64}"', "t": '".*Z"', "v": "1"}
BEHIND_STOP = {"call.outcome", "clock.step", "key.rotate", "recovery", "tick"}
# What reading the bytes of a stranger may raise: all of it says that they are not as they must be.
BAD = (AttributeError, LookupError, OSError, TypeError, ValueError, RecursionError, zstandard.ZstdError)
Key = namedtuple("Key", "name id body")
Head = namedtuple("Head", "text name size root signatures")
Epoch = namedtuple("Epoch", "n keys index")
# A head, or nothing that can stand where it is: looked at when so many records are read; then that record may be bad.
Claim = namedtuple("Claim", "at bad part head", defaults=[None])
written = partial(json.dumps, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

def must(holds, rule: str):
    if not holds: raise ValueError(rule)
def attempt(read, it):
    with suppress(*BAD): return read(it)
def contents(path: Path): return path.read_bytes() if path.is_file() else None
def sha(*parts: bytes): return hashlib.sha256(b"".join(parts)).digest()
def node(left: bytes, right: bytes): return sha(b"\1", left, right)

def append(tree, leaf: bytes):
    """A tree (RFC 6962) is the number of its leaves and its frontier; this one has a leaf more."""
    carry, frontier = tree[0], [*tree[1], leaf]
    while carry & 1: carry, frontier[-2:] = carry >> 1, [node(*frontier[-2:])]
    return tree[0] + 1, frontier
def root_of(tree): return reduce(lambda right, left: node(left, right), reversed(tree[1])) if tree[0] else sha()

def root_over(leaf: bytes, index: int, size: int, path: list):
    """Where an inclusion proof leads (RFC 6962, section 2.1.1)."""
    inner = (index ^ (size - 1)).bit_length()
    must(index < size and len(path) == inner + (index >> inner).bit_count(), "a proof is as long as its place asks for")
    is_right = [level >= inner or index >> level & 1 for level in range(len(path))]
    return reduce(lambda own, step: node(step[1], own) if step[0] else node(own, step[1]), zip(is_right, path), leaf)

def unbase64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    must(base64.b64encode(data).decode() == text, "base64 is canonical")
    return data

def read_key(text: str, *kinds: bytes) -> Key:
    name, id, body = re.fullmatch(rf"({NAME})\+([0-9a-f]{{8}})\+(.*)", text).groups()
    key = Key(name, bytes.fromhex(id), unbase64(body))
    must(sha(name.encode(), b"\n", key.body)[:4] == key.id and key.body[:1] in kinds, "a key has its id, and a type that can sign here")
    must(PUBLIC[key.body[:1]].from_public_bytes(key.body[1:]), "a key is as long as its type says")
    return key

def read_head(note: bytes) -> Head:
    """A note, or its text alone."""
    text, name, size, root, lines = HEAD.fullmatch(note.decode()).groups()
    signatures = [(name, unbase64(data)) for name, data in re.findall(r"\u2014 (\S+) (\S+)\n", lines or "")]
    must(int(size) < 2**63 and len(name.encode()) < 256 and all(data[4:] for _, data in signatures), "a head is sound")
    return Head(text.encode(), name, int(size), unbase64(root), signatures)

def signers(head: Head, keys):
    """Whose signatures a head has: nobody's, if a line with the name and id of one of these keys is bad."""
    claims = [(key, data[4:]) for name, data in head.signatures for key in keys if key[:2] == (name, data[:4])]
    for key, signature in claims:
        kind, time = key.body[:1], signature[:8]
        signer, origin = (bytes([len(name)]) + name for name in (key.name.encode(), head.name.encode()))
        signed = {ED25519: head.text, COSIGNATURE: b"cosignature/v1\ntime %d\n" % int.from_bytes(time, "big") + head.text,
                  ML_DSA_44: b"subtree/v1\n\0" + signer + time + origin + head.size.to_bytes(16, "big") + head.root}
        try: PUBLIC[kind].from_public_bytes(key.body[1:]).verify(signature[0 if kind == ED25519 else 8 :], signed[kind])
        except (InvalidSignature, ValueError): return set()
        if kind != ED25519 and time >= b"\x80": return set()
    return {key for key, _ in claims}

def read_policy(text: str):
    """A C2SP tlog-policy: keys of logs, keys of witnesses, and whether a set of those is the quorum."""
    logs, witnesses, named, free, quorums = [], [], {"none": lambda by: False}, set(), []
    for line in text.split("\n"):
        match re.split("[ \t]+", line.strip(" \t")):
            case ["log", key] | ["log", key, _]: logs.append(read_key(key, ED25519, ML_DSA_44))
            case ["witness", name, key] | ["witness", name, key, _] if name not in named:
                witnesses.append(key := read_key(key, COSIGNATURE, ML_DSA_44))
                named[name], free = lambda by, key=key: key in by, free | {name}
            case ["group", name, least, *names] if name not in named and 0 < len(names) == len(free & set(names)):
                least = {"any": 1, "all": len(names)}.get(least) or int(re.fullmatch(NUMBER, least)[0])
                must(1 <= least <= len(names), "a group can reach its threshold, and not without anybody")
                others, free = [named[one] for one in names], free - set(names) | {name}
                named[name] = lambda by, others=others, least=least: sum(holds(by) for holds in others) >= least
            case ["quorum", name]: quorums.append(named[name])
            case [word, *_]: must(word[:1] in ("", "#"), f"a policy has no line like this: {line}")
    must(re.fullmatch(r"[^\x00-\x08\x0b-\x1f\x7f]*\n", text) and len(quorums) == 1, "a policy is text, with one quorum")
    must(all(len({key.body[1:] for key in keys}) == len(keys) for keys in (logs, witnesses)), "a key stands there once")
    return set(logs), witnesses, *quorums

def parse(line: bytes) -> dict:
    """The record in a line. What has the one form comes out of a JSON writer as the bytes it was; no other does."""
    def depth(value) -> int:
        must(value is not None and (type(value) is not int or abs(value) < 2**53), "numbers are integers below 2^53")
        must(type(value) is not dict or re.fullmatch(r"[ !#-\[\]-~]*", "".join(value)), "keys are ASCII")
        inside = value.values() if type(value) is dict else value if type(value) is list else None
        return 0 if inside is None else 1 + max(map(depth, inside), default=0)
    record = json.loads(line.decode(), parse_float={}.get, parse_constant={}.get)
    must(len(line) <= 16_384 and depth(record) <= 8 and written(record).encode() == line, "a record has the one form")
    must(all(re.fullmatch(form, written(record[key])) for key, form in MEMBERS.items()), "a record has what each has")
    time = datetime.fromisoformat(record["t"][:-1])
    must(time.isoformat(timespec="microseconds") + "Z" == record["t"] >= "1970", "a time is a real one")
    return record | {"time": time, "prev": bytes.fromhex(record["prev"]), "leaf": sha(b"\0", line)}

def read_epoch(record: dict) -> Epoch:
    """The keys that a record announces."""
    epoch = record["epoch"]
    keys = {read_key(epoch["ed25519"], ED25519)}
    if "ml_dsa_44" in epoch: keys.add(read_key("".join(list.copy(epoch["ml_dsa_44"])), ML_DSA_44))
    must(record["kind"] == "key.rotate" and re.fullmatch(NUMBER, written(epoch["n"])), "epochs are announced, and numbered")
    must({key.name for key in keys} == {record["log"]}, "keys are the log's own")
    return Epoch(epoch["n"], keys, record["i"])

def numbered(directory: Path, ending: str) -> dict:
    return {int(path.name[:13]): contents(path) or b"" for path in sorted(directory.glob("[0-9]" * 13 + ending))}

def unpack(data: bytes) -> bytes:
    """The lines of a compressed segment."""
    frame = zstandard.get_frame_parameters(data)
    must(frame.has_checksum and not frame.dict_id and frame.window_size <= 2**23, "a frame can be read by itself")
    must(frame.content_size <= 512 * len(data), "a frame says how long its content is, and that can be")
    lines = (reader := zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj()).decompress(data)
    must(reader.eof and not reader.unused_data and lines[-1:] == b"\n" and b"\0" not in lines, "it is a frame of lines")
    return lines

def read_lines(segments: dict):
    """Lines, how many segments they are in, what is torn behind them, and what cannot stand there."""
    lines, torn = [], b""
    for reached, (first, data) in enumerate(segments.items()):
        count = min(segments) + len(lines)
        if first != count or data is None: return lines, reached, b"", [Claim(count, min(first, count), "seg")]
        text, zero, more = data.partition(b"\0")
        *whole, rest = text.split(b"\n")
        lines, count, torn = lines + whole, count + len(whole), (rest + zero + more).rstrip(b"\0")
        times = {record["t"] for line in torn.split(b"\n")[:-1] if (record := attempt(parse, line))}
        is_one_batch = len(times) < 2 and len(torn) <= 1_081_344 and len(rest) <= 65_536
        if not is_one_batch or (rest or zero) and first != max(segments): return lines, reached + 1, b"", [Claim(count, count, "seg")]
    return lines, len(segments), torn, []

def read_heads(files: dict, segments: list, reached: int, log: str, part: str) -> list:
    """The heads beside those segments that are reached, up to one that cannot stand there."""
    claims, least = [Claim(first, first, part) for first in files if first not in segments], 0
    for first, end in [*zip(segments, [*segments, 2**63][1:])][:reached]:
        data, at, bad, least = files.pop(first, b""), 0, Claim(first, first, part), max(least, first + 1)
        while note := FRAME.match(data, at, at + 16_384):
            head, at = attempt(read_head, note[0][:-1]), note.end()
            if not head or not least <= head.size <= end: return [*claims, bad]
            claims.append(Claim(head.size, head.size - 1, part, head))
            bad, least = claims[-1]._replace(head=None), head.size + (part == "checkpoints")
        # A crash tears no head but the newest.
        if data[at:] and (files or f"\n{log}".encode() in data[at:]): return [*claims, bad]
    return claims

class Log:
    """One pass over a log. A broken rule raises one of `BAD`, and `bad` is the record that is."""
    time = announced = newest = anchored = before = None
    kind, in_force, covered_kind, late, has_gap = "", Epoch(-1, set(), -1), "", 0, False

    def __init__(self, directory: Path, policy, pins: list):
        packed = {first: attempt(unpack, data) for first, data in numbered(directory / "seg", ".jsonl.zst").items()}
        segments = dict(sorted((packed | numbered(directory / "seg", ".jsonl")).items()))
        (self.logs, self.witnesses, self.is_quorum), self.first = policy, min(segments, default=0)
        self.frontier, self.epochs, kept = (contents(directory / name) for name in ("frontier", "epochs", "kept.jsonl"))
        must(not self.first or kept is None or self.frontier is not None, "a pruned log is read as a bundle of what is left")
        self.lines, reached, self.torn, claims = read_lines(segments)
        first = attempt(parse, self.lines[0] if self.lines else b"")
        self.name, self.count, self.counted = first["log"] if first else "\u2014", self.first, self.first
        for part in ("checkpoints", "witnessed"):
            files = {first: data for first, data in numbered(directory / part, ".notes").items() if data and first >= self.first}
            claims += read_heads(files, list(segments), reached, self.name, part)
        claims += [Claim(pin.size, pin.size - 1, "pin", pin) for pin in pins if pin.name == self.name]
        self.claims = sorted(claims, key=lambda it: (it.at, it.part == "seg", it.bad))
        self.tree, self.leaf, self.n = (None, None, None) if self.first else ((0, []), bytes(32), -1)

    def read(self):
        self.bad, self.open = self.first, set()
        if self.first: self.go_on()
        self.judge()
        for line, following in zip(self.lines, [*self.lines[1:], b""]):
            self.bad = self.count
            self.take(parse(line), attempt(parse, following))
            self.judge()
        self.must(self.count, not self.claims, "it is missing: a head or the name of a file counts it")
        self.must(self.first, self.newest or self.count < self.first + 2, "no head counts it or any other")
        self.must(self.counted, self.count - self.counted <= 10_000, "no head counts it, nor 10,000 records behind it")
        self.must(self.late, not self.late, "only what precedes the first head of a run stands behind a `stop`")
        self.has_gap |= self.kind == "stop" and self.open != set()

    def must(self, bad: int, holds, rule: str):
        self.bad = bad
        must(holds, rule)

    def go_on(self):
        """Begins with what a bundle says for the records before it: a tree, and epochs, of which each signs the head that hands over."""
        if self.frontier is not None:
            size, *hashes, end = self.frontier.decode().split("\n")
            self.tree = self.first, list(map(unbase64, hashes))
            must((size, end, len(hashes)) == (str(self.first), "", self.first.bit_count()), "a frontier is one")
        if self.epochs is None: return
        before, *proofs = re.split(r"(?m)^c2sp\.org/tlog-proof@v1\n", self.epochs.decode())
        must(not before and proofs, "epochs are in it and nothing else")
        self.n, last, handed_over = -1, None, 0
        for n, proof in enumerate(proofs):
            line, index, path, note = re.fullmatch(rf"extra (\S*)\nindex ({NUMBER})\n((?:\S+\n)*)\n((?s:.*))", proof).groups()
            record, head = parse(unbase64(line)), read_head(note.encode())
            epoch = read_epoch(record)
            root, last = root_over(record["leaf"], int(index), head.size, [*map(unbase64, path.split())]), last or epoch
            must(root == head.root and record["log"] == head.name == self.name, "the head proves the record")
            must(signers(head, last.keys) == last.keys, "the last epoch signs for each")
            must((epoch.n, epoch.index) == (n, int(index)) and handed_over <= epoch.index, "each comes behind the hand-over to the last")
            last, handed_over = epoch, head.size
            if epoch.index < self.first: self.announce(epoch)
            if head.size <= self.first: self.in_force, self.announced = epoch, None

    def announce(self, epoch: Epoch):
        must(self.n in (None, epoch.n - 1) and not self.announced and (epoch.n or not epoch.index), "they are in order")
        must(epoch.n or not self.logs or epoch.keys & self.logs, "the policy names a key of epoch 0")
        # Nobody came before epoch 0: it signs the head over its own announcement.
        self.n, self.announced, self.in_force = epoch.n, epoch, self.in_force if epoch.n else epoch

    def take(self, record: dict, following: dict | None):
        count, time, kind, follows = self.count, record["time"], record["kind"], self.leaf in (None, record["prev"])
        self.must(count if follows else min(record["i"], count), (record["i"], record["log"]) == (count, self.name), "it is in its place")
        if not follows and count:
            # Which of the two was changed the next one can tell, or a head.
            root = self.before and root_of(append(append(self.before, record["prev"]), record["leaf"]))
            heads = [(at, head.root) for at, _, part, head in self.claims if head and part == "checkpoints"]
            self.bad -= following["prev"] == record["leaf"] if following else (count + 1, root) in heads
        must(follows, "a record has the hash of the one before it")
        must(not self.time or time >= self.time or kind == "clock.step", "time goes on")
        if kind == "key.rotate" or not count: self.announce(read_epoch(record))
        match record:
            case {"kind": "call.decision", "call": call, "open": True}: self.open.add(written(call))
            case {"kind": "call.outcome", "call": call}: self.open.discard(written(call))
            case {"kind": "recovery", "recovery": {"bytes": int(size)}}: self.has_gap |= size > 0 and size is not True
            case {"kind": "tick", "tree": tree}:
                self.tree = self.tree or (count, [bytes.fromhex(text) for text in tree["hashes"]])
                said = written([count, [text.hex() for text in self.tree[1]]])
                must(said == written([tree["n"], tree["hashes"]]), "a tick says the tree before it")
        is_explained = kind in ("start", "recovery", "clock.step") or self.kind in ("", "stop")
        is_silent = not is_explained and time - self.time > timedelta(seconds=120)
        self.has_gap |= is_silent or kind == "start" and self.open != set()
        if self.covered_kind == "stop" and kind not in BEHIND_STOP: self.late = self.late or count
        self.before, self.tree = self.tree, self.tree and append(self.tree, record["leaf"])
        self.leaf, self.count, self.time, self.kind = record["leaf"], count + 1, time, kind

    def judge(self):
        while self.claims and self.claims[0].at <= self.count:
            (_, bad, part, head), *self.claims = self.claims
            self.must(bad, head, "here comes what is no head, line or segment, or none that can stand here")
            if part == "pin" and (not self.tree or head.size <= self.first): continue
            must(head.name == self.name and head.root == root_of(self.tree), "a head has the name of its log, and the root of its leaves")
            if part == "checkpoints":
                must(signers(head, self.in_force.keys) == self.in_force.keys, "a head is signed with the keys in force")
                self.in_force, self.announced = self.announced or self.in_force, None
                self.newest, self.counted, self.covered_kind, self.late = head, head.size, self.kind, 0
            elif part == "pin" or self.is_quorum(signers(head, self.witnesses)): self.anchored = self.time

    def report(self, now: datetime | None) -> dict:
        code, fault = 1, None
        try:
            self.read()
            is_fresh = self.anchored and (now or self.time) - self.anchored <= timedelta(days=1)
            code = 5 if self.first or self.torn or not self.newest else 2 if self.has_gap else 0 if is_fresh else 3
        except BAD as error: fault = {"index": self.bad, "meaning": str(error)}
        root = self.newest and base64.b64encode(self.newest.root).decode()
        return {"exit": code, "log": self.name, "root": root, "fault": fault}

def answer(arguments: list) -> dict:
    """What is said of a log's directory, or of all logs that are at most three levels below it."""
    try:
        options, [path] = getopt.getopt(arguments, "", ["policy=", "pin=", "now="])
        given, pins = dict(options), [read_head(Path(file).read_bytes()) for name, file in options if name == "--pin"]
        policy = read_policy(Path(given["--policy"]).read_bytes().decode() if "--policy" in given else "quorum none\n")
        now = datetime.fromisoformat(given["--now"].removesuffix("Z")) if "--now" in given else None
        parts = ["*/" * depth + part for depth in range(4) for part in ("seg", "checkpoints")]
        found = {part.parent for pattern in parts for part in Path(path).glob(pattern) if part.is_dir()}
        judged = lambda log: Log(log, policy, pins).report(now)
        logs = [attempt(judged, log) or {"exit": 4, "log": None, "root": None, "fault": None} for log in sorted(found)]
        code = next(code for code in (1, 4, 5, 2, 3, 0) if code in [log["exit"] for log in logs])
        must(code == 1 or {pin.name for pin in pins} <= {log["log"] for log in logs}, "a pin is of a log that is here")
        return {"exit": code, "logs": logs}
    except (*BAD, StopIteration, getopt.GetoptError) as error: return {"exit": 4, "logs": [], "error": str(error)}

if __name__ == "__main__":
    print(json.dumps(said := answer(sys.argv[1:])))
    sys.exit(said["exit"])
