"""A server under measurement, pinned to one core, and events for it. The load generator has another core."""
import datetime
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
SERVER_CORE, CLIENT_CORE = "0", "1"
EVENTS_A_USER = 10
EVENT_TYPES = ["view", "click", "view", "add_to_cart", "view"]


def pinned(core, *command):
    """The command with its core, where the system can pin."""
    pin = ["taskset", "-c", core] if sys.platform == "linux" else []
    return [*pin, *map(str, command)]


class Server:
    """`qianmian-server` with one thread on a free port; `toml` is its configuration."""

    def __init__(self, store, folder, name, toml=""):
        config, self.log = folder / f"{name}.toml", folder / f"{name}.log"
        config.write_text(toml)
        command = pinned(SERVER_CORE, BIN / "qianmian-server", "run", "--store", store, "--threads", "1",
                         "--listen", "127.0.0.1:0", "--probes", "127.0.0.1:0", "--config", config)
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, stderr=log)
        while not (found := re.search(r'"address":"([^"]+)".*"probes":"([^"]+)"', self.log.read_text())):
            self.expect_alive()
        self.url, self.probes = (f"http://{address}" for address in found.groups())
        self.pid = self.process.pid
        while True:
            try:
                urllib.request.urlopen(self.url + "/readyz").read()
                return
            except OSError:
                self.expect_alive()

    def expect_alive(self):
        if self.process.poll() is not None or '"model refused' in self.log.read_text():
            sys.exit(self.log.read_text())

    def metric(self, name):
        """The sum of a metric over its labels; 0 where it is missing."""
        text = urllib.request.urlopen(self.url + "/metrics").read().decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(name + r"[ {]", line))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def load(url, *arguments, command="load"):
    """Runs the load generator on its core and returns its JSON."""
    out = ROOT / "var" / f"load-{os.getpid()}.json"
    call = pinned(CLIENT_CORE, BIN / "qianmian-loadtest", command, "--target", url, "--json", out, *arguments)
    done = subprocess.run(call, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(call)}\n{done.stdout}{done.stderr}")
    result = json.loads(out.read_text())
    out.unlink()
    return result


def send_events(url, users, items):
    """Ten events of the last hour for every user."""
    now = datetime.datetime.now(datetime.timezone.utc)
    events = [
        {"event_id": f"{n}-{k}", "type": EVENT_TYPES[k % 5], "user_id": user,
         "occurred_at": (now - datetime.timedelta(minutes=7 * k)).isoformat(),
         "item_id": items[(n * 31 + k * 97) % len(items)]}
        for n, user in enumerate(users) for k in range(EVENTS_A_USER)
    ]
    for first in range(0, len(events), 1000):
        batch = events[first:first + 1000]
        request = urllib.request.Request(url + "/events", json.dumps({"events": batch}).encode(),
                                         {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        assert answer["accepted"] == len(batch), answer["results"][:3]
