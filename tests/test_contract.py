"""The contract of scikit-learn, checked on every estimator.

scikit-learn's own `check_estimator` runs a single check on estimators that take strings, so that most of its
checks are repeated here for texts. See test_facade.py for the others.
"""

import copy
import pickle
import random
import threading

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

import skrnn

TEXTS = ["good film", "bad film", "a very good film indeed", "very bad", "good film", "so so", "", "12 men"]
LABELS = ["b", "a", "b", "a", "b", "a", "b", "a"]
NUMBERS = [4.0, 2.0, 5.0, 1.0, 4.0, 3.0, 3.0, 2.0]
TINY = {"layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 1, "random_state": 0}
UNUSUAL = [
    "", " \t\n", "zzz qqq", "a\0b", "lone \ud800 half", "\U0001f469\u200d\U0001f4bb good",
    "\u05e9\u05dc\u05d5\u05dd film",
    "caf\u00e9 cafe\u0301", "zero\u200bwidth", "x" * 10_000, "good " * 3000, "\x1cgood\x1ffilm",
]  # fmt: skip


def targets(estimator):
    return NUMBERS if is_regressor(estimator) else LABELS


ESTIMATORS = {
    "classifier": skrnn.RNNTextClassifier(**TINY),
    "regressor": skrnn.RNNTextRegressor(**TINY),
    "supervised": skrnn.RNNTextEncoder(objective="supervised", **TINY),
    "autoencoder": skrnn.RNNTextEncoder(objective="autoencoder", **TINY),
    "language_model": skrnn.RNNTextEncoder(objective="language_model", **TINY),
    "contrastive": skrnn.RNNTextEncoder(objective="contrastive", **TINY),
    "random": skrnn.RNNTextEncoder(objective="random", **TINY),
    "seq2seq": skrnn.RNNTextSeq2Seq(analyzer="word", **TINY),
}
FITTED = {}


@pytest.fixture(params=ESTIMATORS)
def new(request):
    """Return an unfitted estimator of each kind."""
    return clone(ESTIMATORS[request.param])


@pytest.fixture(params=ESTIMATORS)
def fitted(request):
    """Return a fitted estimator of each kind, fitted once; tests must not change it."""
    if request.param not in FITTED:
        estimator = clone(ESTIMATORS[request.param])
        FITTED[request.param] = estimator.fit(TEXTS, targets(estimator))
    return FITTED[request.param]


def outputs(estimator, X):
    """Return the outputs of every method that takes texts, as arrays."""
    found = {"transform": estimator.transform(X)}
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples"):
        if hasattr(estimator, name) and not isinstance(estimator, skrnn.RNNTextSeq2Seq):
            found[name] = getattr(estimator, name)(X)
    if isinstance(estimator, skrnn.RNNTextSeq2Seq):
        found["predict"] = np.asarray(estimator.predict(X), dtype=object)
    return found


def assert_same(found, expected, exact=True):
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if exact or values.dtype.kind in "OU":
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        else:
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)


def state(estimator):
    return {name: joblib.hash(value) for name, value in estimator.__getstate__().items()}


@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_estimator_cloneable,
        estimator_checks.check_estimator_repr,
        estimator_checks.check_no_attributes_set_in_init,
        estimator_checks.check_parameters_default_constructible,
        estimator_checks.check_get_params_invariance,
        estimator_checks.check_set_params,
        estimator_checks.check_valid_tag_types,
        estimator_checks.check_mixin_order,
        estimator_checks.check_estimator_tags_renamed,
        estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    ],
    ids=lambda check: check.__name__,
)
def test_check_of_scikit_learn(check, new):
    check(type(new).__name__, new)


# -- the interface ------------------------------------------------------------------------------


def test_methods_need_a_fitted_estimator(new):
    names = ["transform", "transform_sequences", "padded_ids", "get_feature_names_out"]
    names += [name for name in ("predict", "predict_proba", "decision_function") if hasattr(new, name)]
    for name in names:
        with pytest.raises(NotFittedError):
            getattr(new, name)(*([TEXTS] if name != "get_feature_names_out" else []))
    with pytest.raises(NotFittedError):
        _ = new.model_


