"""Scoring, searches and training on Dask, Spark, Ray and JAX, each on a cluster of this machine."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from ast import literal_eval
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import numpy as np
import pandas as pd
import pytest

from skrnn import RNNTextClassifier, load, save

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "scaling.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
N_PARTS, N_ROWS = 6, 40

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # of the engines


def skip_without(*modules):
    """Skip a test whose engine is not installed. Spark also needs Java."""
    for name in modules:
        if find_spec(name) is None:
            pytest.skip(f"needs {name}, which the extra engines installs")
    if "pyspark" in modules and not (which("java") or "JAVA_HOME" in os.environ):
        pytest.skip("Spark needs Java, for example from the Debian package default-jre-headless")


# -- the code of docs/scaling.md -----------------------------------------------------------------------

NEEDS = {  # the section, or the subsection after the code at the start of its section
    "Score a table": ["pyarrow"],
    "Dask": ["dask", "distributed", "pyarrow"],
    "Spark": ["pyspark", "pyarrow"],
    "Ray": ["ray", "pyarrow"],
    "Search parameters": [],
    "Joblib on Dask": ["dask", "distributed"],
    "Joblib on Ray": ["ray"],
    "Search with Optuna": ["optuna"],
    "Train in several processes": ["jax"],
    "Start by hand": ["jax"],
    "Start by Dask": ["jax", "dask", "distributed"],
    "Start by Ray": ["jax", "ray"],
    "Train on a stream": ["pyarrow"],
}
WRITES = {  # folders of labelled texts
    "Dask": ["labelled"],
    "Spark": ["labelled", "labelled_by_udf"],
    "Ray": ["labelled", "labelled_by_data"],
}


def scripts():
    """Return the code of each part of the page, as a reader of that part copies it."""
    found = {}
    for title, section in SECTIONS.items():
        start, *parts = re.split(r"^### ", section, flags=re.M)
        for name, text in [(title, ""), *(part.split("\n", 1) for part in parts)]:
            if blocks := re.findall(r"^```python\n(.*?)^```$", start + text, re.M | re.S):
                found[name] = "\n".join(blocks)
    return found


SCRIPTS = scripts()


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def start_script(name, folder, *arguments, address="", changes=None):
    """Start the code of a part of the page, with some of it replaced; its output goes to files."""
    code = SCRIPTS[name]
    for old, new in (changes or {}).items():
        assert code.count(old) == 1
        code = code.replace(old, new)
    (folder / "script.py").write_text(code)
    settings = os.environ | {"FOLDER": str(folder), "ADDRESS": address, "PYTHONPATH": str(ROOT)}
    with open(folder / f"{len(list(folder.glob('*.out')))}.out", "w") as out:
        command = [sys.executable, "-W", "ignore", "script.py", *arguments]
        return subprocess.Popen(command, cwd=folder, env=settings, stdout=out, stderr=subprocess.STDOUT)


def finish(process, folder):
    try:
        status = process.wait(500)
    finally:
        process.kill()
    assert status == 0, "\n".join(path.read_text()[-3000:] for path in folder.glob("*.out"))


def test_every_part_with_code_is_run():
    assert SCRIPTS.keys() == NEEDS.keys()


@pytest.mark.parametrize("name", [name for name in NEEDS if not name.startswith("Start by")])
def test_code_of_the_page_runs(name, tmp_path):
    skip_without("keras", *NEEDS[name])
    finish(start_script(name, tmp_path), tmp_path)
    for folder in WRITES.get(name, []):
        found = pd.concat(pd.read_parquet(path) for path in (tmp_path / folder).glob("*.parquet"))
        expected = load(tmp_path / "films-1.skrnn").predict(found["text"])
        assert found["label"].tolist() == expected.tolist() and len(found) == 16


KILL_ONCE = """
from sklearn.preprocessing import FunctionTransformer


