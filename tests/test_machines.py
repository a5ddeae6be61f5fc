"""Machines on which nothing can be written, and the same bits for every number of threads."""

import os
import shutil
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(find_spec("keras") is None, reason="Keras is not installed")


def run(code, cwd=ROOT, **variables):
    """Run code in a new process that has no settings of threads or caches; return what it prints."""
    dropped = ("TF_", "OMP_", "OPENBLAS_", "NUMBA_", "SKRNN_", "LOKY_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(ROOT)} | environment | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- nothing can be written ------------------------------------------------------------------------

# Permissions do not bind root. A process that drops this capability and starts another program loses it.
UNPRIVILEGED = """
import ctypes, os, sys
if os.geteuid() == 0:
    CAP_DAC_OVERRIDE, PR_CAPBSET_DROP = 1, 24
    if ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0):
        sys.exit("cannot drop the capability")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
FITS = """
import numpy as np, skrnn
texts = ["good film", "bad film"] * 8
small = dict(layer="simple_rnn", rnn_units=4, embedding_dim=4, sequence_length=40, epochs=1, random_state=0)
estimator = skrnn.RNNTextClassifier(**small).fit(texts, [0, 1] * 8)
skrnn.save(estimator, r"{out}/model.skrnn")
"""
PREDICTS = """
import sys
from pathlib import Path
import numpy as np, skrnn
from skrnn.base import BLOCK
from skrnn.kernels import MIN_TOKENS
estimator = skrnn.load(r"{out}/model.skrnn")
many = ["good film a bad one " * 7 + str(i) for i in range(9000)]
assert BLOCK * 35 > MIN_TOKENS
np.save(r"{out}/{name}.npy", estimator.predict_proba(many))
written = Path(skrnn.__file__).parent / "written"
try:
    written.touch()
    written.unlink()
except PermissionError:
    print("read-only", "numba" in sys.modules)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="permissions of Linux")
def test_a_user_that_can_write_nothing_fits_saves_loads_and_predicts(tmp_path):
    package, out = tmp_path / "site", tmp_path / "out"
    shutil.copytree(ROOT / "skrnn", package / "skrnn", ignore=shutil.ignore_patterns("__pycache__"))
    out.mkdir()
    for path in [package, *package.rglob("*")]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR", "PYTHONPATH"), str(package))

    def run_unprivileged(code):
        arguments = [UNPRIVILEGED, "-c", code]
        return run(f"import sys\nsys.argv = {arguments!r}\nexec(sys.argv[0])", cwd=package, **nowhere)

    try:
        try:
            run_unprivileged("import numpy")
        except AssertionError as error:
            pytest.skip(f"a process without privileges cannot run here: {error}")
        run_unprivileged(FITS.format(out=out))
        found = run_unprivileged(PREDICTS.format(out=out, name="unprivileged"))
    finally:
        for path in [package, *package.rglob("*")]:
            path.chmod(path.stat().st_mode | stat.S_IWUSR)
    assert found == f"read-only {find_spec('numba') is not None}\n"
    run(PREDICTS.format(out=out, name="usual"))
    np.testing.assert_array_equal(np.load(out / "unprivileged.npy"), np.load(out / "usual.npy"))


# -- the same bits ---------------------------------------------------------------------------------

CHECKSUMS = """
import hashlib
import numpy as np
import skrnn
rng = np.random.default_rng(0)
words, share = np.array([f"w{{i}}" for i in range(2000)]), 1 / np.arange(1, 2001)
texts = [" ".join(rng.choice(words, rng.integers(3, 30), p=share / share.sum())) for _ in range(150)]
labels, numbers = rng.integers(0, 3, 150), rng.normal(size=150)
def classifier(**options):
    return skrnn.RNNTextClassifier(**options).fit(texts, labels)
def regressor(**options):
    return skrnn.RNNTextRegressor(**options).fit(texts, numbers)
def encoder(**options):
    return skrnn.RNNTextEncoder(**options).fit(texts)
def seq2seq(**options):
    return skrnn.RNNTextSeq2Seq(**options).fit(texts[:50], texts[50:100])
for fit, options in {cases}:
    fitted = globals()[fit](epochs=1, random_state=0, **options)
    results = [fitted._weights[name] for name in sorted(fitted._weights)]
    results += [np.array(fitted.history_[name]) for name in sorted(fitted.history_) if name != "loss"]
    if fit in ("classifier", "regressor", "seq2seq"):
        results += [fitted.predict(texts[:50]), fitted.predict(texts[:1])]
    if fit == "classifier":
        results += [fitted.predict_proba(texts), fitted.predict_proba(texts[:1])]
    if fit == "encoder":
        results += [fitted.transform(texts), fitted.transform(texts[:1])]
    arrays = [np.asarray(result, "U" if fit == "seq2seq" and result.dtype == object else None)
              for result in results]
    data = b"".join(array.tobytes() for array in arrays)
    print(fit, options, hashlib.sha256(data).hexdigest())
print(hashlib.sha256(skrnn.train_vectors(texts, random_state=0).vectors.tobytes()).hexdigest())
"""
THREADS = [
    {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"},
    {"OMP_NUM_THREADS": "2", "TF_NUM_INTRAOP_THREADS": "2", "TF_NUM_INTEROP_THREADS": "2"},
    {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "4", "TF_NUM_INTEROP_THREADS": "4"},
    {"TF_NUM_INTRAOP_THREADS": "4"},
]
LAYERS = ("simple_rnn", "gru", "lstm", "qrnn", "self_attention")


def checksums(cases, threads):
    return [run(CHECKSUMS.format(cases=cases), **variables).splitlines() for variables in threads]


def test_any_number_of_threads_gives_the_same_bits():
    one, two = checksums([("classifier", {})], THREADS[:2])
    assert one == two and len(one) == 2


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
def test_any_number_of_threads_gives_the_same_bits_for_every_objective(layer):
    cases = [("classifier", {"layer": layer}), ("regressor", {"layer": layer})]
    objectives = ["autoencoder", "contrastive", "language_model", "random"]
    if layer == "self_attention":
        objectives.remove("language_model")
    else:
        cases.append(("seq2seq", {"layer": layer}))
    cases += [("encoder", {"layer": layer, "objective": objective}) for objective in objectives]
    first, *others = checksums(cases, THREADS)
    assert len(first) == len(cases) + 1
    for other in others:
        assert other == first


SEARCHES = """
import numpy as np
from sklearn.model_selection import GridSearchCV
from skrnn import RNNTextClassifier
rng = np.random.default_rng(0)
texts = [" ".join(f"w{i}" for i in row) for row in rng.zipf(1.3, (150, 15)) % 2000]
labels = rng.integers(0, 2, 150)
if __name__ == "__main__":
    found = [
        GridSearchCV(RNNTextClassifier(epochs=1, random_state=0), {"layer": ["gru", "self_attention"]}, cv=2,
                     n_jobs=n_jobs, scoring="neg_log_loss").fit(texts, labels)
        for n_jobs in (1, 2)
    ]
    serial, parallel = (search.cv_results_["mean_test_score"] for search in found)
    weights = [search.best_estimator_._weights for search in found]
    apart = [np.abs(weights[0][name] - weights[1][name]).max() for name in weights[0]]
    print(np.abs(serial - parallel).max(), max(apart))
"""


@pytest.mark.slow
def test_a_search_with_two_processes_equals_the_serial_search(tmp_path):
    path = tmp_path / "searches.py"
    path.write_text(SEARCHES)
    assert run(f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')") == "0.0 0.0\n"
