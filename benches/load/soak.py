#!/usr/bin/env python3
"""Does the gateway stay as it is under half an hour of mixed traffic? Memory, descriptors, threads, connections, latency, the log.

  benches/load/soak.py [--seconds 1800] [--rate 200] [--every 5] [--yett target/dist/yett]

Traffic, all at once and for the whole time: calls (fast, slow, streamed, masked), calls that no role allows, 401s, malformed bodies,
callers who leave in the middle, slow senders, and subscriptions that are opened and left. Ends 0 if, after a warm-up of a fifth of
the time, memory grows by at most 1 MiB/h (a short run cannot show that: it says how sure it is), descriptors and threads come back
to where they were, no place at a server is lost, p99 of the last third is at most 10 % above that of the first, the gateway stops
in order, and `audit verify` passes. Python stands on the same machine: latency is for comparison within one run only.
"""
import argparse, asyncio, random, sys, time
from lab import Client, Gateway, Upstream, binary, quantile, request, slope


async def caller(lab, keys, state, number, end, pause):
    """One connection with mixed traffic."""
    rng, client = random.Random(number), Client(lab.port)
    good, denied = keys["good"][number % len(keys["good"])], keys["good"][0]
    kinds = [("fast", 10), ("slow", 2), ("stream", 3), ("denied", 2), ("401", 2), ("malformed", 1), ("leave", 1), ("listen", 1), ("dawdle", 1)]
    names = [name for name, weight in kinds for _ in range(weight)]
    await asyncio.sleep(pause * rng.random())
    while time.monotonic() < end:
        due, kind = time.monotonic() + pause, rng.choice(names)
        try:
            status, expected = await asyncio.wait_for(act(client, kind, good, denied, state), 30)
            state["count"][kind] = state["count"].get(kind, 0) + 1
            if status != expected:
                state["odd"][f"{kind}: {status}"] = state["odd"].get(f"{kind}: {status}", 0) + 1
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
            state["odd"][f"{kind}: {type(error).__name__}"] = state["odd"].get(f"{kind}: {type(error).__name__}", 0) + 1
            client.close()
        await asyncio.sleep(max(0, due - time.monotonic()))
    client.close()


async def act(client, kind, good, denied, state):
    """One exchange; gives the status that came and the one that should."""
    begin = time.monotonic()
    if kind in ("fast", "slow", "stream"):
        status, _ = await client.call(request(good, f"get_{kind}"))
        if kind == "fast":
            state["latency"].append((begin, time.monotonic() - begin))
        return status, 200
    if kind == "denied":
        return (await client.call(request(denied, "delete_all")))[0], 200
    if kind == "401":
        return (await client.call(request("yett_nobody", "get_fast")))[0], 401
    if kind == "malformed":
        return (await client.call(request(good, "get_fast", body=b'[{"jsonrpc":"2.0"}]')))[0], 400
    if kind == "leave":
        await client.send(request(good, "get_slow"))
        client.close()
        return 0, 0
    if kind == "listen":
        await client.send(request(good, "", method="subscriptions/listen", extra={"notifications": {"toolsListChanged": True}}))
        status, _ = await client.head()
        await asyncio.sleep(2)
        client.close()
        return status, 200
    # A body that comes in pieces.
    head, body = request(good, "get_fast", extra={"text": "x" * 2000})
    await client.send((head, body[:1000]))
    await asyncio.sleep(0.5)
    await client.send((b"", body[1000:]))
    status, fields = await client.head()
    await client.reader.readexactly(int(fields.get(b"content-length", b"0")))
    return status, 200


async def watch(lab, samples, end, every):
    begin = time.monotonic()
    while time.monotonic() < end:
        sample = await asyncio.to_thread(lab.sample)
        sample["at"] = time.monotonic() - begin
        samples.append(sample)
        gauges = sample["gauges"]
        print(f"{sample['at']:6.0f} s  {sample['rss']:7.1f} MiB  {sample['fds']:4} fds  {sample['threads']:3} threads  "
              f"{gauges.get('yett_connections', 0):.0f} connections", flush=True)
        await asyncio.sleep(every)


