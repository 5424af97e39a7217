#!/usr/bin/env python3
"""The processor time of every answer as a multiple of the floor's, in one run.

    scripts/bench.py [--size S|L|XL] [--reuse]

Builds, makes a demo shop and trains it, then loads a bare axum server (the floor) and the server by turns, five rounds.
The servers have core 0, the load generator core 1. Prints one table and writes var/bench/SIZE.json. --reuse keeps the shop
and the model of the last run. docs/performance.md says how to read it.
"""
import argparse
import json
import os
import pathlib
import platform
import resource
import shutil
import statistics
import subprocess
import time

from bench_server import BIN, ROOT, SERVER_CORE, Server, load, pinned, send_events

USERS = {"S": 5_000, "L": 200_000, "XL": 1_000_000}
ROUNDS = 5
# The seconds that one answer is measured in a round: /proc counts in steps of 10 ms, which is 0.5 % of it.
SECONDS = {"S": 2, "L": 3, "XL": 3}
OVERLOAD_SECONDS = {"S": 20, "L": 60, "XL": 60}
# More users than the caches hold, and still few enough to send events for.
MOST_USERS_WITH_EVENTS = 20_000

# Row: the arguments of the load, and the goal for S and for L in floors.
ROWS = {
    "/recommend, known user, live state on": (["--scenario", "recommend"], 4.5, 7.5),
    "/recommend, known user, live state off": (["--scenario", "recommend"], None, None),
    "/recommend, visitor, 3 items": (["--scenario", "visitor"], 3, 7),
    "/similar": (["--scenario", "similar"], 1.5, 1.6),
    "/bundle, 2 items": (["--scenario", "bundle"], None, 3),
    "/audience, 100 people": (["--scenario", "audience"], 12, 100),
    "/audience, 10,000 people": (["--scenario", "audience", "--count", "10000"], None, None),
    "the mix": (["--scenario", "mix"], None, None),
}


def run(*command):
    """Runs a command; returns its output, and its seconds, processor seconds and most memory (MB)."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    output = subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return output, {"seconds": time.monotonic() - start, "cpu_seconds": cpu, "peak_mb": after.ru_maxrss / 1024}


def train(size, folder, reuse):
    """Makes the shop and its model; returns what the training took, or None where both were there."""
    trainer, store = BIN / "qianmian-trainer", folder / "store"
    training = None
    if not (reuse and store.exists()):
        shutil.rmtree(folder, ignore_errors=True)
        run(trainer, "demo-data", "--out", folder / "shop", "--users", USERS[size])
        _, training = run(trainer, "train", "--config", folder / "shop/shop.toml", "--store", store, "--shop", "default")
    for kind in ("users", "items"):
        ids, _ = run(trainer, "inspect", "--store", store, "--examples", kind, "--limit", 10_000_000)
        (folder / f"{kind}.txt").write_text(ids)
    return training


def closed(url, pid, seconds, *arguments):
    """Processor microseconds a request and answers a second, closed loop."""
    result = load(url, "--pid", pid, "--closed", "--connections", "16", "--warmup", "500ms", "--duration", f"{seconds}s",
                  "--check-every", "8", "--timeout", "60s", "--fail-on-error", *arguments)
    return {"cpu_us": result["server"]["cpu_us_per_request"], "rate": result["goodput"],
            "short": result["short"] / max(result["checked"], 1), "memory": result["server"]}


def spread(values):
    return {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}


def measure_answers(size, floor, live, plain, ids):
    """Rounds over the floor and every row; each row is compared with the floor of its own round."""
    rounds = []
    for _ in range(ROUNDS):
        found = {"floor": closed(*floor, SECONDS[size], "--scenario", "floor")}
        for row, (arguments, *_) in ROWS.items():
            server = plain if row.endswith("off") else live
            found[row] = closed(server.url, server.pid, SECONDS[size], *arguments, *ids)
        rounds.append(found)
    rows = {}
    for row in rounds[0]:
        rows[row] = {key: spread([found[row][key] for found in rounds]) for key in ("cpu_us", "rate", "short")}
        rows[row]["floors"] = spread([found[row]["cpu_us"] / found["floor"]["cpu_us"] for found in rounds])
    return rows, rounds[-1]["the mix"]["memory"]


def measure_tail(floor, live, rate, ids):
    """Latency at half of the saturation, open loop, and the floor's at the same rate."""
    paced = ["--rate", f"{rate:.1f}", "--warmup", "1s", "--duration", "5s", "--check-every", "8"]
    found = {"/recommend": [], "floor": []}
    for _ in range(ROUNDS):
        found["/recommend"].append(load(live.url, "--scenario", "recommend", *paced, *ids))
        found["floor"].append(load(floor[0], "--scenario", "floor", *paced))
    return {"rate": rate} | {name: {
        "p50_us": spread([result["latency_us"]["p50"] for result in results]),
        "p99_us": spread([result["latency_us"]["p99"] for result in results]),
        "lag_p99_us": spread([result["lag_us"]["p99"] for result in results]),
    } for name, results in found.items()}


def measure_neighbors(live, rate, ids):
    """The p99 of /recommend alone, and beside four callers of audiences of 100,000 people."""
    paced = ["--scenario", "recommend", "--rate", f"{rate:.0f}", "--warmup", "1s", "--duration", "10s", *ids]
    alone, beside = load(live.url, *paced), load(live.url, *paced, "--beside", "audience-lines", "--timeout", "60s")
    return {"rate": rate, "alone_p99_us": alone["latency_us"]["p99"], "beside_p99_us": beside["latency_us"]["p99"],
            "audiences": beside["beside"]["answered"]}