def test_a_second_fit_replaces_the_first_and_weights_of_one_change_nothing(fitted):
    y = targets(fitted)
    again = clone(fitted).fit(["one two", "three four"] * 4, y[::-1])
    outputs(again, TEXTS)
    assert again.fit(TEXTS, y, sample_weight=np.ones(8)) is again
    assert_same(outputs(again, TEXTS), outputs(fitted, TEXTS))


def test_fit_does_not_change_parameters_inputs_or_random_states(new):
    texts, y, weights = list(TEXTS), list(targets(new)), pd.Series([1] * 8)
    before = {name: joblib.hash(value) for name, value in new.get_params().items()}
    np.random.seed(1)
    random.seed(1)
    states = np.random.get_state()[1].copy(), random.getstate()
    new.fit(texts, y, sample_weight=weights)
    np.testing.assert_array_equal(np.random.get_state()[1], states[0])
    assert random.getstate() == states[1]
    assert {name: joblib.hash(value) for name, value in new.get_params().items()} == before
    assert texts == TEXTS and y == list(targets(new)) and weights.tolist() == [1] * 8
    public = [name for name in vars(new) if not name.startswith("_") and name not in before]
    assert public and all(name.endswith("_") for name in public)


def test_predictions_do_not_change_the_state_or_the_input(fitted):
    before, texts = state(fitted), list(TEXTS)
    outputs(fitted, texts)
    assert state(fitted) == before and texts == TEXTS


@pytest.mark.parametrize("fitted", ["random", "classifier", "autoencoder"], indirect=True)
def test_fit_transform_equals_fit_and_transform(fitted):
    found = clone(fitted).fit_transform(TEXTS, targets(fitted))
    np.testing.assert_array_equal(found, fitted.transform(TEXTS))


# -- batches ------------------------------------------------------------------------------------


def test_outputs_do_not_depend_on_other_texts_or_their_order(fitted):
    together = outputs(fitted, TEXTS)
    for i in range(len(TEXTS)):
        assert_same(outputs(fitted, TEXTS[i : i + 1]), {k: v[i : i + 1] for k, v in together.items()}, False)
    assert_same(outputs(fitted, TEXTS[::-1]), {k: v[::-1] for k, v in together.items()}, False)
    with_long_text = outputs(fitted, [*TEXTS, "good film " * 300])
    assert_same({k: v[: len(TEXTS)] for k, v in with_long_text.items()}, together, False)


def test_outputs_do_not_depend_on_n_jobs(fitted):
    texts = [f"{a} {b}" for a in TEXTS for b in TEXTS] * 10
    one, two = (outputs(copy.deepcopy(fitted).set_params(n_jobs=n), texts) for n in (1, 2))
    assert_same(one, two)


def test_many_threads_can_share_one_estimator(fitted):
    expected = [fitted.transform(TEXTS[i:] + TEXTS[:i]) for i in range(8)]
    wrong = []

    def work(i):
        for _ in range(20):
            found = fitted.transform(TEXTS[i:] + TEXTS[:i])
            if not np.allclose(found, expected[i], rtol=0, atol=1e-6):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i % 8,)) for i in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- inputs -------------------------------------------------------------------------------------

