"""The linear part over n-grams: what it knows, how it is fitted, and how it joins the network."""

import numpy as np
import pytest
from scipy import sparse
from scipy.special import expit
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import normalize

import skrnn
from skrnn import RNNTextClassifier, RNNTextRegressor
from skrnn.fitting import ngrams
from skrnn.ragged import Ragged

TINY = {"rnn_units": 2, "embedding_dim": 2, "epochs": 1, "random_state": 0}
RNG = np.random.default_rng(0)
WORDS = [f"w{i}" for i in range(30)]
TEXTS = [" ".join(RNG.choice(WORDS, RNG.integers(2, 9))) for _ in range(60)]
LABELS = ["yes" if "w1" in text.split() or "w2" in text.split() else "no" for text in TEXTS]
THREE = [["a", "b", "c"][len(text.split()) % 3] for text in TEXTS]
NUMBERS = np.array([len(text.split()) + ("w3" in text) for text in TEXTS], float)


def linear_outputs(estimator, texts):
    """Return the outputs of the estimator without those of the network."""
    weights = estimator._weights
    network = estimator.transform(texts) @ weights["head/kernel"] + weights["head/bias"]
    network *= weights["ngrams/factor"]
    return estimator._predicted(texts, lambda outputs: outputs) - network


def factor_of_ngrams(estimator, n_texts=60):
    """Return the factor of the linear part, from that of the network."""
    of_network, of_ngrams = ngrams.factors(estimator._head, n_texts)
    return of_ngrams * estimator._weights["ngrams/factor"][0] / of_network


def features(ngram_range, texts=TEXTS):
    """Return the features of texts, from scikit-learn: pairs occur in two texts or more."""
    options = {"ngram_range": ngram_range, "binary": True, "token_pattern": r"\w+"}
    X = TfidfVectorizer(**options).fit(texts)
    df = np.asarray((X.transform(texts) > 0).sum(axis=0)).ravel()
    terms = X.get_feature_names_out()
    kept = [term for term, n in zip(terms, df, strict=True) if n > 1 or " " not in term]
    vectorizer = TfidfVectorizer(**options, norm=None, vocabulary=kept).fit(texts)
    of_pairs = 0.5 + 0.5 * np.clip(np.log10(len(texts) / 100), 0, 1)  # few texts: single words count more
    return normalize(vectorizer.transform(texts).multiply([of_pairs ** term.count(" ") for term in kept]))


def logits(X, labels):
    """Return the logits of a logistic regression whose features are multiplied by their log-count ratios."""
    power = 0.5 * np.clip(np.log10(X.shape[0] / 100), 0, 1)  # few texts: ratios count less
    counts = (X.toarray() > 0).astype(float)
    ratios = []
    for label in np.unique(labels):
        inside = counts[np.asarray(labels) == label].sum(axis=0) + 1
        outside = counts[np.asarray(labels) != label].sum(axis=0) + 1
        ratios.append(np.log((inside / inside.sum()) / (outside / outside.sum())))
    X = X.toarray() * np.sqrt(np.mean(np.square(ratios), axis=0)) ** power
    return LogisticRegression(C=10, tol=1e-8, max_iter=10_000).fit(X, labels).decision_function(X)


@pytest.mark.parametrize("ngram_range", [(1, 1), (1, 2)])
def test_the_linear_part_is_a_logistic_regression_on_tfidf(ngram_range):
    classifier = RNNTextClassifier(ngram_range=ngram_range, **TINY).fit(TEXTS, LABELS)
    X = features(ngram_range)
    assert classifier._spec.n_ngrams == X.shape[1]
    expected = logits(X, LABELS)
    found = linear_outputs(classifier, TEXTS)[:, 0]
    assert np.corrcoef(found, expected)[0, 1] > 0.9999
    assert found.std() / expected.std() == pytest.approx(factor_of_ngrams(classifier), rel=1e-3)


