"""A second verifier of an audit log at rest, written from docs/audit-format.md alone: where it and `yett audit verify`
agree, they do so because of that page, and not because they share a line or a mistake. Prints JSON, exits as it says:
verify_log.py [--policy FILE] [--pin FILE]... [--now TIME] PATH, or `-` to read such command lines from the input."""
import getopt, json, re, shlex, sys
from collections import namedtuple
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial, reduce
from pathlib import Path
import zstandard
from c2sp import ED25519, ML_DSA_44, NUMBER, Head, append, contents, has_wrong_tile, must, read_head, read_key
from c2sp import read_policy, read_proof, root_of, root_over, sha, signers, tile, unbase64

MEMBERS = {"i": NUMBER, "kind": '"[a-z.]{1,32}"', "log": r'"[^\\]*"', "prev": '"[0-9a-f]{64}"', "t": '".*Z"', "v": "1"}
LINE, FRAME = re.compile(rb"[^\n\0]*\n"), re.compile(rb"(?:[^\n\0]+\n)*\n(?:[^\n\0]+\n)*\n")
# What reading the bytes of a stranger may raise: all of it says that they are not as they must be.
BAD = (AttributeError, LookupError, TypeError, ValueError, RecursionError, zstandard.ZstdError)
Epoch = namedtuple("Epoch", "n keys index handed_over", defaults=[0])
# A head, or nothing that can stand where it is: looked at when so many records are read; then that record may be bad.
Claim = namedtuple("Claim", "at bad part head", defaults=[None])
BEHIND_STOP = {"call.outcome", "clock.step", "key.rotate", "recovery", "tick"}
written = partial(json.dumps, ensure_ascii=False, separators=(",", ":"))

def attempt(read, it):
    with suppress(*BAD, OSError): return read(it)
def numbered(directory: Path, ending: str) -> dict[int, bytes]:
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
    record = json.loads(line.decode(), object_pairs_hook=members, parse_float={}.get, parse_constant={}.get)
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
    must(record["kind"] == "key.rotate" and {key.name for key in keys} == {record["log"]}, "keys are the log's own")
    must(re.fullmatch(NUMBER, written(epoch["n"])), "epochs are numbered")
    return Epoch(epoch["n"], keys, record["i"])

def read_epochs(data: bytes, log: str) -> list[Epoch]:
    """A file of epochs: each signs the head that hands over to the next."""
    before, *proofs = re.split(r"(?m)^c2sp\.org/tlog-proof@v1\n", data.decode())
    epochs = []
    for n, proof in enumerate(proofs):
        line, index, path, head = read_proof(proof)
        record = parse(line)
        epoch = read_epoch(record)._replace(handed_over=head.size)
        last = epochs[-1] if epochs else epoch._replace(handed_over=0)
        is_proven = root_over(record["leaf"], index, head.size, path) == head.root
        must(is_proven and (epoch.n, epoch.index) == (n, index), "an epoch is proven by its record, index and path")
        must(record["log"] == head.name == log and signers(head, last.keys) == last.keys, "the last one signs for each")
        must(last.handed_over <= epoch.index and (n or not epoch.index), "each comes behind the hand-over to the last")
        epochs.append(epoch)
    must(not before and epochs, "epochs are in it and nothing else")
    return epochs

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
    for first, end in [*zip(segments, [*segments, 2**63][1:])][:reached]:
        notes, torn = frames(files.pop(first, b""), FRAME, 16_384)
        bad, least = Claim(first, first, part), max(least, first + 1)
        for head in [attempt(read_head, note) for note in notes]:
            if not head or not least <= head.size <= end: return [*claims, bad]
            claims.append(Claim(head.size, head.size - 1, part, head))
            bad, least = claims[-1]._replace(head=None), head.size + step
        # A crash tears no head but the newest.
        if torn and (files or f"\n{log}".encode() in torn): return [*claims, bad]
    return claims

def unpack(data: bytes) -> bytes:
    """The lines of a compressed segment."""
    frame = zstandard.get_frame_parameters(data)
    must(frame.has_checksum and not frame.dict_id and frame.window_size <= 2**23, "a frame is sound by itself")
    must(frame.content_size <= 512 * len(data), "a frame says how long its content is, and that can be")
    lines = (reader := zstandard.ZstdDecompressor(max_window_size=2**23).decompressobj()).decompress(data)
    must(reader.eof and not reader.unused_data and lines[-1:] == b"\n" and b"\0" not in lines, "it is a frame of lines")
    return lines