CONTAINERS = {
    "tuple": tuple,
    "generator": iter,
    "object": lambda X: np.array(X, dtype=object),
    "fixed": lambda X: np.array(X),
    "StringDType": lambda X: np.array(X, dtype=np.dtypes.StringDType()),
    "column": lambda X: np.array(X, dtype=object)[:, None],
    "series": pd.Series,
    "object series": lambda X: pd.Series(X, dtype=object, index=range(7, 7 + len(X))),
    "string series": lambda X: pd.Series(X, dtype="string"),
    "arrow series": lambda X: pd.Series(X, dtype="string[pyarrow]"),
    "category": lambda X: pd.Series(X, dtype="category"),
    "frame": lambda X: pd.DataFrame({"text": X}),
    "polars": pl.Series,
    "polars frame": lambda X: pl.DataFrame({"text": X}),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_transform_takes_any_container(fitted, container):
    found = fitted.transform(CONTAINERS[container](TEXTS))
    np.testing.assert_array_equal(found, fitted.transform(TEXTS))


@pytest.mark.parametrize("fitted", ["classifier"], indirect=True)
@pytest.mark.parametrize("container", ["fixed", "category", "frame", "polars"])
def test_fit_takes_any_container(fitted, container):
    found = clone(fitted).fit(CONTAINERS[container](TEXTS), np.array(LABELS, object))
    np.testing.assert_array_equal(found.predict_proba(TEXTS), fitted.predict_proba(TEXTS))


INVALID = {
    "str": ("good film", TypeError, "one str"),
    "bytes": (b"good film", TypeError, "one bytes"),
    "list of bytes": ([*TEXTS[:3], b"x"], TypeError, r"b'x' \(bytes\) at position 3. Write \[text.decode"),
    "numbers": (["a", 1, 2.5], TypeError, r"2 of 3 value\(s\).*1 \(int\) at position 1. Write \[str"),
    "None": (["a", None], ValueError, "1 missing.*None at position 1.*missing='empty'"),
    "NaN": (np.array(["a", np.nan, np.nan], object), ValueError, "2 missing.*nan at position 1"),
    "NA": (pd.Series(["a", pd.NA], dtype="string"), ValueError, "1 missing.*position 1"),
    "dict": ({"a": 1}, TypeError, "dict"),
    "set": ({"a"}, TypeError, "set"),
    "sparse": (sp.csr_matrix((2, 2)), TypeError, "sparse"),
    "two columns": (pd.DataFrame({"a": ["x"], "b": ["y"]}), ValueError, r"one column.*\(a, b\).*X\['a'\]"),
    "matrix": (np.array([["a", "b"]], object), ValueError, r"one column.*\(1, 2\)"),
    "number": (3, TypeError, "int"),
    "lists": ([["a", "b"]], TypeError, "list"),
}


@pytest.mark.parametrize("case", INVALID)
def test_invalid_texts_are_refused_by_fit_and_transform(fitted, case):
    X, error, message = INVALID[case]
    new = clone(fitted)
    for estimator, call in ((new, "fit"), (fitted, "transform")):
        with pytest.raises(error, match=message) as caught:
            getattr(estimator, call)(X, *[targets(new)] * (call == "fit"))
        assert type(estimator).__name__ in str(caught.value)
    assert not hasattr(new, "vocabulary_")


def test_missing_values_count_as_empty_texts_with_missing_empty():
    classifier = skrnn.RNNTextClassifier(missing="empty", **TINY).fit(TEXTS, LABELS)
    found = classifier.predict_proba(np.array([None, np.nan, pd.NA, "good"], object))
    np.testing.assert_array_equal(found[:3], classifier.predict_proba([""] * 3))


def test_unusual_strings_have_finite_outputs(fitted):
    found = outputs(fitted, UNUSUAL)
    for name, values in found.items():
        assert len(values) == len(UNUSUAL), name
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), name
    again = outputs(fitted, [text for text in UNUSUAL for _ in range(2)])
    assert_same({name: values[::2] for name, values in again.items()}, found, exact=False)


@pytest.mark.parametrize("analyzer", ["word", "char", "subword"])
def test_fit_takes_unusual_strings(analyzer):
    encoder = skrnn.RNNTextEncoder(objective="random", **TINY | {"analyzer": analyzer}).fit(UNUSUAL)
    assert np.isfinite(encoder.transform(UNUSUAL)).all()
    assert encoder.transform_sequences([""])[0].shape == (1, 6)


def test_no_texts_have_outputs_without_rows(fitted):
    width = fitted.transform(TEXTS).shape[1]
    assert fitted.transform([]).shape == (0, width)
    for name, values in outputs(fitted, []).items():
        assert len(values) == 0, name
    assert fitted.transform_sequences([]) == []
    with pytest.raises(ValueError, match="0 sample"):
        clone(fitted).fit([], [])


def test_texts_without_tokens_are_refused(new):
    with pytest.raises(ValueError, match="empty"):
        new.fit(["", " ", "\n", "\t"], targets(new)[:4])


