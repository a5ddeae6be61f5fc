"""Warnings of traps: texts that are cut, tokens that are unknown, parameters without effect."""

import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning

from skrnn import RNNTextClassifier, RNNTextEncoder, RNNTextRegressor, RNNTextSeq2Seq
from skrnn.fitting.traps import warn_of_truncation
from skrnn.parameters import warn_of_unused

RANDOM = {"objective": "random", "rnn_units": 2, "embedding_dim": 2, "layer": "simple_rnn", "random_state": 0}
ENGLISH = [
    "The film begins slowly, but the second half is a joy.", "I would not see it again.",
    "A warm comedy about two brothers who open a restaurant.", "The plot makes no sense at all!",
    "Good actors, weak script, and a very long ending.", "One of the best films of the year.",
]  # fmt: skip
GERMAN = [
    "Das Drehbuch ist leider schwach und viel zu lang geraten.", "Ein warmherziger Spaß für Jung und Alt!",
    "Die Schauspieler spielen großartig, trotzdem langweilt man sich.", "Niemals wieder sehe ich ihn an.",
    "Selten habe ich im Kino so gelacht, wirklich sehenswert.", "Der Anfang überzeugt, das Ende nicht.",
]  # fmt: skip
UNSPACED = {
    "Chinese": ["这部电影真的非常好看", "这部电影真的非常难看，不推荐大家去看", "演员的表演让人印象深刻"],
    "Japanese": ["この映画は本当に面白かったです", "この映画は全然面白くなかったです"],
    "Thai": ["หนังเรื่องนี้สนุกมาก", "หนังเรื่องนี้น่าเบื่อมาก"],
}


def fit(texts, **parameters):
    return RNNTextEncoder(**RANDOM | parameters).fit(texts)


@pytest.mark.parametrize("language", UNSPACED)
def test_languages_without_spaces_need_another_analyzer(language):
    texts = UNSPACED[language] * 8
    with pytest.warns(DataConversionWarning, match=r'whole sentences.*analyzer="char"') as caught:
        fit(texts)
    assert len(caught) == 1
    fit(texts, analyzer="char")
    fit(texts, tokenizer=lambda text: [text[i : i + 2] for i in range(0, len(text), 2)])
    fit([" ".join(text[i : i + 3] for i in range(0, len(text), 3)) for text in texts])


def test_words_that_no_other_text_has_need_another_analyzer():
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(120)]
    with pytest.warns(DataConversionWarning, match=r'100% of the 120 words.*occur only once.*"char"'):
        fit(sequences)
    with pytest.warns(DataConversionWarning, match="occur only once or are unknown"):
        fit(sequences * 3, vocabulary=["good", "film"])
    fit(sequences, analyzer="char")
    fit(sequences[:99])  # too few to judge
    fit(ENGLISH * 20)


def test_a_language_that_training_never_saw_is_noticed_once_for_each_call():
    encoder = fit(ENGLISH)
    with pytest.warns(
        DataConversionWarning, match=r"are not in the vocabulary of this RNNTextEncoder"
    ) as caught:
        encoder.transform(GERMAN)
    assert len(caught) == 1
    for call in (encoder.transform_sequences, encoder.padded_ids, encoder.tokenize):
        with pytest.warns(DataConversionWarning, match="are not in the vocabulary"):
            call(GERMAN)
    encoder.transform(["word " + "unknown " * 40])
    encoder.transform([*ENGLISH, GERMAN[0]])
    encoder.transform(["uncommon"])
    encoder.transform([])
    fit(ENGLISH, analyzer="char").transform(GERMAN)


def test_truncated_texts_are_noticed_at_fit():
    texts = ["a b c " * 200, "a b c"] * 6
    with pytest.warns(
        DataConversionWarning, match=r"reads 400 tokens.* 6 of the 12 texts are longer"
    ) as caught:
        assert fit(texts).sequence_length_ == 400
    assert len(caught) == 1
    assert "The longest has 600 tokens. Set sequence_length, for example to 600" in str(caught[0].message)
    for length in (400, 600):
        fit(texts, sequence_length=length)
    fit(texts + ["a b c"] * 12)  # a quarter is ordinary