def kill_once(texts):
    import os, pathlib, signal
    killed = pathlib.Path(os.environ["FOLDER"]) / "killed"
    if not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return texts


"""


@pytest.mark.parametrize("dies", ["", "dies"])
@pytest.mark.parametrize("name", ["Joblib on Dask", "Joblib on Ray"])
def test_a_search_on_an_engine_equals_the_serial_one(name, dies, tmp_path):
    skip_without(*NEEDS[name])
    changes = (
        {
            "= make_pipeline(": "= make_pipeline(FunctionTransformer(kill_once),",
            "def search": f"{KILL_ONCE}def search",
        }
        if dies
        else {}
    )
    finish(start_script(name, tmp_path, changes=changes), tmp_path)
    assert (tmp_path / "killed").exists() == bool(dies)
    names = {"__name__": "page"}
    exec(SCRIPTS["Search parameters"], names)
    serial = names["search"]().set_params(n_jobs=None).fit(names["TEXTS"], names["LABELS"])
    expected = f"{serial.best_params_} {serial.cv_results_['mean_test_score'].tolist()}"
    assert expected in (tmp_path / "0.out").read_text()


def trials_of(folder):
    """Return the trials of the study of the page; none before it is created."""
    from optuna import load_study
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    try:
        storage = JournalStorage(JournalFileBackend(str(folder / "study.log")))
        return load_study(study_name="films", storage=storage).trials
    except (KeyError, OSError):
        return []


def check_trials(trials):
    """Check that each combination has the value of a trial in this process."""
    from optuna.trial import FixedTrial

    names = {"__name__": "page"}
    exec(SCRIPTS["Search with Optuna"], names)
    combinations = {tuple(trial.params.items()) for trial in trials}
    assert len(combinations) == 4
    for trial in trials:
        assert trial.value == names["objective"](FixedTrial(trial.params))


def test_two_processes_of_optuna_share_a_study(tmp_path):
    skip_without("optuna", "keras")
    for process in [start_script("Search with Optuna", tmp_path) for _ in range(2)]:
        finish(process, tmp_path)
    check_trials(trials_of(tmp_path))


def test_a_study_continues_after_a_process_of_optuna_is_killed(tmp_path):
    skip_without("optuna", "keras")
    slow = {"return classifier.fit(": "__import__('time').sleep(2)\n    return classifier.fit("}
    first, second = (start_script("Search with Optuna", tmp_path, changes=slow) for _ in range(2))
    begun = time.monotonic()
    while sum(not trial.state.is_finished() for trial in trials_of(tmp_path)) < 2:  # one of each process
        assert time.monotonic() - begun < 300 and second.poll() is None
        time.sleep(0.1)
    second.kill()
    finish(first, tmp_path)
    trials = trials_of(tmp_path)
    finished = [trial for trial in trials if trial.state.is_finished()]
    assert len(trials) == len(finished) + 1  # that of the process that was killed
    check_trials(finished)


@pytest.fixture(scope="module")
def losses_of_one(tmp_path_factory):
    """Return the losses that the training of the page has in one process."""
    skip_without("jax", "keras")
    folder = tmp_path_factory.mktemp("one")
    alone = {"train(int(sys.argv[1]))": "train(0, 1)"}
    finish(start_script("Start by hand", folder, address=free_address(), changes=alone), folder)
    return losses_in(folder / "0.out")


def losses_in(path):
    return np.array(literal_eval(re.findall(r"^\[.*\]$", path.read_text(), re.M)[-1]))


@pytest.mark.parametrize("name", ["Start by hand", "Start by Dask", "Start by Ray"])
def test_two_processes_of_the_page_train_like_one(name, losses_of_one, tmp_path):
    skip_without("keras", *NEEDS[name])
    address, n_scripts = free_address(), 2 if name == "Start by hand" else 1
    for process in [start_script(name, tmp_path, str(i), address=address) for i in range(n_scripts)]:
        finish(process, tmp_path)
    losses = [losses_in(tmp_path / f"{i}.out") for i in range(n_scripts)]
    expected = [losses_of_one] * 2 if n_scripts == 1 else losses_of_one
    for found in losses:
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert load(tmp_path / "films.skrnn").predict(["good film"]).shape == (1,)


def test_arrow_batches_train_like_row_groups(tmp_path):
    skip_without("pyarrow", "keras")
    import pyarrow.parquet as pq

    frame = pd.DataFrame({"text": ["good film", "bad film", "a good one"] * 20, "label": [1, 0, 1] * 20})
    frame.to_parquet(tmp_path / "films.parquet", row_group_size=20)
    file = pq.ParquetFile(tmp_path / "films.parquet")
    groups = [file.read_row_group(i).to_pandas() for i in range(file.num_row_groups)]
    batches = [batch.to_pandas() for batch in file.iter_batches(20)]
    losses = []
    for parts in (groups, batches):
        classifier = RNNTextClassifier(rnn_units=4, random_state=0)
        for part in parts:
            classifier.partial_fit(part["text"], part["label"], classes=[0, 1])
        losses.append(classifier.loss_curve_)
    assert losses[0] == losses[1] and len(losses[0]) == len(groups) == 3


# -- scoring: functions from a folder of Parquet files to another ---------------------------------------


def on_dask(function, source, target):
    skip_without("dask", "distributed", "pyarrow")
    import dask.dataframe as dd
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster):
        meta = {"id": int, "text": str, "probability": float}
        dd.read_parquet(source).map_partitions(function, meta=meta).to_parquet(target)


def spark_session():
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    # one task for each file; "4" lets a task fail three times
    session = SparkSession.builder.master("local[2, 4]").config("spark.ui.enabled", "false")
    return session.config("spark.sql.files.openCostInBytes", 2**40).getOrCreate()


def on_spark(function, source, target):
    skip_without("pyspark", "pyarrow")
    with spark_session() as session:
        frame = session.read.parquet(source).select("id", "text")
        frame = frame.mapInPandas(
            lambda parts: map(function, parts), "id long, text string, probability double"
        )
        frame.write.parquet(target)


@contextmanager
def ray_cluster():
    skip_without("ray", "pyarrow")
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        yield ray
    finally:
        ray.shutdown()


def on_ray(function, source, target):
    os.mkdir(target)

    def run(name):
        function(pd.read_parquet(f"{source}/{name}")).to_parquet(f"{target}/{name}")

    with ray_cluster() as ray:
        ray.get([ray.remote(run).remote(name) for name in os.listdir(source)])


def on_ray_data(function, source, target):
    with ray_cluster() as ray:
        ray.data.DataContext.get_current().use_datasource_v2 = False  # one task for each file
        data = ray.data.read_parquet(source, override_num_blocks=N_PARTS + 1)
        data.map_batches(function, batch_format="pandas", batch_size=None).write_parquet(target)


each_engine = pytest.mark.parametrize("on_engine", [on_dask, on_spark, on_ray, on_ray_data])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Return the paths of two saved classifiers that differ."""
    folder = tmp_path_factory.mktemp("models")
    texts, labels = ["good film", "bad film", "a very good one", "so bad"] * 8, [1, 0] * 16
    for seed in range(2):
        classifier = RNNTextClassifier(rnn_units=4, epochs=2, learning_rate=0.01, random_state=seed)
        save(classifier.fit(texts, labels), folder / f"{seed}.skrnn")
    return [str(folder / f"{seed}.skrnn") for seed in range(2)]


