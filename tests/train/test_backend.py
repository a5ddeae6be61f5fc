"""The choice of a backend for Keras, its import in silence, and what it must not change."""

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from skrnn import RNNTextClassifier, RNNTextSeq2Seq
from skrnn.train import backend
from skrnn.train.backend import importing_keras

ROOT = str(Path(__file__).parents[2])
TEXTS, LABELS = ["good film", "bad film"] * 8, [0, 1] * 8
SMALL = {"rnn_units": 3, "embedding_dim": 3, "epochs": 1, "random_state": 0}


def run(code, *options, **variables):
    """Run code in a new process that has no settings of a backend; return what it writes."""
    dropped = ("TF_", "KERAS_", "OMP_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        env=environment | {"PYTHONPATH": ROOT} | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )


# -- the choice ------------------------------------------------------------------------------------


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Return a function that sets which backends are installed; Keras has no settings and is not imported."""
    for name in ("KERAS_BACKEND", "KERAS_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras", raising=False)

    def install(*names):
        specs = {name: ModuleSpec(name, None) for name in names}
        monkeypatch.setattr(backend, "find_spec", specs.get)

    return install


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["tensorflow", "jax"], "tensorflow"),
        (["torch", "jax"], "jax"),
        (["torch"], "torch"),
        ([], "tensorflow"),
    ],
)
def test_the_first_backend_that_is_installed_is_chosen(names, expected, installed):
    installed(*names)
    assert backend.chosen_backend("fit") == expected


def test_the_variable_wins_over_the_file(installed, monkeypatch, tmp_path):
    installed("tensorflow", "jax", "torch")
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras/keras.json").write_text('{"backend": "jax"}')
    assert backend.chosen_backend("fit") == "jax"
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    assert backend.chosen_backend("fit") == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "")  # Keras ignores it
    assert backend.chosen_backend("fit") == "jax"


def test_the_file_that_keras_writes_itself_is_no_choice(installed, tmp_path):
    installed("torch")
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras/keras.json").write_text('{"backend": "tensorflow"}')
    assert backend.chosen_backend("fit") == "torch"


@pytest.mark.parametrize("text", ["", "{", "[1]", "{}", "null"])
def test_a_file_without_a_backend_is_ignored(text, installed, monkeypatch, tmp_path):
    installed("torch")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(text)
    assert backend.chosen_backend("fit") == "torch"


def test_a_backend_that_is_not_installed_is_an_error_that_names_the_setting(installed, monkeypatch, tmp_path):
    installed("tensorflow")
    path = tmp_path / "settings/keras.json"
    path.parent.mkdir()
    path.write_text('{"backend": "torch"}')
    monkeypatch.setenv("KERAS_HOME", str(path.parent))
    with pytest.raises(ImportError) as error, importing_keras("RNNTextClassifier.fit"):
        pass
    assert f"\"backend\" in the file {path} is 'torch', which is not installed" in str(error.value)
    assert "Installed: 'tensorflow'" in str(error.value)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    message = "RNNTextClassifier.fit needs .* variable KERAS_BACKEND is 'jax', which is not installed"
    with pytest.raises(ImportError, match=message), importing_keras("RNNTextClassifier.fit"):
        pass


@pytest.mark.parametrize("name", ["numpy", "theano", "Tensorflow"])
def test_a_backend_that_cannot_train_is_an_error_that_names_the_setting(name, installed, monkeypatch):
    installed("tensorflow")
    monkeypatch.setenv("KERAS_BACKEND", name)
    message = f"'tensorflow', 'jax', 'torch', but the environment variable KERAS_BACKEND is '{name}'"
    with pytest.raises(ValueError, match=message), importing_keras("RNNTextClassifier.fit"):
        pass


@pytest.mark.slow
def test_both_remedies_of_a_wrong_setting_work(tmp_path):
    code = (
        "import os\nfrom skrnn import RNNTextClassifier\n"
        f"estimator = RNNTextClassifier(**{SMALL})\n"
        "try:\n"
        f"    estimator.fit({TEXTS}, {LABELS})\n"
        "except ValueError as error:\n"
        "    print('keras.json' in str(error))\n"
        "os.environ['KERAS_BACKEND'] = 'tensorflow'\n"
        f"estimator.fit({TEXTS}, {LABELS})\n"
        "print(estimator.n_iter_, os.environ['KERAS_BACKEND'])\n"
    )
    (tmp_path / "keras.json").write_text('{"backend": "numpy"}')
    done = run(code, KERAS_HOME=str(tmp_path))
    assert done.stdout == "True\n1 tensorflow\n", done.stderr


# -- silence ---------------------------------------------------------------------------------------

NOISE = (
    b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    b"I0000 00:00:1795642911.239139    5208 cudart_stub.cc:31] Could not find cuda drivers\n"
    b"2026-01-02 03:04:05.678901: I tensorflow/core/platform/cpu_feature_guard.cc:210] This binary\n"
    b"To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow\n"
    b"E0000 00:00:1795642916.812340    5208 cuda_platform.cc:52] failed call to cuInit: INTERNAL\n"
)


@pytest.fixture
def no_log_level(monkeypatch):
    for name in ("TF_CPP_MIN_LOG_LEVEL", "TF_CPP_MAX_VLOG_LEVEL", "TF_CPP_VMODULE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("level", [None, "2", "3"])
def test_lines_of_tensorflow_are_dropped_and_others_written(level, capfd, monkeypatch, no_log_level):
    if level:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    with backend._silence():
        os.write(2, NOISE + b"a line of another thread\n")
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "2")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "a line of another thread\nafterwards\n"
    assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") == level  # child processes do not inherit our value


@pytest.mark.usefixtures("no_log_level")
def test_a_failed_import_shows_all_lines(capfd):
    with pytest.raises(ImportError), backend._silence():
        os.write(2, NOISE)
        raise ImportError
    assert capfd.readouterr().err == NOISE.decode()


@pytest.mark.parametrize("name", ["TF_CPP_MIN_LOG_LEVEL", "TF_CPP_MAX_VLOG_LEVEL"])
def test_log_settings_of_the_user_win(name, capfd, monkeypatch, no_log_level):
    monkeypatch.setenv(name, "0")
    with backend._silence():
        os.write(2, NOISE)
        assert os.environ.get("TF_CPP_MIN_LOG_LEVEL") in (None, "0")
    assert capfd.readouterr().err == NOISE.decode()


FIT = f"from skrnn import RNNTextClassifier\nRNNTextClassifier(**{SMALL}).fit({TEXTS}, {LABELS}).model_\n"


def test_the_first_fit_writes_nothing():
    done = run(FIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_tensorflow_does_not_warn_of_a_fifth_model():
    program = """
import logging
from skrnn import RNNTextEncoder
tiny = dict(embedding_dim=2, layer="simple_rnn", epochs=1, early_stopping=False, random_state=0)
for units in range(1, 7):
    RNNTextEncoder(objective="autoencoder", rnn_units=units, **tiny).fit(["a b", "b c"] * 4)
logging.getLogger("tensorflow").warning("a warning of the user")
"""
    done = run(program)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.endswith("a warning of the user\n") and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.slow
def test_a_process_without_standard_error_fits():
    done = run(f"import os\nos.close(2)\n{FIT}\nprint('fitted')")
    assert done.stdout == "fitted\n"


# -- processes and threads -------------------------------------------------------------------------

FORKS = f"""
import multiprocessing, os, sys
from skrnn import RNNTextClassifier
texts = {TEXTS}
def fit(_):
    try:
        RNNTextClassifier(optimizer="nadam", **{SMALL}).fit(texts, {LABELS})  # which Keras trains
    except RuntimeError as error:
        return str(error)
def predict(_):
    return (fitted.predict_proba(texts * 200) == expected).all()
def fit_without_keras(_):
    again = RNNTextClassifier(batch_size=64, **{SMALL}).fit(texts * 4, {LABELS * 4})  # four parts, in threads
    return (again.predict_proba(texts * 200) == expected).all()
BEFORE
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(*pool.map_async(WORK, [0]).get(60))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("before", ["fit(0)", "import tensorflow"])
def test_a_forked_process_that_fits_raises_an_error(before):
    if before != "fit(0)":
        pytest.importorskip("tensorflow")
    done = run(FORKS.replace("BEFORE", before).replace("WORK", "fit"))
    assert "RNNTextClassifier.fit cannot use" in done.stdout, done.stderr
    assert "'spawn'" in done.stdout and "'loky'" in done.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("work", ["predict", "fit_without_keras"])
def test_a_forked_process_predicts_and_fits_without_keras(work):
    before = (
        f"fitted = RNNTextClassifier(batch_size=64, **{SMALL}).fit(texts * 4, {LABELS * 4})\n"
        "expected = fitted.predict_proba(texts * 200)"
    )
    done = run(FORKS.replace("BEFORE", before).replace("WORK", work))
    assert done.stdout == "True\n", done.stderr


SPAWNS = f"""
import multiprocessing, threading
from joblib import Parallel, delayed
from skrnn import RNNTextClassifier
def fit(_):
    return RNNTextClassifier(**{SMALL}).fit({TEXTS}, {LABELS}).predict_proba(["good film"])[0, 0]
if __name__ == "__main__":
    results = []
    thread = threading.Thread(target=lambda: results.append(fit(0)))
    thread.start()
    thread.join()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results += pool.map(fit, [0])
    results += Parallel(n_jobs=2)(delayed(fit)(i) for i in range(2))
    print(len(results), len(set(results)))
"""


@pytest.mark.slow
def test_threads_spawned_and_loky_processes_fit_alike(tmp_path):
    path = tmp_path / "spawns.py"
    path.write_text(SPAWNS)
    done = subprocess.run(
        [sys.executable, path],
        env=os.environ | {"PYTHONPATH": ROOT},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.stdout == "4 1\n", done.stderr


# -- the user's settings of Keras ------------------------------------------------------------------


@pytest.fixture
def keras():
    """Restore the settings of Keras."""
    keras = pytest.importorskip("keras")
    config = keras.config
    before = config.dtype_policy(), config.floatx(), config.epsilon()
    yield keras
    config.set_dtype_policy(before[0])
    config.set_floatx(before[1])
    config.set_epsilon(before[2])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("set_dtype_policy", "mixed_float16"),
        ("set_dtype_policy", "float64"),
        ("set_floatx", "float64"),
        ("set_floatx", "float16"),
        ("set_epsilon", 1e-2),
    ],
)
@pytest.mark.parametrize(
    "fit",
    [
        lambda: RNNTextClassifier(optimizer="nadam", **SMALL).fit(TEXTS, LABELS),
        lambda: RNNTextSeq2Seq(label_smoothing=0.1, **SMALL).fit(TEXTS, TEXTS),
    ],
    ids=["classifier", "seq2seq"],
)
def test_settings_of_keras_change_neither_results_nor_are_changed(fit, name, value, keras):
    from skrnn.train import fit as training

    expected = fit()
    training._last_model.clear()  # so that the next fit builds a model
    getattr(keras.config, name)(value)
    settings = keras.config.dtype_policy(), keras.config.floatx(), keras.config.epsilon()
    found = fit()
    model = found.model_
    assert settings == (keras.config.dtype_policy(), keras.config.floatx(), keras.config.epsilon())
    assert found.loss_curve_ == expected.loss_curve_
    for weight, array in expected._weights.items():
        np.testing.assert_array_equal(found._weights[weight], array)
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}


def test_eager_functions_of_tensorflow_change_no_results(keras):
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("another backend trains")
    expected = RNNTextClassifier(optimizer="nadam", **SMALL).fit(TEXTS, LABELS)
    tf.config.run_functions_eagerly(True)
    try:
        found = RNNTextClassifier(optimizer="nadam", **SMALL).fit(TEXTS, LABELS)
        assert tf.config.functions_run_eagerly()
    finally:
        tf.config.run_functions_eagerly(False)
    for weight, array in expected._weights.items():
        np.testing.assert_array_equal(found._weights[weight], array)


def test_a_fit_that_fails_restores_the_settings_of_keras(keras):
    class Fails(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            raise KeyError("stop")

    keras.config.set_floatx("float64")
    with pytest.raises(KeyError, match="stop"):
        RNNTextClassifier(callbacks=[Fails()], **SMALL).fit(TEXTS, LABELS)
    assert keras.config.floatx() == "float64"
