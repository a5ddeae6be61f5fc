import pickle
import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from skrnn import RNNTextClassifier, RNNTextEncoder

TEXTS = ["good film", "bad film", "very good film indeed", "very bad", "good one", "so bad"] * 4
LABELS = ["yes", "no"] * 12
TINY = {
    "layer": "simple_rnn", "rnn_units": 3, "embedding_dim": 3, "epochs": 2, "batch_size": 8,
    "random_state": 0,
}  # fmt: skip


def same(one, two):
    """Return whether two fitted estimators have the same weights, bit for bit."""
    return one._weights.keys() == two._weights.keys() and all(
        np.array_equal(one._weights[name], two._weights[name]) for name in one._weights
    )


@pytest.fixture(scope="module")
def plain():
    return RNNTextClassifier(**TINY).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def stopped():
    """A classifier whose validation labels are the wrong way round: what it learns makes it worse."""
    classifier = RNNTextClassifier(
        early_stopping=True, n_iter_no_change=2, learning_rate=0.05, verbose=1, **TINY | {"epochs": 9}
    )
    return classifier.fit(TEXTS, LABELS, X_val=TEXTS[:6], y_val=LABELS[1:7])


@pytest.fixture(scope="module")
def three():
    labels = ["c", "a", "b"] * 8
    return RNNTextClassifier(**TINY | {"epochs": 25, "learning_rate": 0.05}).fit(["x", "y", "z"] * 8, labels)


def test_class_weights_are_sample_weights(plain):
    y = np.array(LABELS)
    y[:6] = "yes"
    weighted = RNNTextClassifier(class_weight={"yes": 0.5, "no": 3}, **TINY).fit(TEXTS, y)
    by_hand = RNNTextClassifier(**TINY).fit(TEXTS, y, sample_weight=np.where(y == "yes", 0.5, 3))
    assert same(weighted, by_hand)


def test_balanced_weights_make_classes_equal():
    classifier = RNNTextClassifier(class_weight="balanced")
    y = ["a"] * 3 + ["b"]
    head = classifier._head_for(y, TEXTS[:4])
    samples = classifier._samples(head, TEXTS[:4], y, [1, 1, 1, 2], "y")
    np.testing.assert_allclose(samples.weights, [4 / 6, 4 / 6, 4 / 6, 4])


def test_self_attention_knows_where_tokens_stand():
    classifier = RNNTextClassifier(
        n_heads=2, pooling="last", dropout=0.0,
        **TINY | {"layer": "self_attention", "rnn_units": 8, "epochs": 20, "learning_rate": 0.02},
    )  # fmt: skip
    texts, y = ["a b c", "b a c"] * 16, [0, 1] * 16
    np.testing.assert_array_equal(classifier.fit(texts, y).predict(texts), y)
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict_proba(texts), classifier.predict_proba(texts))
    ids = classifier._ids(texts[:2])
    expected = np.asarray(classifier.model_.predict(ids.pad(3), verbose=0))
    np.testing.assert_allclose(classifier.predict_proba(texts[:2])[:, 1:], expected, rtol=1e-4)


def test_more_than_two_classes_come_in_their_order(three):
    assert three.classes_.tolist() == ["a", "b", "c"]
    assert three.predict(["x", "y", "z"]).tolist() == ["c", "a", "b"]
    np.testing.assert_array_equal(three.decision_function(["x"]).argmax(axis=1), [2])
    assert three.predict_proba(["x", "y"])[0].sum() == pytest.approx(1, rel=1e-5)


def test_two_classes_have_one_score(plain):
    scores = plain.decision_function(TEXTS)
    assert scores.shape == (24,)
    assert (plain.predict(TEXTS) == np.where(scores > 0, "yes", "no")).all()
    np.testing.assert_allclose(plain.predict_proba(TEXTS)[:, 1], 1 / (1 + np.exp(-scores)), rtol=1e-5)


def test_training_stops_and_the_best_weights_are_kept(stopped):
    losses = stopped.history_["val_loss"]
    best = int(np.argmin(losses))
    assert stopped.n_iter_ == len(losses) == len(stopped.loss_curve_) == best + 3 < 9
    kept = log_loss(LABELS[1:7], stopped.predict_proba(TEXTS[:6]))
    assert kept == pytest.approx(losses[best], rel=1e-4)
    assert stopped.best_validation_score_ == stopped.validation_scores_[best]
    assert stopped.best_validation_score_ == stopped.score(TEXTS[:6], LABELS[1:7])


def test_given_validation_texts_leave_the_training_texts_whole():
    many = RNNTextClassifier(early_stopping=True, validation_fraction=0.5, **TINY)
    given = many.fit(TEXTS, LABELS, X_val=["unseen words"], y_val=["no"])
    assert set(given.vocabulary_) == set(" ".join(TEXTS).split())
    split = RNNTextClassifier(early_stopping=True, validation_fraction=0.9, **TINY)
    split.fit([*TEXTS[:-1], "rare"], LABELS)
    assert len(split.validation_scores_) == split.n_iter_


@pytest.mark.parametrize(("n", "held"), [(99, None), (100, 10)])
def test_early_stopping_begins_at_a_hundred_texts(n, held):
    """With "auto", a tenth of 100 texts or more is held out."""
    classifier = RNNTextClassifier(early_stopping="auto", **TINY | {"epochs": 1})
    classifier.fit([f"text {i}" for i in range(n)], [0, 1] * (n // 2) + [0] * (n % 2))
    assert hasattr(classifier, "validation_scores_") == (held is not None)


def test_one_text_cannot_be_split():
    with pytest.raises(ValueError, match=r"needs 2 texts or more.*Got 1.*early_stopping=False"):
        RNNTextEncoder(objective="autoencoder", early_stopping=True, **TINY).fit(["one"])


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
)
def test_bad_validation_labels_are_named(y_val, message):
    with pytest.raises(ValueError, match=message):
        RNNTextClassifier(**TINY).fit(TEXTS, LABELS, X_val=["a", "b"], y_val=y_val)


def test_a_line_an_epoch(capsys):
    RNNTextClassifier(verbose=1, **TINY).fit(TEXTS, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0] for line in lines] == [
        "[RNNTextClassifier] epoch 1/2",
        "[RNNTextClassifier] epoch 2/2",
    ]