@pytest.fixture
def source(tmp_path):
    """Return a folder of Parquet files, one of which has no rows."""
    words = np.array(["good", "bad", "film", "very", "a", "so", "one", "new"])
    rng = np.random.default_rng(0)
    folder = tmp_path / "source"
    folder.mkdir()
    for part in range(N_PARTS):
        texts = [" ".join(words[rng.integers(0, 8, 1 + i % 7)]) for i in range(N_ROWS)]
        frame = pd.DataFrame({"id": np.arange(N_ROWS) + part * N_ROWS, "text": texts})
        frame.to_parquet(folder / f"{part}.parquet", index=False)
    frame[:0].to_parquet(folder / "empty.parquet", index=False)
    return str(folder)


def scored(model, log, before_each=None):
    """Return a function for the workers. It notes each call in a file: rows, threads and peak memory."""

    def function(frame):
        import os
        from pathlib import Path

        if before_each is not None:
            before_each(frame)
        found = load(model).predict_proba(frame["text"])[:, 1] if len(frame) else np.empty(0)
        peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
        first = frame["id"].min() if len(frame) else -1
        with open(log, "a") as file:
            file.write(f"{first} {len(frame)} {os.environ.get('OMP_NUM_THREADS')} {peak}\n")
        time.sleep(0.3)  # so that both workers get parts
        return frame[["id", "text"]].assign(probability=found)

    return function


