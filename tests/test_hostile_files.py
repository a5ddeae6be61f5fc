"""Test that `load`, not a later prediction, refuses a file with wrong content and the right checksum."""

import copy
import hashlib
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


def forge(estimator, path, edit):
    """Save an estimator, edit the manifest, and correct its checksum."""
    save(estimator, path)
    manifest, body = split_file(path.read_bytes())
    keys, values = manifest["value"][type(estimator).__name__]
    edit(dict(zip(keys, values, strict=True)))
    path.write_bytes(join_file(manifest, body))


def spec_edit(**changes):
    """Return an edit that changes fields of the architecture."""

    def edit(attributes):
        names, values = attributes["_spec"]["Spec"]
        for name, value in changes.items():
            values[names.index(name)] = value

    return edit


def many_layers(reference):
    """Return an edit that names one array as the weights of 1,000 layers."""

    def edit(attributes):
        names, values = attributes["_weights"]["dict"]
        for name in [name for name in names if name.startswith("forward_0")]:
            for level in range(1, 1000):
                names.append(name.replace("_0", f"_{level}"))
                values.append(reference)
        spec_edit(n_layers=1000)(attributes)

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (many_layers({"same": 2}), "has an array as several weights"),
        (many_layers({"same": 3}), "has an array as several weights"),
        (many_layers({"scalar": {"same": 3}}), "an array without dimensions"),
        (many_layers({"array": "1:_weights.forward_0/kernel"}), "is missing or is used twice"),
        (spec_edit(n_layers=10**9), "too few weights"),
        (spec_edit(rnn_units=2**31 - 1), "the weights of another network"),
        (spec_edit(n_ids=2**31 - 1), "the weights of another network"),
        (spec_edit(n_components=2**31 - 1), "the weights of another network"),
        (spec_edit(n_outputs=2**31 - 1, head="multiclass"), "the weights of another network"),
        (spec_edit(rnn_units=10**400), "Spec has rnn_units"),
        (spec_edit(n_heads=0), "Spec has n_heads=0"),
    ],
)
def test_small_file_that_asks_for_a_large_network_is_refused(tmp_path, edit, message):
    estimator = skrnn.RNNTextEncoder(**RANDOM, bidirectional=False).fit(TEXTS)
    forge(estimator, tmp_path / "model.skrnn", edit)
    with pytest.raises(FileError, match=message):
        load(tmp_path / "model.skrnn")


@pytest.mark.filterwarnings("ignore:100% of the:UserWarning")
def test_term_that_is_named_many_times_is_refused(tmp_path):
    estimator = skrnn.RNNTextEncoder(**RANDOM).fit([f"w{i:04}" for i in range(1000)])
    save(estimator, tmp_path / "model.skrnn")
    manifest, body = split_file((tmp_path / "model.skrnn").read_bytes())
    terms = b"".join(b"w%04d" % i for i in range(1000))
    assert terms in body
    body = body.replace(terms, b"w0001" * 1000)
    for entry in manifest["arrays"].values():
        if entry[0] == "U8" and entry[1] == [5000]:
            entry[2] = hashlib.sha256(b"w0001" * 1000).hexdigest()
    (tmp_path / "model.skrnn").write_bytes(join_file(manifest, body))
    with pytest.raises(FileError, match="repeats a key"):
        load(tmp_path / "model.skrnn")


@pytest.mark.filterwarnings("ignore:100% of the:UserWarning")
def test_folded_embedding_that_is_out_of_proportion_is_refused(tmp_path):
    """An embedding of one column and many units would become 300,000 times as large at a prediction."""
    estimator = skrnn.RNNTextEncoder(
        **RANDOM | {"layer": "qrnn", "rnn_units": 30_000, "embedding_dim": 1, "embeddings": "random"}
    )
    estimator.fit([f"w{i}" for i in range(2000)])
    save(estimator, tmp_path / "model.skrnn")
    with pytest.raises(FileError, match="asks for a table of 480720000 entries"):
        load(tmp_path / "model.skrnn")


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