def corpus(n_texts):
    """Return texts, and whether the first word of each is one of nine."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(WORDS, rng.integers(2, 9))) for _ in range(n_texts)]
    return texts, np.array([text.split()[0] in WORDS[:9] for text in texts])


@pytest.mark.parametrize("n_texts", [60, 400, 1200])
def test_pairs_and_ratios_gain_weight_with_the_number_of_texts(n_texts):
    texts, labels = corpus(n_texts)
    classifier = RNNTextClassifier(**TINY).fit(texts, labels)
    expected = logits(features((1, 2), texts), labels)
    found = linear_outputs(classifier, texts)[:, 0]
    assert np.corrcoef(found, expected)[0, 1] > 0.9999
    assert found.std() / expected.std() == pytest.approx(factor_of_ngrams(classifier, n_texts), rel=2e-3)


def test_the_solver_does_not_stop_early_on_many_texts():
    rng = np.random.default_rng(0)
    X = sparse.csr_matrix(normalize(rng.poisson(0.01, (3000, 2000)) > 0))
    y = (X @ rng.normal(size=2000) + rng.normal(size=3000) > 0).astype(int)
    kernel, bias = ngrams._logistic(X.astype(np.float32), y, np.ones(3000), 1)
    np.testing.assert_allclose(expit((X @ kernel + bias)[:, 0]), expit(logits(X, y)), atol=1e-3)


@pytest.mark.parametrize("block", [1, 7, 60])
def test_ngrams_are_counted_block_by_block(block, monkeypatch):
    rng = np.random.default_rng(0)
    texts = Ragged.from_rows([rng.integers(1, 9, n) for n in [0, 5, 90, 1, 0, *rng.integers(1, 20, 40)]])
    expected = ngrams.frequent_ngrams(texts, (1, 2), 3)
    monkeypatch.setattr(ngrams, "BLOCK", block)
    assert len(list(ngrams._blocks(texts))) > 2
    found = ngrams.frequent_ngrams(texts, (1, 2), 3)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_more_classes_have_one_logit_each():
    classifier = RNNTextClassifier(ngram_range=(1, 1), **TINY).fit(TEXTS, THREE)
    X = features((1, 1))
    expected = factor_of_ngrams(classifier) * logits(X, THREE)
    found = linear_outputs(classifier, TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_labels_that_do_not_exclude_each_other_have_a_model_each():
    Y = np.array(
        [[label == "yes", "w3" in text, True] for text, label in zip(TEXTS, LABELS, strict=True)], int
    )
    classifier = RNNTextClassifier(ngram_range=(1, 1), **TINY).fit(TEXTS, Y)
    X = features((1, 1))
    found = linear_outputs(classifier, TEXTS)
    for j in range(2):
        expected = factor_of_ngrams(classifier) * logits(X, Y[:, j])
        np.testing.assert_allclose(found[:, j], expected, atol=1e-3)
    np.testing.assert_allclose(found[:, 2], 0, atol=1e-6)  # a constant column teaches nothing


def test_the_linear_part_of_a_regressor_is_a_ridge_regression():
    regressor = RNNTextRegressor(ngram_range=(1, 2), **TINY).fit(TEXTS, NUMBERS)
    X = features((1, 2))
    expected = Ridge(alpha=0.5).fit(X, NUMBERS).predict(X)
    found = linear_outputs(regressor, TEXTS)[:, 0]
    assert np.corrcoef(found, expected)[0, 1] > 0.9999
    assert found.std() * NUMBERS.std() / expected.std() == pytest.approx(0.6, rel=1e-3)


@pytest.mark.parametrize("n_texts", [60, 600])
def test_texts_of_weight_zero_do_not_reach_the_linear_part(n_texts):
    texts, labels = corpus(n_texts)
    kept = labels | (np.arange(n_texts) % 2 == 1)
    classifier = RNNTextClassifier(ngram_range=(1, 1), **TINY).fit(texts, labels, sample_weight=3.0 * kept)
    expected = factor_of_ngrams(classifier, kept.sum()) * logits(features((1, 1), texts)[kept], labels[kept])
    found = linear_outputs(classifier, texts)[kept, 0]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_the_network_gains_weight_with_the_number_of_texts():
    head = RNNTextClassifier(**TINY).fit(TEXTS, LABELS)._head
    of_network, of_ngrams = np.transpose([ngrams.factors(head, n) for n in (10, 100, 1000, 10_000, 10**6)])
    np.testing.assert_allclose(of_network, [0.1, 0.12, 0.27, 0.42, 0.5])
    np.testing.assert_allclose(of_network + of_ngrams, 0.9)


def confidence(texts, labels, **parameters):
    """Return the factor of the sum of both parts."""
    classifier = RNNTextClassifier(**TINY).fit(texts, labels, **parameters)
    of_network, _ = ngrams.factors(classifier._head, len(texts))
    return classifier._weights["ngrams/factor"][0] / of_network


def test_with_few_texts_the_sum_is_as_confident_as_ngrams_explain_held_out_labels():
    texts, labels = corpus(200)
    noise = np.random.default_rng(2).permutation(labels)
    first = np.column_stack([labels, texts_with(texts, "w1")]).astype(int)
    assert confidence(texts, noise) == pytest.approx(0.5 + 0.5 * np.log10(2), abs=0.01)  # nothing explained
    assert confidence(texts, labels) > confidence(texts, noise) + 0.05
    assert confidence(texts, texts_with(texts, "w1")) > 1.1
    assert confidence(texts, first) > confidence(texts, labels)  # several labels


def texts_with(texts, word):
    return np.array([word in text.split() for text in texts])


def test_with_many_texts_the_sum_is_not_scaled():
    texts, labels = corpus(1000)
    assert confidence(texts, np.random.default_rng(2).permutation(labels)) == pytest.approx(1)


@pytest.mark.parametrize("n_texts", [2, 3, 4])
def test_a_label_that_a_fold_lacks_does_not_stop_the_fit(n_texts):
    texts = ["w1 w2", "w3 w4", "w5 w6", "w1 w3"][:n_texts]
    assert 0.1 < confidence(texts, ["a", "b", "c", "a"][:n_texts]) < 2


@pytest.mark.parametrize("n_counted", [1, 2, 5])
def test_few_texts_of_positive_weight_are_enough(n_counted):
    texts, labels = corpus(40)
    weights = np.zeros(40)
    weights[-n_counted:] = 1
    assert 0.1 < confidence(texts, labels, sample_weight=weights) < 20


@pytest.mark.parametrize(
    "labels", [LABELS, [("w1" in text.split()) + 2 * ("w2" in text.split()) for text in TEXTS]]
)
def test_texts_of_weight_zero_do_not_change_the_confidence(labels):
    head = RNNTextClassifier(**TINY).fit(TEXTS, labels)._head
    X, targets = TfidfVectorizer().fit_transform(TEXTS), head.encode(labels, TEXTS, owner="a classifier")
    weights = np.random.default_rng(0).integers(0, 3, len(TEXTS)).astype(float)
    kept = weights > 0
    expected = ngrams._confidence(head, X[kept], targets[kept], weights[kept])
    assert ngrams._confidence(head, X, targets, weights) == pytest.approx(expected)


def test_the_network_is_the_same_with_and_without_ngrams():
    with_ngrams = RNNTextClassifier(**TINY).fit(TEXTS, LABELS)
    without = RNNTextClassifier(ngram_range=None, **TINY).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(with_ngrams.transform(TEXTS), without.transform(TEXTS))
    assert with_ngrams.loss_curve_ == without.loss_curve_
    assert not np.allclose(with_ngrams.decision_function(TEXTS), without.decision_function(TEXTS), atol=0.1)
    assert "ngrams/kernel" not in without._weights


@pytest.mark.parametrize("ngram_range", ["auto", (1, 3), (2, 2), None])
def test_the_keras_model_and_a_saved_file_hold_the_ngrams(ngram_range, tmp_path):
    classifier = RNNTextClassifier(ngram_range=ngram_range, **TINY).fit(TEXTS, THREE)
    texts = [*TEXTS[:9], "", "w1", "unknown words"]
    expected = classifier.predict_proba(texts)
    found = classifier.model_.predict(classifier.padded_ids(texts), verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    skrnn.save(classifier, tmp_path / "model.skrnn")
    np.testing.assert_array_equal(skrnn.load(tmp_path / "model.skrnn").predict_proba(texts), expected)


def test_auto_reads_longer_ngrams_of_characters_and_none_for_many_classes():
    assert RNNTextClassifier(**TINY).fit(TEXTS, LABELS)._spec.ngram_range == (1, 2)
    assert RNNTextClassifier(analyzer="char", **TINY).fit(TEXTS, LABELS)._spec.ngram_range == (1, 3)
    many = RNNTextClassifier(**TINY).fit(TEXTS * 3, np.arange(180) % 65)
    assert many._spec.ngram_range is None


def test_held_out_scores_are_those_of_the_mixture():
    classifier = RNNTextClassifier(**TINY)
    classifier.fit(TEXTS[:40], LABELS[:40], X_val=TEXTS[40:], y_val=LABELS[40:])
    assert classifier.best_validation_score_ == pytest.approx(classifier.score(TEXTS[40:], LABELS[40:]))


def test_partial_fit_trains_the_weights_of_ngrams_with_the_network():
    classifier = RNNTextClassifier(**TINY)
    for _ in range(3):
        classifier.partial_fit(TEXTS, LABELS, classes=["no", "yes"])
    first = classifier._weights["ngrams/kernel"].copy()
    assert np.abs(first).max() > 1e-3
    classifier.partial_fit(TEXTS, LABELS)
    assert not np.array_equal(classifier._weights["ngrams/kernel"], first)
    found = classifier.model_.predict(classifier.padded_ids(TEXTS), verbose=0)[:, 0]
    np.testing.assert_allclose(found, classifier.predict_proba(TEXTS)[:, 1], atol=1e-6)


def test_a_warm_start_learns_the_ngrams_anew():
    classifier = RNNTextClassifier(warm_start=True, **TINY).fit(TEXTS, LABELS)
    classifier.fit(TEXTS[:50], LABELS[:50])
    assert classifier._spec.n_ngrams < RNNTextClassifier(**TINY).fit(TEXTS, LABELS)._spec.n_ngrams


@pytest.mark.parametrize("value", [(2, 1), (0, 1), (1,), (1, 2, 3), (1.0, 2), (1, 10**9)])
def test_an_impossible_range_is_an_error(value):
    with pytest.raises(ValueError, match="ngram_range parameter of RNNTextClassifier must be two integers"):
        RNNTextClassifier(ngram_range=value, **TINY).fit(TEXTS, LABELS)
