"""Test that load returns what save has written, or raises a clear error."""

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skrnn
from skrnn import load, save
from skrnn.storage.encoding import FileError
from skrnn.targets import HEADS

TEXTS = ["good film", "bad film", "a very good film indeed", "very bad", "good film", "so so", "", "12 men"]
LABELS = ["b", "a", "b", "a", "b", "a", "b", "a"]
NUMBERS = [4.0, 2.0, 5.0, 1.0, 4.0, 3.0, 3.0, 2.0]
TINY = {"layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 1, "random_state": 0}
RANDOM = {**TINY, "objective": "random"}
ESTIMATORS = {
    "classifier": (skrnn.RNNTextClassifier(**TINY, early_stopping=True), LABELS),
    "regressor": (skrnn.RNNTextRegressor(**TINY), NUMBERS),
    "autoencoder": (skrnn.RNNTextEncoder(**TINY, objective="autoencoder", n_components=2), None),
    "language_model": (skrnn.RNNTextEncoder(**TINY, objective="language_model"), None),
    "contrastive": (skrnn.RNNTextEncoder(**TINY, objective="contrastive"), None),
    "random": (skrnn.RNNTextEncoder(**RANDOM, analyzer="subword", vocab_size=300), None),
    "seq2seq": (skrnn.RNNTextSeq2Seq(**TINY, analyzer="word"), LABELS),
}
FITTED = {}


@pytest.fixture(params=ESTIMATORS)
def fitted(request):
    """Return a fitted estimator that all tests share and none may change."""
    if request.param not in FITTED:
        estimator, y = ESTIMATORS[request.param]
        FITTED[request.param] = clone(estimator).fit(TEXTS, y)
    return FITTED[request.param]


@pytest.fixture(scope="module")
def encoder():
    return skrnn.RNNTextEncoder(**RANDOM).fit(TEXTS)


def save_and_load(estimator, tmp_path, **functions):
    save(estimator, tmp_path / "model.skrnn")
    return load(tmp_path / "model.skrnn", **functions)


def assert_equal(a, b):
    """Fail unless two values and all their attributes are identical."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            assert_equal(a[key], b[key])
    elif hasattr(a, "__getstate__") and type(a).__module__.startswith("skrnn"):
        assert_equal(a.__getstate__() or vars(a), b.__getstate__() or vars(b))
    else:
        assert a == b


def test_loaded_estimator_is_identical(fitted, tmp_path):
    fitted = copy.deepcopy(fitted).set_output(transform="pandas")
    loaded = save_and_load(fitted, tmp_path)
    assert_equal(loaded.__getstate__(), fitted.__getstate__())
    assert loaded.vocabulary_ is loaded._tokens.vocabulary
    np.testing.assert_array_equal(loaded.transform(TEXTS), fitted.transform(TEXTS))
    if hasattr(fitted, "predict"):
        np.testing.assert_array_equal(loaded.predict(TEXTS), fitted.predict(TEXTS))
    assert repr(loaded) == repr(fitted) and repr(clone(loaded)) == repr(clone(fitted))
    assert_equal(pickle.loads(pickle.dumps(loaded)).__getstate__(), fitted.__getstate__())
    save(loaded, tmp_path / "again.skrnn")
    assert (tmp_path / "again.skrnn").read_bytes() == (tmp_path / "model.skrnn").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["again.skrnn", "model.skrnn"]


def test_loaded_estimator_resumes_training(fitted, tmp_path):
    y = LABELS if isinstance(fitted, skrnn.RNNTextClassifier) else None
    if y is None:
        pytest.skip("the classifier is enough; each fit takes seconds")
    loaded, again = save_and_load(fitted, tmp_path), copy.deepcopy(fitted)
    loaded.set_params(warm_start=True).fit(TEXTS, y)
    again.set_params(warm_start=True).fit(TEXTS, y)
    assert_equal(loaded._weights, again._weights)


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes"], [-1, 1], [False, True], [0.0, 2.0], np.array(["a", "b"], object),
        np.array([1, 2], np.int8), np.array(["x", "y"], np.dtypes.StringDType()),
    ],
    ids=repr,
)  # fmt: skip
def test_labels_keep_their_dtype(labels, tmp_path):
    classifier = copy.deepcopy(FITTED.get("classifier")) or clone(ESTIMATORS["classifier"][0]).fit(
        TEXTS, LABELS
    )
    classifier.classes_ = np.unique(labels)
    assert_equal(save_and_load(classifier, tmp_path).classes_, classifier.classes_)


def test_parameters_keep_their_types(tmp_path):
    parameters = {
        "vocabulary": {"good", "bad"}, "random_state": np.random.RandomState(3), "min_df": np.int64(1),
        "embedding_dim": np.int32(2), "sequence_length": 5, "missing": "empty",
    }  # fmt: skip
    loaded = save_and_load(skrnn.RNNTextEncoder(**RANDOM | parameters).fit(TEXTS), tmp_path)
    assert loaded.vocabulary == {"good", "bad"} and type(loaded.embedding_dim) is np.int32
    loaded.fit(TEXTS)


def words(text):
    return text.split()


def test_functions_are_passed_to_load(tmp_path):
    fitted = skrnn.RNNTextEncoder(**RANDOM, tokenizer=words, strip_accents=str.strip).fit(TEXTS)
    save(fitted, tmp_path / "model.skrnn")
    with pytest.raises(FileError, match=r"strip_accents \(.*strip\), tokenizer \(.*words\)"):
        load(tmp_path / "model.skrnn")
    with pytest.raises(FileError, match="tokenizer"):
        load(tmp_path / "model.skrnn", tokenizer="words", strip_accents=str.strip)
    loaded = load(tmp_path / "model.skrnn", tokenizer=words, strip_accents=str.strip)
    assert loaded.tokenizer is loaded._tokens.settings["tokenizer"] is words
    np.testing.assert_array_equal(loaded.transform(TEXTS), fitted.transform(TEXTS))


def test_encoder_is_saved_in_the_same_file(tmp_path, encoder):
    encoder = skrnn.RNNTextEncoder(**RANDOM, tokenizer=words).fit(TEXTS)
    fitted = skrnn.RNNTextClassifier(**TINY, encoder=encoder, freeze_encoder=True).fit(TEXTS, LABELS)
    loaded = save_and_load(fitted, tmp_path, encoder__tokenizer=words)
    assert_equal(loaded.__getstate__(), fitted.__getstate__())
    assert loaded._tokens is loaded.encoder._tokens
    assert_equal(clone(loaded).fit(TEXTS, LABELS)._weights, fitted._weights)


def test_vectors_and_callbacks_are_not_saved(tmp_path):
    vectors = {"good": [1.0, 0.0], "bad": [0.0, 1.0]}
    fitted = skrnn.RNNTextEncoder(**RANDOM | {"embeddings": vectors, "callbacks": [print]}).fit(TEXTS)
    loaded = save_and_load(fitted, tmp_path)
    assert loaded.embeddings is None and loaded.callbacks is None
    assert fitted.embeddings is vectors
    np.testing.assert_array_equal(loaded.transform(TEXTS), fitted.transform(TEXTS))
    with pytest.raises(TypeError, match="embeddings"):
        loaded.fit(TEXTS)


class Subclass(skrnn.RNNTextEncoder):
    pass


def test_error_names_what_cannot_be_saved(tmp_path, encoder):
    path = tmp_path / "model.skrnn"
    with pytest.raises(NotFittedError):
        save(clone(encoder), path)
    with pytest.raises(ValueError, match="rnn_units"):
        save(copy.deepcopy(encoder).set_params(rnn_units=0), path)
    odd = copy.deepcopy(encoder)
    odd.extra_ = {"a": [object()]}
    with pytest.raises(TypeError, match=r"extra_\.a\.0 cannot be saved: it is a builtins\.object"):
        save(odd, path)
    assert os.listdir(tmp_path) == []


def test_error_says_how_to_save_other_objects(tmp_path, encoder):
    search = GridSearchCV(RidgeClassifier(), {"alpha": [1.0]}).fit([[0.0], [1.0]] * 5, [0, 1] * 5)
    for found, message in [
        (make_pipeline(encoder), r"Got Pipeline. .* alone, for example pipeline\[-1\], or .* skops.io.dump"),
        (search, "Got GridSearchCV. Save its best_estimator_, or the whole search with skops or joblib"),
        (Subclass(**RANDOM).fit(TEXTS), "Got Subclass. A file holds no classes of your own: save it with sk"),
        ([encoder], "Got list. Save each estimator to a file of its own"),
        (skrnn.RNNTextEncoder, "Got the class RNNTextEncoder. Create an object, call its fit, and save it"),
        (3, "Got int. Other objects can be saved with joblib.dump"),
    ]:
        with pytest.raises(TypeError, match=f"save takes a fitted estimator of skrnn. {message}"):
            save(found, tmp_path / "model.skrnn")
    with pytest.raises(NotFittedError, match=r"This RNNTextEncoder instance is not fitted yet. Call 'fit'"):
        save(clone(encoder), tmp_path / "model.skrnn")
    assert os.listdir(tmp_path) == []


def test_remedies_for_other_objects_work(tmp_path, encoder):
    """Save the last step alone, or a pipeline or a subclass with skops or joblib."""
    pipeline = make_pipeline(FunctionTransformer(), encoder)
    expected = encoder.transform(TEXTS)
    np.testing.assert_array_equal(save_and_load(pipeline[-1], tmp_path).transform(TEXTS), expected)
    for found in (pipeline, Subclass(**RANDOM).fit(TEXTS)):
        joblib.dump(found, tmp_path / "found.joblib")
        np.testing.assert_array_equal(joblib.load(tmp_path / "found.joblib").transform(TEXTS), expected)
    skops.io.dump(pipeline, tmp_path / "found.skops")
    trusted = skops.io.get_untrusted_types(file=tmp_path / "found.skops")
    loaded = skops.io.load(tmp_path / "found.skops", trusted=trusted)
    np.testing.assert_array_equal(loaded.transform(TEXTS), expected)


FAULTS = {
    "weights": (lambda e: e._weights.pop("forward_0/bias"), "the weights of another network: forward_0/bias"),
    "shape": (lambda e: e._weights.update({"forward_0/bias": np.zeros(4, np.float32)}), "forward_0/bias"),
    "dtype": (lambda e: e._weights.update({"forward_0/bias": np.zeros(3)}), "forward_0/bias"),
    "spec": (
        lambda e: object.__setattr__(e._spec, "layer", "os.system"),
        "Unknown layer in Spec",
    ),
    "flag": (lambda e: object.__setattr__(e._spec, "bidirectional", 1), "bidirectional=1"),
    "layers": (lambda e: object.__setattr__(e._spec, "n_layers", 2**30), "too few weights"),
    "ids": (lambda e: e._tokens.vocabulary.update(good=9), "ids of the vocabulary are not consecutive"),
    "terms": (lambda e: e._tokens.vocabulary.update(more=len(e._tokens.vocabulary) + 3), "ids for an"),
    "one array": (
        lambda e: e._weights.update({"forward_0/recurrent_kernel": e._weights["forward_0/kernel"]}),
        "has an array as several weights",
    ),
    "not finite": (lambda e: e._weights["forward_0/bias"].fill(np.nan), "not finite: forward_0/bias"),
    "tokenizer": (lambda e: e._tokens.settings.update(tokenizer="x"), "'tokenizer' parameter of BaseRNNText"),
    "pattern": (lambda e: e._tokens.settings.update(token_pattern="("), "a valid regular expression"),
    "missing": (lambda e: delattr(e, "history_"), "does not have history_"),
    "type": (lambda e: setattr(e, "loss_curve_", ["x"]), "has loss_curve_="),
    "private": (lambda e: setattr(e, "_more", 1), "cannot have the attributes _more"),
    "head": (lambda e: setattr(e, "_head", HEADS["binary"](1, np.arange(2))), "head is that of another"),
    "objective": (lambda e: setattr(e, "objective_", "autoencoder"), "objective_ is 'autoencoder'"),
    "vocabulary": (lambda e: setattr(e, "vocabulary_", {"x": 3}), "not that of the tokens"),
    "settings": (lambda e: e._tokens.settings.update(more=1), "Tokens has the settings"),
    "spacing": (
        lambda e: setattr(e._tokens, "spacing", {"a": 0.5}),
        "Tokens has spacing=",
    ),
    "no spacing": (lambda e: setattr(e._tokens, "spacing", ["a"]), "Tokens has spacing="),
    "length": (lambda e: setattr(e, "sequence_length_", 0), "sequence_length_ is 0"),
    "truncation": (lambda e: setattr(e, "_truncation", "x"), "_truncation='x'"),
    "method": (lambda e: setattr(e, "transform", 1), "cannot have the attributes transform"),
    "name": (lambda e: setattr(e, "plain", 1), "cannot have the attributes plain"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_inconsistent_estimator_is_refused(fault, tmp_path, encoder):
    edit, message = FAULTS[fault]
    broken = copy.deepcopy(encoder)
    edit(broken)
    with pytest.raises(FileError, match=message):
        save_and_load(broken, tmp_path)


def test_unknown_subword_settings_are_refused(tmp_path):
    fitted = skrnn.RNNTextEncoder(**RANDOM, analyzer="subword", vocab_size=262).fit(TEXTS)
    for old, new in [
        ("ByteLevel", "Metaspace"),
        ('"fuse_unk":false', '"fuse_unk":0'),
        ('"dropout":null', '"dropout":7'),
        ('"unk_token":null', '"unk_token":[]'),
        ('"version":"1.0"', '"version":"2.0"'),
        ('"use_regex":true', '"use_regex":1'),
        ('"merges":', '"merges":[],"merges":'),
        ('"BPE"', '"Unigram"'),
        ('"added_tokens":[]', '"added_tokens":[1]'),
    ]:
        broken = copy.deepcopy(fitted)
        assert old in broken._tokens.merges
        broken._tokens.merges = broken._tokens.merges.replace(old, new)
        with pytest.raises(FileError):
            save_and_load(broken, tmp_path)


def test_loading_and_predicting_import_no_backend(tmp_path, fitted):
    if not hasattr(fitted, "predict"):
        pytest.skip("has no predict")
    save(fitted, tmp_path / "model.skrnn")
    code = (
        f"import sys, skrnn; skrnn.load({str(tmp_path / 'model.skrnn')!r}).predict({TEXTS!r})\n"
        "sys.stdout.write(str({'keras', 'tensorflow', 'safetensors'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"set()"


def fuzz(estimator, tmp_path, n_cases):
    save(estimator, tmp_path / "model.skrnn")
    script = Path(__file__).with_name("fuzz_files.py")
    command = [sys.executable, str(script), str(tmp_path / "model.skrnn"), str(n_cases), "0"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0.9 * n_cases


def test_damaged_files_are_harmless(tmp_path, encoder):
    fuzz(encoder, tmp_path, 300)


@pytest.mark.slow
def test_thousands_of_damaged_files_are_harmless(tmp_path, fitted):
    fuzz(fitted, tmp_path, 10_000 if "Seq2Seq" in repr(fitted) else 1000)


def test_skops_asks_to_trust_classes_of_skrnn_only(fitted):
    """A Pipeline is saved with skops, so a user must be able to review this list."""
    pipeline = make_pipeline(FunctionTransformer(), fitted)
    data = skops.io.dumps(pipeline)
    untrusted = skops.io.get_untrusted_types(data=data)
    assert untrusted and all(name.startswith("skrnn.") for name in untrusted)
    loaded = skops.io.loads(data, trusted=untrusted)
    np.testing.assert_array_equal(loaded[-1].transform(TEXTS), fitted.transform(TEXTS))
