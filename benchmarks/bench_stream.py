"""Streams and long texts: seconds and memory of partial_fit by chunk, and of fit by the length of the texts.

    python benchmarks/bench_stream.py chunks [--n 60] [--rows 500]
    python benchmarks/bench_stream.py length --tokens 400 [--rows 512]
    python benchmarks/bench_stream.py length --tokens 2000 [--rows 512]

``chunks`` prints the seconds and the resident memory after chunks of a stream. ``length`` fits texts of so
many tokens, once over all of them, and prints the highest resident memory above that of the start, and
seconds for each million tokens: one process for one length, since memory that was once taken is kept.

Measured on 2 cores shared with other work (load 3 to 6):

``chunks --n 20``: the first chunk 7.5 s, the import of TensorFlow included, later ones 0.6 to 0.8 s; 796 MB
after the second, 806 MB after the twentieth, 0.6 MB a chunk.

``length --rows 5120``, gradients through all steps, a quiet machine of two cores: 400 tokens (batches of 64)
534 MB, 11.0 s a million tokens; 2,000 tokens (batches of 12, since a batch has at most 25,600 ids) 737 MB,
11.4 s. So five times the length takes 1.4 times the memory, some of it the ids of five times the tokens, and
as long a token. With ``--rows 512``, whose batches are of 8 texts either way: 103 and 353 MB, 19.6 and
12.5 s.
"""

import argparse
import resource
import time

import numpy as np

from skrnn import RNNTextClassifier

WORDS = [f"w{i}" for i in range(2000)]


def texts(n, length, rng):
    return [" ".join(row) for row in rng.choice(WORDS, (n, length))]


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def chunks(options):
    rng = np.random.default_rng(0)
    classifier = RNNTextClassifier(random_state=0)
    for i in range(options.n):
        X, y = texts(options.rows, 30, rng), rng.integers(0, 2, options.rows)
        begun = time.perf_counter()
        classifier.partial_fit(X, y, classes=[0, 1])
        if i < 4 or not (i + 1) % 10:
            print(f"chunk {i + 1}: {time.perf_counter() - begun:.2f} s, {resident():.0f} MB", flush=True)


def length(options):
    rng = np.random.default_rng(0)
    settings = {"epochs": 1, "early_stopping": False, "sequence_length": options.tokens, "random_state": 0}
    warm = texts(64, 8, rng)
    RNNTextClassifier(**settings).fit(warm, [0, 1] * 32)  # imports and traces once
    X, y = texts(options.rows, options.tokens, rng), [0, 1] * (options.rows // 2)
    before, begun = resident(), time.perf_counter()
    RNNTextClassifier(**settings).fit(X, y)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    n_tokens = options.rows * options.tokens
    print(
        f"{options.rows} texts of {options.tokens} tokens: {peak - before:.0f} MB above {before:.0f} MB, "
        f"{seconds:.1f} s, {seconds / n_tokens * 1e6:.1f} s a million tokens"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["chunks", "length"])
    parser.add_argument("--n", type=int, default=60, help="chunks")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=400)
    options = parser.parse_args()
    {"chunks": chunks, "length": length}[options.task](options)


if __name__ == "__main__":
    main()
