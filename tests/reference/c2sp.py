"""What is no format of Yett's: the tree of RFC 6962, and notes, checkpoints, cosignatures, policies, proofs and tiles
of C2SP (c2sp.org), as far as docs/audit-format.md has to do with them. See verify_log.py."""

import base64, hashlib, re
from collections import namedtuple
from contextlib import suppress
from functools import reduce
from pathlib import Path
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa

ED25519, COSIGNATURE, ML_DSA_44 = b"\1", b"\4", b"\6"
LENGTHS = {ED25519: 33, COSIGNATURE: 33, ML_DSA_44: 1313}
NUMBER, NAME, ID = "(?:0|[1-9][0-9]{0,18})", r"[^\s+\x00-\x1f\x7f-\x9f]{1,255}", "[0-9a-f]{8}"
HEAD = re.compile(rf"(([^\x00-\x1f]{{1,255}})\n({NUMBER})\n(\S{{44}})\n)(?:\n((?:\u2014 {NAME} \S+\n){{1,100}}))?")
PROOF = re.compile(rf"extra (\S*)\nindex ({NUMBER})\n((?:\S+\n)*)\n((?s:.*))")
Key = namedtuple("Key", "name id body")
Head = namedtuple("Head", "text name size root signatures")

def must(holds, rule: str):
    if not holds: raise ValueError(rule)

def sha(*parts: bytes) -> bytes: return hashlib.sha256(b"".join(parts)).digest()

def node(left: bytes, right: bytes) -> bytes: return sha(b"\1", left, right)

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

def read_key(text: str, *kinds: bytes) -> Key:
    name, id, body = re.fullmatch(rf"({NAME})\+({ID})\+(.*)", text).groups()
    key = Key(name, bytes.fromhex(id), unbase64(body))
    must(sha(name.encode(), b"\n", key.body)[:4] == key.id, "the id of a key follows from it")
    must(key.body[:1] in kinds and len(key.body) == LENGTHS[key.body[:1]], "a key is of a type that can sign here")
    return key

def read_head(note: bytes) -> Head:
    """A note, or its text alone."""
    text, name, size, root, lines = HEAD.fullmatch(note.decode()).groups()
    signatures = [(name, unbase64(data)) for name, data in re.findall(r"\u2014 (\S+) (\S+)\n", lines or "")]
    must(int(size) < 2**63 and len(name.encode()) < 256 and all(data[4:] for _, data in signatures), "a head is sound")
    return Head(text.encode(), name, int(size), unbase64(root), signatures)

def read_proof(text: str) -> tuple[bytes, int, list[bytes], Head]:
    """A tlog-proof behind its first line: what it is extra about, the index, the path to the root, and the head."""
    extra, index, path, note = PROOF.fullmatch(text).groups()
    return unbase64(extra), int(index), list(map(unbase64, path.split())), read_head(note.encode())

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

def contents(path: Path) -> bytes | None: return path.read_bytes() if path.is_file() else None

def tile(log: Path, level: int, n: int) -> bytes | None:
    *above, last = f"{n:,}".split(",")
    return contents(log.joinpath("tile", str(level), *(f"x{part:0>3}" for part in above), f"{last:0>3}"))

def has_wrong_tile(log: Path, hashes: list[bytes], level: int = 0) -> bool:
    right = [b"".join(hashes[at : at + 256]) for at in range(0, len(hashes) - 255, 256)]
    if any(tile(log, level, n) not in (None, data) for n, data in enumerate(right)): return True
    for _ in range(8): hashes = [node(*pair) for pair in zip(hashes[::2], hashes[1::2])]
    return len(hashes) > 0 and has_wrong_tile(log, hashes, level + 1)
