"""Test that `load`, not a later prediction, refuses a file with wrong content and the right checksum."""

import copy
import json
import random
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

import skrnn
from skrnn import load, save
from skrnn.storage import FileError, container

TEXTS = ["good film", "bad film", "a very good film indeed", "very bad", "good film", "so so", "", "12 men"]
RANDOM = {"objective": "random", "layer": "simple_rnn", "rnn_units": 4, "embedding_dim": 3, "random_state": 0}
RELEASED = Path(__file__).parent / "released" / "0.1.0"
QUESTIONS = ["good film", "", "an unknown text \U0001f600 12"]
VALUES = [
    None, True, False, -1, 0, 1, 2, 7, 2**31, 2**63, 10**400, 0.5, -1.5, 1e300, "", "x", "word", "char",
    "subword", "(", "\ud800", [], {}, [[]], [1], ["x"], [None] * 70, {"same": 0}, {"same": 1}, {"tuple": []},
    {"tuple": ["a", "b"]}, {"set": ["x"]}, {"dict": [[], []]}, {"dict": [["a"], [1]]}, {"dict": [[1], ["a"]]},
    {"float": "nan"}, {"float": "inf"}, {"float": "-inf"}, {"path": "x"}, {"objects": ["O", [1], ["x"]]},
    {"objects": ["O", [2], [1, "x"]]}, {"objects": ["T", [1], ["x"]]}, {"objects": ["O", [], [None]]},
]  # fmt: skip
UNTRAINED = {
    "subword": skrnn.RNNTextEncoder(**RANDOM, analyzer="subword", vocab_size=300),
    "char": skrnn.RNNTextEncoder(**RANDOM, analyzer="char", pooling="attention"),
    "qrnn": skrnn.RNNTextEncoder(**RANDOM | {"layer": "qrnn"}, n_layers=2),
    "self_attention": skrnn.RNNTextEncoder(**RANDOM | {"layer": "self_attention"}),
}


@pytest.fixture(params=[*sorted(path.stem for path in RELEASED.glob("*.skrnn")), *UNTRAINED])
def data(request, tmp_path):
    """Return a file of every kind of estimator; the trained ones were trained for a release."""
    if request.param in UNTRAINED:
        estimator = clone(UNTRAINED[request.param]).fit(TEXTS)
    else:
        estimator = load(RELEASED / f"{request.param}.skrnn")
    estimator.set_output(transform="default")
    estimator._progress = {"seed": 1, "n_chunks": 1, "state": {"a": np.zeros(1)}, "optimizer": "adam"}
    save(estimator, tmp_path / "model.skrnn")
    return (tmp_path / "model.skrnn").read_bytes()


def split_file(data):
    """Return the manifest and the array bytes of a file."""
    start = 8 + int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8:start])["__metadata__"]["manifest"]), data[start:]


def join_file(manifest, body):
    """Return a file with the checksum and the header that belong to a manifest."""
    arrays = [(name, dtype, shape) for name, (dtype, shape, _) in manifest["arrays"].items()]
    return container._build_header(json.dumps(manifest), arrays) + body


def use(estimator):
    """Call every method that predicts."""
    estimator.transform(QUESTIONS), estimator.transform_sequences(QUESTIONS), estimator.tokenize(QUESTIONS)
    estimator.decode_ids([[3, 4]]), estimator.get_feature_names_out(), estimator.transform(QUESTIONS * 9)
    repr(estimator), clone(estimator)
    for name in ("predict", "predict_proba", "decision_function", "predict_n_best"):
        if hasattr(estimator, name):
            getattr(estimator, name)(QUESTIONS)
    if hasattr(estimator, "score_samples"):
        estimator.score_samples(QUESTIONS, *[QUESTIONS] * hasattr(estimator, "predict"))
    if hasattr(estimator, "inverse_transform"):
        estimator.inverse_transform(estimator.transform(QUESTIONS))
    if hasattr(estimator, "generate"):
        estimator.generate("good", max_length=3, random_state=0)


def check_replacement(data, where, value, path):
    """Fail unless a file with one other value is refused, or gives an estimator that predicts."""
    manifest, body = split_file(data)
    inside = manifest["value"]
    for key in where[:-1]:
        inside = inside[key]
    if inside[where[-1]] == value:
        return
    inside[where[-1]] = copy.deepcopy(value)
    path.write_bytes(join_file(manifest, body))
    try:
        estimator = load(path)
    except FileError:
        return
    try:
        use(estimator)
    except Exception as error:
        raise AssertionError(f"{where} = {value!r:.60}: {error!r:.200}") from error


def places(value, where=()):
    """Return the places of all values inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    inner = [(*where, key) for key, _ in items]
    return [*inner, *(place for key in inner for place in places(value[key[-1]], key))]


def test_replaced_values_are_refused_by_load(data, tmp_path):
    """Try random replacements for a second; the slow test tries all of them."""
    rng = random.Random(0)
    where, end = places(split_file(data)[0]["value"]), time.monotonic() + 1
    while time.monotonic() < end:
        check_replacement(data, rng.choice(where), rng.choice(VALUES), tmp_path / "case")


@pytest.mark.slow
def test_all_replaced_values_are_refused_by_load(data, tmp_path):
    failures = []
    for where in places(split_file(data)[0]["value"]):
        for value in VALUES:
            try:
                check_replacement(data, where, value, tmp_path / "case")
            except AssertionError as error:
                failures.append(str(error))
    assert failures == []
