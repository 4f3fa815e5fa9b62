#!/usr/bin/env python3
"""How much of a core do hashing and signing take at 1,000 calls a second? Everything on, `strict` audit, as in measure.py.

  benches/load/hashing.py [--rate 1000] [--seconds 15] [--yett BINARY]

Counts the samples of `perf` in SHA-2, HMAC, Ed25519 and the curve's arithmetic, whoever asked for them (records, tree, heads, commitments,
tokens), over the CPU time that the gateway spent meanwhile. Needs perf and a binary with symbols:
`CARGO_PROFILE_DIST_STRIP=none cargo build --profile dist`, `cargo build --release` in benches/load, node.
"""
import argparse, json, os, pathlib, re, subprocess, sys, tempfile, time

from measure import HERE, ROOT, prepare

CRYPTO = re.compile(r"sha(256|512)|hmac|digest|ed25519|x25519|curve25519|edwards|fiat_25519|sc_(reduce|muladd)", re.IGNORECASE)


def find(argument: str) -> int:
    """The process that was started with that argument."""
    for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument in entry.read_bytes().decode(errors="replace").split("\0"):
                return int(entry.parent.name)
        except OSError:
            continue
    return 0


def ticks(pid: int) -> int:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rate", type=float, default=1000)
    ap.add_argument("--seconds", type=float, default=15)
    ap.add_argument("--yett", default=str(ROOT / "target/dist/yett"))
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        d = pathlib.Path(tmp)
        config = prepare(d, a.yett, a.rate)
        config["cases"] = [case for case in config["cases"] if case["name"] == "yett strict"]
        config["processes"] = {name: config["processes"][name] for name in ["upstream", "yett-strict"]}
        config["baseline"] = "yett strict"
        (d / "compare.json").write_text(json.dumps(config))
        load = subprocess.Popen([sys.executable, str(HERE / "compare.py"), str(d / "compare.json"),
                                 "--rounds", "1", "--seconds", str(a.seconds + 4)])
        pid = 0
        while not pid and load.poll() is None:
            pid = find(str(d / "yett-strict.yaml"))
            time.sleep(0.1)
        time.sleep(4)  # past the warm-up
        before, began = ticks(pid), time.monotonic()
        subprocess.run(["perf", "record", "-q", "-F", "1999", "-p", str(pid), "-o", str(d / "perf.data"), "--", "sleep", str(a.seconds)],
                       check=True)
        cores = (ticks(pid) - before) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - began)
        load.wait()
        report = subprocess.run(["perf", "report", "-i", str(d / "perf.data"), "--no-children", "-F", "overhead,sym"],
                                capture_output=True, text=True, check=True).stdout
    lines = [line.split("%", 1) for line in report.splitlines() if "%" in line and not line.startswith("#")]
    share = sum(float(percent) for percent, symbol in lines if CRYPTO.search(symbol)) / 100
    print(f"the gateway at {a.rate:.0f} calls/s: {cores * 100:.1f} % of a core")
    print(f"hashing and signing: {share * 100:.2f} % of that, {share * cores * 100:.2f} % of a core")


if __name__ == "__main__":
    main()
