#!/usr/bin/env python3
"""Measures the cost of live state for an answer: one server without it, one with it in a folder, and, if redis-server
is installed, one with it in a Redis of its own. All get the same requests in turn.

    scripts/bench_live.py STORE USERS ITEMS

STORE is a model store; USERS and ITEMS are files of one id a line (docs/performance.md makes them). Every user gets
ten events first. On Linux the server has core 0, and the load generator and Redis share core 1.
"""
import datetime
import json
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.request

ROUNDS = 5
SECONDS = "5s"
EVENTS = 10


class Server:
    def __init__(self, store, folder, live, more=""):
        config = pathlib.Path(folder) / f"{live}.toml"
        config.write_text(f"[live]\nfolder = '{folder}/{live}'\n{more}" if live else "")
        command = ["taskset", "-c", "0", "target/release/qianmian-server", "--store", store, "--threads", "1",
                   "--listen", "127.0.0.1:0", "--config", str(config)]
        self.log = pathlib.Path(folder) / f"{live}.log"
        self.process = subprocess.Popen(command, stderr=self.log.open("w"))
        while not (found := re.search(r'"address":"([^"]+)"', self.log.read_text())):
            if self.process.poll() is not None:
                sys.exit(self.log.read_text())
        self.url = f"http://{found.group(1)}"
        while True:
            try:
                urllib.request.urlopen(self.url + "/readyz").read()
                return
            except OSError:
                if '"model refused' in self.log.read_text():
                    sys.exit(self.log.read_text())

    def rate(self, users):
        command = ["taskset", "-c", "1", "target/release/qianmian-loadtest", "--target", self.url, "--users", users,
                   "--scenario", "recommend", "--closed", "--duration", SECONDS, "--json", str(self.log) + ".json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(pathlib.Path(str(self.log) + ".json").read_text())


def send(url, users, items):
    now = datetime.datetime.now(datetime.timezone.utc)
    kinds = ["view", "click", "view", "add_to_cart", "view"]
    events = []
    for n, user in enumerate(users):
        for k in range(EVENTS):
            at = (now - datetime.timedelta(minutes=7 * k)).isoformat()
            events.append({"event_id": f"{n}-{k}", "type": kinds[k % 5], "occurred_at": at, "user_id": user,
                           "item_id": items[(n * 31 + k * 97) % len(items)]})
    for first in range(0, len(events), 1000):
        body = json.dumps({"events": events[first:first + 1000]}).encode()
        request = urllib.request.Request(url + "/events", body, {"content-type": "application/json"})
        answer = json.load(urllib.request.urlopen(request))
        assert answer["accepted"] == len(events[first:first + 1000]), answer["results"][:3]


def start_redis(folder):
    if not shutil.which("redis-server"):
        print("SKIPPED: Redis, for there is no redis-server")
        return None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["taskset", "-c", "1", "redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", folder,
               "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    redis.port = port
    return redis


def main():
    store, users_file, items_file = sys.argv[1:]
    users = pathlib.Path(users_file).read_text().split()
    items = pathlib.Path(items_file).read_text().split()
    with tempfile.TemporaryDirectory() as folder:
        servers = {"without": Server(store, folder, ""), "embedded": Server(store, folder, "embedded")}
        redis = start_redis(folder)
        try:
            if redis:
                # Longer than the default, so that no measured answer lacks live state.
                more = f"[live.redis]\nurls = ['redis://127.0.0.1:{redis.port}']\ntimeout_ms = 1000\n"
                servers["redis"] = Server(store, folder, "redis", more)
            kept = [name for name in servers if name != "without"]
            found = {name: [] for name in [*(f"{name}, unused" for name in kept), *servers]}
            # Live state without events yet: the cost of the look-up.
            for _ in range(ROUNDS):
                for name in kept:
                    found[f"{name}, unused"].append(servers[name].rate(users_file))
            for name in kept:
                send(servers[name].url, users, items)
            for _ in range(ROUNDS):
                for name, server in servers.items():
                    found[name].append(server.rate(users_file))
        finally:
            for process in [*(server.process for server in servers.values()), *([redis] if redis else [])]:
                process.terminate()
                process.wait()
    print(f"{'live state':16} answers/s (lowest to highest)    p50 us  p99 us")
    for name, reports in found.items():
        rates = [report["goodput"] for report in reports]
        p50, p99 = (statistics.median(report["latency_us"][q] for report in reports) for q in ("p50", "p99"))
        rate = f"{statistics.median(rates):7.0f} ({min(rates):.0f} to {max(rates):.0f})"
        print(f"{name:16} {rate:32} {p50:6.0f}  {p99:6.0f}")


if __name__ == "__main__":
    main()
