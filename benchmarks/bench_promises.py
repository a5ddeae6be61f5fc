"""R8, R9 and R10: threads on one estimator, memory of many fits, memory of transform over many rows.

    python benchmarks/bench_promises.py threads
    python benchmarks/bench_promises.py fits --fits 50
    python benchmarks/bench_promises.py rows --rows 1000 10000 100000 1000000

The figures had are in docs/promises.md.
"""

import argparse
import gc
import os
import threading
import time
import tracemalloc

import numpy as np

import skrnn

WORDS = [f"w{i}" for i in range(2000)]


def texts(n, seed=0, n_words=12):
    rng = np.random.default_rng(seed)
    return [" ".join(WORDS[i] for i in row) for row in rng.integers(0, len(WORDS), (n, n_words))]


def resident():
    """Return the memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def threads(n_threads=32, n_calls=200):
    """R8: each thread has its own texts; every result must be that of one thread, to the bit."""
    model = skrnn.RNNTextEncoder(objective="random", rnn_units=16, random_state=0).fit(texts(500))
    inputs = [texts(8, seed) for seed in range(n_threads)]
    expected, wrong = [model.transform(rows) for rows in inputs], []

    def work(i):
        for _ in range(n_calls):
            if not np.array_equal(model.transform(inputs[i]), expected[i]):
                wrong.append(i)

    begun = time.perf_counter()
    workers = [threading.Thread(target=work, args=(i,)) for i in range(n_threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - begun
    print(f"{n_threads} threads x {n_calls} calls, {len(wrong)} wrong, {seconds:.1f} s")


def fits(n_fits):
    """R9: the slope of the resident memory after the tenth fit."""
    X, y, memory = texts(64), ["a", "b"] * 32, []
    for i in range(n_fits):
        skrnn.RNNTextClassifier(rnn_units=8, embedding_dim=8, epochs=1, random_state=i).fit(X, y)
        gc.collect()
        memory.append(resident())
    slope = np.polyfit(np.arange(10, n_fits), memory[10:], 1)[0]
    print(f"{n_fits} fits: {memory[0]:.0f} MB after the first, {memory[-1]:.0f} after all, {slope:.2f} a fit")


def rows(counts):
    """R10: the peak of what transform allocates, beside its output; texts are counted as there."""
    model = skrnn.RNNTextEncoder(objective="random", rnn_units=8, embedding_dim=8, random_state=0)
    model.fit(texts(1000))
    for n in counts:
        X = texts(n, 1)
        model.transform(X[:100])
        tracemalloc.start()
        vectors = model.transform(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{n:>9,} rows: {(peak - vectors.nbytes) / 2**20:7.1f} MB beside {vectors.nbytes / 2**20:.1f} MB",
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["threads", "fits", "rows"])
    parser.add_argument("--fits", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    given = parser.parse_args()
    {"threads": threads, "fits": lambda: fits(given.fits), "rows": lambda: rows(given.rows)}[given.what]()
