"""Compares our ALS with the `implicit` package on the same matrix, and times both if it trains.

Everything is read from the artifact: the weights (section `history`), the vectors and the parameters. The
loss is Hu, Koren & Volinsky 2008, equation 3. `implicit` takes 1 + alpha r as the confidence of a pair and
1 for every absent pair; its preference is 1 if a confidence is above zero. Both sides do the
same work: `iterations` passes over users and items, and one more over users.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from implicit.cpu._als import calculate_loss
from implicit.cpu.als import AlternatingLeastSquares

TOP = 20
STAGE = "vectors (ALS)"


def section(folder, name):
    return pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all()


def matrix(folder, name):
    column = section(folder, name).column("vector").combine_chunks()
    return column.values.to_numpy().reshape(len(column), -1)


def published(shop):
    return shop / json.loads((shop / "latest.json").read_text())["version"]


def train(options, threads, store):
    """Trains; returns the version's folder and the seconds of the ALS stage."""
    command = [options.trainer, "train", "--store", store, "--shop", "default", "--threads", str(threads)]
    command += ["--config", options.config] if options.config else []
    command += ["--orders", options.orders] if options.orders else []
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    stages = [json.loads(line) for line in run.stderr.splitlines() if line.startswith("{")]
    return published(pathlib.Path(store) / "default"), sum(s["seconds"] for s in stages if s["stage"] == STAGE)


class Artifact:
    """The matrix that an artifact was learned from, and the learned vectors."""

    def __init__(self, folder):
        if not (folder / "user_factors.arrow").exists():
            sys.exit(f"{folder} has no vectors: no user is known in its orders")
        self.training = json.loads((folder / "manifest.json").read_text())["parameters"]["training"]
        self.users, self.items = matrix(folder, "user_factors"), matrix(folder, "item_factors")
        lists = section(folder, "history").column("purchases").combine_chunks()
        weights = lists.values.field("decayed").to_numpy()
        columns = lists.values.field("item").to_numpy().astype(np.int32)
        shape = (len(self.users), len(self.items))
        confidence = np.float32(1) + np.float32(self.training["alpha"]) * weights
        self.confidence = sp.csr_matrix((confidence, columns, lists.offsets.to_numpy().copy()), shape=shape)

    def peer(self, seed, threads, **options):
        return AlternatingLeastSquares(
            factors=self.users.shape[1], regularization=self.training["regularization"], alpha=1.0,
            iterations=self.training["iterations"], random_state=seed, num_threads=threads, **options,
        )

    def learned_by_peer(self, seed, threads):
        """User vectors, item vectors, seconds."""
        model, started = self.peer(seed, threads), time.perf_counter()
        model.fit(self.confidence, show_progress=False)
        model.solver(
            self.confidence, model.user_factors, model.item_factors, model.regularization, num_threads=threads
        )
        return model.user_factors, model.item_factors, time.perf_counter() - started

    def loss(self, users, items):
        users, items = users.astype(np.float64), items.astype(np.float64)
        coo = self.confidence.tocoo()
        scores = np.einsum("nd,nd->n", users[coo.row], items[coo.col])
        observed = np.sum(coo.data * (1 - scores) ** 2 - scores**2)
        penalty = self.training["regularization"] * (np.sum(users**2) + np.sum(items**2))
        return np.sum((users.T @ users) * (items.T @ items)) + observed + penalty

    def loss_by_peer(self, users, items):
        """The same by the peer's own function, which returns it per unit of confidence."""
        users, items = users.astype(np.float64), items.astype(np.float64)
        total = self.confidence.sum(dtype=np.float64) + np.prod(self.confidence.shape) - self.confidence.nnz
        return calculate_loss(self.confidence, users, items, self.training["regularization"]) * total

    def distance_to_exact(self):
        """How far our user vectors are from the exact solution (Cholesky, by the peer) for our item vectors."""
        model, exact = self.peer(0, 0, use_cg=False), np.zeros_like(self.users)
        model.solver(self.confidence, exact, self.items.copy(), self.training["regularization"], num_threads=0)
        return np.linalg.norm(self.users - exact) / np.linalg.norm(exact)


def top(users, items):
    return np.argsort(-(users @ items.T), axis=1)[:, :TOP]


def overlap(a, b):
    return np.mean([len(np.intersect1d(x, y)) / len(x) for x, y in zip(a, b)])


def compare(artifact, threads):
    """Prints the agreement of both; returns the faults as sentences."""
    first, second = artifact.learned_by_peer(7, threads), artifact.learned_by_peer(8, threads)
    n_users = len(artifact.users)
    sample = np.random.default_rng(1).choice(n_users, min(2000, n_users), replace=False)
    pairs = ((artifact.users, artifact.items), first[:2], second[:2])
    ours_top, first_top, second_top = (top(users[sample], items) for users, items in pairs)
    ours, theirs = artifact.loss(artifact.users, artifact.items), artifact.loss(*first[:2])
    check = artifact.loss_by_peer(artifact.users, artifact.items) / ours
    agree, seeds, exact = overlap(ours_top, first_top), overlap(first_top, second_top), artifact.distance_to_exact()
    print(f"matrix: {n_users} users x {len(artifact.items)} items, {artifact.confidence.nnz} weights, "
          f"dim {artifact.users.shape[1]}, {artifact.training['iterations']} iterations")
    print(f"loss: ours {ours:.1f}, implicit {theirs:.1f}, ratio {ours / theirs:.5f} "
          f"(implicit's own function on our vectors: {check:.6f} of ours)")
    print(f"top-{TOP} overlap: ours with implicit {agree:.3f}, implicit with itself under another seed {seeds:.3f}")
    print(f"our user vectors are {exact:.2e} (relative) from the exact solution for our item vectors")
    wrong = {
        "the losses differ by more than 2 %": not 0.98 < ours / theirs < 1.02,
        "the two ways to compute the loss differ": abs(check - 1) > 1e-4,
        "our vectors agree less with implicit's than two seeds of implicit do, by over 0.05": agree < seeds - 0.05,
        "our user vectors are no solution": exact > 0.05,
    }
    return [what for what, is_so in wrong.items() if is_so]


def race(options, store):
    """Times both in turn at each number of threads."""
    for threads in options.threads:
        ours, theirs = [], []
        for repeat in range(options.repeats):
            folder, seconds = train(options, threads, store)
            ours.append(seconds)
            theirs.append(Artifact(folder).learned_by_peer(repeat, threads)[2])
        spread = [f"{statistics.median(t):.2f} s ({min(t):.2f} to {max(t):.2f})" for t in (ours, theirs)]
        ratio = statistics.median(theirs) / statistics.median(ours)
        print(f"{threads} thread{'s' if threads > 1 else ''}: ours {spread[0]}, implicit {spread[1]}, "
              f"x{ratio:.2f} (medians of {options.repeats})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artifact", type=pathlib.Path, help="a version's folder; else one is trained")
    parser.add_argument("--trainer", help="the qianmian-trainer binary")
    parser.add_argument("--config")
    parser.add_argument("--orders")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if options.artifact:
        wrong = compare(Artifact(options.artifact), max(options.threads))
    else:
        with tempfile.TemporaryDirectory() as store:
            wrong = compare(Artifact(train(options, max(options.threads), store)[0]), max(options.threads))
            race(options, store)
    if wrong:
        sys.exit("; ".join(wrong))


main()