def read_kept(data: bytes, end: int):
    """The records that were kept, by index, what the last says is pruned, and what cannot stand there."""
    lines, rest = frames(data, LINE, len(data))
    records, kept, least = [attempt(parse, line) for line in lines] + [None] * len(rest[:1]), {}, 0
    for record in records:
        if not record or record["i"] < least or record["log"] != (kept or {0: record})[min(kept, default=0)]["log"]:
            return kept, pruned_by(records[-1])[1], [Claim(min(least, end), least, "copy" if least > end else "kept")]
        least, kept[record["i"]] = record["i"] + 1, record
    return kept, pruned_by(records[-1] if records else None)[1], []

def pruned_by(record: dict | None) -> tuple[int, int]:
    """Which records a `prune` record says that are removed."""
    match record:
        case {"kind": "prune", "i": i, "what": {"act": "prune", "from": int(start), "to": int(end)}}:
            return (start, end) if type(start) is type(end) is int and start < end <= i else (0, 0)
    return 0, 0

def read_lines(segments: dict[int, bytes]):
    """Lines, how many segments they are in, what is torn behind them, and what cannot stand there."""
    lines, torn = [], b""
    for reached, (first, data) in enumerate(segments.items()):
        count = min(segments) + len(lines)
        if first != count or data is None: return lines, reached, b"", [Claim(count, min(first, count), "seg")]
        whole, rest = frames(data, LINE, len(data))
        lines, torn, count = lines + whole, rest.rstrip(b"\0"), count + len(whole)
        times = {record["t"] for line in torn.split(b"\n")[:-1] if (record := attempt(parse, line))}
        is_one_batch = len(times) < 2 and len(torn) <= 1_081_344 and len(torn.split(b"\0")[0].split(b"\n")[0]) <= 65_536
        if not is_one_batch or rest and first != max(segments):
            return lines, reached + 1, b"", [Claim(count, count, "seg")]
    return lines, len(segments), torn, []