def read(target):
    frame = pd.concat([pd.read_parquet(path) for path in Path(target).glob("*.parquet")])
    return frame.sort_values("id", ignore_index=True)


def serial(model, source):
    frame = read(source)
    return frame.assign(probability=load(model).predict_proba(frame["text"])[:, 1])


def calls(log):
    rows = [line.split() for line in Path(log).read_text().splitlines()]
    return pd.DataFrame(rows, columns=["first", "rows", "threads", "peak"]).astype(int)


@each_engine
def test_scoring_equals_the_serial_scores(on_engine, models, source, tmp_path):
    log, target = str(tmp_path / "log"), str(tmp_path / "target")
    on_engine(scored(models[0], log), source, target)
    pd.testing.assert_frame_equal(
        read(target), serial(models[0], source), check_dtype=False, rtol=1e-5, atol=1e-6
    )
    noted = calls(log)
    assert (noted["threads"] == 1).all()  # the engines set OMP_NUM_THREADS for their workers
    assert noted["peak"].max() < 1e6  # kB


@each_engine
def test_a_killed_worker_costs_only_its_parts(on_engine, models, source, tmp_path):
    log, target, killed = (str(tmp_path / name) for name in ("log", "target", "killed"))

    def kill_once(frame):
        if 3 * N_ROWS in set(frame["id"]) and not os.path.exists(killed):
            Path(killed).touch()
            os.kill(os.getpid(), signal.SIGKILL)

    on_engine(scored(models[0], log, kill_once), source, target)
    assert os.path.exists(killed)
    expected = serial(models[0], source)
    pd.testing.assert_frame_equal(read(target), expected, check_dtype=False, rtol=1e-5, atol=1e-6)
    noted = calls(log)
    repeated = noted[noted["rows"] > 0]["first"].value_counts() - 1
    assert repeated.sum() <= 2, repeated  # what the killed worker held, apart from the part that never ended


@each_engine
def test_a_model_file_that_is_replaced_is_read_as_old_or_new(on_engine, models, source, tmp_path):
    log, target, done = (str(tmp_path / name) for name in ("log", "target", "done"))
    path = str(tmp_path / "model.skrnn")
    old, new = (load(model) for model in models)
    save(old, path)

    def replace_at_third(frame):
        if 2 * N_ROWS in set(frame["id"]) and not os.path.exists(done):
            Path(done).touch()
            save(new, path)

    on_engine(scored(path, log, replace_at_third), source, target)
    found = read(target)
    parts = found["id"] // N_ROWS
    labels = []
    for _, part in found.groupby(parts):
        close = [
            np.allclose(part["probability"], model.predict_proba(part["text"])[:, 1], atol=1e-6)
            for model in (old, new)
        ]
        assert sum(close) == 1
        labels.append(close.index(True))
    assert labels[2] == 1 and len(found) == N_PARTS * N_ROWS