def measure(size, folder):
    ids = ["--users", folder / "users.txt", "--items", folder / "items.txt"]
    users, items = ((folder / f"{kind}.txt").read_text().splitlines() for kind in ("users", "items"))
    shutil.rmtree(folder / "live", ignore_errors=True)
    floor = subprocess.Popen(pinned(SERVER_CORE, BIN / "qianmian-loadtest", "floor", "--listen", "127.0.0.1:0"),
                             stdout=subprocess.PIPE, text=True)
    floor_address = (floor.stdout.readline().split()[-1], floor.pid)
    live = Server(folder / "store", folder, "live-on", f"[live]\nfolder = '{folder}/live'\n")
    plain = Server(folder / "store", folder, "live-off")
    try:
        send_events(live.url, users[:MOST_USERS_WITH_EVENTS], items)
        rows, memory = measure_answers(size, floor_address, live, plain, ids)
        saturation = rows["/recommend, known user, live state on"]["rate"]["median"]
        return {
            "users": len(users), "items": len(items), "answers": rows,
            "tail": measure_tail(floor_address, live, saturation / 2, ids),
            "neighbors": measure_neighbors(live, min(300, saturation / 4), ids),
            "overload": load(live.url, "--pid", live.pid, "--health-target", live.probes,
                             "--saturation", f"{saturation:.1f}", "--duration",
                             f"{OVERLOAD_SECONDS[size]}s", *ids, command="overload"),
            "open_seconds": live.metric("qianmian_model_open_seconds_sum") / live.metric("qianmian_model_open_seconds_count"),
            "memory": memory,
        }
    finally:
        for process in (floor, live.process, plain.process):
            process.terminate()
            process.wait()


def table(size, result):
    lines = [f"| {size}: {result['users']:,} users, {result['items']:,} items | CPU us a request | floors | goal | answers a second |",
             "|---|---|---|---|---|"]
    for row, found in result["answers"].items():
        goal = ROWS.get(row, (None, None, None))[1 if size == "S" else 2]
        cells = [f"{found[key]['median']:.{digits}f} ({found[key]['lowest']:.{digits}f} to {found[key]['highest']:.{digits}f})"
                 for key, digits in (("cpu_us", 1), ("floors", 2), ("rate", 0))]
        lines.append(f"| {row} | {cells[0]} | {cells[1]} | {goal or ''} | {cells[2]} |")
    tail, near, over = result["tail"], result["neighbors"], result["overload"]
    ms = lambda us: f"{us / 1000:.2f} ms"
    p99 = {name: tail[name]["p99_us"]["median"] for name in ("/recommend", "floor")}
    lines += ["", f"p99 of /recommend at {tail['rate']:.0f}/s (half of saturation): {ms(p99['/recommend'])}, the floor's {ms(p99['floor'])}: "
              f"x {p99['/recommend'] / p99['floor']:.2f} (lag of the generator at p99: {ms(tail['/recommend']['lag_p99_us']['median'])})",
              f"p99 of /recommend at {near['rate']:.0f}/s: {ms(near['alone_p99_us'])}, beside four audiences of 100,000: {ms(near['beside_p99_us'])}",
              f"overload of {over['offered']:.0f}/s on 2,000 connections: {over['goodput_share'] * 100:.0f} % of saturation in time, "
              f"{over['overload']['refusals_us']['count']:,} refused (p99 {ms(over['overload']['refusals_us']['p99'])}), "
              f"/healthz p99 {ms(over['health']['latency_us']['p99'])}, recovered after {over['recovery_seconds']:.1f} s",
              f"opening the model: {result['open_seconds']:.2f} s; memory: {result['memory']['resident_bytes'] / 1e6:.0f} MB, "
              f"of it {result['memory']['anonymous_bytes'] / 1e6:.0f} MB anonymous"]
    if training := result["training"]:
        lines.append(f"training: {training['seconds']:.0f} s, {training['cpu_seconds']:.0f} s of processor time, {training['peak_mb']:.0f} MB at most")
    return "\n".join(lines)


def machine():
    cpu = [line.split(":")[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return {"cpu": cpu[0] if cpu else platform.processor(), "cores": os.cpu_count(), "load": os.getloadavg()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--size", choices=USERS, default="S")
    arguments.add_argument("--reuse", action="store_true")
    arguments = arguments.parse_args()
    os.chdir(ROOT)
    cargo = os.environ.get("CARGO", "cargo")
    run(cargo, "build", "--release", "--quiet", "-p", "qianmian-trainer", "-p", "qianmian-server", "-p", "qianmian-loadtest")
    folder = ROOT / "var" / "bench" / arguments.size
    training = train(arguments.size, folder, arguments.reuse)
    before = machine()
    result = measure(arguments.size, folder) | {"training": training, "machine": before, "load_after": os.getloadavg()}
    result["commit"], _ = run("git", "rev-parse", "--short", "HEAD")
    (folder.parent / f"{arguments.size}.json").write_text(json.dumps(result, indent=1) + "\n")
    print(table(arguments.size, result))
    print(f"\n{before['cpu']}, {before['cores']} cores; load average {before['load'][0]:.1f} before, {result['load_after'][0]:.1f} after")


if __name__ == "__main__":
    main()