class Log:
    """One pass over a log. A broken rule raises one of `BAD`, and `bad` is the record that is."""
    time = announced = newest = anchored = before = None
    kind, in_force, ordered, covered, last, late = "", Epoch(-1, set(), -1), 0, 0, "", 0
    def __init__(self, directory: Path, policy, pins: list[Head]):
        notes = {part: numbered(directory / part, ".notes") for part in ("checkpoints", "witnessed")}
        packed = {first: attempt(unpack, data) for first, data in numbered(directory / "seg", ".jsonl.zst").items()}
        segments = dict(sorted((packed | numbered(directory / "seg", ".jsonl")).items()))
        self.directory, (self.logs, self.witnesses, self.is_quorum) = directory, policy
        self.lines, reached, self.torn, claims = read_lines(segments)
        kept, begin = contents(directory / "kept.jsonl"), min(segments, default=0)
        self.pruned = begin if kept is not None and not (directory / "frontier").is_file() else 0
        self.first = self.count = begin - self.pruned
        self.kept, self.said, bad = read_kept(kept if self.pruned else b"", self.pruned)
        first = self.kept.get(0) or attempt(parse, self.lines[0] if self.lines else b"")
        self.name, claims = first["log"] if first else "\u2014", claims + bad
        for part, files in notes.items():
            files = {first: data for first, data in files.items() if data and first >= self.first}
            own = sorted({*segments, *(first for first in notes["checkpoints"] if first < self.pruned)})
            claims += [Claim(first, first, part) for first in files if first not in own]
            claims += read_heads(files, own, len(own) - len(segments) + reached, self.name, part)
        claims += [Claim(pin.size, pin.size - 1, "pin", pin) for pin in pins if pin.name == self.name]
        self.claims = sorted(claims, key=lambda it: (it.at, {"kept": 0, "copy": 2, "seg": 3}.get(it.part, 1), it.bad))
        self.tree, self.leaf, self.n = (None, None, None) if self.first else ((0, []), bytes(32), -1)
        self.leaves, self.open, self.has_gap = [], set(), self.pruned > 0
    def must(self, bad: int, holds, rule: str):
        self.bad = bad
        must(holds, rule)

    def read(self):
        self.must(self.said, self.said >= self.pruned, "the last line that was kept says what is pruned")
        self.bad = self.first
        if self.first: self.go_on()
        self.judge()
        for self.bad in range(self.pruned):
            self.recall(self.bad)
            self.judge()
        for line, following in zip(self.lines, [*self.lines[1:], b""]):
            self.bad = self.count
            self.take(parse(line), attempt(parse, following))
            self.judge()
        counted = self.newest.size if self.newest else self.first
        self.must(self.count, not self.claims, "it is missing: a head or the name of a file counts it")
        self.must(self.first, self.newest or self.count < self.first + 2, "no head counts it or any other")
        self.must(counted, self.count - counted <= 10_000, "no head counts it, nor 10,000 records behind it")
        self.must(self.late, not self.late, "only what precedes the first head of a run stands behind a `stop`")
        self.must(self.covered, self.covered >= self.pruned, "it is pruned, and no record under a head says so")
        if self.kind == "stop" and self.open or has_wrong_tile(self.directory, self.leaves): self.has_gap = True

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
        must(self.n in (None, epoch.n - 1) and not self.announced and (epoch.n or not epoch.index), "they are in order")
        must(epoch.n or not self.logs or epoch.keys & self.logs, "the policy names a key of epoch 0")
        # Nobody came before epoch 0: it signs the head over its own announcement.
        self.n, self.announced, self.in_force = epoch.n, epoch, self.in_force if epoch.n else epoch

    def recall(self, count: int):
        """Takes a record that is pruned."""
        record, leaf = self.kept.get(count), b"".join(self.stored(count, count + 1))
        must(len(leaf) == 32 and (not record or record["leaf"] == leaf), "tiles have the hash of each, kept or not")
        self.push(record or {"kind": ""}, leaf)

    def push(self, record: dict, leaf: bytes):
        """Adds a record to the tree, after what it says of keys and of pruning."""
        must(record["kind"] == "key.rotate" or self.count, "the first record announces keys")
        if record["kind"] == "key.rotate": self.announce(read_epoch(record))
        start, end = pruned_by(record)
        self.ordered = max(self.ordered, end if start <= self.ordered else 0)
        self.before, self.tree = self.tree, self.tree and append(self.tree, leaf)
        self.leaf, self.count = leaf, self.count + 1
        self.leaves.append(leaf)

    def take(self, record: dict, following: dict | None):
        count, time, kind, follows = self.count, record["time"], record["kind"], self.leaf in (None, record["prev"])
        self.must(count if follows else min(record["i"], count), record["i"] == count, "a record says its own index")
        self.must(count, record["log"] == self.name, "a record says the name of its log")
        bad = count - (not follows and count > 0 and self.is_one_before(record, following))
        self.must(bad, follows, "a record has the hash of the one before it")
        self.must(count, not self.time or time >= self.time or kind == "clock.step", "time goes on")
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
        self.push(record, record["leaf"])
        if self.last == "stop" and kind not in BEHIND_STOP: self.late = self.late or count
        self.time, self.kind = time, kind

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
            if part == "pin" and (not self.tree or head.size <= self.first): continue
            if part == "checkpoints" and head.root != root_of(self.tree): self.bad = self.first_changed(head)
            must(head.root == root_of(self.tree), "a head has the root of its leaves")
            if part == "checkpoints":
                must(signers(head, self.in_force.keys) == self.in_force.keys, "a head is signed with the keys in force")
                self.in_force, self.announced = self.announced or self.in_force, None
                self.newest, self.good, self.covered, self.last, self.late = head, self.tree, self.ordered, self.kind, 0
            elif part == "pin" or self.is_quorum(signers(head, self.witnesses)): self.anchored = self.time

    def stored(self, first: int, end: int) -> list[bytes]:
        """The leaf hashes of these records, if tiles have them all."""
        tiles = [tile(self.directory, 0, n) or b"" for n in range(first // 256, -(-end // 256))]
        hashes = [data[at : at + 32] for data in tiles if len(data) == 8192 for at in range(0, 8192, 32)]
        return hashes[first % 256 :][: end - first] if len(hashes) == 256 * len(tiles) else []

    def first_changed(self, head: Head) -> int:
        """Which of the records that a head counts, and the one before does not: tiles may have the hash it had."""
        size, hashes = self.good[0], self.stored(self.good[0], head.size)
        if self.first > 0 or root_of(reduce(append, hashes, self.good)) != head.root: return self.bad
        return next(size + at for at, one in enumerate(hashes) if one != self.leaves[size + at])

    def report(self, now: datetime | None) -> dict:
        code, fault = 1, None
        try:
            self.read()
            is_fresh = self.anchored and (now or self.time) - self.anchored <= timedelta(days=1)
            code = 5 if self.first or self.torn or not self.newest else 2 if self.has_gap else 0 if is_fresh else 3
        except BAD as error: fault = {"index": self.bad, "meaning": str(error)}
        root = self.newest.text.decode().split("\n")[2] if self.newest else None
        return {"exit": code, "log": self.name, "root": root, "fault": fault}

def answer(arguments: list[str]) -> dict:
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
    except (*BAD, OSError, StopIteration, getopt.GetoptError) as error:
        return {"exit": 4, "logs": [], "error": str(error)}

if __name__ == "__main__":
    for line in sys.stdin if sys.argv[1:] == ["-"] else [shlex.join(sys.argv[1:])]:
        print(json.dumps(said := answer(shlex.split(line))), flush=True)
    sys.exit(0 if sys.argv[1:] == ["-"] else said["exit"])
