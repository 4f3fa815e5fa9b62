"""A gateway of its own on loopback for soak.py and floods.py: its files, its keys, a stub server, a client and a look into /proc.

Standard library only. Everything listens on 127.0.0.1 and ends with the script.
"""
import asyncio, json, os, pathlib, re, signal, socket, subprocess, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
POLICY = """version: 1
roles:
  all: { allow: [ { servers: ["*"], tools: ["get_*"], resources: ["file:///**"] } ] }
bindings: [ { role: all, groups: [staff] } ]
limits: [ { name: per-user, per: [subject], rate: RATE, burst: BURST } ]
dlp:
  rules: [ { name: ssn, detect: [us_ssn], action: mask } ]
"""
CONFIG = """version: 1
listeners: [ {{ name: lab, address: "127.0.0.1:0", limits: {{ requests_per_connection: 1000000000 }} }} ]
admin: {{ address: "127.0.0.1:0" }}
health: {{ address: "127.0.0.1:0" }}
accept_risks: [open_metrics]
audit: {{ origin: lab.localhost, durability: {durability} }}
shutdown: {{ delay: 0s, drain: 10s }}
servers:
  crm: {{ url: "http://127.0.0.1:{upstream}/mcp", timeout: 10s }}
  hung: {{ url: "http://127.0.0.1:{upstream}/mcp", timeout: 5s }}
policies: policies
"""


class Gateway:
    """`yett serve` in a folder of its own."""

    def __init__(self, binary, upstream, durability="strict", rate="100000/s", burst=100000):
        self.folder = tempfile.TemporaryDirectory(prefix="yett-lab-")
        self.path = pathlib.Path(self.folder.name)
        self.binary = str(binary)
        (self.path / "policies").mkdir()
        (self.path / "policies/p.yaml").write_text(POLICY.replace("RATE", rate).replace("BURST", str(burst)))
        (self.path / "yett.yaml").write_text(CONFIG.format(upstream=upstream, durability=durability))

    def key(self, subject, group="staff"):
        out = self.run("keys", "--offline", "--json", "create", "--subject", subject, "--group", group)
        return json.loads(out)["secret"]

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], cwd=self.path, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"yett {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def add_tls(self):
        """One more listener, before the other; its port is `tls_port` then."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "tls.key", "-out", "tls.pem"],
                       cwd=self.path, check=True, capture_output=True)
        config = self.path / "yett.yaml"
        listener = 'listeners: [ { name: tls, address: "127.0.0.1:0", tls: { cert: tls.pem, key: tls.key } }, '
        config.write_text(config.read_text().replace("listeners: [ ", listener))

    def start(self):
        self.log = open(self.path / "log", "w+")
        self.process = subprocess.Popen([self.binary, "serve"], cwd=self.path, stderr=self.log, env={"RUST_LOG": "info"})
        self.pid = self.process.pid
        end = time.monotonic() + 30
        while time.monotonic() < end and self.process.poll() is None:
            for line in (self.path / "log").read_text().splitlines():
                said = json.loads(line) if line.startswith("{") else {}
                if said.get("message") == "serving":
                    port = lambda key: int(said[key].strip("[]").rsplit(":", 1)[1])
                    self.port, self.health = port("listeners"), port("health")
                    self.tls_port = int(re.findall(r":(\d+)", said["listeners"])[0])
                    return
            time.sleep(0.05)
        raise SystemExit("the gateway does not start:\n" + (self.path / "log").read_text())

    def stop(self):
        """SIGTERM; gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()

    def status(self, field):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1])

    def sample(self):
        """Memory in MiB, descriptors, threads, and the gauges of /metrics."""
        gauges = {}
        for line in self.metrics().splitlines():
            name, _, value = line.rpartition(" ")
            if name.startswith(("yett_connections", "yett_sessions", "yett_upstream_")) and "_total" not in name:
                gauges[name] = float(value)
        fds = len(os.listdir(f"/proc/{self.pid}/fd"))
        return {"rss": self.status("VmRSS") / 1024, "fds": fds, "threads": self.status("Threads"), "gauges": gauges}

    def metrics(self):
        return urllib.request.urlopen(f"http://127.0.0.1:{self.health}/metrics", timeout=10).read().decode()

    def verify(self):
        return subprocess.run([self.binary, "audit", "verify", "data", "--accept-unanchored"], cwd=self.path, capture_output=True, text=True)


