"""The client of the conformance suite, with a gateway of its own between it and the server that the suite plays.

    python through.py FOLDER YETT CLIENT URL

FOLDER holds a gateway's files, ready to start but for the server's URL. It is copied: each scenario gets its own log. YETT is the
binary, CLIENT the client's file, URL comes from the suite. Ends as the client ends, and with 9 where the gateway did not stop in order.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# Stands in the configuration for the server that the suite plays.
PLACEHOLDER = "http://localhost:1/suite"


def main(folder: str, yett: str, client: str, url: str) -> int:
    with tempfile.TemporaryDirectory() as place:
        own = pathlib.Path(place, "gateway")
        shutil.copytree(folder, own)
        config = own / "yett.yaml"
        config.write_text(config.read_text().replace(PLACEHOLDER, url))
        gateway = subprocess.Popen([yett, "serve", "--config", config], stderr=subprocess.PIPE, text=True)
        try:
            ended = subprocess.run([sys.executable, "-B", client, f"http://{listening(gateway)}/mcp/suite"], check=False)
        finally:
            gateway.terminate()
            # Read to the end: it must not wait for us.
            _, said = gateway.communicate()
        if ended.returncode != 0 or gateway.returncode != 0:
            print(said, file=sys.stderr)
        return ended.returncode if gateway.returncode == 0 else 9


def listening(gateway: subprocess.Popen) -> str:
    said = []
    for line in gateway.stderr:
        said.append(line)
        if line.startswith("{") and (entry := json.loads(line)).get("message") == "serving":
            return re.sub(r"[\[\]]", "", entry["listeners"])
    sys.exit(f"the gateway ended before it served:\n{''.join(said)}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
