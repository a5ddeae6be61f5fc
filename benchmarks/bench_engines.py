"""Measure scoring on Dask, Spark and Ray, training in two JAX processes, and a stream from Parquet.

    python benchmarks/bench_engines.py score [--engines serial two dask spark ray ray_data] [--rows 1000000]
    python benchmarks/bench_engines.py train [--processes 2] [--batch 512]
    python benchmarks/bench_engines.py stream [--rows 200000]

``score`` writes short texts of random words as Parquet files, trains a default classifier with 20,000
terms for one epoch on 2,000 of them, and reads, scores and writes all files by each engine with two
workers of one thread. ``serial`` is one process on one core, and ``two`` are two such processes without
an engine. "Per core" is the time times the workers, relative to ``serial``. The time includes the import
of skrnn in the workers, but not the start of the engine, which is printed. CPU time is that of all
processes besides this one, after the start of the engine. Memory is the largest resident memory of a
worker, with and without what it shares, such as libraries and Ray's object store, and the sum of what
each process does not share.

``train`` trains a default classifier with JAX in processes that have one core each.

``stream`` reads a Parquet file three times: only to read, for the vocabulary, and for ``partial_fit``.

The results are in benchmarks/README.md. Install the extra ``engines``.
"""

import argparse
import os
import pickle
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from itertools import chain
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import psutil
import pyarrow.parquet as pq

from skrnn import RNNTextClassifier, RNNTextEncoder, load, save

N_WORKERS, ROWS_PER_FILE = 2, 50_000
WORDS = np.array([f"w{i}" for i in range(20_000)])
SERVICES = ("java", "raylet", "gcs_server")  # which score nothing


def make_texts(n, rng, lengths=(5, 16)):
    """Return random texts of 5 to 15 words, whose frequencies fall as in a language."""
    counts = rng.integers(*lengths, n)
    words = WORDS[np.exp(rng.random(counts.sum()) * np.log(len(WORDS))).astype(int) - 1]  # Zipf's law
    return [" ".join(row) for row in np.split(words, np.cumsum(counts)[:-1])]


def make_files(folder, n):
    rng = np.random.default_rng(0)
    for start in range(0, n, ROWS_PER_FILE):
        frame = pd.DataFrame({"id": np.arange(start, min(start + ROWS_PER_FILE, n))})
        frame["text"] = make_texts(len(frame), rng)
        frame.to_parquet(folder / f"{start:08d}.parquet", index=False)


class Usage(threading.Thread):
    """Note the CPU time and the largest memory of each child process, twice a second."""

    def __init__(self):
        super().__init__(daemon=True)
        self.cpu, self.resident, self.own, self.names, self.samples = {}, {}, {}, {}, []
        self.over = threading.Event()

    def run(self):
        while not self.over.wait(0.5):
            for process in psutil.Process().children(recursive=True):
                try:
                    memory, times, name = process.memory_full_info(), process.cpu_times(), process.name()
                except psutil.Error:
                    continue
                key = process.pid
                self.cpu[key], self.names[key] = times.user + times.system, name
                self.resident[key] = max(memory.rss / 1e6, self.resident.get(key, 0))
                self.own[key] = max(memory.uss / 1e6, self.own.get(key, 0))
            self.samples.append((time.perf_counter(), dict(self.cpu)))

    def report(self, begun):
        """Describe the processes; CPU time is that since `begun`."""
        workers = [pid for pid, name in self.names.items() if name not in SERVICES]
        before = [cpu for when, cpu in self.samples if when <= begun][-1:]
        used = {pid: self.cpu[pid] - (before[0].get(pid, 0) if before else 0) for pid in self.cpu}
        python = sum(used[pid] for pid in workers)
        engine = sum(used.values()) - python
        largest, own = (max(sizes[pid] for pid in workers) for sizes in (self.resident, self.own))
        return (
            f"CPU time {python:.0f} s of Python and {engine:.0f} s of the engine, worker {largest:.0f} MB "
            f"({own:.0f} MB not shared), all processes {sum(self.own.values()):.0f} MB"
        )


def scorer(path):
    def score(frame):
        return frame.assign(probability=load(path).predict_proba(frame["text"])[:, 1])

    return score


def on_serial(path, source, target, n_processes=1):
    """Score the files in processes that have one core each and no engine."""
    target.mkdir()
    files = sorted(source.glob("*.parquet"))
    start = get_context("spawn").Process
    parts = [files[i::n_processes] for i in range(n_processes)]
    running = [start(target=score_files, args=(i, path, part, target)) for i, part in enumerate(parts)]
    begun = time.perf_counter()
    for process in running:
        process.start()
    for process in running:
        process.join()
    return begun


