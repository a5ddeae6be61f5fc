"""Input checks: which containers of texts are accepted, and what the errors say."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

from skrnn.text.columns import check_texts

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
        ("lone text", r"one str instead.*Write \['lone text'\]"),
        (b"lone", r"one bytes instead.*Write \[b'lone'\]"),
        (7, "Got int instead"),
        (None, "Got NoneType instead"),
        ({"a": "b"}, r"Got a dict instead. Write list\(X.values\(\)\)"),
        ({"a", "b"}, r"Got a set instead. Write list\(X\)"),
        (frozenset("a"), "Got a frozenset"),
        (sp.csr_matrix((3, 2)), r"sparse matrix of shape \(3, 2\)"),
        (sp.coo_array((3, 2)), r"sparse matrix of shape \(3, 2\)"),
        (np.array("text"), r"array without dimensions. Write \[X.item\(\)\]"),
        (["a", 1, None, 2], r"2 of 4 value\(s\).*1 \(int\) at position 1; convert them"),
        (["a", b"b"], r"1 of 2 value\(s\).*b'b' \(bytes\) at position 1; decode bytes first"),
        ([["a"]], r"\['a'\] \(list\) at position 0"),
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
    assert check_texts(np.arange(2).astype(str), owner="Owner") == ["0", "1"]
    assert check_texts(pl.LazyFrame({"text": TEXTS}).collect(), owner="Owner") == TEXTS


def test_errors_name_the_argument():
    with pytest.raises(TypeError, match=r"y of Owner must hold strings.*by y.astype\(str\)"):
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
