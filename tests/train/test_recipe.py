"""The values of "auto", and what a compiled model depends on."""

from dataclasses import fields, replace

import pytest

from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextSeq2Seq
from skrnn.serve.layers import LAYERS
from skrnn.spec import Spec
from skrnn.train.recipe import (
    MAX_TOKENS,
    MAX_TOKENS_PAIRS,
    MAX_TOKENS_PREDICTED,
    Recipe,
    auto_batch_size,
    auto_dropout,
    auto_epochs,
)

SPEC = Spec(n_ids=500, embedding_dim=2, layer=LAYERS[0], rnn_units=2, head="binary", n_outputs=1)


def recipe_of(estimator, n_tokens=1000, n_texts=100, **changes):
    return estimator._recipe(replace(SPEC, **changes), n_tokens=n_tokens, n_texts=n_texts)


@pytest.mark.parametrize(
    ("n_tokens", "n_texts", "epochs"),
    [(13, 1, 10), (12, 1, 15), (10**6, 50_000, 10), (10**6, 10**5, 15), (2_500_000, 10**6, 6), (10**9, 9, 4)],
)
def test_auto_epochs_are_more_for_short_texts_and_fewer_for_many_tokens(n_tokens, n_texts, epochs):
    assert auto_epochs(n_tokens, n_texts, "binary") == epochs
    assert recipe_of(RNNTextClassifier(), n_tokens, n_texts).epochs == epochs
    assert recipe_of(RNNTextClassifier(epochs=3), n_tokens, n_texts).epochs == 3


@pytest.mark.parametrize(("n_texts", "batch_size"), [(10, 8), (800, 10), (5120, 64), (10**6, 64)])
def test_auto_batch_size_is_small_for_few_texts(n_texts, batch_size):
    assert auto_batch_size(n_texts, "binary") == batch_size
    assert recipe_of(RNNTextClassifier(), n_texts=n_texts).batch_size == batch_size
    assert recipe_of(RNNTextClassifier(batch_size=7), n_texts=n_texts).batch_size == 7


@pytest.mark.parametrize(("n_ids", "dropout"), [(256, 0.25), (257, 0.5)])
def test_auto_dropout_is_small_for_a_small_vocabulary(n_ids, dropout):
    assert auto_dropout(n_ids, "binary") == dropout
    assert recipe_of(RNNTextClassifier(), n_ids=n_ids).dropout == dropout
    assert recipe_of(RNNTextClassifier(dropout=0.1), n_ids=n_ids).dropout == 0.1


def test_contrastive_training_has_large_batches_and_little_dropout():
    recipe = recipe_of(RNNTextEncoder(), head="contrastive", n_texts=100)
    assert (recipe.batch_size, recipe.dropout) == (256, 0.1)
    epochs = [auto_epochs(20 * n_texts, n_texts, "contrastive") for n_texts in (100, 3000, 10**4, 10**6)]
    assert epochs == [10, 10, 4, 2]
    recipe = recipe_of(RNNTextEncoder(batch_size=7, dropout=0.3), head="contrastive")
    assert (recipe.batch_size, recipe.dropout) == (7, 0.3)


def test_auto_dropout_hides_little_from_autoencoders():
    assert auto_dropout(5000, "autoencoder") == 0.05
    assert recipe_of(RNNTextEncoder(), head="autoencoder").dropout == 0.05
    assert recipe_of(RNNTextEncoder(dropout=0.3), head="autoencoder").dropout == 0.3
    assert recipe_of(RNNTextEncoder(), head="language_model").dropout == 0.5


@pytest.mark.parametrize(
    ("parameters", "r_drop"),
    [
        ({}, 1.0),
        ({"dropout": 0.0}, 0.0),
        ({"dropout": 0.0, "recurrent_dropout": 0.2}, 1.0),
        ({"r_drop": 0}, 0.0),
    ],
)
def test_r_drop_is_off_without_dropout(parameters, r_drop):
    assert recipe_of(RNNTextClassifier(**parameters)).r_drop == r_drop


def test_each_estimator_adds_its_own_values():
    assert recipe_of(RNNTextEncoder(noise=0.2)).noise == 0.2
    assert recipe_of(RNNTextSeq2Seq(label_smoothing=0.3), head="seq2seq").label_smoothing == 0.3
    assert recipe_of(RNNTextClassifier(trainable_embeddings=False)).frozen == "embedding"
    assert recipe_of(RNNTextClassifier(encoder=object(), freeze_encoder=True)).frozen == "encoder"
    assert recipe_of(RNNTextClassifier(freeze_encoder=True)).frozen == "nothing"


def test_batches_of_heads_that_predict_ids_are_smaller():
    assert recipe_of(RNNTextClassifier()).max_tokens == MAX_TOKENS
    assert recipe_of(RNNTextEncoder(), head="language_model").max_tokens == MAX_TOKENS_PREDICTED
    assert recipe_of(RNNTextSeq2Seq(), head="seq2seq").max_tokens == MAX_TOKENS_PAIRS


def test_a_compiled_model_is_reused_only_if_nothing_of_it_changes():
    plain = Recipe()
    changed = {
        "optimizer": "sgd", "learning_rate": 1.0, "schedule": "one_cycle", "epochs": 2, "batch_size": 3,
        "max_tokens": 9, "dropout": 0.1, "recurrent_dropout": 0.1, "noise": 0.1, "r_drop": 1.0,
        "label_smoothing": 0.1, "frozen": "encoder", "seed": 1,
    }  # fmt: skip
    assert set(changed) == {field.name for field in fields(Recipe)}
    compiled = {n for n, value in changed.items() if replace(plain, **{n: value}).compiled != plain.compiled}
    assert compiled == {"optimizer", "dropout", "recurrent_dropout", "r_drop", "label_smoothing", "frozen"}
