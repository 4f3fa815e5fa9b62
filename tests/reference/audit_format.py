"""The formats of Yett's audit log, written from docs/audit-format.md alone. See verify_log.py."""

import base64
import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Iterator, NamedTuple

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
except ImportError:
    MLDSA44PublicKey = None

ED25519, COSIGNATURE, ML_DSA_44 = 1, 4, 6
FRAME_MAX = 16 * 1024

PART = r"[A-Za-z0-9:_\-\[\]][A-Za-z0-9.:_\-\[\]]{0,199}"
SHAPES = {
    "kind": re.compile(r"[a-z.]{1,32}"),
    "log": re.compile(f"{PART}/audit/{PART}"),
    "prev": re.compile(r"[0-9a-f]{64}"),
    "t": re.compile(r"(19[7-9]|[2-9]..)[0-9]-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3])(:[0-5][0-9]){2}\.[0-9]{6}Z"),
}
HEAD = re.compile(
    rb"(?P<text>(?P<name>[^\x00-\x1f]+)\n(?P<size>0|[1-9][0-9]{0,18})\n(?P<root>[A-Za-z0-9+/]{43}=)\n)"
    rb"(\n(?P<signatures>(\xe2\x80\x94 [^\x00-\x20+]+ [A-Za-z0-9+/]+=*\n){1,100}))?"
)
# Lines, an empty one, lines, an empty one: what stands between the heads of a file, whatever it says.
FRAME = re.compile(rb"([^\n]+\n)*\n(?:[^\n]+\n)*(?=\n)")


class Fault(Exception):
    """A broken rule, the first record that it makes bad, and how many records one has read when one comes upon it."""

    def __init__(self, index: int, meaning: str, at: int = 0):
        self.index, self.meaning, self.at = index, meaning, at


def parse(line: bytes) -> dict:
    """The record in a line. What has the one form comes out of a JSON writer as the bytes it was; no other does."""

    def members(pairs):
        keys = [key for key, _ in pairs]
        if any(a >= b for a, b in zip(keys, keys[1:])) or not re.fullmatch(r"[ !#-\[\]-~]*", "".join(keys)):
            raise ValueError("its keys are out of order, or not ASCII")
        return dict(pairs)

    def refuse(number):
        raise ValueError(f"{number} is no integer")

    def depth(value) -> int:
        if value is None or type(value) is int and abs(value) >= 2**53:
            raise ValueError(f"{value} has no place in it")
        inner = value.values() if type(value) is dict else value if type(value) is list else None
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    if len(line) > 16_384:
        raise ValueError("it is longer than 16,384 bytes")
    try:
        record = json.loads(line.decode(), object_pairs_hook=members, parse_float=refuse, parse_constant=refuse)
        nested = depth(record)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    if type(record) is not dict or nested > 8:
        raise ValueError("it is no object, or nested too deep")
    if json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() != line:
        raise ValueError("it is not in the one form")
    for key, shape in SHAPES.items():
        if type(record.get(key)) is not str or not shape.fullmatch(record[key]):
            raise ValueError(f"its member {key} is not as it must be")
    if [type(record.get(key)) for key in "iv"] != [int, int] or record["i"] < 0 or record["v"] != 1:
        raise ValueError("its member i or v is not as it must be")
    record["time"] = datetime.fromisoformat(record["t"][:-1])
    return record


def is_one_batch(torn: bytes) -> bool:
    times = set()
    for line in torn.split(b"\n")[:-1]:
        try:
            times.add(parse(line)["t"])
        except ValueError:
            pass
    return len(times) <= 1 and len(torn) <= 1_081_344


def lines(segments: list[Path]) -> Iterator[bytes | bool | Fault]:
    """All lines; at last how they end: in a fault, or whether something is torn."""
    count, torn = int(segments[0].stem) if segments else 0, False
    for path in segments:
        if int(path.stem) != count:
            yield Fault(count, f"the segment {path.name} does not follow the one before it")
        data, at = path.read_bytes(), 0
        while (end := data.find(b"\n", at)) >= 0 and b"\0" not in data[at:end]:
            yield data[at:end]
            count, at = count + 1, end + 1
        rest = data[at:]
        torn = rest.rstrip(b"\0") != b""
        if len(re.match(rb"[^\0\n]*", rest)[0]) >= 65_536:
            yield Fault(count, "its line does not end")
        if rest and path is not segments[-1]:
            yield Fault(count, f"behind it the segment {path.name} is torn, and not the last")
        if not is_one_batch(rest.rstrip(b"\0")):
            yield Fault(count, "what is torn there is more than one batch")
    yield torn


def leaf_hash(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def append(frontier: list[bytes], count: int, leaf: bytes) -> list[bytes]:
    """The frontier of `count + 1` leaves, from that of `count`."""
    longer = [*frontier, leaf]
    while count & 1:
        longer[-2:] = [node(*longer[-2:])]
        count >>= 1
    return longer


def root_of(frontier: list[bytes]) -> bytes:
    *before, root = frontier or [hashlib.sha256(b"").digest()]
    for left in reversed(before):
        root = node(left, root)
    return root


def has_wrong_tile(directory: Path, hashes: list[bytes]) -> bool:
    for level in range(8):
        for tile in (directory / str(level)).rglob("[0-9][0-9][0-9]"):
            at = 256 * int("".join(tile.relative_to(directory / str(level)).parts).replace("x", ""))
            if len(hashes) < at + 256 or tile.read_bytes() != b"".join(hashes[at : at + 256]):
                return True
        for _ in range(8):
            hashes = [node(*pair) for pair in zip(hashes[::2], hashes[1::2])]
    return False


class Key(NamedTuple):
    name: str
    id: bytes
    type: int
    raw: bytes


class Head(NamedTuple):
    text: bytes
    name: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes]]


