"""Use with scikit-learn and others: pipelines, columns, grid searches, ensembles, files."""

import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import skops.io
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_validate,
)
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline

import skrnn
from skrnn import RNNTextClassifier, RNNTextEncoder

TEXTS = [
    "good film",
    "bad film",
    "a very good film indeed",
    "very bad",
    "good",
    "so bad",
    "good one",
    "bad, bad",
] * 2
LABELS = ["b", "a"] * 8
TINY = {"rnn_units": 3, "embedding_dim": 3, "epochs": 1, "random_state": 0}
RANDOM = TINY | {"objective": "random"}  # fast, because it is not trained
FRAME = pd.DataFrame({"title": TEXTS[::-1], "review": TEXTS, "stars": np.arange(16.0)})


@pytest.fixture(scope="module")
def encoder():
    return RNNTextEncoder(**RANDOM).fit(TEXTS)


@pytest.mark.parametrize("column", ["review", ["review"]], ids=["str", "list"])
def test_a_column_transformer_encodes_a_column(encoder, column):
    columns = ColumnTransformer(
        [("text", RNNTextEncoder(**RANDOM), column), ("rest", "passthrough", ["stars"])],
    ).set_output(transform="pandas")
    out = columns.fit_transform(FRAME)
    np.testing.assert_array_equal(out.iloc[:, :-1].to_numpy(), encoder.transform(TEXTS))
    assert out.columns[0] == "text__review_0" and out.columns[-1] == "rest__stars"
    assert out.shape == (16, encoder.transform(TEXTS).shape[1] + 1)


def test_column_transformers_and_feature_unions_join_vectors(encoder):
    columns = ColumnTransformer([(name, RNNTextEncoder(**RANDOM), name) for name in ("title", "review")])
    assert columns.fit_transform(FRAME).shape[1] == 2 * encoder.transform(TEXTS).shape[1]
    union = FeatureUnion([("rnn", RNNTextEncoder(**RANDOM)), ("tfidf", TfidfVectorizer())])
    assert union.fit_transform(TEXTS).shape == (16, len(union.get_feature_names_out()))


def test_a_pipeline_classifies_encodings(encoder):
    pipeline = make_pipeline(RNNTextEncoder(**RANDOM), LogisticRegression(C=100)).fit(TEXTS, LABELS)
    assert pipeline.score(TEXTS, LABELS) > 0.9
    names = pipeline[:-1].get_feature_names_out()
    assert names.tolist() == encoder.get_feature_names_out().tolist()


def test_a_pipeline_with_a_passthrough_equals_the_classifier():
    pipeline = make_pipeline("passthrough", RNNTextClassifier(**TINY)).fit(TEXTS, LABELS)
    expected = RNNTextClassifier(**TINY).fit(TEXTS, LABELS).predict_proba(TEXTS)
    np.testing.assert_array_equal(pipeline.predict_proba(TEXTS), expected)


def test_metadata_routing_passes_sample_weights():
    weights = np.linspace(0.1, 3, 16)
    expected = RNNTextClassifier(**TINY).fit(TEXTS, LABELS, sample_weight=weights).predict_proba(TEXTS)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = RNNTextClassifier(**TINY).set_fit_request(sample_weight=True)
        pipeline = make_pipeline("passthrough", classifier).fit(TEXTS, LABELS, sample_weight=weights)
        np.testing.assert_array_equal(pipeline.predict_proba(TEXTS), expected)
        seen = []

        class RecordingEncoder(RNNTextEncoder):
            def fit(self, X, y=None, sample_weight=None):
                seen.append(sample_weight)
                return super().fit(X, y, sample_weight)

        search = GridSearchCV(
            make_pipeline(
                RecordingEncoder(**RANDOM).set_fit_request(sample_weight=True),
                LogisticRegression()
                .set_fit_request(sample_weight=True)
                .set_score_request(sample_weight=True),
            ),
            {"logisticregression__C": [1]},
            cv=2,
            refit=False,
        ).fit(TEXTS, LABELS, sample_weight=weights)
        assert sorted(np.concatenate(seen).tolist()) == weights.tolist() and search.n_splits_ == 2
        with pytest.raises(sklearn.exceptions.UnsetMetadataPassedError):
            make_pipeline("passthrough", RNNTextClassifier(**TINY)).fit(TEXTS, LABELS, sample_weight=weights)