def score_files(core, path, files, target):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    for file in files:
        scorer(path)(pd.read_parquet(file)).to_parquet(target / file.name)


def on_two(path, source, target):
    return on_serial(path, source, target, N_WORKERS)


def on_dask(path, source, target):
    import dask
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.nanny.pre-spawn-environ": {"OMP_NUM_THREADS": 1}})  # see docs/scaling.md
    cluster = LocalCluster(n_workers=N_WORKERS, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster):
        begun = time.perf_counter()
        meta = {"id": int, "text": str, "probability": float}
        dd.read_parquet(source).map_partitions(scorer(path), meta=meta).to_parquet(target)
        return begun


def on_spark(path, source, target):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = SparkSession.builder.master(f"local[{N_WORKERS}, 4]").config("spark.ui.enabled", "false")
    session = session.getOrCreate()

    def score(frames):
        model = load(path)
        for frame in frames:
            yield frame.assign(probability=model.predict_proba(frame["text"])[:, 1])

    begun = time.perf_counter()
    frame = session.read.schema("id long, text string").parquet(str(source))
    frame.mapInPandas(score, "id long, text string, probability double").write.parquet(str(target))
    return begun


def on_ray(path, source, target):
    import ray

    ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False)
    target.mkdir()

    @ray.remote
    def score_file(file):
        scorer(path)(pd.read_parquet(file)).to_parquet(target / file.name)

    begun = time.perf_counter()
    ray.get([score_file.remote(file) for file in source.glob("*.parquet")])
    return begun


def on_ray_data(path, source, target):
    import ray

    ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.use_datasource_v2 = False  # see docs/scaling.md
    begun = time.perf_counter()
    n_files = len(list(source.glob("*.parquet")))
    data = ray.data.read_parquet(str(source), override_num_blocks=n_files)
    data = data.map_batches(scorer(path), batch_format="pandas", batch_size=None)
    data.write_parquet(str(target))
    return begun


ENGINES = {
    "serial": on_serial,
    "two": on_two,
    "dask": on_dask,
    "spark": on_spark,
    "ray": on_ray,
    "ray_data": on_ray_data,
}


def read(folder):
    frame = pd.concat(pd.read_parquet(path) for path in folder.glob("*.parquet"))
    return frame.sort_values("id")["probability"].to_numpy()


def run_engine(name, folder):
    """Run one engine in this process and print its figures."""
    target = folder / name
    shutil.rmtree(target, ignore_errors=True)
    usage = Usage()
    usage.start()
    started = time.perf_counter()
    begun = ENGINES[name](str(folder / "model.skrnn"), folder / "texts", target)
    seconds = time.perf_counter() - begun
    usage.over.set()
    n_rows = len(read(target))
    print(
        f"{name}: start {begun - started:.1f} s, {seconds:.1f} s, {n_rows / seconds:,.0f} texts/s, "
        f"{usage.report(begun)}",
        flush=True,
    )
    (folder / f"{name}.seconds").write_text(str(seconds))


def prepare(options, folder):
    (folder / "texts").mkdir(parents=True)
    make_files(folder / "texts", options.rows)
    texts = pd.read_parquet(folder / "texts" / f"{0:08d}.parquet")["text"].tolist()[:2000]
    labels = [len(text) % 2 for text in texts]
    vocabulary = WORDS.tolist()
    classifier = RNNTextClassifier(vocabulary=vocabulary, epochs=1, random_state=0).fit(texts, labels)
    save(classifier, folder / "model.skrnn")


def cost_of_shipping(folder):
    path, seconds = folder / "model.skrnn", []
    for _ in range(5):
        begun = time.perf_counter()
        classifier = load(path)
        seconds.append(time.perf_counter() - begun)
    begun = time.perf_counter()
    data = pickle.dumps(classifier)
    dumped = time.perf_counter()
    pickle.loads(data)
    read_in = time.perf_counter() - dumped
    print(
        f"model: file {path.stat().st_size / 1e6:.1f} MB, loads in {np.median(seconds):.3f} s; "
        f"pickle {len(data) / 1e6:.1f} MB, {dumped - begun:.3f} s, read in {read_in:.3f} s"
    )


