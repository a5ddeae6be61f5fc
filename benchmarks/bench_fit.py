"""Compare the time of default fits in two checkouts.

    python benchmarks/bench_fit.py OTHER DATA [--cases sst2 titles imdb tiny] [--runs 3] [--epochs N]

OTHER is the root of another checkout, for example ``git worktree add ../before 7c62e3f``. DATA is a folder
with the data sets, see benchmarks/README.md. The checkouts take turns, each fit runs in a new process, and
the first fit of a process is not measured, except that of "tiny". The cases:

sst2    the training part of sst2
titles  the first sentences of 28,800 reviews of imdb/unsup, with a label of four that depends on their length
imdb    the training part of imdb
tiny    32 texts of two words: the first, the second and the third fit of a process; the third has other units
rows    100,000 and 1,000,000 texts of 12 words, one epoch: seconds until the first line of progress, seconds
        for a million tokens, and peak memory besides the texts (only if named in --cases)

--epochs replaces epochs="auto", to save time: the times of epochs are nearly equal.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

TINY = ["good film", "bad film"] * 16, [0, 1] * 16


def read(folder, name, part):
    (path,) = (Path(folder) / name).glob(f"{part}.*")
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def examples(folder, case):
    """Return the texts and labels of a case."""
    if case != "titles":
        table = read(folder, case, "train")
        return table["text"].tolist(), table["label"].tolist()
    reviews = read(folder, "imdb", "unsup")["text"][:28_800]
    titles = [review.replace("!", ".").replace("?", ".").partition(". ")[0][:60] for review in reviews]
    return titles, [len(title) % 4 for title in titles]


def fit_tiny():
    """Return the times of three fits."""
    from skrnn import RNNTextClassifier

    found = {}
    for name, units in {"first": 64, "second": 64, "third": 48}.items():
        begin = time.perf_counter()
        RNNTextClassifier(rnn_units=units, random_state=0).fit(*TINY)
        found[name] = time.perf_counter() - begin
    return found


class FirstWrite:
    """Standard output that notes the time of the first write."""

    def __init__(self):
        self.time, self.out = None, sys.stdout

    def write(self, text):
        self.time = self.time or time.perf_counter()
        return self.out.write(text)

    def flush(self):
        self.out.flush()


def memory(name):
    """Return the resident memory of this process (VmRSS) or its peak (VmHWM), in MB."""
    status = Path("/proc/self/status").read_text("ascii", "replace")
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1000


def fit_rows(n):
    """Fit texts of 12 words of 50,000, whose frequencies are like those of English."""
    from skrnn import RNNTextClassifier

    RNNTextClassifier(epochs=1, random_state=0).fit(*TINY)
    words = np.array([f"word{i}" for i in range(50_000)])
    shares = 1 / np.arange(10, 50_010)
    draws = np.random.default_rng(0).choice(words, (n, 12), p=shares / shares.sum())
    texts, labels = [" ".join(row) for row in draws], np.arange(n) % 2
    del draws
    before, sys.stdout = memory("VmRSS"), FirstWrite()
    begin = time.perf_counter()
    RNNTextClassifier(epochs=1, random_state=0, verbose=1).fit(texts, labels)
    wall, first = time.perf_counter() - begin, sys.stdout.time - begin
    sys.stdout = sys.stdout.out
    return {
        f"first line of {n}": first,
        "wall": wall,
        "per million tokens": wall / (12e-6 * n),
        "MB": memory("VmHWM") - before,
    }


def fit(folder, case, epochs):
    """Fit one case in this process and return its times."""
    if case == "tiny":
        return fit_tiny()
    if case.startswith("rows"):
        return fit_rows(int(case.removeprefix("rows")))
    from skrnn import RNNTextClassifier

    texts, labels = examples(folder, case)
    RNNTextClassifier(epochs=1, random_state=0).fit(*TINY)
    model = RNNTextClassifier(random_state=0, **({"epochs": epochs} if epochs else {}))
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(texts, labels)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "loss": model.loss_curve_[-1],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("other")
    parser.add_argument("data")
    parser.add_argument("--cases", nargs="+", default=["sst2", "titles", "imdb", "tiny"])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(fit(arguments.data, arguments.here, arguments.epochs)))
        return
    here = Path(__file__).resolve().parents[1]
    rows = ["rows100000", "rows1000000"]
    for case in [case for name in arguments.cases for case in (rows if name == "rows" else [name])]:
        for run in range(arguments.runs):
            for name, checkout in (("other", arguments.other), ("this", here)):
                command = [sys.executable, __file__, arguments.other, arguments.data, "--here", case]
                command += ["--epochs", str(arguments.epochs)] if arguments.epochs else []
                environment = os.environ | {"PYTHONPATH": str(Path(checkout).resolve())}
                done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
                times = json.loads(done.stdout.splitlines()[-1])
                values = ", ".join(f"{key} {value:.3g}" for key, value in times.items())
                print(f"{case:>6}, run {run + 1}, {name:>5}: {values}", flush=True)


if __name__ == "__main__":
    main()