def test_the_middle_of_a_long_text_is_removed_by_default():
    tokens = list("abcdef")
    assert fit([" ".join(tokens)], sequence_length=4).tokenize([" ".join(tokens)]) == [list("abef")]
    assert RNNTextClassifier().truncation == RNNTextRegressor().truncation == "middle"
    assert RNNTextSeq2Seq().truncation == "end"  # the first sentences of an article make the best summary


def test_the_limit_of_target_texts_has_its_own_parameter():
    lengths = np.array([500, 500, 3])
    with pytest.warns(DataConversionWarning, match=r"2 of the 3 target texts.*Set target_sequence_length"):
        warn_of_truncation(lengths, 400, owner="O", name="target texts", parameter="target_sequence_length")


UNUSED = [
    ({"activation": "relu"}, "activation='relu' has no effect because n_components is None"),
    ({"n_heads": 2}, "n_heads=2 .* layer is not"),
    ({"dropout": 0.0, "r_drop": 2.0}, "r_drop=2.0 .* dropout and recurrent_dropout are 0"),
    ({"layer": "qrnn", "recurrent_dropout": 0.2}, "recurrent_dropout=0.2 .* layer is"),
    ({"validation_fraction": 0.2}, "validation_fraction=0.2 .* early_stopping is False"),
    ({"n_iter_no_change": 9}, "n_iter_no_change=9 .* early_stopping is False"),
    ({"tol": 0.1}, "tol=0.1 .* early_stopping is False"),
    ({"freeze_encoder": True}, "freeze_encoder=True .* encoder is None"),
    ({"vocabulary": ["a"], "min_df": 2}, "min_df=2 .* vocabulary is given"),
    ({"vocabulary": ["a"], "vocab_size": 9}, "vocab_size=9 .* vocabulary is given"),
    ({"preprocessor": str, "lowercase": False}, "lowercase=False .* preprocessor"),
    ({"preprocessor": str, "strip_accents": "ascii"}, "strip_accents='ascii' .* preprocessor"),
]


@pytest.mark.parametrize(("parameters", "message"), UNUSED, ids=str)
def test_parameters_without_effect_are_named(parameters, message):
    with pytest.warns(UserWarning, match=f"RNNTextClassifier: {message}") as caught:
        warn_of_unused(RNNTextClassifier(**parameters), has_held_out=False)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("parameters", "has_held_out"),
    [
        ({}, False),
        ({"activation": "relu", "n_components": 3}, False),
        ({"n_heads": 2, "layer": "self_attention"}, False),
        ({"r_drop": 0.0, "dropout": 0.0}, False),
        ({"r_drop": 2.0, "dropout": 0.0, "recurrent_dropout": 0.1}, False),
        ({"n_iter_no_change": 9, "tol": 0.1}, True),
        ({"n_iter_no_change": 9, "tol": 0.1, "validation_fraction": 0.2, "early_stopping": "auto"}, False),
    ],
    ids=str,
)
def test_parameters_with_an_effect_are_not_named(parameters, has_held_out):
    warn_of_unused(RNNTextClassifier(**parameters), has_held_out=has_held_out)


def test_one_warning_names_all_parameters_and_the_docstring_says_the_same():
    estimator = RNNTextRegressor(activation="relu", n_heads=2)
    with pytest.warns(UserWarning, match=r"n_heads=2.*activation='relu'") as caught:
        warn_of_unused(estimator, has_held_out=False)
    assert len(caught) == 1
    text = " ".join(RNNTextRegressor.__doc__.split())
    assert "It has no effect if n_components is None." in text


@pytest.mark.parametrize("cls", [RNNTextClassifier, RNNTextRegressor, RNNTextEncoder, RNNTextSeq2Seq])
def test_default_parameters_cause_no_warning(cls):
    warn_of_unused(cls(), has_held_out=False)


def test_fit_warns_of_parameters_without_effect():
    with pytest.warns(UserWarning, match="RNNTextEncoder: n_heads=2 has no effect"):
        fit(["a b", "c"], n_heads=2)
    with pytest.warns(
        UserWarning, match='noise=0.5 has no effect because the objective is not "autoencoder"'
    ):
        fit(["a b", "c"], noise=0.5)
