#!/usr/bin/env python3
"""Measures the cost of live state for an answer: one server without it, one with it in a folder, and, if redis-server
is installed, one with it in a Redis of its own. All get the same requests in turn.

    scripts/bench_live.py STORE USERS ITEMS

STORE is a model store; USERS and ITEMS are files of `qianmian-trainer inspect --examples`. Every user gets ten events
first. On Linux the server has core 0, and the load generator and Redis share core 1.
"""
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile

from bench_server import CLIENT_CORE, Server, load, pinned, send_events

ROUNDS = 5
SECONDS = "5s"


def start(store, folder, live, more=""):
    toml = f"[live]\nfolder = '{folder}/{live}'\n{more}" if live != "without" else ""
    return Server(store, folder, live, toml)


def measure(server, users_file):
    return load(server.url, "--users", users_file, "--scenario", "recommend", "--closed", "--duration", SECONDS,
                "--warmup", "1s")


def start_redis(folder):
    if not shutil.which("redis-server"):
        print("SKIPPED: Redis, for there is no redis-server")
        return None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = pinned(CLIENT_CORE, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", folder,
                     "--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    redis.port = port
    return redis


def main():
    store, users_file, items_file = sys.argv[1:]
    users, items = (pathlib.Path(file).read_text().splitlines() for file in (users_file, items_file))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        servers = {live: start(store, folder, live) for live in ("without", "embedded")}
        redis = start_redis(folder)
        try:
            if redis:
                # Longer than the default, so that no measured answer lacks live state.
                more = f"[live.redis]\nurls = ['redis://127.0.0.1:{redis.port}']\ntimeout_ms = 1000\n"
                servers["redis"] = start(store, folder, "redis", more)
            kept = [name for name in servers if name != "without"]
            found = {name: [] for name in [*(f"{name}, unused" for name in kept), *servers]}
            # Live state without events yet: the cost of the look-up.
            for _ in range(ROUNDS):
                for name in kept:
                    found[f"{name}, unused"].append(measure(servers[name], users_file))
            for name in kept:
                send_events(servers[name].url, users, items)
            for _ in range(ROUNDS):
                for name, server in servers.items():
                    found[name].append(measure(server, users_file))
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