def test_seeds(plain):
    assert not same(RNNTextClassifier(**TINY | {"random_state": 1}).fit(TEXTS, LABELS), plain)
    seeded = RNNTextClassifier(**TINY | {"random_state": np.random.RandomState(3), "n_jobs": 2})
    again = RNNTextClassifier(**TINY | {"random_state": np.random.RandomState(3), "n_jobs": 1})
    assert same(seeded.fit(TEXTS, LABELS), again.fit(TEXTS, LABELS))


def test_the_order_of_parameters_set_changes_nothing(plain):
    other = RNNTextClassifier(rnn_units=9).set_params(**TINY)
    assert same(other.fit(tuple(TEXTS), np.array(LABELS)), plain)


@pytest.mark.parametrize("freeze", [True, False])
def test_a_fitted_encoder_is_a_start(freeze):
    encoder = RNNTextEncoder(objective="random", **TINY | {"rnn_units": 4}).fit(TEXTS)
    before = {name: array.copy() for name, array in encoder._weights.items()}
    classifier = RNNTextClassifier(encoder=encoder, freeze_encoder=freeze, **TINY).fit(TEXTS, LABELS)
    assert classifier.vocabulary_ == encoder.vocabulary_ and classifier._spec.rnn_units == 4
    moved = [name for name in before if not np.array_equal(before[name], classifier._weights[name])]
    assert bool(moved) is not freeze
    assert all(np.array_equal(before[name], encoder._weights[name]) for name in before)


def test_a_warm_start_goes_on():
    warm = RNNTextClassifier(warm_start=True, **TINY | {"epochs": 1}).fit(TEXTS, LABELS)
    first = warm._weights
    warm.set_params(learning_rate=1e-9).fit(TEXTS, LABELS)
    assert all(np.allclose(first[name], warm._weights[name], atol=1e-6) for name in first)
    with pytest.raises(ValueError, match="warm_start=True of RNNTextClassifier needs the classes"):
        warm.fit(TEXTS, ["a", "b", "c"] * 8)
    assert warm.classes_.tolist() == ["no", "yes"]


def test_a_label_that_was_not_there_is_wrong(plain):
    assert plain.score(TEXTS[:2], ["other", "other"]) == 0


def test_tokens_are_shown_as_the_network_sees_them():
    encoder = RNNTextEncoder(objective="random", rnn_units=2, embedding_dim=2, sequence_length=3, min_df=2)
    encoder.fit(["Good film , good", "Good film", ","])
    texts = ["GOOD, quite film", "", "film good good good"]
    assert encoder.tokenize(texts) == [["good", ",", "<unk>"], [], ["film", "good", "good"]]
    assert encoder.decode_ids(encoder.padded_ids(texts)).tolist() == ["good, <unk>", "", "film good good"]
    assert encoder.decode_ids([[3], []]).tolist() == [
        min(encoder.vocabulary_, key=encoder.vocabulary_.get),
        "",
    ]
    assert encoder.decode_ids(np.empty((0, 3), int)).shape == (0,)
    wrong = [([[0], [6]], "0 to 5. Got 6 in row 1"), ([[-1]], "-1"), ([[0.5]], "float64 in row 0")]
    for ids, message in wrong:
        with pytest.raises(ValueError, match=message):
            encoder.decode_ids(ids)


@pytest.mark.parametrize("analyzer", ["char", "subword", str.split])
def test_tokens_of_each_analyzer_are_shown_and_come_back(analyzer):
    texts = ["شكرا جزيلا", "我们 走 吧", "👩‍👩‍👧 family", "cafe\u0301"] * 3
    encoder = RNNTextEncoder(objective="random", rnn_units=2, embedding_dim=2, analyzer=analyzer).fit(texts)
    assert [len(tokens) for tokens in encoder.tokenize(texts)] == [
        len(states) for states in encoder.transform_sequences(texts)
    ]
    composed = [unicodedata.normalize("NFC", text) for text in texts]
    expected = texts if callable(analyzer) else composed  # a callable gets the texts as they are
    assert encoder.decode_ids(encoder.padded_ids(texts)).tolist() == expected


@pytest.mark.parametrize(
    ("parameters", "weight"),
    [
        ({}, 1.0),
        ({"dropout": 0.0}, 0.0),
        ({"dropout": 0.0, "recurrent_dropout": 0.2}, 1.0),
        ({"r_drop": 0}, 0.0),
    ],
)
def test_r_drop_is_used_only_with_dropout(plain, parameters, weight):
    recipe = RNNTextClassifier(**parameters)._recipe(plain._spec, n_tokens=9, n_texts=9)
    assert recipe.r_drop == weight


def test_given_values_replace_auto(plain):
    classifier = RNNTextClassifier(batch_size=7, epochs=3, dropout=0.1)
    recipe = classifier._recipe(plain._spec, n_tokens=10**9, n_texts=10**6)
    assert (recipe.batch_size, recipe.epochs, recipe.dropout) == (7, 3, 0.1)
    recipe = RNNTextClassifier()._recipe(plain._spec, n_tokens=10**9, n_texts=10**6)
    assert (recipe.batch_size, recipe.epochs, recipe.dropout) == (64, 4, 0.25)
