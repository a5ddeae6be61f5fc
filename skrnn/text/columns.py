"""Whatever holds a column of texts, as a list of str, or an error that says which value is not one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np


def check_texts(X: Any, *, owner: str, missing: str = "error", name: str = "X") -> list[str]:
    """Return texts as a list of str.

    Parameters
    ----------
    X : iterable of str of length n_samples
        A list, tuple or other iterable, an ndarray of shape (n_samples,) or (n_samples, 1), a Series of
        pandas or polars, an array of pyarrow, or a frame or table of one column of theirs.
    owner : str
        Class name of the estimator, for the messages.
    missing : {"error", "empty"}, default="error"
        Whether None, NaN and pandas.NA are an error or an empty text.
    name : str, default="X"
        Name of the argument, for the messages.

    Returns
    -------
    texts : list of str of length n_samples

    Raises
    ------
    TypeError
        If X is no collection of texts, or holds values that are not strings.
    ValueError
        If X has more than one column or holds missing values.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.text.columns import check_texts
    >>> check_texts(np.array(["one", "two"], dtype=object), owner="RNNTextEncoder")
    ['one', 'two']
    """
    values = _column(X, owner, name)
    if set(map(type, values)) <= {str}:
        return values
    return _strings(values, owner, missing, name)


def _column(X: Any, owner: str, name: str) -> list:
    """Return the values of X, whatever they are."""
    if isinstance(X, (str, bytes)):
        raise TypeError(
            f"{name} of {owner} must be a collection of texts. Got one {type(X).__name__} instead (Iterable "
            f"over raw text documents expected, string object received); write [{X[:20]!r}]."
        )
    shape = getattr(X, "shape", None)
    if shape is not None and not isinstance(X, Sequence):
        return _array_column(X, shape, owner, name)
    if isinstance(X, (Mapping, Set)):
        what = "order" if isinstance(X, Set) else "texts (a dict gives its keys)"
        raise TypeError(
            f"{name} of {owner} must be a list, an array or a Series of texts. Got a {type(X).__name__}, "
            f"which has no {what}; write list({name})."
        )
    if hasattr(X, "to_pylist"):  # an array of pyarrow
        return X.to_pylist()
    if not isinstance(X, Iterable):
        lazy = [method for method in ("collect", "compute") if hasattr(X, method)]  # of polars, of dask
        raise TypeError(
            f"{name} of {owner} must be a list, an array or a Series of texts. Got {type(X).__name__} instead"
            f"{f'; write {name}.{lazy[0]}()' if lazy else ''}."
        )
    return list(X)


def _array_column(X: Any, shape: tuple[int, ...], owner: str, name: str) -> list:
    """Return the values of an array, a Series or a frame."""
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"{name} of {owner} must hold texts. Got a sparse matrix of shape {shape}: numbers cannot be "
            "read as texts."
        )
    if len(shape) == 0:
        raise TypeError(
            f"{name} of {owner} must be a collection of texts. Got an array without dimensions; write "
            f"[{name}]."
        )
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        columns = [str(column) for column in _names(X)]
        names = f" ({', '.join(columns[:5])}{', ...' if len(columns) > 5 else ''})" if columns else ""
        raise ValueError(
            f"{name} of {owner} must have one column of texts. Got shape {shape}{names}; choose one, as in "
            f"{name}[{columns[0]!r}]."
            if columns
            else f"{name} of {owner} must have one column of texts. Got an array of shape {shape}; choose "
            f"one, as in {name}[:, 0]."
        )
    if _names(X):
        X, shape = X[_names(X)[0]], shape[:1]
    for method in ("to_list", "tolist", "to_pylist"):  # of polars, of pandas and ndarray, of pyarrow
        if hasattr(X, method):
            values = getattr(X, method)()
            break
    else:
        values = list(np.asarray(X).tolist())
    return [value[0] for value in values] if len(shape) == 2 else values


def _names(X: Any) -> list:
    """Return the names of columns, none where X has no such."""
    return list(getattr(X, "column_names", getattr(X, "columns", [])))  # a table of pyarrow; a frame


def _strings(values: list, owner: str, missing: str, name: str) -> list[str]:
    texts, wrong, absent = [], [], []
    for i, value in enumerate(values):
        if isinstance(value, str):
            texts.append(str(value))
        elif is_missing(value):
            absent.append(i)
            texts.append("")
        else:
            wrong.append(i)
    if wrong:
        value = values[wrong[0]]
        remedy = (
            "decode bytes first" if isinstance(value, bytes) else f"convert them, as in {name}.astype(str)"
        )
        raise TypeError(
            f"{name} of {owner} must hold strings. {len(wrong)} of {len(values)} value(s) are not; the first "
            f"is {_short(value)} ({type(value).__name__}) at position {wrong[0]}; {remedy}."
        )
    if absent and missing == "error":
        raise ValueError(
            f"{name} of {owner} has {len(absent)} missing value(s); the first is {values[absent[0]]!r} at "
            f"position {absent[0]}. Drop or fill them, or set missing='empty'. (Input contains NaN.)"
        )
    return texts


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas.NA, without importing pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