def test_metadata_routing_passes_held_out_texts():
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = RNNTextClassifier(early_stopping=True, **TINY).set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline("passthrough", classifier)
        pipeline.fit(TEXTS, LABELS, X_val=["good", "bad"], y_val=["b", "a"])
    assert pipeline[-1].validation_scores_[0] in (0.0, 0.5, 1.0)


def test_a_grid_search_over_parameters_of_the_encoder():
    search = GridSearchCV(
        make_pipeline(RNNTextEncoder(**RANDOM), LogisticRegression()),
        {"rnntextencoder__pooling": ["last", "max"], "rnntextencoder__min_df": np.array([1, 2])},
        cv=2,
        error_score="raise",
    ).fit(pd.Series(TEXTS), LABELS)
    assert len(search.cv_results_["params"]) == 4 and search.predict(["good"]).shape == (1,)


def test_a_randomized_search():
    pipeline = make_pipeline(RNNTextEncoder(**RANDOM), LogisticRegression())
    search = RandomizedSearchCV(
        pipeline, {"rnntextencoder__rnn_units": [2, 3, 4, 5], "logisticregression__C": [0.1, 1.0]},
        n_iter=3, cv=2, random_state=0, error_score="raise",
    ).fit(TEXTS, LABELS)  # fmt: skip
    assert len(search.cv_results_["params"]) == 3 and search.best_params_.keys() == {
        "rnntextencoder__rnn_units", "logisticregression__C",
    }  # fmt: skip


def test_the_memory_of_a_pipeline_caches_the_fitted_encoder(tmp_path, monkeypatch):
    pipeline = make_pipeline(RNNTextEncoder(**RANDOM), LogisticRegression(), memory=str(tmp_path))
    expected = pipeline.fit(TEXTS, LABELS).predict_proba(TEXTS)
    monkeypatch.setattr(RNNTextEncoder, "fit", None)  # the second fit reads it from disk
    monkeypatch.setattr(RNNTextEncoder, "fit_transform", None)
    again = clone(pipeline).fit(TEXTS, LABELS)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), expected)


def test_the_decision_threshold_can_be_tuned():
    y = np.array([1, 0] * 7 + [0, 0])
    tuned = TunedThresholdClassifierCV(RNNTextClassifier(**TINY), scoring="f1", cv=2, random_state=0)
    tuned.fit(TEXTS, y)
    p = tuned.estimator_.predict_proba(TEXTS)[:, 1]
    np.testing.assert_array_equal(tuned.predict(TEXTS), (p >= tuned.best_threshold_).astype(int))


def fitted_search(n_jobs):
    search = GridSearchCV(
        RNNTextClassifier(**TINY | {"epochs": 3, "learning_rate": 0.03}),
        {"rnn_units": [2, 3]},
        cv=StratifiedKFold(2),
        n_jobs=n_jobs,
        scoring="neg_log_loss",
        error_score="raise",
    )
    return search.fit(TEXTS, LABELS)