def test_a_pandas_function_of_spark_scores_a_column(models, source):
    skip_without("pyspark", "pyarrow")
    from collections.abc import Iterator

    path = models[0]
    with spark_session() as session:
        from pyspark.sql.functions import pandas_udf

        @pandas_udf("double")
        def probability(columns: Iterator[pd.Series]) -> Iterator[pd.Series]:
            model = load(path)
            for texts in columns:
                yield pd.Series(model.predict_proba(texts)[:, 1])

        frame = session.read.parquet(source)
        found = frame.withColumn("probability", probability("text")).toPandas()
    expected = serial(path, source)
    found = found.sort_values("id", ignore_index=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5, atol=1e-6)


# -- training in two processes of JAX -------------------------------------------------------------------

TRAIN = """
import os, signal, sys
import keras, numpy as np
from skrnn import RNNTextClassifier

process, n_processes, address, folder, dies = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:6]
if n_processes > 1:
    keras.distribution.initialize(address, n_processes, process)
    keras.distribution.set_distribution(keras.distribution.DataParallel())

class Die(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if process == 1 and epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

texts, labels = ["good film", "bad film", "good fun", "so bad"] * 10, [1, 0, 1, 0] * 10
if dies == "differs":
    labels[0] = process
classifier = RNNTextClassifier(
    layer="simple_rnn", rnn_units=4, embedding_dim=4, epochs=4, batch_size=16, random_state=0,
    checkpoint=folder + "/checkpoint", callbacks=[Die()] if dies == "dies" else None
).fit(texts[:37], labels[:37])
np.savez(f"{folder}/{process}.npz", losses=classifier.loss_curve_, p=classifier.predict_proba(texts))
"""


def start_training(n_processes, folder, dies="", code=TRAIN):
    """Start the processes of a training; each writes its errors to a file."""
    address = free_address()
    settings = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)}
    processes = []
    for i in range(n_processes):
        command = [sys.executable, "-c", code, str(i), str(n_processes), address, str(folder), dies]
        with open(folder / f"{i}.log", "w") as log:
            processes.append(subprocess.Popen(command, env=settings, stderr=log, cwd=folder))
    return processes


def trained(n_processes, folder, code=TRAIN):
    """Train to the end and return what each process saved, such as its losses and probabilities."""
    processes = start_training(n_processes, folder, code=code)
    try:
        for i, process in enumerate(processes):
            assert process.wait(600) == 0, (folder / f"{i}.log").read_text()[-3000:]
    finally:
        for process in processes:
            process.kill()
    return [np.load(folder / f"{i}.npz") for i in range(n_processes)]


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    skip_without("jax", "keras")
    return trained(1, tmp_path_factory.mktemp("one"))[0]


def test_two_processes_train_like_one(one_process, tmp_path):
    for found in trained(2, tmp_path):
        np.testing.assert_allclose(found["losses"], one_process["losses"], atol=1e-5)
        np.testing.assert_allclose(found["p"], one_process["p"], atol=1e-5)


KINDS = """
import sys
import keras, numpy as np
from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextSeq2Seq

process, n_processes, address, folder = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:5]
if n_processes > 1:
    keras.distribution.initialize(address, n_processes, process)
    keras.distribution.set_distribution(keras.distribution.DataParallel())
texts, labels = ["good film", "a bad film", "good fun so far"] * 7, [1, 0, 1] * 7
small = {"rnn_units": 4, "embedding_dim": 4, "epochs": 3, "batch_size": 8, "random_state": 0}
losses = {
    "recurrent dropout": RNNTextClassifier(recurrent_dropout=0.3, **small).fit(texts, labels),
    "self-attention": RNNTextClassifier(layer="self_attention", n_heads=2, **small).fit(texts, labels),
    "autoencoder": RNNTextEncoder(objective="autoencoder", **small).fit(texts),
    "language model": RNNTextEncoder(objective="language_model", **small).fit(texts),
    "text to text": RNNTextSeq2Seq(**small).fit(texts, [text[::-1] for text in texts]),
}
np.savez(f"{folder}/{process}.npz", **{name: fitted.loss_curve_ for name, fitted in losses.items()})
"""


