"""Measure the time and memory of partial_fit per chunk, and of fit by the length of the texts.

    python benchmarks/bench_stream.py chunks [--n 60] [--rows 500]
    python benchmarks/bench_stream.py length --tokens 400 [--rows 512]
    python benchmarks/bench_stream.py length --tokens 2000 [--rows 512]

``chunks`` prints the time of a chunk of a stream and the resident memory after it.

``length`` trains one epoch on texts of a given number of tokens. It prints the peak of the resident
memory, without the memory at the start, and the seconds per million tokens. Run it in a new process for
each length, because a process keeps memory that it has used once.

The following figures were measured on 2 cores shared with other work (load 3 to 6).

``chunks --n 20``: the first chunk takes 7.5 s, including the import of TensorFlow, and later ones 0.6
to 0.8 s. The memory is 796 MB after the second chunk and 806 MB after the twentieth, which is 0.6 MB
per chunk.

``length --rows 5120`` on a quiet machine with two cores, with gradients through all steps. 400 tokens
(batches of 64) need 534 MB and 11.0 s per million tokens. 2,000 tokens (batches of 12, because a batch
has at most 25,600 ids) need 737 MB and 11.4 s. So texts five times as long need 1.4 times the memory
and the same time per token. Part of the memory holds the ids, of which there are five times as many.
With ``--rows 512``, both use batches of 8 texts: 103 and 353 MB, 19.6 and 12.5 s.
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
    RNNTextClassifier(**settings).fit(warm, [0, 1] * 32)  # import TensorFlow and trace before the measurement
    X, y = texts(options.rows, options.tokens, rng), [0, 1] * (options.rows // 2)
    before, begun = resident(), time.perf_counter()
    RNNTextClassifier(**settings).fit(X, y)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    n_tokens = options.rows * options.tokens
    print(
        f"{options.rows} texts of {options.tokens} tokens: {peak - before:.0f} MB above {before:.0f} MB, "
        f"{seconds:.1f} s, {seconds / n_tokens * 1e6:.1f} s per million tokens"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["chunks", "length"])
    parser.add_argument("--n", type=int, default=60, help="number of chunks")
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=400)
    options = parser.parse_args()
    {"chunks": chunks, "length": length}[options.task](options)


if __name__ == "__main__":
    main()
