"""The classifier: class weights, early stopping, targets, seeds, pretrained encoders and warm starts."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_sample_weight

from skrnn import RNNTextClassifier, RNNTextEncoder

TEXTS = ["good film", "bad film", "very good film indeed", "very bad", "good one", "so bad"] * 4
LABELS = ["yes", "no"] * 12
TINY = {
    "layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "batch_size": 8,
    "random_state": 0,
}  # fmt: skip


def same_weights(one, two):
    """Return whether two fitted estimators have the same weights, bit for bit."""
    return one._weights.keys() == two._weights.keys() and all(
        np.array_equal(one._weights[name], two._weights[name]) for name in one._weights
    )


@pytest.fixture(scope="module")
def binary():
    return RNNTextClassifier(**TINY).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def multiclass():
    labels = ["c", "a", "b"] * 8
    return RNNTextClassifier(**TINY | {"epochs": 25, "learning_rate": 0.05}).fit(["x", "y", "z"] * 8, labels)


# -- weights ---------------------------------------------------------------------------------------


def test_class_weights_equal_sample_weights():
    y = np.array(LABELS)
    y[:6] = "yes"
    weighted = RNNTextClassifier(class_weight={"yes": 0.5, "no": 3}, **TINY).fit(TEXTS, y)
    expected = RNNTextClassifier(**TINY).fit(TEXTS, y, sample_weight=np.where(y == "yes", 0.5, 3))
    assert same_weights(weighted, expected)


def test_class_weights_of_a_class_that_a_chunk_does_not_have():
    options = TINY | {"class_weight": {"c": 5}}
    classifier = RNNTextClassifier(**options).partial_fit(["x", "y"], ["a", "b"], classes=["a", "b", "c"])
    assert classifier.partial_fit(["z"], ["c"]).classes_.tolist() == ["a", "b", "c"]
    RNNTextClassifier(**TINY | {"class_weight": {"a": 0}}).partial_fit(["x"], ["a"], classes=["a", "b"])
    with pytest.raises(ValueError, match="not in class_weight"):
        RNNTextClassifier(**options).fit(["x", "y"] * 4, ["a", "b"] * 4)
    held_out = {"X_val": ["x"], "y_val": ["a"]}  # it lacks the class b
    RNNTextClassifier(**TINY | {"class_weight": {"b": 5}}).fit(["x", "y"] * 4, ["a", "b"] * 4, **held_out)
    with pytest.raises(ValueError, match="gives every text of X_val a weight of 0"):
        RNNTextClassifier(**TINY | {"class_weight": {"a": 0}}).fit(["x", "y"], ["a", "b"], **held_out)


def test_class_weights_of_an_indicator_matrix_are_multiplied_as_in_a_forest():
    Y = np.tile([[1, 0], [0, 1], [1, 1]], (8, 1))
    dicts = [{0: 1, 1: 5}, {1: 3}]
    expected = compute_sample_weight([{0: 1, 1: 5}, {0: 1, 1: 3}], Y)
    plain = RNNTextClassifier(**TINY).fit(TEXTS, Y, sample_weight=expected)
    assert same_weights(RNNTextClassifier(class_weight=dicts, **TINY).fit(TEXTS, Y), plain)
    balanced = RNNTextClassifier(class_weight="balanced", **TINY).fit(TEXTS, Y)
    expected = compute_sample_weight("balanced", Y)
    assert same_weights(balanced, RNNTextClassifier(**TINY).fit(TEXTS, Y, sample_weight=expected))
    for wrong in ({0: 1, 1: 5}, dicts[:1]):
        with pytest.raises(ValueError, match=r"class_weight of .* must be a list of 2 dicts"):
            RNNTextClassifier(class_weight=wrong, **TINY).fit(TEXTS, Y)
    with pytest.raises(ValueError, match=r"class_weight of .* must be a dict"):
        RNNTextClassifier(class_weight=dicts, **TINY).fit(TEXTS, LABELS)


def test_the_unit_of_sample_weights_does_not_matter():
    weights = np.linspace(1, 2, 24)
    one, other = (RNNTextClassifier(**TINY).fit(TEXTS, LABELS, weights * unit) for unit in (1, 2.0**-20))
    assert same_weights(one, other)


def test_balanced_class_weights_multiply_sample_weights():
    y = np.array(["a"] * 18 + ["b"] * 6)
    sample_weight = np.linspace(1, 2, 24)
    balanced = RNNTextClassifier(class_weight="balanced", **TINY).fit(TEXTS, y, sample_weight=sample_weight)
    factors = np.where(y == "a", 24 / (2 * 18), 24 / (2 * 6))  # scikit-learn's n / (n_classes n_class)
    expected = RNNTextClassifier(**TINY).fit(TEXTS, y, sample_weight=sample_weight * factors)
    assert all(
        np.allclose(array, expected._weights[name], atol=1e-6) for name, array in balanced._weights.items()
    )
    plain = RNNTextClassifier(**TINY).fit(TEXTS, y, sample_weight=sample_weight)
    assert not np.allclose(plain._weights["head/bias"], expected._weights["head/bias"], atol=1e-4)


# -- predictions -----------------------------------------------------------------------------------


def test_two_classes_have_one_column_of_scores(binary):
    scores = binary.decision_function(TEXTS)
    assert scores.shape == (24,)
    assert (binary.predict(TEXTS) == np.where(scores > 0, "yes", "no")).all()
    np.testing.assert_allclose(binary.predict_proba(TEXTS)[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-5)


def test_several_classes_are_in_the_order_of_classes_(multiclass):
    assert multiclass.classes_.tolist() == ["a", "b", "c"]
    assert multiclass.predict(["x", "y", "z"]).tolist() == ["c", "a", "b"]
    np.testing.assert_array_equal(multiclass.decision_function(["x"]).argmax(axis=1), [2])
    assert multiclass.predict_proba(["x", "y"])[0].sum() == pytest.approx(1, rel=1e-5)


def test_an_indicator_matrix_is_learned():
    texts = ["good film", "bad film", "very good film indeed", "very bad"]
    Y = np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]])
    classifier = RNNTextClassifier(
        rnn_units=16, embedding_dim=16, learning_rate=0.02, epochs=20, random_state=0
    ).fit(texts * 5, np.tile(Y, (5, 1)))
    np.testing.assert_array_equal(classifier.predict(texts), Y)
    probabilities = classifier.predict_proba(texts)
    assert probabilities.shape == (4, 3) and (np.abs(probabilities - Y) < 0.5).all()
    np.testing.assert_allclose(classifier.predict_log_proba(texts), np.log(probabilities), atol=1e-6)
    assert classifier.classes_.tolist() == [0, 1, 2]


def test_self_attention_depends_on_the_order_of_tokens():
    classifier = RNNTextClassifier(
        n_heads=2, pooling="last", dropout=0.0,
        **TINY | {"layer": "self_attention", "rnn_units": 8, "epochs": 20, "learning_rate": 0.02},
    )  # fmt: skip
    texts, y = ["a b c", "b a c"] * 16, [0, 1] * 16
    np.testing.assert_array_equal(classifier.fit(texts, y).predict(texts), y)
    copy = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(copy.predict_proba(texts), classifier.predict_proba(texts))
    expected = np.asarray(classifier.model_.predict(classifier.padded_ids(texts[:2]), verbose=0))
    np.testing.assert_allclose(classifier.predict_proba(texts[:2])[:, 1:], expected, rtol=1e-4)


def test_an_unknown_label_counts_as_wrong_in_the_score(binary):
    assert binary.score(TEXTS[:2], ["other", "other"]) == 0


# -- early stopping --------------------------------------------------------------------------------


def test_early_stopping_keeps_the_weights_with_the_lowest_loss():
    """The held-out labels are swapped, so the loss on them rises with each epoch."""
    classifier = RNNTextClassifier(
        early_stopping=True, n_iter_no_change=2, learning_rate=0.05, **TINY | {"epochs": 9}
    ).fit(TEXTS, LABELS, X_val=TEXTS[:6], y_val=LABELS[1:7])
    losses = classifier.history_["val_loss"]
    best = int(np.argmin(losses))
    assert classifier.n_iter_ == len(losses) == len(classifier.loss_curve_) == best + 3 < 9
    kept = log_loss(LABELS[1:7], classifier.predict_proba(TEXTS[:6]))
    assert kept == pytest.approx(losses[best], rel=1e-4)
    assert classifier.best_validation_score_ == classifier.validation_scores_[best]
    assert classifier.best_validation_score_ == classifier.score(TEXTS[:6], LABELS[1:7])


def test_given_held_out_texts_leave_all_training_texts_for_training():
    classifier = RNNTextClassifier(early_stopping=True, validation_fraction=0.5, **TINY)
    classifier.fit([*TEXTS[:-1], "rare"], LABELS, X_val=["unseen words"], y_val=["no"])
    assert set(classifier.vocabulary_) == set(" ".join([*TEXTS[:-1], "rare"]).split())
    assert len(classifier.validation_scores_) == classifier.n_iter_


def test_the_vocabulary_does_not_contain_terms_of_held_out_texts():
    classifier = RNNTextClassifier(early_stopping=True, validation_fraction=0.9, **TINY)
    texts = [f"word{i}" for i in range(20)]
    classifier.fit(texts, ["a", "b"] * 10)
    assert len(classifier.vocabulary_) == 2
    assert len(classifier.validation_scores_) == classifier.n_iter_


@pytest.mark.parametrize(("n_texts", "n_held_out"), [(99, 0), (100, 10)])
def test_auto_early_stopping_holds_texts_out_from_100_on(n_texts, n_held_out):
    classifier = RNNTextClassifier(early_stopping="auto", **TINY | {"epochs": 1})
    classifier.fit([f"word{i}" for i in range(n_texts)], np.arange(n_texts) % 2)
    assert len(classifier.vocabulary_) == n_texts - n_held_out
    assert hasattr(classifier, "validation_scores_") == bool(n_held_out)


def test_early_stopping_with_one_text_is_refused():
    with pytest.raises(ValueError, match=r"needs 2 texts or more.*Got 1.*early_stopping=False"):
        RNNTextEncoder(objective="autoencoder", early_stopping=True, **TINY).fit(["one"])


@pytest.mark.parametrize(
    ("y_val", "message"),
    [
        (None, "y_val to be passed"),
        (["yes"], "inconsistent"),
        (
            ["yes", "maybe"],
            r"y_val .* has 1 label\(s\) that are not among the classes.*'maybe' at position 1",
        ),
    ],
    ids=["none", "too few", "unknown label"],
)
def test_invalid_held_out_labels_are_refused(y_val, message):
    with pytest.raises(ValueError, match=message):
        RNNTextClassifier(**TINY).fit(TEXTS, LABELS, X_val=["a", "b"], y_val=y_val)


# -- targets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "y",
    [
        ["a", None, "b", "b"],
        ["a", np.nan, "b", "b"],
        np.array(["a", None, "b", "b"], object),
        pd.Series(["a", pd.NA, "b", "b"], dtype="string"),
        pd.Series(["a", None, "b", "b"], dtype="category"),
        pd.Series([0, pd.NA, 1, 1], dtype="Int64"),
        [1.0, np.nan, 0, 1],
        [[0, 1], [None, 1], [1, 0], [1, 1]],
    ],
    ids=["None", "NaN", "object", "string", "category", "Int64", "float", "matrix"],
)
@pytest.mark.parametrize("cls", [RNNTextClassifier, RNNTextEncoder])
def test_missing_labels_are_refused(cls, y):
    with pytest.raises(ValueError, match="contains NaN"):
        cls(**TINY).fit(TEXTS[:4], y)


# -- how to run ------------------------------------------------------------------------------------


def test_verbose_writes_a_line_for_each_phase_and_each_epoch(capsys):
    RNNTextClassifier(verbose=1, **TINY).fit(TEXTS, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert re.search(r"^\[RNNTextClassifier\] learning the vocabulary of \d+ texts$", lines[0])
    assert any(re.search(r"training on [\d,]+ tokens$", line) for line in lines)
    assert [line.partition(",")[0] for line in lines[-2:]] == [
        "[RNNTextClassifier] epoch 1/2",
        "[RNNTextClassifier] epoch 2/2",
    ]


def test_the_seed_decides_the_weights_and_the_number_of_threads_does_not(binary):
    assert not same_weights(RNNTextClassifier(**TINY | {"random_state": 1}).fit(TEXTS, LABELS), binary)
    one, two = (
        RNNTextClassifier(**TINY | {"random_state": np.random.RandomState(3), "n_jobs": n_jobs})
        for n_jobs in (1, 2)
    )
    assert same_weights(one.fit(TEXTS, LABELS), two.fit(TEXTS, LABELS))


def test_containers_and_set_params_do_not_change_the_weights(binary):
    other = RNNTextClassifier(rnn_units=9).set_params(**TINY)
    assert same_weights(other.fit(tuple(TEXTS), np.array(LABELS)), binary)


# -- starts from fitted networks -------------------------------------------------------------------


@pytest.mark.parametrize("freeze", [True, False], ids=["frozen", "trained"])
def test_a_classifier_starts_from_a_fitted_encoder(freeze):
    encoder = RNNTextEncoder(objective="random", **TINY | {"rnn_units": 4}).fit(TEXTS)
    own = {"importance/embeddings", "projection/kernel", "projection/bias"}  # of an untrained encoder
    before = {name: array.copy() for name, array in encoder._weights.items() if name not in own}
    classifier = RNNTextClassifier(encoder=encoder, freeze_encoder=freeze, **TINY).fit(TEXTS, LABELS)
    assert classifier.vocabulary_ == encoder.vocabulary_ and classifier._spec.rnn_units == 4
    changed = [name for name in before if not np.array_equal(before[name], classifier._weights[name])]
    assert bool(changed) is not freeze
    if not freeze:  # training changes the weights little, so they are still close to those of the encoder
        assert all(np.abs(before[name] - classifier._weights[name]).max() < 0.2 for name in changed)
    assert all(np.array_equal(before[name], encoder._weights[name]) for name in before)


def test_an_encoder_that_is_not_fitted_is_refused():
    with pytest.raises(ValueError, match="encoder of RNNTextClassifier must be fitted"):
        RNNTextClassifier(encoder=RNNTextEncoder(), **TINY).fit(TEXTS, LABELS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("rnn_units", 9), ("layer", "gru"), ("embedding_dim", 9), ("n_layers", 2), ("pooling", "mean")],
        *[("n_components", 2), ("bidirectional", False), ("rnn_activation", "relu"), ("analyzer", "char")],
        *[("lowercase", False), ("vocab_size", 50), ("vocab_size", None), ("vocabulary", ["good"])],
        *[("min_df", 2), ("tokenizer", str.split), ("embeddings", "random"), ("encoder", RNNTextEncoder())],
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_network_that_training_continues_cannot_have_other_parameters(binary, name, value):
    changed = copy.deepcopy(binary)
    setattr(changed, name, value)
    before = getattr(binary, name)
    with pytest.raises(ValueError, match=rf"partial_fit of .* made with {name}={before!r}\. Got {name}="):
        changed.partial_fit(TEXTS, LABELS)
    with pytest.raises(
        ValueError, match=rf"warm_start=True of .* Set {name}={before!r}, or set warm_start=False"
    ):
        changed.set_params(warm_start=True).fit(TEXTS, LABELS)


def test_a_warm_start_continues_from_the_previous_fit():
    warm = RNNTextClassifier(warm_start=True, **TINY | {"epochs": 1}).fit(TEXTS, LABELS)
    first = warm._weights
    warm.set_params(learning_rate=1e-9).fit(TEXTS, LABELS)
    assert all(np.allclose(first[name], warm._weights[name], atol=1e-6) for name in first)
    with pytest.raises(ValueError, match="warm_start=True of RNNTextClassifier needs the classes"):
        warm.fit(TEXTS, ["a", "b", "c"] * 8)
    assert warm.classes_.tolist() == ["no", "yes"]


@pytest.mark.parametrize(
    "y", [[0, 1] * 8, [0, 1, 2, "a"] * 4, np.eye(3, dtype=int)[[0, 1] * 8]], ids=["2", "4", "matrix"]
)
def test_many_classes_are_predicted_in_blocks_of_texts(monkeypatch, y):
    texts = [f"{text} {i}" for i in range(4) for text in ("good film", "bad film", "so so", "what")]
    y = y if isinstance(y, np.ndarray) else list(map(str, y))
    model = RNNTextClassifier(**TINY).fit(texts, y)
    methods = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    expected = [getattr(model, method)(texts) for method in methods]
    sizes = []
    outputs = model._forward.outputs
    monkeypatch.setattr(model._forward, "outputs", lambda ids, n: sizes.append(len(ids)) or outputs(ids, n))
    monkeypatch.setattr("skrnn.base.MAX_OUTPUTS", 5 * model._head.n_outputs)
    for method, values in zip(methods, expected, strict=True):
        found = getattr(model, method)(texts)
        assert found.dtype == values.dtype and getattr(model, method)([]).shape == values[:0].shape
        np.testing.assert_allclose(found, values, atol=1e-6) if values.dtype.kind == "f" else (
            np.testing.assert_array_equal(found, values)
        )
    assert max(sizes) == 5
