"""Spacing: texts are joined as the training texts, and otherwise with the usual spacing."""

import pickle

import numpy as np
import pytest

from skrnn.text import analyzers
from skrnn.text.spacing import join_words, learn_spacing
from skrnn.text.tokens import Tokens
from skrnn.text.words import WordSplitter

TEXTS = [
    "pi is 3.14 at 10:30, not 3. 14",
    "see https://www.example.com/a-b?x=1&y=2#z or mail a.b@example.org",
    'say "hi" now, "you" said',
    "l'ami qu'il a d'hier",
    "don't rock 'n' roll",
    "an e-mail - at 9 A.M. - cost $5.00 or 50% of 1,000,000",
    "#tag @user C++ a/b and/or (see p. 3) foo_bar [x]",
    "« oui » «bonjour» ¿qué? ¡no! „ja“ “no”",
    "wait... what… yes—no – maybe -- well",
    "नमस्ते दुनिया। कैसे हो?",
    "مرحبا، كيف الحال؟",
    "שלום, עולם! צה״ל",
    "你好，世界。（真的）",
    "def f(x): return x[0]**2 != -1",
    "👩\u200d💻👍🏽 ok :-) <b>bold</b> *very* `code` ~",
    "* a * b*",
]


def words_of(text):
    return WordSplitter(None).split([text]).strings()


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_joined_as_it_was_learned(text):
    words = words_of(text)
    assert join_words(words, learn_spacing([(text, words)], words)) == text


def test_texts_of_many_kinds_are_learned_together():
    tokens, sequences = Tokens.fit(TEXTS, written=TEXTS, lowercase=False)
    wrong = [text for text, found in zip(TEXTS, tokens.decode(sequences), strict=True) if text != found]
    assert not wrong


def test_spacing_is_learned_for_numbers_and_words_that_were_never_seen():
    texts = [f"at {i}:{i + 11} pay {i}.{i + 30} , l'ami {i}" for i in range(12, 30)]
    tokens, _ = Tokens.fit(texts, written=texts)
    unseen = "at 98 : 47 pay 61 . 75 , l ' été 3".split()
    assert join_words(unseen, tokens.spacing) == "at 98:47 pay 61.75 , l'été 3"


def test_only_what_the_rules_and_the_kinds_of_tokens_do_not_say_is_kept():
    texts = ["a cat, a hat.", "it's 3.14"] * 10
    assert Tokens.fit(texts, written=texts)[0].spacing == {}
    texts = [f"word{i} , and" for i in range(50)]
    assert len(Tokens.fit(texts, written=texts)[0].spacing) == 1


def test_tokens_without_spaces_between_them_are_written_without_spaces():
    def cut(text):
        return [text[i : i + 2] for i in range(0, len(text), 2)]

    texts = ["我们今天去公园", "他们明天回家"]
    for settings in ({"analyzer": cut}, {"tokenizer": cut}):
        tokens, sequences = Tokens.fit(texts, written=texts, **settings)
        assert tokens.decode(sequences) == texts
        assert Tokens.fit(texts, **settings)[0].decode(sequences)[0].count(" ") == 3


def test_tokens_that_are_not_in_the_text_are_joined_by_the_rules():
    texts = ["Good FILMS, bad film!"] * 2
    tokens, sequences = Tokens.fit(texts, written=texts, analyzer=lambda text: text.lower().split())
    assert tokens.spacing == {}
    assert tokens.decode(sequences) == ["good films, bad film!"] * 2


def test_spacing_of_many_texts_is_learned_from_a_sample(monkeypatch):
    monkeypatch.setattr(analyzers, "MAX_CHARS", 100)
    texts = [f"a{i} . b" for i in range(200)] + ["a1.b"]
    spacing = Tokens.fit(texts, written=texts)[0].spacing
    assert join_words(["a1", ".", "b"], spacing) == "a1 . b"  # the last text is not in the sample


def test_a_term_outside_the_vocabulary_is_not_kept():
    texts = ["secret . x"] + ["a.b . c"] * 3
    spacing = Tokens.fit(texts, written=texts, min_df=2)[0].spacing
    assert spacing and not any("secret" in key for key in spacing)


def test_unknown_tokens_get_the_given_texts_and_their_spacing():
    texts = ["at 10:30", "at 10:45"]
    tokens, _ = Tokens.fit(texts, written=texts, vocabulary=["at", ":"])
    sequences = tokens.encode(["at 11:12", "12 at"])
    assert tokens.decode(sequences, ["11", "12", "7"]) == ["at 11:12", "7 at"]
    assert tokens.decode(sequences)[1] == "<unk> at"


@pytest.mark.parametrize("text", ["def f(x):\n    if x:\n\t\treturn  1\n", "\n  roses\n\n  are red"])
def test_characters_that_are_written_keep_white_space(text):
    tokens, sequences = Tokens.fit([text], written=[text], analyzer="char")
    assert pickle.loads(pickle.dumps(tokens)).decode(sequences) == [text]
    read, collapsed = Tokens.fit([text], analyzer="char")
    assert "  " not in read.decode(collapsed)[0]


@pytest.mark.parametrize("analyzer", ["word", "subword", str.split])
def test_ids_do_not_depend_on_whether_tokens_are_written(analyzer):
    one, ids = Tokens.fit(TEXTS, analyzer=analyzer)
    other, written = Tokens.fit(TEXTS, analyzer=analyzer, written=TEXTS)
    assert one.vocabulary == other.vocabulary
    np.testing.assert_array_equal(ids.ids, written.ids)


@pytest.mark.parametrize(
    "text",
    [
        "good film, very good!",
        "it's (not) so bad...",
        "a well-known and/or case: yes",
        "why? [note] 100%",
        "“no” means no…",
        "好电影。真的，很好！（笑）",
        "فيلم جيد؟ نعم، جدا",
        "नमस्ते दुनिया।",
        "¿qué? ¡no!",
        "👩\u200d💻 👍🏽",
        "pi is 3.14 at 10:30 on 2020-01-31, 1,000,000",
        'say "hi" and "you" or \'so\'',
        "l'ami qu'il n'a",
        "$5.00 #tag @user http://a/b",
        "",
        "x",
    ],
)
def test_without_training_texts_words_have_the_usual_spacing(text):
    assert join_words(words_of(text)) == text
