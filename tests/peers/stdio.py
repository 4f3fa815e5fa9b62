"""An MCP server on standard input and output, of both eras, that does what tests ask of it. It needs nothing but Python.

Each tool is a behaviour; `TOOLS` lists them. What it hears is kept, word for word, and told by the tool `heard`.
"""

import json
import os
import signal
import subprocess
import sys
import time

heard = []
held = {}
asked = {}
arguments = sys.argv[1:]


def say(message):
    write(json.dumps(message))


def write(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def answer(id, result):
    say({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", **result}})


def text(id, value):
    answer(id, {"content": [{"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}]})


def note(data):
    say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": data}})


def echo(id, given, meta):
    text(id, given.get("text", ""))


def tell_heard(id, given, meta):
    text(id, heard)


def environment(id, given, meta):
    text(id, dict(os.environ))


def facts(id, given, meta):
    import resource

    with open("/proc/self/status") as status:
        privileges = [line.split()[1] for line in status if line.startswith("NoNewPrivs")]
    text(id, {
        "pid": os.getpid(), "group": os.getpgid(0), "uid": os.getuid(), "gid": os.getgid(), "directory": os.getcwd(),
        "argv": arguments, "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "memory": resource.getrlimit(resource.RLIMIT_AS)[0], "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0],
        "no_new_privileges": privileges == ["1"],
        "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd")),
    })


def progress(id, given, meta):
    for done in range(given.get("steps", 2)):
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": meta.get("progressToken"), "progress": done}})
    text(id, "done")


def notify(id, given, meta):
    note(given.get("data", "a note"))
    text(id, "noted")


def ask(id, given, meta):
    asked["q1"] = id
    say({"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}})


def pester(id, given, meta):
    """Asks again and again, and waits for no answer."""
    for number in range(given.get("times", 1)):
        say({"jsonrpc": "2.0", "id": "p%d" % number, "method": given["method"], "params": {"secret": "of the server"}})
    text(id, "pestered")


def afterwards(id, given, meta):
    """Asks when nobody waits for anything."""
    text(id, "asked later")
    say({"jsonrpc": "2.0", "id": "later", "method": "elicitation/create", "params": {"message": "Who?"}})


def restless(id, given, meta):
    """Its tools are others again and again."""
    for number in range(given["times"]):
        say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    text(id, "changed")


def hold(id, given, meta):
    """Not answered before `release` names it."""
    held[given.get("name", "it")] = id
    if given.get("note"):
        note(given["note"])


def release(id, given, meta):
    text(held.pop(given.get("name", "it")), given.get("text", "released"))
    text(id, "done")


def crash(id, given, meta):
    if given.get("note"):
        note(given["note"])
    sys.stdout.flush()
    os._exit(given.get("code", 3))


def last_words(id, given, meta):
    text(id, "goodbye")
    os._exit(0)


def twice(id, given, meta):
    """A reply that a strict reader refuses: a key stands in it twice."""
    write('{"jsonrpc":"2.0","id":%d,"result":{"content":[],"content":[]}}' % id)


def banner(id, given, meta):
    for line in range(given.get("lines", 1)):
        write("Server listening on stdio")
    text(id, "said")


def long(id, given, meta):
    text(id, "x" * given["size"])


def flood(id, given, meta):
    for number in range(given["messages"]):
        note("x" * given.get("size", 10))
    text(id, "flooded")


def grumble(id, given, meta):
    for number in range(given.get("lines", 1)):
        sys.stderr.write(given.get("text", "grumble") + "\n")
    sys.stderr.flush()
    text(id, "grumbled")


def leak(id, given, meta):
    sys.stderr.write("my token is %s\x1b[2J\n" % os.environ.get("TOKEN"))
    sys.stderr.flush()
    text(id, "leaked")


def child(id, given, meta):
    started = subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL, stdout=None, stderr=None)
    text(id, str(started.pid))


def stubborn(id, given, meta):
    """From now on nothing ends it but force."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    started = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 1000"], stdin=subprocess.DEVNULL)
    text(id, [os.getpid(), started.pid])
    global deaf_at_the_end
    deaf_at_the_end = True


def deaf(id, given, meta):
    """Reads nothing any more."""
    text(id, "deaf")
    while True:
        time.sleep(60)


deaf_at_the_end = False
TOOLS = {
    "echo": echo, "heard": tell_heard, "environment": environment, "facts": facts, "progress": progress, "notify": notify, "ask": ask,
    "pester": pester, "afterwards": afterwards, "restless": restless, "hold": hold, "release": release, "crash": crash, "last_words": last_words, "twice": twice, "banner": banner, "long": long,
    "flood": flood, "grumble": grumble, "leak": leak, "child": child, "stubborn": stubborn, "deaf": deaf,
}
INFO = {"name": "stdio", "version": "1.0.0"}
CAPABILITIES = {"tools": {"listChanged": True}, "logging": {}, "resources": {"subscribe": True}}


def request(id, method, params):
    meta = params.get("_meta", {})
    if method == "initialize":
        if "refuses" in arguments:
            return say({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "Unsupported protocol version"}})
        return answer(id, {"protocolVersion": params["protocolVersion"], "capabilities": CAPABILITIES, "serverInfo": INFO})
    if method == "server/discover" and "legacy" not in arguments:
        return answer(id, {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES, "ttlMs": 0, "cacheScope": "private"})
    if method == "tools/list":
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in sorted(TOOLS)]
        return answer(id, {"tools": tools, "ttlMs": 0, "cacheScope": "private"})
    if method == "tools/call":
        return TOOLS[params["name"]](id, params.get("arguments", {}), meta)
    if method in ("ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
        return answer(id, {})
    if method == "subscriptions/listen":
        tag = {"io.modelcontextprotocol/subscriptionId": id}
        say({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {"notifications": {}, "_meta": tag}})
        held["listen"] = id
        return None
    return say({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}})


def main():
    if "silent" in arguments:
        time.sleep(1000)
    if "dies" in arguments:
        sys.exit(1)
    for line in sys.stdin:
        heard.append(line.rstrip("\n"))
        message = json.loads(line)
        if "method" in message and "id" in message:
            request(message["id"], message["method"], message.get("params", {}))
        elif "id" in message and message["id"] in asked:
            text(asked.pop(message["id"]), message)
    while deaf_at_the_end:
        time.sleep(60)


main()
