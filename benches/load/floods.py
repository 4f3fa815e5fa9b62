#!/usr/bin/env python3
"""What does each kind of flood cost the gateway, and a well-behaved caller beside it? And what is left at five times the peak?

  benches/load/floods.py [--seconds 10] [--only slow_heads,hung] [--yett target/dist/yett] [--no-goodput]

For each flood: resident memory before, at its worst and after; p50 and p99 of a healthy client (50 calls/s on a connection of its own)
before and during; what the flood was answered. Goals: memory grows by at most 32 MiB for each flood, the healthy p99 by at most 20 %
(the flood itself runs in Python on the same cores, so that latency is an upper bound; `--flood-rate` bounds it), goodput at five
times the peak at least 90 % of it. Limits are the defaults: the flood comes from `--peers` addresses beside the healthy client's, each of which
may hold 200 connections. A fresh gateway for each flood. Ends 0 if the memory and goodput goals hold.
"""
import argparse, asyncio, json, multiprocessing, os, pathlib, ssl, struct, subprocess, sys, tempfile, time
from lab import Client, Gateway, Upstream, binary, quantile, request

HERE = pathlib.Path(__file__).resolve().parent
BIG = {f"text{number}": "stock row, nothing secret in it; " * 31000 for number in range(3)}


async def healthy(lab, key, seconds):
    """Latencies in ms of 50 calls/s, and how many failed."""
    client, took, failed, due, end = Client(lab.port), [], 0, time.monotonic(), time.monotonic() + seconds
    while time.monotonic() < end:
        due += 0.02
        await asyncio.sleep(max(0, due - time.monotonic()))
        begin = time.monotonic()
        try:
            status, _ = await asyncio.wait_for(client.call(request(key, "get_fast")), 10)
            failed += status != 200
        except (OSError, EOFError, asyncio.TimeoutError):
            failed += 1
            client.close()
        took.append(1000 * (time.monotonic() - begin))
    client.close()
    return took, failed


