"""Compares the vectors of an artifact with those that `implicit` learns from the same matrix.

Everything comes out of the artifact: the weights (section `history`), the vectors and the parameters.
Prints the loss of both (Hu, Koren & Volinsky 2008, equation 3) and how many of a user's 20 best items agree.
"""

import json
import pathlib
import sys
import time

import numpy as np
import pyarrow as pa
import scipy.sparse as sp
from implicit.cpu.als import AlternatingLeastSquares


def section(folder, name):
    return pa.ipc.open_file(pa.memory_map(str(folder / f"{name}.arrow"))).read_all()


def matrix(folder, name):
    column = section(folder, name).column("vector").combine_chunks()
    return column.values.to_numpy().reshape(len(column), -1)


def loss(weights, users, items, alpha, regularization):
    users, items = users.astype(np.float64), items.astype(np.float64)
    everywhere = np.sum((users.T @ users) * (items.T @ items))
    coo = weights.tocoo()
    scores = np.einsum("nd,nd->n", users[coo.row], items[coo.col])
    confidence = 1 + alpha * coo.data
    observed = np.sum(confidence * (1 - scores) ** 2 - scores**2)
    return everywhere + observed + regularization * (np.sum(users**2) + np.sum(items**2))


def top(users, items, k=20):
    return np.argsort(-(users @ items.T), axis=1)[:, :k]


def main():
    store = pathlib.Path(sys.argv[1])
    version = sys.argv[2] if len(sys.argv) > 2 else json.loads((store / "latest.json").read_text())["version"]
    folder = store / version
    training = json.loads((folder / "manifest.json").read_text())["parameters"]["training"]
    alpha, regularization = training["alpha"], training["regularization"]
    lists = section(folder, "history").column("purchases").combine_chunks()
    entries, offsets = lists.values, lists.offsets.to_numpy()
    users, items = matrix(folder, "user_factors"), matrix(folder, "item_factors")
    shape = (len(users), len(items))
    weights = sp.csr_matrix(
        (entries.field("decayed").to_numpy(), entries.field("item").to_numpy(), offsets), shape=shape
    )
    confidence = weights.copy()
    confidence.data = 1 + alpha * confidence.data
    def peer(seed):
        model = AlternatingLeastSquares(
            factors=users.shape[1], regularization=regularization, alpha=1.0,
            iterations=training["iterations"], random_state=seed, num_threads=0,
        )
        started = time.perf_counter()
        model.fit(confidence, show_progress=False)
        return model.user_factors, model.item_factors, time.perf_counter() - started

    first, second = peer(7), peer(8)
    sample = np.random.default_rng(1).choice(shape[0], min(2000, shape[0]), replace=False)
    ours_top, first_top, second_top = (top(u[sample], i) for u, i in ((users, items), first[:2], second[:2]))
    agree = lambda a, b: np.mean([len(np.intersect1d(x, y)) / len(x) for x, y in zip(a, b)])
    ours_loss = loss(weights, users, items, alpha, regularization)
    peer_loss = loss(weights, first[0], first[1], alpha, regularization)
    print(f"matrix: {shape[0]} users x {shape[1]} items, {weights.nnz} weights, dim {users.shape[1]}")
    print(f"loss: ours {ours_loss:.1f}, implicit {peer_loss:.1f}, ratio {ours_loss / peer_loss:.5f}")
    print(f"top-20 overlap: ours with implicit {agree(ours_top, first_top):.3f}, "
          f"implicit with itself under another seed {agree(first_top, second_top):.3f}")
    print(f"implicit: {first[2]:.2f} s")
    if not 0.98 < ours_loss / peer_loss < 1.02:
        sys.exit("the losses differ by more than 2 %")


main()
