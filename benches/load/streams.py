#!/usr/bin/env python3
"""What does a session cost that does nothing, and what a stream on which nothing comes? Resident memory, as growth over the idle process.

  benches/load/streams.py [--number 1000] [--yett target/dist/yett]

One after the other, and all of it stays: sessions of 2025-11-25 after their handshake (goal: at most 40 KiB each), streams of
`subscriptions/listen` (2026-07-28), and push streams (GET) of those sessions (goal: at most 64 KiB each, which is both sockets of it, the
client's and the server's; what the kernel keeps of them is not in it). Before each is counted, some of its kind are opened and closed, so
that what is made once is there. Each stream has brought one event. Ends 0 if the goals are kept, nothing was refused, and the gateway
stops in order with a log that verifies.
"""
import argparse, asyncio, json, resource, sys
from lab import Client, Gateway, Upstream, binary, request

LIMITS = "limits: { streams: 100000 }"
PEERS = 100  # connections of one address: a listener takes 200
EVENT = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
NOTE = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'


class Quiet(Upstream):
    """Sessions without end, and streams that bring one event and then nothing."""

    def __init__(self):
        self.sessions = 0

    async def answer(self, message, writer):
        method, ident = message.get("method", "GET"), json.dumps(message.get("id"))
        if method in ("GET", "subscriptions/listen"):
            writer.write(EVENT + b"%x\r\n%b\r\n" % (len(NOTE), NOTE))
            await writer.drain()
            await asyncio.sleep(86400)
        if method.startswith("notifications/"):
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
            return await writer.drain()
        self.sessions += 1
        result = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "quiet", "version": "1"}}
        body = ('{"jsonrpc":"2.0","id":%s,"result":%s}' % (ident, json.dumps(result))).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: {self.sessions:032x}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()


def legacy(token, message, session=None):
    """The bytes of a POST of 2025-11-25; without a message those of a GET."""
    method, body = ("POST", json.dumps(message).encode()) if message else ("GET", b"")
    more = f"Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 2025-11-25\r\n" if session else ""
    kind = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if message else ""
    head = (f"{method} /mcp/crm HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAuthorization: Bearer {token}\r\n"
            f"Accept: application/json, text/event-stream\r\n{kind}{more}\r\n")
    return head.encode(), body


async def shake(client, token):
    """A session; gives its id."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "streams", "version": "1"}}
    await client.send(legacy(token, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}))
    status, fields = await client.head()
    await client.reader.readexactly(int(fields[b"content-length"]))
    # Header values are lower case here, and ids are not.
    session = client.raw[b"mcp-session-id"].decode()
    done, _ = await client.call(legacy(token, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session))
    assert (status, done) == (200, 202), (status, done)
    return session


class Exact(Client):
    """Keeps header values as they came."""

    async def head(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.raw = {name.lower(): value for name, value in (line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)}
        return int(head[9:12]), {name: value.lower() for name, value in self.raw.items()}


async def open_stream(lab, number, message):
    """A stream that has brought its event; gives its connection."""
    client = Exact(lab.port, f"127.0.1.{1 + number // PEERS}")
    await client.send(message)
    status, _ = await client.head()
    assert status == 200, status
    while b"list_changed" not in await client.reader.readuntil(b"\n\n"):
        pass
    return client


async def in_turn(number, work):
    """So many, a few at a time."""
    done = []
    for first in range(0, number, 20):
        done += await asyncio.gather(*(work(each) for each in range(first, min(number, first + 20))))
    return done


async def settled(lab):
    """Resident memory in KiB once it has come to rest."""
    await asyncio.sleep(3)
    return await asyncio.to_thread(lab.status, "VmRSS")


async def sessions(lab, keys, number):
    client, made = Exact(lab.port), []
    for each in range(number):
        made.append(await shake(client, keys[each % len(keys)]))
    client.close()
    return made


async def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--number", type=int, default=1000, help="sessions, and streams of each kind")
    ap.add_argument("--yett")
    a = ap.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    upstream = await Quiet().start()
    lab = Gateway(binary(a.yett), upstream.port)
    config = lab.path / "yett.yaml"
    config.write_text(config.read_text().replace("timeout: 10s }", f"timeout: 10s, {LIMITS} }}"))
    # One caller has three quarters of the streams of a server, and a thousand sessions at most.
    keys = [lab.key(f"caller-{number}") for number in range(8)]
    wanted = {"notifications": {"toolsListChanged": True}}
    listen = lambda each: request(keys[each % len(keys)], "", method="subscriptions/listen", extra=wanted)
    lab.start()
    try:
        ids = await sessions(lab, keys, 50)
        idle = await settled(lab)
        print(f"idle: {idle / 1024:.1f} MiB")
        made = await sessions(lab, keys, a.number)
        with_sessions = await settled(lab)
        warm = await in_turn(50, lambda each: open_stream(lab, each, listen(each)))
        warm += await in_turn(50, lambda each: open_stream(lab, each, legacy(keys[each % len(keys)], None, ids[each])))
        for client in warm:
            client.close()
        before = await settled(lab)
        listens = await in_turn(a.number, lambda each: open_stream(lab, each, listen(each)))
        with_listens = await settled(lab)
        push = lambda each: legacy(keys[each % len(keys)], None, made[each])
        pushes = await in_turn(a.number, lambda each: open_stream(lab, a.number + each, push(each)))
        with_pushes = await settled(lab)
        at_once = lab.sample()
        for client in listens + pushes:
            client.close()
        left = await settled(lab)
        code = await asyncio.to_thread(lab.stop)
        verified = await asyncio.to_thread(lab.verify)
    finally:
        lab.kill()
    costs = [("session", with_sessions - idle, 40), ("listen stream", with_listens - before, 64), ("push stream", with_pushes - with_listens, 64)]
    for what, grown, goal in costs:
        print(f"{what:14} {grown / a.number:6.1f} KiB each, goal {goal}: {a.number} of them {grown / 1024:.1f} MiB")
    print(f"all open: {at_once['rss']:.1f} MiB, {at_once['fds']} fds; all closed: {left / 1024:.1f} MiB; stop: exit {code}")
    checks = {f"a {what} costs at most {goal} KiB": grown <= goal * a.number for what, grown, goal in costs}
    checks |= {"it stops in order": code == 0, "the log verifies": verified.returncode == 0}
    for what, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'}  {what}")
    raise SystemExit(0 if all(checks.values()) else 1)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    asyncio.run(main())
