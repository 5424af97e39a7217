#!/usr/bin/env python3
"""Measures the gain of browsing for visitors: co-view scores beside the answers of a server.

    measure_browsing.py EVENTS.csv.zst CUT http://127.0.0.1:8080

Sessions that end before the day CUT give co-view scores (co-occurrence over the root of both counts). In each session from
CUT on, the items viewed before a purchase are sent to /recommend as `context.item_ids`, and the rank of the bought item is
measured in the answer, in the co-view scores, and in sums of both. The weight of a sum is chosen on every second case and measured on
the others. The server's model must be trained on orders from before CUT. Needs zstd.
"""
import collections, csv, io, json, math, random, subprocess, sys, urllib.request

SEEN = ("click", "view", "add_to_cart", "favorite")
WEIGHTS = (0.25, 0.5, 1.0, 2.0)
METRICS = ("hr@10", "hr@20", "mrr@20")


def visits(path):
    """(time, type, item) by session, in order of time."""
    text = subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout.decode()
    found = collections.defaultdict(list)
    for row in csv.DictReader(io.StringIO(text)):
        found[row["session_id"]].append((row["occurred_at"], row["type"], row["item_id"]))
    return [sorted(visit) for visit in found.values()]


def co_view(train):
    count, pairs = collections.Counter(), collections.defaultdict(collections.Counter)
    for visit in train:
        items = {item for _, kind, item in visit if kind in SEEN or kind == "purchase"}
        count.update(items)
        for a in items:
            pairs[a].update(items - {a})

    def scores(items):
        total, weight = collections.Counter(), 1.0
        for a in items:
            for b, together in pairs[a].items():
                total[b] += weight * together / math.sqrt((count[a] + 5) * (count[b] + 5))
            weight *= 0.8
        return {item: score for item, score in total.items() if item not in items}

    return scores


def cases(test):
    """What was looked at before a purchase, the latest first, and what was bought."""
    for visit in test:
        for at, kind, bought in visit:
            before = [item for when, what, item in reversed(visit) if when < at and what in SEEN and item != bought]
            if kind == "purchase" and before:
                yield list(dict.fromkeys(before)), bought


def answer(server, items):
    body = json.dumps({"context": {"item_ids": items[:50]}, "count": 100}).encode()
    request = urllib.request.Request(server + "/recommend", body, {"content-type": "application/json"})
    return {item["item_id"]: item["score"] for item in json.load(urllib.request.urlopen(request))["items"]}


def scaled(scores):
    best = max(scores.values(), default=1) or 1
    return {item: score / best for item, score in scores.items()}


def values(scores, bought):
    ranked = sorted(scores, key=lambda item: -scores[item])[:20]
    place = ranked.index(bought) if bought in ranked else None
    return (place is not None and place < 10, place is not None, 0 if place is None else 1 / (place + 1))


def mean(values):
    return sum(values) / max(len(values), 1)


def main(path, cut, server):
    everything = visits(path)
    train = [visit for visit in everything if visit[-1][0] < cut]
    asked = list(cases(visit for visit in everything if visit[0][0] >= cut))
    print(f"{len(train)} visits before {cut}; {len(asked)} purchases after it")
    viewed, results = co_view(train), collections.defaultdict(list)
    for items, bought in asked:
        ours, theirs = scaled(answer(server, items)), scaled(viewed(items))
        results["ours"].append(values(ours, bought))
        results["co-view"].append(values(theirs, bought))
        for weight in WEIGHTS:
            both = {item: ours.get(item, 0) + weight * theirs.get(item, 0) for item in {*ours, *theirs}}
            results[f"ours + {weight} co-view"].append(values(both, bought))
    for name, found in results.items():
        print(f"{name:22}", *(f"{metric} {mean([v[n] for v in found]):.4f}" for n, metric in enumerate(METRICS)))
    random.seed(1)
    for n, metric in enumerate(METRICS):
        mixed = [name for name in results if name.startswith("ours")]
        chosen = max(mixed, key=lambda name: sum(v[n] for v in results[name][0::2]))
        before, after = ([v[n] for v in results[name][1::2]] for name in ("ours", chosen))
        differences = [b - a for a, b in zip(before, after)]
        drawn = sorted(mean(random.choices(differences, k=len(differences))) for _ in range(1000))
        print(f"{metric}: {chosen}; on the other half {mean(before):.4f} -> {mean(after):.4f} [{drawn[25]:+.4f} {drawn[974]:+.4f}]")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