async def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--seconds", type=float, default=1800)
    ap.add_argument("--rate", type=float, default=200, help="exchanges a second, in all")
    ap.add_argument("--connections", type=int, default=40)
    ap.add_argument("--every", type=float, default=5, help="seconds between samples")
    ap.add_argument("--yett")
    a = ap.parse_args()
    upstream = await Upstream().start()
    lab = Gateway(binary(a.yett), upstream.port)
    keys = {"good": [lab.key(f"caller-{number}") for number in range(8)]}
    lab.start()
    state, samples = {"count": {}, "odd": {}, "latency": []}, []
    try:
        before = lab.sample()
        end = time.monotonic() + a.seconds
        pause = a.connections / a.rate
        work = [caller(lab, keys, state, number, end, pause) for number in range(a.connections)]
        await asyncio.gather(watch(lab, samples, end, a.every), *work)
        # Idle connections to servers are closed after half a minute, at the next sweep.
        after, quiet_by = lab.sample(), time.monotonic() + 120
        while (after["fds"] > before["fds"] + 2 or any(held(after).values())) and time.monotonic() < quiet_by:
            await asyncio.sleep(2)
            after = await asyncio.to_thread(lab.sample)
        code = await asyncio.to_thread(lab.stop)
        verified = await asyncio.to_thread(lab.verify)
    finally:
        lab.kill()
    raise SystemExit(report(a, before, after, samples, state, code, verified))


def held(sample):
    """Gauges that are zero when nobody is there."""
    return {name: value for name, value in sample["gauges"].items() if "in_flight" in name or "waiting" in name or name == "yett_connections"}


def report(a, before, after, samples, state, code, verified):
    warm = [sample for sample in samples if sample["at"] >= a.seconds / 5]
    memory, error = slope([(sample["at"] / 3600, sample["rss"]) for sample in warm])
    begin = state["latency"][0][0] if state["latency"] else 0
    third = lambda low, high: [1000 * took for at, took in state["latency"] if low <= (at - begin) / a.seconds < high]
    first, last = third(0.2, 0.467), third(0.733, 1.01)
    drift = quantile(last, 0.99) / quantile(first, 0.99) - 1 if first and last else float("nan")
    print(f"\nexchanges: {state['count']}\nother than expected: {state['odd'] or 'none'}")
    print(f"memory: {warm[0]['rss'] if warm else 0:.1f} MiB after warm-up, {samples[-1]['rss']:.1f} at the end; slope {memory:+.2f} MiB/h, "
          f"standard error {error:.2f}")
    print(f"fast calls: p50 {quantile(last, 0.5):.1f} ms, p99 {quantile(first, 0.99):.1f} ms in the first third, {quantile(last, 0.99):.1f} in the last ({drift:+.0%})")
    print(f"descriptors {before['fds']} -> {after['fds']}, threads {before['threads']} -> {after['threads']}, still held: {held(after)}")
    print(f"stop: exit {code}; {verified.stdout.strip()}")
    checks = {
        "memory grows by at most 1 MiB/h, as far as this run can tell": not memory - 2 * error > 1,
        "descriptors come back": after["fds"] <= before["fds"] + 2,
        "threads stay": after["threads"] <= max(before["threads"], warm[0]["threads"] if warm else 0) + 1,
        "nothing is held": not any(held(after).values()),
        "p99 drifts by at most 10 %": not drift > 0.1,
        "answers are as expected": sum(state["odd"].values()) <= sum(state["count"].values()) / 1000,
        "it stops in order": code == 0,
        "the log verifies": verified.returncode == 0,
    }
    for what, holds in checks.items():
        print(f"{'ok  ' if holds else 'FAIL'}  {what}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=True)
    asyncio.run(main())