# -- targets and weights ------------------------------------------------------------------------

NEED_Y = [name for name in ESTIMATORS if name in ("classifier", "regressor", "supervised", "seq2seq")]


@pytest.mark.parametrize("name", NEED_Y)
def test_invalid_targets_are_refused(name):
    estimator = clone(ESTIMATORS[name])
    with pytest.raises(ValueError, match="y is None"):
        estimator.fit(TEXTS, None)
    with pytest.raises(ValueError, match=r"inconsistent|length|number"):
        estimator.fit(TEXTS, targets(estimator)[:3])
    if name != "seq2seq":
        with pytest.raises(ValueError, match="NaN"):
            estimator.fit(TEXTS, [1.0, np.nan] * 4)
    assert not hasattr(estimator, "vocabulary_")


@pytest.mark.parametrize(
    "labels",
    [
        [3, -1],
        [True, False],
        np.array(["x", "yy"], object),
        pd.Series(["u", "v"], dtype="category"),
        [0.0, 1.0],
    ],
    ids=["int", "bool", "object", "category", "float"],
)
def test_predicted_labels_have_the_type_of_the_training_labels(labels):
    y = np.asarray(labels)[[0, 1] * 4]
    classifier = skrnn.RNNTextClassifier(**TINY | {"epochs": 15, "learning_rate": 0.05}).fit(TEXTS[:4] * 2, y)
    assert classifier.classes_.tolist() == sorted(np.asarray(labels).tolist())
    assert classifier.predict(TEXTS[:4]).tolist() == y[:4].tolist()
    unknown = np.full(4, "other" if y.dtype.kind in "OU" else 9)
    assert classifier.score(TEXTS[:4], unknown) == 0


def test_a_classifier_refuses_one_class_and_continuous_targets():
    with pytest.raises(ValueError, match=r"two classes or more.*one class in y"):
        skrnn.RNNTextClassifier(**TINY).fit(TEXTS, ["a"] * 8)
    with pytest.raises(ValueError, match=r"Unknown label type|continuous"):
        skrnn.RNNTextClassifier(**TINY).fit(TEXTS, np.linspace(0, 1, 8))


@pytest.mark.parametrize("labels", [LABELS, ["a", "b", "c", "d"] * 2], ids=["binary", "multiclass"])
def test_probabilities_agree_with_predictions(labels):
    classifier = skrnn.RNNTextClassifier(**TINY).fit(TEXTS, labels)
    probabilities = classifier.predict_proba(TEXTS)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.log(probabilities), classifier.predict_log_proba(TEXTS), atol=1e-5)
    expected = classifier.classes_[probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(classifier.predict(TEXTS), expected)
    assert classifier.predict([]).shape == (0,) and classifier.predict_proba([]).shape[0] == 0
    model = classifier.model_.predict(classifier.padded_ids(TEXTS), verbose=0)
    np.testing.assert_allclose(model[:, -1], probabilities[:, -1], atol=1e-5)


@pytest.mark.parametrize("fitted", [name for name in ESTIMATORS if name != "random"], indirect=True)
def test_sample_weights_change_the_result_and_are_not_changed(fitted):
    other, weights = clone(fitted), np.array([5.0] + [0.1] * 7, np.float32)
    if is_classifier(other):
        other.set_params(class_weight={"a": 1, "b": 3})
    given = weights.copy()
    other.fit(TEXTS, targets(fitted), sample_weight=given)
    np.testing.assert_array_equal(given, weights)
    assert not np.array_equal(other.transform(TEXTS), fitted.transform(TEXTS))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0] * 7, r"shape \(8,\)"),
        ([1.0] * 7 + [np.nan], "finite"),
        ([1.0] * 7 + [-1], "finite and >= 0"),
        ([0.0] * 8, "zero"),
        (np.ones((8, 2)), r"shape \(8,\)"),
    ],
    ids=["too few", "NaN", "negative", "zeros", "matrix"],
)
def test_invalid_sample_weights_are_refused(new, weights, message):
    with pytest.raises(ValueError, match=message):
        new.fit(TEXTS, targets(new), sample_weight=weights)


# -- state --------------------------------------------------------------------------------------