class Upstream:
    """A stub MCP server: `get_fast`, `get_slow` (50 ms), `get_stream` (three events), `get_big` (256 KiB), subscriptions, and `get_hung`."""

    async def start(self):
        self.calls = 0
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def serve(self, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
                message = json.loads(await reader.readexactly(length) or b"{}")
                await self.answer(message, writer)
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def answer(self, message, writer):
        self.calls += 1
        tool, ident = message.get("params", {}).get("name", ""), json.dumps(message.get("id"))
        if message.get("method") == "subscriptions/listen":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            note = b'data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n\n'
            for _ in range(600):
                writer.write(b"%x\r\n%b\r\n" % (len(note), note))
                await writer.drain()
                await asyncio.sleep(1)
            return
        if tool == "get_hung":
            await asyncio.sleep(60)
            return
        if tool == "get_slow":
            await asyncio.sleep(0.05)
        text = "x" * (256 << 10) if tool == "get_big" else "plain stock row, call 536-22-1234 for more"
        result = {"content": [{"type": "text", "text": text}], "isError": False, "resultType": "complete"}
        body = ('{"jsonrpc":"2.0","id":%s,"result":%s}' % (ident, json.dumps(result))).encode()
        if tool == "get_stream":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            note = b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"on my way"}}'
            for event in [note, note, body]:
                event = b"data: " + event + b"\n\n"
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()


def request(token, tool, server="crm", method="tools/call", extra=None, body=None):
    """The bytes of one request."""
    params = {"_meta": META, **({"name": tool, "arguments": extra or {}} if method == "tools/call" else extra or {})}
    body = body if body is not None else json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    name = f"Mcp-Name: {tool}\r\n" if method == "tools/call" else ""
    head = (f"POST /mcp/{server} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}"
            f"Content-Length: {len(body)}\r\n\r\n")
    return head.encode(), body


class Client:
    """One keep-alive connection."""

    def __init__(self, port, peer="127.0.0.1"):
        self.port, self.peer, self.reader, self.writer = port, peer, None, None

    async def open(self):
        if self.writer is None or self.writer.is_closing():
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20, local_addr=(self.peer, 0))

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    async def send(self, message):
        await self.open()
        head, body = message
        self.writer.write(head.replace(b"127.0.0.1:PORT", b"127.0.0.1:%d" % self.port) + body)
        await self.writer.drain()

    async def head(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        return int(head[9:12]), fields

    async def call(self, message):
        """Sends, reads the whole answer; gives the status and the bytes of its body."""
        await self.send(message)
        status, fields = await self.head()
        body = b""
        if b"transfer-encoding" in fields:
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readexactly(2)
        elif length := int(fields.get(b"content-length", b"0")):
            body = await self.reader.readexactly(length)
        if fields.get(b"connection") == b"close":
            self.close()
        return status, body


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))] if values else float("nan")


def slope(points):
    """Least squares over (x, y): the slope and its standard error."""
    n = len(points)
    if n < 3:
        return float("nan"), float("inf")
    mx, my = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    sxx = sum((x - mx) ** 2 for x, _ in points) or 1e-9
    b = sum((x - mx) * (y - my) for x, y in points) / sxx
    rest = sum((y - my - b * (x - mx)) ** 2 for x, y in points)
    return b, (rest / (n - 2) / sxx) ** 0.5


def binary(given):
    """The binary to run: the one given, or the best that was built."""
    for path in [given] if given else [ROOT / f"target/{profile}/yett" for profile in ("dist", "release", "debug")]:
        if pathlib.Path(path).exists():
            return pathlib.Path(path).resolve()
    raise SystemExit("no binary: cargo build --profile dist, or --yett PATH")
