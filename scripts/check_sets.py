"""Hides a fifth of each user's items, trains on the rest in several shapes of file, and measures `predict
recommend --exclude-bought` beside full EASE (Steck 2019), GF-CF (Shen et al. 2021) and best sellers on the same split.

Input: sequences (one line for each user: the user, then the items) or CSV with user_id and item_id; plain or .zst.
"""

import argparse
import collections
import csv
import io
import math
import pathlib
import subprocess
import tempfile

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as sl

COUNT = 20
SHAPES = ("rows", "users", "sequences")


def read(path, keep_back):
    """Distinct items of every user, in order, without the last `keep_back`."""
    data = path.read_bytes()
    if path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=True).stdout
    text, users = data.decode(), collections.defaultdict(dict)
    if path.name.removesuffix(".zst").endswith(".csv"):
        for row in csv.DictReader(io.StringIO(text)):
            if row["user_id"]:
                users[row["user_id"]][row["item_id"]] = None
    else:
        for line in text.splitlines():
            user, *items = line.split()
            users[user].update(dict.fromkeys(items))
    return {user: list(items)[: len(items) - keep_back] for user, items in users.items() if len(items) > keep_back}


def split(users, rng):
    """Known and hidden items of every user; a user with one item keeps it."""
    known, hidden = {}, {}
    for user, items in users.items():
        items = [items[n] for n in rng.permutation(len(items))]
        cut = max(1, round(0.2 * len(items))) if len(items) > 1 else 0
        known[user] = items[cut:]
        if cut:
            hidden[user] = items[:cut]
    return known, hidden


def score(lists, hidden):
    """Recall and NDCG of the first COUNT, mean over users."""
    recall = ndcg = 0.0
    for user, truth in hidden.items():
        places = [n for n, item in enumerate(lists.get(user, [])[:COUNT]) if item in set(truth)]
        ideal = sum(1 / math.log2(n + 2) for n in range(min(COUNT, len(truth))))
        recall += len(places) / len(truth) / len(hidden)
        ndcg += sum(1 / math.log2(n + 2) for n in places) / ideal / len(hidden)
    return f"recall@{COUNT} {recall:.4f}  NDCG@{COUNT} {ndcg:.4f}"


def ours(trainer, shape, known, hidden, folder):
    """The lists of `predict` after training on the file in one shape."""
    facts, keys, out = folder / f"{shape}.csv", folder / "keys.csv", folder / f"{shape}.out.csv"
    lines = []
    if shape == "sequences":
        lines = [" ".join([user, *sorted(items, key=lambda i: (len(i), i))]) for user, items in known.items()]
    else:
        rows = [(user, item) for user, items in known.items() for item in items]
        order = (lambda n, user: user) if shape == "users" else (lambda n, user: n)
        lines = [f"{order(n, user)},{user},{item}" for n, (user, item) in enumerate(rows)]
        lines.insert(0, "order_id,user_id,item_id")
    facts.write_text("\n".join(lines) + "\n")
    keys.write_text("\n".join(["user_id", *hidden]) + "\n")
    config = folder / f"{shape}.toml"
    form = 'format = "sequences"\n' if shape == "sequences" else ""
    config.write_text(f'shop = "{shape}"\n[orders]\nfiles = ["{facts.name}"]\n{form}')
    store = folder / "store"
    run = lambda *args: subprocess.run([trainer, *map(str, args)], check=True, capture_output=True)
    run("train", "--config", config, "--store", store)
    run("predict", "recommend", "--store", store, "--shop", shape, "--input", keys, "--output", out, "--count", COUNT, "--exclude-bought")
    lists = collections.defaultdict(list)
    with out.open() as file:
        for row in csv.DictReader(file):
            lists[row["user_id"]].append(row["item_id"])
    return lists


class References:
    """The published methods, on the known items."""

    def __init__(self, known, hidden):
        self.users = {user: n for n, user in enumerate(known)}
        self.items = {item: n for n, item in enumerate(dict.fromkeys(i for items in known.values() for i in items))}
        self.names, self.asked = list(self.items), [user for user in hidden]
        cells = [(self.users[u], self.items[i]) for u, items in known.items() for i in items]
        rows, columns = zip(*cells)
        self.x = sp.csr_matrix((np.ones(len(cells), np.float32), (rows, columns)), (len(self.users), len(self.items)))
        self.of_user = np.asarray(self.x.sum(1)).ravel().clip(1)
        self.of_item = np.asarray(self.x.sum(0)).ravel().clip(1)

    def lists(self, scores):
        out = {}
        for start in range(0, len(self.asked), 1_000):
            users = self.asked[start : start + 1_000]
            rows = self.x[[self.users[user] for user in users]]
            values = np.array(scores(rows), np.float32)
            values[rows.nonzero()] = -np.inf
            for user, row in zip(users, values):
                out[user] = [self.names[n] for n in np.argsort(-row, kind="stable")[:COUNT]]
        return out

    def best_sellers(self):
        return self.lists(lambda rows: np.tile(self.of_item, (rows.shape[0], 1)))

    def ease(self, power, penalty):
        x = sp.diags(self.of_user ** (-power / 2)) @ self.x
        gram = (x.T @ x).toarray()
        inverse = np.linalg.inv(gram + penalty * np.eye(len(gram), dtype=np.float32))
        weights = -inverse / np.diag(inverse)
        np.fill_diagonal(weights, 0)
        return self.lists(lambda rows: rows @ weights)

    def gf_cf(self, dim=256):
        z = sp.diags(self.of_user**-0.5) @ self.x @ sp.diags(self.of_item**-0.5)
        v = sl.svds(z.astype(np.float64), k=min(dim, min(z.shape) - 1))[2].T.astype(np.float32)
        linear = (z.T @ z).tocsr()
        smooth = lambda rows: (((rows @ sp.diags(self.of_item**-0.5)) @ v) @ v.T) * self.of_item**0.5
        return self.lists(lambda rows: (rows @ linear).toarray() + 0.3 * smooth(rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("--trainer", default="target/release/qianmian-trainer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-back", type=int, default=0, help="last items of every user that take no part")
    args = parser.parse_args()
    known, hidden = split(read(args.file, args.keep_back), np.random.default_rng(args.seed))
    trainer = str(pathlib.Path(args.trainer).resolve())
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            print(f"ours, {shape:<25} {score(ours(trainer, shape, known, hidden, pathlib.Path(folder)), hidden)}", flush=True)
    references = References(known, hidden)
    print(f"{'best sellers':<31} {score(references.best_sellers(), hidden)}", flush=True)
    print(f"{'GF-CF, 256 directions':<31} {score(references.gf_cf(), hidden)}", flush=True)
    for power, penalty in [(0, 50), (0, 200), (0, 400), (0.5, 10), (0.5, 30)]:
        name = f"EASE, rows n^-{power}, penalty {penalty}"
        print(f"{name:<31} {score(references.ease(power, penalty), hidden)}", flush=True)


if __name__ == "__main__":
    main()