def test_pickles_and_copies_predict_the_same(fitted, tmp_path):
    expected = outputs(fitted, TEXTS)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        assert_same(outputs(pickle.loads(pickle.dumps(fitted, protocol)), TEXTS), expected, exact=False)
    assert_same(outputs(copy.deepcopy(fitted), TEXTS), expected, exact=False)
    joblib.dump(fitted, tmp_path / "fitted.joblib")
    mapped = joblib.load(tmp_path / "fitted.joblib", mmap_mode="r")
    assert_same(outputs(mapped, TEXTS), expected, exact=False)
    assert not hasattr(clone(fitted), "vocabulary_")


def test_the_state_holds_only_plain_values_and_arrays(fitted):
    outputs(fitted, TEXTS)
    plain = (str, int, float, bool, type(None), np.ndarray, list, dict, tuple, np.generic)
    for name, value in fitted.__getstate__().items():
        kind = type(value).__module__
        assert isinstance(value, plain) or kind.startswith("skrnn."), (name, type(value))
        assert kind != "skrnn.serve.forward", f"{name} is computed from the weights; do not store it"


# -- outputs ------------------------------------------------------------------------------------


def test_feature_names_and_output_containers(fitted):
    names = fitted.get_feature_names_out()
    vectors = fitted.transform(TEXTS)
    assert vectors.dtype == np.float32 and names.dtype == object
    assert len(set(names)) == len(names) == vectors.shape[1]
    framed = copy.deepcopy(fitted).set_output(transform="pandas")
    frame = framed.transform(pd.Series(TEXTS, index=range(10, 18)))
    assert frame.columns.tolist() == names.tolist() and frame.index.tolist() == list(range(10, 18))
    np.testing.assert_array_equal(frame.to_numpy(), vectors)
    assert framed.set_output(transform="polars").transform(TEXTS).columns == names.tolist()


def test_fit_records_the_column_name_of_a_frame():
    frame = pd.DataFrame({"review": TEXTS})
    encoder = skrnn.RNNTextEncoder(objective="random", **TINY).fit(frame)
    assert encoder.feature_names_in_.tolist() == ["review"] and encoder.n_features_in_ == 1
    with pytest.raises(ValueError, match="feature names"):
        encoder.transform(pd.DataFrame({"other": TEXTS}))
    assert not hasattr(encoder.fit(TEXTS), "feature_names_in_")


def test_fit_without_a_seed_leaves_the_global_random_state_alone():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    skrnn.RNNTextEncoder(objective="random", **TINY | {"random_state": None}).fit(TEXTS)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_tags_describe_the_estimator(new):
    tags = new.__sklearn_tags__()
    assert tags.input_tags.string and tags.input_tags.one_d_array and not tags.input_tags.two_d_array
    assert tags.transformer_tags.preserves_dtype == [] and not tags.non_deterministic
    assert is_classifier(new) == isinstance(new, skrnn.RNNTextClassifier)


# -- fits that fail -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fitted", "error"),
    [("classifier", RuntimeError), *[(name, KeyboardInterrupt) for name in ESTIMATORS if name != "random"]],
    indirect=["fitted"],
)
def test_a_fit_that_fails_keeps_the_previous_one(fitted, error):
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise error("stop")

    again = copy.deepcopy(fitted).set_params(callbacks=[Stop()])
    with pytest.raises(error, match="stop"):
        again.fit(["other words"] * 8, targets(fitted))
    assert_same(outputs(again, TEXTS), outputs(fitted, TEXTS), exact=False)


def test_a_loss_that_is_not_finite_raises_an_error_and_keeps_the_previous_fit():
    classifier = skrnn.RNNTextClassifier(**TINY).fit(TEXTS, LABELS)
    expected = classifier.predict_proba(TEXTS)
    classifier.set_params(learning_rate=1e30, optimizer="sgd", rnn_activation="relu", epochs=5)
    with pytest.raises(FloatingPointError, match=r"loss became .* learning_rate=1e\+30"):
        classifier.fit(TEXTS, LABELS)
    np.testing.assert_array_equal(classifier.predict_proba(TEXTS), expected)