@pytest.mark.slow
def test_a_grid_search_in_processes_equals_the_serial_one():
    serial, parallel = fitted_search(1), fitted_search(2)
    np.testing.assert_array_equal(
        parallel.cv_results_["mean_test_score"], serial.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(parallel.predict_proba(TEXTS), serial.predict_proba(TEXTS))


@pytest.mark.slow
def test_a_halving_search_in_processes_equals_the_serial_one():
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.model_selection import HalvingGridSearchCV

    found = [
        HalvingGridSearchCV(
            RNNTextClassifier(**TINY), {"rnn_units": [2, 3]}, resource="epochs", max_resources=2, factor=2,
            min_resources=1, cv=2, n_jobs=n_jobs, error_score="raise", random_state=0,
        ).fit(TEXTS, LABELS)
        for n_jobs in (1, 2)
    ]  # fmt: skip
    np.testing.assert_array_equal(*(search.cv_results_["mean_test_score"] for search in found))


def test_cross_validation_leaves_the_estimator_unfitted():
    classifier = RNNTextClassifier(**TINY)
    found = cross_val_predict(classifier, np.array(TEXTS, object), LABELS, cv=2, method="predict_proba")
    assert found.shape == (16, 2) and np.isfinite(found).all()
    assert not hasattr(classifier, "classes_")
    scores = cross_validate(
        make_pipeline(RNNTextEncoder(**RANDOM), LogisticRegression()),
        TEXTS,
        LABELS,
        cv=2,
        error_score="raise",
    )
    assert np.isfinite(scores["test_score"]).all()


@pytest.mark.slow
def test_calibration_and_stacking():
    calibrated = CalibratedClassifierCV(RNNTextClassifier(**TINY), cv=2).fit(TEXTS, LABELS)
    np.testing.assert_allclose(calibrated.predict_proba(TEXTS).sum(axis=1), 1, rtol=1e-6)
    stacked = StackingClassifier(
        [("rnn", RNNTextClassifier(**TINY)), ("bayes", make_pipeline(TfidfVectorizer(), MultinomialNB()))],
        cv=2,
    )
    assert stacked.fit(TEXTS, LABELS).predict(TEXTS).shape == (16,)


def test_the_encoder_declares_that_it_takes_a_single_column():
    assert RNNTextEncoder.__single_column_transformer__  # for skrub


def test_the_table_vectorizer_of_skrub_encodes_text_columns():
    skrub = pytest.importorskip("skrub")
    table = skrub.TableVectorizer(high_cardinality=RNNTextEncoder(**RANDOM), cardinality_threshold=2)
    assert table.fit_transform(FRAME).shape[0] == 16


def test_names_of_vectors_begin_with_the_name_of_the_column():
    texts = FRAME["review"].tolist()
    named = ["review_0", "review_1"]
    for column in (
        pd.Series(texts, name="review"),
        pd.DataFrame({"review": texts}),
        pl.Series("review", texts),
        pl.DataFrame({"review": texts}),
    ):
        encoder = RNNTextEncoder(**RANDOM).fit(column)
        names = encoder.get_feature_names_out()
        assert names.dtype == object and names[:2].tolist() == named
        assert pickle.loads(pickle.dumps(encoder)).get_feature_names_out().tolist() == names.tolist()
        for library in ("pandas", "polars"):
            assert list(encoder.set_output(transform=library).transform(column).columns) == names.tolist()
    for column in (texts, pd.Series(texts), np.array(texts), pd.Series(texts, name=3)):
        assert RNNTextEncoder(**RANDOM).fit(column).get_feature_names_out()[0] == "rnntextencoder0"


def test_a_second_fit_forgets_the_name_of_the_column():
    encoder = RNNTextEncoder(**RANDOM).fit(pd.Series(["a b"], name="review"))
    assert encoder.fit(["a b"]).get_feature_names_out()[0] == "rnntextencoder0"


def test_a_saved_encoder_keeps_the_name_of_the_column(tmp_path):
    encoder = RNNTextEncoder(**RANDOM).fit(pd.Series(["a b"], name="review"))
    skrnn.save(encoder, tmp_path / "encoder.skrnn")
    assert skrnn.load(tmp_path / "encoder.skrnn").get_feature_names_out()[0] == "review_0"


@pytest.mark.parametrize("columns", [["title", "review"], [["title"], ["review"]]])
def test_a_column_transformer_names_the_vectors_of_two_columns(columns):
    frame = pd.DataFrame({"title": ["a b", "c"], "review": ["good", "bad"]})
    transformer = ColumnTransformer(
        [("one", RNNTextEncoder(**RANDOM), columns[0]), ("two", RNNTextEncoder(**RANDOM), columns[1])],
        verbose_feature_names_out=False,
    )
    transformed = transformer.set_output(transform="pandas").fit_transform(frame)
    assert transformed.columns[0] == "title_0" and transformed.columns[-1].startswith("review_")
    assert transformed.columns.tolist() == transformer.get_feature_names_out().tolist()


def test_the_table_vectorizer_of_skrub_names_the_vectors_of_two_columns():
    skrub = pytest.importorskip("skrub", reason="skrub is not installed")
    frame = pd.DataFrame({"title": ["a b", "c d", "e", "f"], "review": ["good", "bad", "so", "ok"]})
    table = skrub.TableVectorizer(high_cardinality=RNNTextEncoder(**RANDOM), cardinality_threshold=2)
    names = table.fit_transform(frame).columns.tolist()
    assert names == table.get_feature_names_out().tolist() and len(set(names)) == len(names)
    assert {name.rpartition("_")[0] for name in names} == {"title", "review"}


TOKENS = [["good", "film"], ["bad"]] * 8


@pytest.mark.parametrize("analyzer", [list, lambda tokens: tokens])
def test_token_lists_are_read_by_a_callable_analyzer(analyzer):
    options = {
        "analyzer": analyzer,
        "objective": "random",
        "rnn_units": 4,
        "embedding_dim": 4,
        "random_state": 0,
    }
    expected = RNNTextEncoder(**options | {"analyzer": str.split}).fit([" ".join(row) for row in TOKENS])
    vectors = expected.transform(["good film", "bad"])
    arrays = np.empty(16, dtype=object)
    arrays[:] = TOKENS
    for X in (TOKENS, tuple(map(tuple, TOKENS)), pd.Series(TOKENS), arrays, pl.Series(TOKENS)):
        encoder = RNNTextEncoder(**options).fit(X)
        assert encoder.vocabulary_ == expected.vocabulary_
        np.testing.assert_allclose(encoder.transform(X[:2]), vectors, atol=1e-6)
    assert encoder.tokenize(TOKENS[:2]) == TOKENS[:2]
    square = np.array([["good", "film"], ["bad", "film"]], dtype=object)
    assert RNNTextEncoder(**options).fit(square).tokenize(square) == square.tolist()


def test_objects_without_a_hash_are_read_by_a_callable_analyzer():
    rows = [{"text": "good film"}, {"text": "bad"}] * 8
    encoder = RNNTextEncoder(analyzer=lambda row: row["text"].split(), **RANDOM).fit(rows)
    assert encoder.transform(rows).shape[0] == 16
    assert encoder.tokenize(rows[:2]) == TOKENS[:2]
    with pytest.raises(TypeError, match=r"RNNTextEncoder must hold strings.*Choose one item"):
        RNNTextEncoder(**RANDOM).fit(rows)


def test_classifier_and_seq2seq_read_token_lists():
    tiny = {"rnn_units": 4, "embedding_dim": 4, "epochs": 1, "random_state": 0, "analyzer": list}
    classifier = skrnn.RNNTextClassifier(**tiny).fit(TOKENS, [0, 1] * 8)
    assert classifier.predict(pd.Series(TOKENS)).shape == (16,)
    translator = skrnn.RNNTextSeq2Seq(**tiny).fit(TOKENS, [["film", "good"], ["bad", "one"]] * 8)
    assert translator.predict(TOKENS[:2]).shape == (2,)
    assert 0 <= translator.score(TOKENS[:2], TOKENS[:2]) <= 1


def test_skops_saves_and_loads_a_pipeline(tmp_path):
    pipeline = make_pipeline(RNNTextEncoder(**RANDOM), LogisticRegression()).fit(TEXTS, LABELS)
    skops.io.dump(pipeline, tmp_path / "pipeline.skops")
    untrusted = skops.io.get_untrusted_types(file=tmp_path / "pipeline.skops")
    assert untrusted and all(name.startswith("skrnn.") for name in untrusted)
    again = skops.io.load(tmp_path / "pipeline.skops", trusted=untrusted)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), pipeline.predict_proba(TEXTS))


def test_a_memory_mapped_estimator_predicts_and_can_be_fitted_again(encoder, tmp_path):
    joblib.dump(encoder, tmp_path / "encoder.joblib")
    mapped = joblib.load(tmp_path / "encoder.joblib", mmap_mode="r")
    assert not mapped._weights["embedding/embeddings"].flags.writeable
    np.testing.assert_array_equal(mapped.transform(TEXTS), encoder.transform(TEXTS))
    mapped.fit(TEXTS[:3])
    np.testing.assert_array_equal(mapped.transform(TEXTS), clone(encoder).fit(TEXTS[:3]).transform(TEXTS))