class Flood:
    """What a flood does until `end`; `answers` counts what comes back."""

    def __init__(self, lab, keys, end, a):
        self.lab, self.keys, self.end, self.rate, self.peers, self.answers = lab, keys, end, a.flood_rate, a.peers, {}

    def client(self, number):
        return Client(self.lab.port, f"127.0.0.{2 + number % self.peers}")

    def count(self, what):
        self.answers[what] = self.answers.get(what, 0) + 1

    async def repeat(self, workers, message):
        """Requests on keep-alive connections, `rate` a second in all."""
        async def one(number):
            client, pause = self.client(number), workers / self.rate
            while time.monotonic() < self.end:
                due = time.monotonic() + pause
                try:
                    self.count((await asyncio.wait_for(client.call(message), 15))[0])
                except (OSError, EOFError, asyncio.TimeoutError) as error:
                    self.count(type(error).__name__)
                    client.close()
                await asyncio.sleep(max(0, due - time.monotonic()))
            client.close()
        await asyncio.gather(*[one(number) for number in range(workers)])

    async def hold(self, connections, message, read_head):
        """Connections that send `message` and then a byte a second, or nothing, and read nothing more."""
        async def one(number):
            client = self.client(number)
            await asyncio.sleep(number / 500)
            try:
                await client.send(message)
                client.writer.transport.pause_reading()
                while time.monotonic() < self.end and not client.writer.is_closing():
                    if not read_head:
                        client.writer.write(b"x")
                    await asyncio.sleep(1)
                self.count("held to the end" if time.monotonic() >= self.end else "closed")
            except OSError as error:
                self.count(type(error).__name__)
            client.close()
        await asyncio.gather(*[one(number) for number in range(connections)])

    async def unauthenticated(self):
        await self.repeat(50, request("yett_nobody", "get_fast"))

    async def malformed(self):
        await self.repeat(50, request(self.keys["flood"], "get_fast", body=b'[{"jsonrpc":"2.0","id":1}]'))

    async def rate_limited(self):
        await self.repeat(50, request(self.keys["flood"], "get_fast"))

    async def big_bodies(self):
        await self.repeat(20, request(self.keys["flood"], "get_fast", extra=BIG))

    async def slow_heads(self):
        await self.hold(200 * self.peers, (b"POST /mcp/crm HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nX: ", b""), False)

    async def slow_bodies(self):
        head, body = request(self.keys["flood"], "get_fast", extra={"text": "x" * 100_000})
        await self.hold(200 * self.peers, (head, body[:50_000]), False)

    async def slow_readers(self):
        await self.hold(200 * self.peers, request(self.keys["flood"], "get_big"), True)

    async def hung(self):
        await self.repeat(200 * self.peers, request(self.keys["flood"], "get_hung", server="hung"))

    async def connections(self):
        async def one(number):
            while time.monotonic() < self.end:
                try:
                    client = self.client(number)
                    await client.open()
                    client.close()
                    self.count("opened")
                except OSError as error:
                    self.count(type(error).__name__)
                await asyncio.sleep(20 / self.rate)
        await asyncio.gather(*[one(number) for number in range(20)])

    async def resets(self):
        """The same in a process that gets only what others leave of one core: its TLS and its frames are the attacker's to pay, on another machine."""
        ours, theirs = multiprocessing.Pipe(False)

        def apart():
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            asyncio.run(self.reset_all())
            theirs.send(self.answers)
        process = multiprocessing.get_context("fork").Process(target=apart)
        process.start()
        self.answers = await asyncio.to_thread(ours.recv)
        await asyncio.to_thread(process.join)

    async def reset_all(self):
        """Rapid reset over HTTP/2, forty times the rate: a request and its RST_STREAM, until the connection is ended; then the next."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        frame = lambda kind, flags, stream, payload: struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload
        text = lambda value: struct.pack(">B", len(value)) + value if len(value) < 127 else struct.pack(">BB", 127, len(value) - 127) + value
        head, _ = request(self.keys["flood"], "get_fast")
        lines = [line.split(b": ", 1) for line in head.split(b"\r\n")[2:] if line and not line.startswith(b"Content-Length")]
        authority = b"127.0.0.1:%d" % self.lab.tls_port
        fields = [[b":method", b"POST"], [b":scheme", b"https"], [b":path", b"/mcp/crm"], [b":authority", authority], *lines]
        block = b"".join(b"\0" + text(name.lower()) + text(value) for name, value in fields)
        pair = lambda stream: frame(1, 4, stream, block) + frame(3, 0, stream, struct.pack(">I", 8))

        async def one(number):
            while time.monotonic() < self.end:
                due = time.monotonic() + 1000 / (40 * self.rate / 4)
                try:
                    local = (f"127.0.0.{2 + number % self.peers}", 0)
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.lab.tls_port, ssl=context, local_addr=local)
                    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + b"".join(pair(2 * n + 1) for n in range(1000)))
                    came = await asyncio.wait_for(reader.read(), 15)
                    goaway = frame(7, 0, 0, bytes(8))[:4]
                    self.count("calmed" if goaway in came and came.rstrip(b"\0")[-1] == 11 else "ended")
                    writer.close()
                except (OSError, EOFError, asyncio.TimeoutError) as error:
                    self.count(type(error).__name__)
                await asyncio.sleep(max(0, due - time.monotonic()))
        await asyncio.gather(*[one(number) for number in range(4)])


FLOODS = ["unauthenticated", "malformed", "rate_limited", "big_bodies", "slow_heads", "slow_bodies", "slow_readers", "hung", "connections", "resets"]


async def peak_of(lab, end):
    worst = 0
    while time.monotonic() < end:
        worst = max(worst, lab.status("VmRSS") / 1024)
        await asyncio.sleep(0.2)
    return worst


async def measure(name, a, upstream):
    lab = Gateway(binary(a.yett), upstream.port, rate="200/s", burst=200)
    keys = {who: lab.key(who) for who in ("healthy", "flood")}
    if name == "resets":
        lab.add_tls()
    lab.start()
    try:
        await healthy(lab, keys["healthy"], 2)
        calm, _ = await healthy(lab, keys["healthy"], a.seconds)
        before = lab.status("VmRSS") / 1024
        end = time.monotonic() + a.seconds
        flood = Flood(lab, keys, end, a)
        _, (beside, failed), worst = await asyncio.gather(getattr(flood, name)(), healthy(lab, keys["healthy"], a.seconds), peak_of(lab, end))
        await asyncio.sleep(2)
        after = lab.status("VmRSS") / 1024
        code = await asyncio.to_thread(lab.stop)
        verified = await asyncio.to_thread(lab.verify)
    finally:
        lab.kill()
    grown = worst - before
    ok = grown <= 32 and failed == 0 and code == 0 and verified.returncode == 0
    print(f"{'ok  ' if ok else 'FAIL'} {name:16} memory {before:6.1f} MiB, worst {grown:+6.1f}, after {after - before:+6.1f}   healthy p50 "
          f"{quantile(calm, 0.5):5.1f} -> {quantile(beside, 0.5):5.1f} ms, p99 {quantile(calm, 0.99):5.1f} -> {quantile(beside, 0.99):5.1f} ms, "
          f"failed {failed}   flood {flood.answers}   stop {code}, verify {verified.returncode}", flush=True)
    return ok


def goodput(a):
    """Peak with 64 connections, then five times as much offered by 320, both by the Rust load generator."""
    bins = HERE / "target/release"
    if not (bins / "mcp-load").exists():
        print("no goodput: cargo build --release in benches/load first")
        return True
    stub = subprocess.Popen([str(bins / "mcp-upstream"), "--listen", "127.0.0.1:9001", "--sessions", "no"])
    lab = Gateway(binary(a.yett), 9001, durability="response")
    config = lab.path / "yett.yaml"
    config.write_text(config.read_text().replace("limits: { requests", "limits: { connections_per_peer: 1000, requests"))
    policy = lab.path / "policies/p.yaml"
    policy.write_text(policy.read_text().replace('"get_*"', '"get_*", "tool_*"'))
    try:
        (lab.path / "token").write_text(lab.key("load"))
        lab.start()

        def load(connections, rate):
            done = subprocess.run([str(bins / "mcp-load"), "--url", f"http://127.0.0.1:{lab.port}/mcp/crm", "--era", "modern", "--bearer-file",
                                   str(lab.path / "token"), "--connections", str(connections), "--warmup", "2", "--seconds", str(a.seconds),
                                   "--rate", str(rate)], capture_output=True, text=True)
            return json.loads(done.stdout)

        peak = load(64, 0)
        # Five times the connections, each asking again as soon as it is answered: at least five times the peak is offered.
        over = load(320, round(5 * peak["rps"]))
        share = over["rps"] / max(1, peak["rps"])
        again = load(64, 0)
        ok = share >= 0.9
        print(f"{'ok  ' if ok else 'FAIL'} goodput          peak {peak['rps']:.0f}/s (p99 {peak['p99_ms']} ms), at five times {over['rps']:.0f}/s ({share:.0%}), "
              f"refused {over['errors']} ({over['first_error']}), afterwards {again['rps']:.0f}/s")
        return ok
    finally:
        if hasattr(lab, "process"):
            lab.kill()
        stub.kill()


async def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--seconds", type=float, default=10)
    ap.add_argument("--flood-rate", type=float, default=500, help="requests or connections a second of a flood")
    ap.add_argument("--peers", type=int, default=1, help="addresses that the flood comes from")
    ap.add_argument("--only", help="names, with commas: " + ", ".join(FLOODS))
    ap.add_argument("--no-goodput", action="store_true")
    ap.add_argument("--yett")
    a = ap.parse_args()
    upstream = await Upstream().start()
    good = True
    for name in a.only.split(",") if a.only else FLOODS:
        good &= await measure(name, a, upstream)
    if not a.no_goodput:
        good &= goodput(a)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    asyncio.run(main())