def score(options):
    folder = Path(options.folder or tempfile.mkdtemp())
    if not (folder / "model.skrnn").exists():
        prepare(options, folder)
    if options.one:
        run_engine(options.engines[0], folder)
        return
    cost_of_shipping(folder)
    for name in options.engines:  # each in a new process
        command = [sys.executable, "-W", "ignore", __file__, "score", "--one", "--engines", name]
        subprocess.run([*command, "--folder", str(folder)], check=True)
    if "serial" not in options.engines:
        return
    serial, expected = float((folder / "serial.seconds").read_text()), read(folder / "serial")
    for name in options.engines[1:]:
        ratio = float((folder / f"{name}.seconds").read_text()) * N_WORKERS / serial
        found = read(folder / name)
        different = ((found > 0.5) != (expected > 0.5)).sum()
        largest = abs(found - expected).max()
        print(f"{name}: {ratio:.2f} per core, {different} labels differ, probabilities by {largest:.1e}")


def train(options):
    """Start the processes, or be one of them."""
    if options.process is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        command = [sys.executable, "-W", "ignore", __file__, "train", "--port", port]
        command += ["--processes", str(options.processes), "--batch", str(options.batch)]
        command += ["--rows", str(options.rows), "--process"]
        settings = os.environ | {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}
        running = [subprocess.Popen([*command, str(i)], env=settings) for i in range(options.processes)]
        if any([process.wait() for process in running]):
            sys.exit("a process has failed")
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.process})
    import keras

    if options.processes > 1:
        keras.distribution.initialize(f"127.0.0.1:{options.port}", options.processes, options.process)
        keras.distribution.set_distribution(keras.distribution.DataParallel())
    texts = make_texts(options.rows, np.random.default_rng(0), (40, 41))
    labels = [len(text) % 2 for text in texts]
    tokens, ends = 40 * len(texts), []

    class ReportEpoch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            ends.append(time.perf_counter())
            if epoch:  # the first one compiles
                seconds = ends[-1] - ends[-2]
                print(
                    f"{options.process} of {options.processes}: epoch {epoch + 1} in {seconds:.2f} s, "
                    f"{tokens / seconds:,.0f} tokens/s, loss {logs['loss']:.6f}",
                    flush=True,
                )

    settings = {"epochs": 4, "batch_size": options.batch, "callbacks": [ReportEpoch()]}
    RNNTextClassifier(random_state=0, **settings).fit(texts, labels)


def stream(options):
    folder = Path(options.folder or tempfile.mkdtemp())
    path = folder / "stream.parquet"
    texts = make_texts(options.rows, np.random.default_rng(0))
    frame = pd.DataFrame({"text": texts, "label": [len(text) % 2 for text in texts]})
    frame.to_parquet(path, row_group_size=10_000)
    n_tokens, file = sum(text.count(" ") + 1 for text in texts), pq.ParquetFile(path)
    begun = time.perf_counter()
    n_rows = sum(len(batch.to_pandas()) for batch in file.iter_batches(10_000))
    seconds = time.perf_counter() - begun
    print(f"read: {n_rows} rows, {seconds / n_tokens * 1e6:.3f} s per million tokens")
    begun, counts = time.perf_counter(), Counter()
    for batch in file.iter_batches(10_000, columns=["text"]):
        part = batch.column("text").to_pylist()
        splitter = RNNTextEncoder(objective="random", rnn_units=1, vocab_size=None).fit(part)
        counts.update(chain.from_iterable(splitter.tokenize(part)))
    seconds = time.perf_counter() - begun
    print(f"vocabulary: {len(counts)} terms, {seconds / n_tokens * 1e6:.2f} s per million tokens")
    vocabulary = [term for term, _ in counts.most_common(20_000)]
    classifier = RNNTextClassifier(vocabulary=vocabulary, random_state=0)
    for i in range(file.num_row_groups):
        if i == 1:  # the first one imports TensorFlow and compiles
            begun, n_tokens = time.perf_counter(), n_tokens * (1 - 1 / file.num_row_groups)
        group = file.read_row_group(i).to_pandas()
        classifier.partial_fit(group["text"], group["label"], classes=[0, 1])
    seconds = time.perf_counter() - begun
    memory = psutil.Process().memory_info().rss / 1e6
    print(f"partial_fit: {seconds / n_tokens * 1e6:.2f} s per million tokens, {memory:.0f} MB")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=["score", "train", "stream"])
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--rows", type=int, help="number of texts")
    parser.add_argument("--folder", help="where the files are kept; score uses those that it finds")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--batch", type=int, default=512, help="texts of a batch, all processes together")
    for name in ("--one", "--process", "--port"):
        kind = {"action": "store_true"} if name == "--one" else {"type": int}
        parser.add_argument(name, help=argparse.SUPPRESS, **kind)
    options = parser.parse_args()
    options.rows = options.rows or {"score": 1_000_000, "train": 2048, "stream": 200_000}[options.task]
    {"score": score, "train": train, "stream": stream}[options.task](options)


if __name__ == "__main__":
    main()
