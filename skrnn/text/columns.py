"""Input checks: any container of texts becomes a list of str, or an error names the wrong value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np


def check_texts(X: Any, *, owner: str, missing: str = "error", name: str = "X") -> list[str]:
    """Convert a container of texts to a list of str.

    Parameters
    ----------
    X : iterable of str of length n_samples
        A list, tuple or other iterable; an ndarray of shape (n_samples,) or
        (n_samples, 1); a pandas or polars Series; a pyarrow array; or a
        DataFrame or table with one column.
    owner : str
        Name of the estimator or function, for error messages.
    missing : {"error", "empty"}, default="error"
        What None, NaN and pandas.NA become: a ValueError or an empty text.
    name : str, default="X"
        Name of the argument, for error messages.

    Returns
    -------
    texts : list of str of length n_samples

    Raises
    ------
    TypeError
        If `X` is not a collection of texts or holds values that are not str.
    ValueError
        If `X` has more than one column, or holds missing values and
        `missing` is "error".

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.text.columns import check_texts
    >>> check_texts(np.array(["one", "two"], dtype=object), owner="RNNTextEncoder")
    ['one', 'two']
    """
    values = _to_list(X, owner, name)
    if set(map(type, values)) <= {str}:
        return values
    return _check_strings(values, owner, missing, name)


def _to_list(X: Any, owner: str, name: str) -> list:
    """Return the values of X, of any type."""
    if isinstance(X, (str, bytes)):
        raise TypeError(
            f"{name} of {owner} must be a collection of texts. Got one {type(X).__name__} instead (Iterable "
            f"over raw text documents expected, string object received). Write [{X[:20]!r}]."
        )
    shape = getattr(X, "shape", None)
    if shape is not None and not isinstance(X, Sequence):
        return _array_to_list(X, shape, owner, name)
    if isinstance(X, (Mapping, Set)):
        remedy = f"list({name})" if isinstance(X, Set) else f"list({name}.values())"
        raise TypeError(
            f"{name} of {owner} must be a list, an array or a Series of texts. Got a {type(X).__name__} "
            f"instead. Write {remedy}."
        )
    if hasattr(X, "to_pylist"):  # pyarrow array
        return X.to_pylist()
    if not isinstance(X, Iterable):
        lazy = [method for method in ("collect", "compute") if hasattr(X, method)]  # polars, dask
        raise TypeError(
            f"{name} of {owner} must be a list, an array or a Series of texts. Got {type(X).__name__} "
            f"instead.{f' Write {name}.{lazy[0]}().' if lazy else ''}"
        )
    return list(X)


def _array_to_list(X: Any, shape: tuple[int, ...], owner: str, name: str) -> list:
    """Return the values of an array, a Series or a DataFrame with one column."""
    if hasattr(X, "tocsr"):
        raise TypeError(
            f"{name} of {owner} must hold texts. Got a sparse matrix of shape {shape}. Pass the texts "
            "themselves, not features made from them."
        )
    if len(shape) == 0:
        raise TypeError(
            f"{name} of {owner} must be a collection of texts. Got an array without dimensions. Write "
            f"[{name}.item()]."
        )
    columns = _column_names(X)
    if len(shape) > 2 or (len(shape) == 2 and shape[1] != 1):
        names = ", ".join([*map(str, columns[:5]), *(["..."] if len(columns) > 5 else [])])
        got = f"shape {shape} ({names})" if columns else f"shape {shape}"
        example = f"{name}[{columns[0]!r}]" if columns else f"{name}[:, 0]"
        raise ValueError(
            f"{name} of {owner} must have one column of texts. Got {got}. Choose one column, for "
            f"example {example}."
        )
    if columns:
        X, shape = X[columns[0]], shape[:1]
    for method in ("to_list", "tolist", "to_pylist"):  # polars; pandas and NumPy; pyarrow
        if hasattr(X, method):
            values = getattr(X, method)()
            break
    else:
        values = list(np.asarray(X).tolist())
    return [value[0] for value in values] if len(shape) == 2 else values


def _column_names(X: Any) -> list:
    """Return the column names of a pyarrow table or a DataFrame; none for other containers."""
    return list(getattr(X, "column_names", getattr(X, "columns", [])))


def _check_strings(values: list, owner: str, missing: str, name: str) -> list[str]:
    """Return values as str, or raise an error that names the first wrong one."""
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
        remedy = "decode bytes first" if isinstance(value, bytes) else f"convert them by {name}.astype(str)"
        raise TypeError(
            f"{name} of {owner} must hold strings. {len(wrong)} of {len(values)} value(s) are not; the first "
            f"is {_shorten(value)} ({type(value).__name__}) at position {wrong[0]}; {remedy}."
        )
    if absent and missing == "error":
        raise ValueError(
            f"{name} of {owner} has {len(absent)} missing value(s); the first is {values[absent[0]]!r} at "
            f"position {absent[0]}. Drop or fill them, or set missing='empty'. (Input contains NaN.)"
        )
    return texts


def is_missing(value: Any) -> bool:
    """Return whether a value is None, NaN, NaT or pandas.NA, without importing pandas.

    Parameters
    ----------
    value : object

    Returns
    -------
    is_missing : bool
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, (float, np.floating)) and bool(np.isnan(value))


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