def test_two_processes_train_every_kind_of_network_like_one(tmp_path):
    skip_without("jax", "keras")
    found = {}
    for n_processes in (1, 2):
        folder = tmp_path / str(n_processes)
        folder.mkdir()
        found[n_processes] = trained(n_processes, folder, code=KINDS)
    (expected,) = found[1]
    for losses in found[2]:
        assert len(expected.files) == 5
        for name in expected.files:
            np.testing.assert_allclose(losses[name], expected[name], atol=1e-4, err_msg=name)


BY_ROWS = """
import jax, keras, numpy as np
from jax.sharding import PartitionSpec
from skrnn.train.layers import KERAS_LAYERS
from skrnn.train.processes import by_rows

distribution = keras.distribution.DataParallel()
keras.distribution.set_distribution(distribution)
rows = jax.sharding.NamedSharding(distribution.device_mesh.backend_mesh, PartitionSpec("batch"))
x, lengths = np.random.default_rng(0).normal(size=(6, 5, 3)).astype("float32"), np.array([1, 5, 2, 3, 4, 5])
x, mask = (jax.device_put(a, rows) for a in (x, np.arange(5) < lengths[:, None]))
for name, base in KERAS_LAYERS.items():
    results, n_inside = [], []
    for kind in (base, by_rows(base, distribution)):
        layer = kind(4, return_sequences=True)
        layer.build(x.shape)
        for i, weight in enumerate(layer.weights):
            weight.assign(np.random.default_rng(i).normal(size=weight.shape))

        def loss(weights, x, mask):
            other = [v.value for v in layer.non_trainable_variables]
            states = layer.stateless_call(weights, other, x, mask=mask, training=True)[0]
            return (states * mask[:, :, None] ** 2).sum()

        run = jax.jit(jax.value_and_grad(loss)).lower([w.value for w in layer.weights], x, mask).compile()
        results.append(run([w.value for w in layer.weights], x, mask))
        inside, main = run.as_text().split("\\nENTRY ")
        n_inside.append(inside.count(" all-reduce("))
        assert " all-reduce(" in main, name
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5), *results)
    assert n_inside[0] > 0 == n_inside[1], (name, n_inside)
"""


def test_a_recurrent_layer_on_two_devices_sums_gradients_after_its_loop():
    skip_without("jax", "keras")
    two_devices = {"KERAS_BACKEND": "jax", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    settings = os.environ | two_devices | {"PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", BY_ROWS], env=settings, check=True, timeout=500)


def test_a_process_that_dies_stops_the_others_and_the_checkpoint_continues(one_process, tmp_path):
    first, second = start_training(2, tmp_path, "dies")
    assert second.wait(300) == -signal.SIGKILL
    message = "RNNTextClassifier.fit cannot continue: another process"
    died = time.monotonic()
    while message not in (tmp_path / "0.log").read_text():
        assert time.monotonic() - died < 60
        time.sleep(0.1)
    assert first.wait(200) != 0  # JAX waits for the process that died, by default for 100 seconds
    assert (tmp_path / "checkpoint").exists()
    for found in trained(2, tmp_path):
        np.testing.assert_allclose(found["losses"], one_process["losses"], atol=1e-5)
        np.testing.assert_allclose(found["p"], one_process["p"], atol=1e-5)
    assert not (tmp_path / "checkpoint").exists()


def test_processes_with_other_labels_are_refused(tmp_path):
    skip_without("jax", "keras")
    for i, process in enumerate(start_training(2, tmp_path, "differs")):
        assert process.wait(300) > 0
        expected = "processes of this training differ in: the texts, targets or weights"
        assert expected in (tmp_path / f"{i}.log").read_text()
