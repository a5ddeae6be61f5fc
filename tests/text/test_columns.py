"""Input checks: which containers of texts are accepted, and what the errors say."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from skrnn.text.columns import check_texts, column_name

TEXTS = ["one", "", "two words"]


class Text(str):
    __slots__ = ()


class UnknownArray:
    """An array of a library that skrnn has no code for."""

    shape = (3,)

    def __array__(self, dtype=None, copy=None):
        return np.array(TEXTS, dtype=object)


@pytest.mark.parametrize(
    "container",
    [
        TEXTS,
        tuple(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        np.array(TEXTS, dtype=np.dtypes.StringDType()),
        np.array(TEXTS)[:, None],
        np.array([*TEXTS, "more"])[:-1],
        np.array(TEXTS[::-1])[::-1],
        [Text(text) for text in TEXTS],
        [np.str_(text) for text in TEXTS],
        pd.Series(TEXTS),
        pd.Series(TEXTS, dtype=object, index=[5, 5, 0], name="text"),
        pd.Series(TEXTS, dtype="string"),
        pd.Series(TEXTS, dtype="category"),
        pd.Index(TEXTS),
        pd.DataFrame({"text": TEXTS}),
        pd.DataFrame({0: TEXTS}),
        pl.Series(TEXTS),
        pl.Series(TEXTS, dtype=pl.Categorical),
        pl.DataFrame({"text": TEXTS}),
        UnknownArray(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_container_becomes_a_list_of_str(container):
    texts = check_texts(container, owner="Owner")
    assert texts == TEXTS
    assert type(texts) is list and {type(text) for text in texts} == {str}


def test_the_returned_list_is_a_copy():
    given = list(TEXTS)
    assert check_texts(given, owner="Owner") is not given


@pytest.mark.parametrize(
    "empty", [[], (), np.array([]), pd.Series([], dtype=object), pl.Series([], dtype=pl.String)]
)
def test_an_empty_container_becomes_an_empty_list(empty):
    assert check_texts(empty, owner="Owner") == []


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("lone text", r"one str instead.*Write \[X\]\."),
        (b"lone", r"one bytes instead.*Write \[X.decode\(\)\]\."),
        (7, "Got int instead"),
        (None, "Got NoneType instead"),
        ({"a": "b"}, r"Got a dict instead. Write \[X\['a'\]\]\.$"),
        ({"text": "b", "label": 1}, r"Got a dict instead. Write \[X\['text'\]\]\.$"),
        ({"id": 7, "text": "b"}, r"Write \[X\['text'\]\]\.$"),
        ({1: "b", 2: "c"}, r"Write \[X\[1\]\], or list\(X.values\(\)\) if each value is a text\.$"),
        ({"text": ["b", "c"]}, r"Write X\['text'\]\.$"),
        ({}, r"Write list\(X.values\(\)\)\.$"),
        ({"a", "b"}, r"Got a set instead. Write list\(X\)"),
        (frozenset("a"), "Got a frozenset"),
        (sp.csr_matrix((3, 2)), r"sparse matrix of shape \(3, 2\)"),
        (sp.coo_array((3, 2)), r"sparse matrix of shape \(3, 2\)"),
        (np.array("text"), r"array without dimensions. Write \[X.item\(\)\]"),
        (
            ["a", 1, None, 2],
            r"2 of 4 value\(s\).*1 \(int\) at position 1\. Write \[str\(value\) for value in X\]",
        ),
        (
            ["a", b"b"],
            r"1 of 2 value\(s\).*b'b' \(bytes\) at position 1\. Write \[text.decode\(\) for text in X\]",
        ),
        ([["a"]], r"\['a'\] \(list\) at position 0\. If these are tokens, set analyzer=list, .* in X\]\.$"),
        (pd.DataFrame({"t": [["a"]]}), r"\[' '.join\(tokens\) for tokens in X\['t'\]\]"),
        (pl.DataFrame({"t": [["a"]]}), r"\[' '.join\(tokens\) for tokens in X\['t'\]\]"),
        (np.array([[1], [2]]), r"\[str\(value\) for value in X\[:, 0\]\]"),
        ([{"id": 7, "text": "a"}], r"\(dict\) at position 0. Choose .* \[row\['text'\] for row in X\]"),
        ([{"id": 7}], r"\[row\['id'\] for row in X\]"),
        ([{}], r"\[row\['text'\] for row in X\]"),
        ([list("abcdefghijklmnop")], r"\.\.\. \(list\) at position 0"),
        (np.arange(3), r"3 of 3 value\(s\) are not; the first is 0 \(int\)"),
        (np.array([b"a"]), r"b'a' \(bytes\) at position 0"),
        (pl.LazyFrame({"text": TEXTS}), r"Got LazyFrame instead. Write X.collect\(\)"),
    ],
)
def test_other_types_are_refused(X, message):
    with pytest.raises(TypeError, match=message) as caught:
        check_texts(X, owner="Owner", missing="empty")
    assert "X of Owner must" in str(caught.value)


def test_remedies_of_the_errors_work():
    frame, scalar = pd.DataFrame({"a": ["x"], "b": ["y"]}), np.array("x")
    for texts in [[scalar.item()], frame["a"], np.array([["x", "y"]])[:, 0], list({"x"}), ["x"]]:
        assert check_texts(texts, owner="Owner") == ["x"]
    assert check_texts(list({1: "x"}.values()), owner="Owner") == ["x"]
    assert check_texts(pl.LazyFrame({"text": TEXTS}).collect(), owner="Owner") == TEXTS


def test_errors_name_the_argument():
    with pytest.raises(TypeError, match=r"y of Owner must hold strings.*\[str\(value\) for value in y\]"):
        check_texts([1], owner="Owner", name="y")
    with pytest.raises(ValueError, match=r"y of Owner must have one column.*for example y\['a'\]"):
        check_texts(pd.DataFrame({"a": ["x"], "b": ["y"]}), owner="Owner", name="y")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            pd.DataFrame({"a": ["x"], "b": ["y"]}),
            r"shape \(1, 2\) \(a, b\). Choose one column.* X\['a'\]",
        ),
        (pl.DataFrame({"a": ["x"], "b": ["y"]}), r"\(a, b\). Choose one"),
        (pd.DataFrame([list("abcdefg")]), r"\(0, 1, 2, 3, 4, \.\.\.\)"),
        (pd.DataFrame(index=range(3)), r"shape \(3, 0\)"),
        (np.array([["a", "b"]]), r"Got shape \(1, 2\). Choose one column, for example X\[:, 0\]"),
        (np.full((2, 1, 1), "a"), r"shape \(2, 1, 1\)"),
    ],
)
def test_more_than_one_column_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        check_texts(X, owner="Owner")


@pytest.mark.parametrize("absent", [None, np.nan, float("nan"), np.float32("nan"), pd.NA, pd.NaT])
def test_missing_values_are_an_error_or_an_empty_text(absent):
    X = ["a", absent, "b", absent]
    with pytest.raises(
        ValueError, match=r"X of Owner has 2 missing value\(s\).*at position 1.*missing='empty'"
    ):
        check_texts(X, owner="Owner")
    assert check_texts(X, owner="Owner", missing="empty") == ["a", "", "b", ""]


@pytest.mark.parametrize(
    "X",
    [
        pd.Series(["a", None]),
        pd.Series(["a", None], dtype="string"),
        pd.Series(["a", None], dtype="category"),
        pd.DataFrame({"t": ["a", None]}),
        pl.Series(["a", None]),
        pl.DataFrame({"t": ["a", None]}),
        np.array(["a", np.nan], dtype=np.dtypes.StringDType(na_object=np.nan)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_missing_values_are_found_in_every_container(X):
    with pytest.raises(ValueError, match=r"1 missing.*position 1"):
        check_texts(X, owner="Owner")
    assert check_texts(X, owner="Owner", missing="empty") == ["a", ""]


# -- token lists and other objects -----------------------------------------------------------------

TOKENS = [["good", "film"], ["bad", "plot"]]


def token_containers():
    ragged = np.empty(2, dtype=object)
    ragged[:] = TOKENS
    yield TOKENS
    yield tuple(map(tuple, TOKENS))
    yield ragged
    yield np.array(TOKENS, dtype=object)
    yield np.array(TOKENS)
    yield pd.Series(TOKENS)
    yield pd.Series([np.array(row) for row in TOKENS], index=[3, 3])
    yield pd.DataFrame({"tokens": TOKENS})
    yield pl.Series(TOKENS)
    yield pl.DataFrame({"tokens": TOKENS})
    yield (row for row in TOKENS)
    pa = pytest.importorskip("pyarrow")
    yield pa.array(TOKENS)
    yield pa.chunked_array([TOKENS[:1], TOKENS[1:]])
    yield pa.table({"tokens": TOKENS})


def test_every_container_of_token_lists_is_read_if_a_function_splits_the_texts():
    for container in token_containers():
        rows = check_texts(container, owner="Owner", any_type=True)
        assert [list(row) for row in rows] == TOKENS, type(container)


def test_the_remedies_for_token_lists_and_numbers_work_for_every_container():
    numbers = [1, 2]
    frame, matrix = pd.DataFrame({"t": TOKENS, "n": numbers}), np.array(numbers)[:, None]
    for X in (TOKENS, np.array(TOKENS), pd.Series(TOKENS), pl.Series(TOKENS), frame["t"]):
        assert check_texts([" ".join(tokens) for tokens in X], owner="Owner") == ["good film", "bad plot"]
    for X in (numbers, np.array(numbers), pd.Series(numbers), pl.Series(numbers), frame["n"], matrix[:, 0]):
        assert check_texts([str(value) for value in X], owner="Owner") == ["1", "2"]
    for X in ([b"x"], np.array([b"x"]), pd.Series([b"x"])):
        assert check_texts([text.decode() for text in X], owner="Owner") == ["x"]


def test_missing_token_lists_are_an_error_or_empty():
    with pytest.raises(ValueError, match=r"1 missing value\(s\).*position 1"):
        check_texts([["a"], None], owner="Owner", any_type=True)
    assert check_texts([["a"], None], owner="Owner", any_type=True, missing="empty") == [["a"], ()]
    assert check_texts(["a", None], owner="Owner", any_type=True, missing="empty") == ["a", ""]


def test_one_text_alone_is_refused_whatever_reads_it():
    for X in ("text", {"text": "a"}, {"a"}, 7, np.array("text")):
        with pytest.raises(TypeError, match="X of Owner must be"):
            check_texts(X, owner="Owner", any_type=True)
    with pytest.raises(ValueError, match="must have one column"):
        check_texts(pd.DataFrame({"a": ["x"], "b": ["y"]}), owner="Owner", any_type=True)


def test_the_error_for_two_columns_names_one_that_holds_texts():
    frame = pd.DataFrame({"id": [1], "text": ["x"]})
    for X in (frame, pl.from_pandas(frame)):
        with pytest.raises(ValueError, match=r"for example X\['text'\]"):
            check_texts(X, owner="Owner")


def test_the_name_of_a_column():
    named = [
        pd.Series(TEXTS, name="t"),
        pl.Series("t", TEXTS),
        pd.DataFrame({"t": TEXTS}),
        pl.DataFrame({"t": TEXTS}),
    ]
    assert [column_name(X) for X in named] == ["t"] * 4
    unnamed = [
        TEXTS,
        np.array(TEXTS),
        pd.Series(TEXTS),
        pl.Series(TEXTS),
        pd.DataFrame({0: TEXTS}),
        iter(TEXTS),
    ]
    assert [column_name(X) for X in unnamed] == [None] * 6
