#!/usr/bin/env python3
"""CPU per request of Yett's whole chain, as a ratio to nginx's proxy_pass in the same run.

  benches/load/measure.py [--rounds 3] [--seconds 8] [--rate 0]

Columns: the stub server alone, nginx (2 workers, keep-alive on both sides), a bare hyper proxy that reads both bodies, and Yett
with everything on (JWT, roles, a rate limit, injection scan, DLP) in `response` and in `strict` audit. One `tools/call` of 1 KiB,
a reply of about 1.3 KiB. Needs: `cargo build --profile dist`, `cargo build --release` in benches/load, nginx, node.
"""
import argparse, json, pathlib, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POLICY = """version: 1
roles:
  support: { allow: [ { servers: [stub], tools: ["tool_*", "get_*", "search_*"], prompts: ["*"] } ] }
bindings: [ { role: support, groups: [support] } ]
limits: [ { name: per-user, per: [subject], rate: 100000000/min, burst: 10000000 } ]
dlp:
  rules:
    - { name: personal, detect: [us_ssn, card, iban, email], sensitivity: restricted, action: mask }
    - { name: credentials, detect: [secrets], action: block }
injection: { requests: log, results: label, definitions: quarantine }
"""
CONFIG = """version: 1
listeners: [ {{ name: load, address: "127.0.0.1:{port}", limits: {{ connections_per_peer: 1000, requests_per_connection: 100000000 }} }} ]
admin: {{ address: "127.0.0.1:{admin}" }}
health: {{ address: "127.0.0.1:{health}" }}
data_dir: data-{mode}
audit: {{ durability: {mode}, origin: load.localhost }}
shutdown: {{ delay: 0s, drain: 5s }}
identity:
  issuers:
    - {{ name: load, issuer: "https://issuer.test", jwks_file: jwks.json, algorithms: [RS256], claims: {{ groups: groups }} }}
servers: {{ stub: {{ url: "http://127.0.0.1:9001/mcp", classification: confidential, audiences: [mcp-gateway] }} }}
policies: policies
"""
NGINX = """worker_processes 2; pid {dir}/nginx.pid; error_log {dir}/error.log; daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir}; uwsgi_temp_path {dir}; scgi_temp_path {dir};
  keepalive_requests 100000000;
  upstream stub {{ server 127.0.0.1:9001; keepalive 128; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:9002; location / {{ proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


def prepare(d: pathlib.Path, yett: str, rate: float) -> dict:
    """Writes every configuration into the folder; gives compare.py's."""
    bins = HERE / "target/release"
    (d / "policies").mkdir()
    (d / "policies/load.yaml").write_text(POLICY)
    (d / "nginx.conf").write_text(NGINX.format(dir=d))
    subprocess.run(["node", str(HERE / "mint-jwt.mjs"), str(d)], check=True)
    processes = {
        "upstream": {"cmd": [str(bins / "mcp-upstream")], "port": 9001},
        "nginx": {"cmd": ["nginx", "-c", str(d / "nginx.conf")], "port": 9002},
        "hyper": {"cmd": [str(bins / "hyper-proxy")], "port": 9003}}
    common = ["--era", "modern", "--bearer-file", str(d / "alice.jwt")]
    cases = [
        {"name": "direct", "args": ["--url", "http://127.0.0.1:9001/mcp", *common], "watch": ["upstream"]},
        {"name": "nginx", "args": ["--url", "http://127.0.0.1:9002/mcp", *common], "watch": ["nginx"], "needs": ["upstream"]},
        {"name": "hyper", "args": ["--url", "http://127.0.0.1:9003/mcp", *common], "watch": ["hyper"], "needs": ["upstream"]}]
    for i, mode in enumerate(["response", "strict"]):
        port = 9004 + i
        path = d / f"yett-{mode}.yaml"
        path.write_text(CONFIG.format(port=port, admin=9014 + i, health=9024 + i, mode=mode))
        processes[f"yett-{mode}"] = {"cmd": [yett, "serve", "--config", str(path)], "port": port,
                                     "env": {"RUST_LOG": "warn"}, "log": str(d / f"yett-{mode}.log")}
        cases.append({"name": f"yett {mode}", "args": ["--url", f"http://127.0.0.1:{port}/mcp/stub", *common],
                      "watch": [f"yett-{mode}"], "needs": ["upstream"]})
    return {"load": str(bins / "mcp-load"), "processes": processes, "cases": cases, "baseline": "nginx",
            "defaults": ["--connections", "64", "--warmup", "2", "--request-bytes", "1024", "--rate", str(rate)]}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--seconds", type=float, default=8)
    ap.add_argument("--rate", type=float, default=0, help="requests/s; 0 is as fast as answers come")
    ap.add_argument("--yett", default=str(ROOT / "target/dist/yett"))
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        d = pathlib.Path(tmp)
        (d / "compare.json").write_text(json.dumps(prepare(d, a.yett, a.rate)))
        done = subprocess.run([sys.executable, str(HERE / "compare.py"), str(d / "compare.json"),
                               "--rounds", str(a.rounds), "--seconds", str(a.seconds)])
        for mode in ["response", "strict"]:
            log = d / f"yett-{mode}.log"
            if log.exists() and log.read_text().strip():
                print(f"--- log of yett {mode} ---\n{log.read_text()[-3000:]}", file=sys.stderr)
        raise SystemExit(done.returncode)


if __name__ == "__main__":
    main()