def unbase64(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("its base64 is not canonical")
    return data


def read_key(text: str) -> Key:
    name, id, rest = text.split("+", 2)
    body = unbase64(rest)
    if hashlib.sha256(name.encode() + b"\n" + body).digest()[:4].hex() != id:
        raise ValueError("a verifier key has another id")
    if len(body) != {ED25519: 33, COSIGNATURE: 33, ML_DSA_44: 1313}.get(body[0]):
        raise ValueError("a verifier key is of no type known")
    return Key(name, bytes.fromhex(id), body[0], body[1:])


def read_head(note: bytes) -> Head:
    """A note, or its text alone, without signatures."""
    match = HEAD.fullmatch(note)
    if not match:
        raise ValueError("it is no head")
    signed = [line.split(" ")[1:] for line in (match["signatures"] or b"").decode().split("\n")[:-1]]
    signatures = [(name, unbase64(signature)) for name, signature in signed]
    if any(len(signature) < 5 for _, signature in signatures):
        raise ValueError("a signature is too short")
    return Head(match["text"], match["name"].decode(), int(match["size"]), unbase64(match["root"].decode()), signatures)


def is_signed(head: Head, key: Key) -> bool:
    """Whether `head` has a good signature of `key`, and no bad one under its name and id."""
    own = [data[4:] for name, data in head.signatures if (name, data[:4]) == (key.name, key.id)]
    for signature in own:
        time, timed = signature[:8], signature[8:]
        try:
            if key.type == ED25519:
                Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, head.text)
            elif key.type == COSIGNATURE:
                text = b"cosignature/v1\ntime %d\n" % int.from_bytes(time, "big") + head.text
                Ed25519PublicKey.from_public_bytes(key.raw).verify(timed, text)
            elif MLDSA44PublicKey is not None:
                signer, origin = (bytes([len(name)]) + name for name in (key.name.encode(), head.name.encode()))
                tree = bytes(8) + head.size.to_bytes(8, "big") + head.root
                MLDSA44PublicKey.from_public_bytes(key.raw).verify(timed, b"subtree/v1\n\0" + signer + time + origin + tree)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
    return own != []


def files_of_heads(directory: Path) -> list[int]:
    """The records that name the files which have something in them, in order."""
    found = [path for path in directory.glob("*.notes") if re.fullmatch("[0-9]{13}", path.stem)]
    return sorted(int(path.stem) for path in found if path.stat().st_size > 0)


def first_name(segments: list[Path]) -> str:
    """The name that the first record gives the log, or nothing."""
    item = next(lines(segments[:1]))
    try:
        return parse(item)["log"]
    except (TypeError, ValueError):
        return "\u2014"


def read_heads(directory: Path, segments: list[int], name: str, least: int) -> tuple[list[Head], Fault | None]:
    """The heads that the files of some segments hold, without one that a crash has torn; and what there is that is none.
    Each counts `least` records more than the one before, or more."""
    heads = []
    files = [(first, directory / f"{first:013}.notes") for first in segments]
    files = [(first, path.read_bytes()) for first, path in files if path.exists()]
    for at, (first, rest) in enumerate(files):
        fault = Fault(first, "the heads of its segment begin with what cannot be one there", first)
        end = segments[segments.index(first) + 1 :][:1]
        while rest:
            frame = FRAME.match(rest[:FRAME_MAX])
            if not frame or b"\0" in frame[0]:
                is_newest = not any(later for _, later in files[at + 1 :])
                return heads, None if is_newest and b"\n" + name.encode() not in rest else fault
            try:
                head = read_head(frame[0])
            except ValueError:
                return heads, fault
            if head.size < max(first + 1, heads[-1].size + least if heads else 0) or end and head.size > end[0]:
                return heads, fault
            heads.append(head)
            rest = rest[frame.end() + 1 :]
            fault = Fault(head.size - 1, "behind the head that counts it comes what cannot be one there", head.size)
    return heads, None


class Trust:
    """What an auditor knows from elsewhere: a policy, pins and the time."""

    def __init__(self, policy: str, pins: list[bytes], now: str | None):
        self.logs, self.members, self.quorum = [], {}, "none"
        self.pins = list(map(read_head, pins))
        self.now = datetime.fromisoformat(now.removesuffix("Z")) if now else None
        for line in policy.split("\n"):
            match line.split():
                case ["log", key, *_]:
                    self.logs.append(read_key(key))
                case ["witness", name, key, *_]:
                    self.members[name] = read_key(key)
                case ["group", name, threshold, *names] if set(names) <= set(self.members):
                    least = {"any": 1, "all": len(names)}.get(threshold)
                    self.members[name] = least or int(threshold), names
                case ["quorum", name] if name == "none" or name in self.members:
                    self.quorum = name
                case [word, *_] if not word.startswith("#"):
                    raise ValueError(f"a policy has no line like this: {line}")

    def is_witnessed(self, head: Head, by: str | None = None) -> bool:
        """Whether those who signed `head` make the quorum. A quorum of none confirms nothing."""
        match self.members.get(by or self.quorum):
            case Key() as key:
                return is_signed(head, key)
            case (least, names):
                return sum(self.is_witnessed(head, name) for name in names) >= least
        return False
