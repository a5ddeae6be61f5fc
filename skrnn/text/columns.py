"""Input checks: any container of texts becomes a list of str, or an error names the wrong value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np


def check_texts(
    X: Any, *, owner: str, missing: str = "error", name: str = "X", any_type: bool = False
) -> list[Any]:
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
    any_type : bool, default=False
        Whether texts may be objects of any type, for example lists of
        tokens, because a function of the user reads them. An ndarray with
        several columns then holds one text per row.

    Returns
    -------
    texts : list of str of length n_samples
        With `any_type`, a list of the objects.

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
    is_rows = any_type and isinstance(X, np.ndarray) and X.ndim == 2 and X.shape[1] != 1
    values = list(X) if is_rows else _to_list(X, owner, name)
    if set(map(type, values)) <= {str}:
        return values
    if not any_type:
        _refuse_other_types(values, _column_of(X, name), owner, name)
    return _check_missing(values, owner, missing, name)


def _to_list(X: Any, owner: str, name: str) -> list:
    """Return the values of X, of any type."""
    if isinstance(X, (str, bytes)):
        raise TypeError(
            f"{name} of {owner} must be a collection of texts. Got one {type(X).__name__} instead (Iterable "
            f"over raw text documents expected, string object received). Write "
            f"[{name}{'.decode()' if isinstance(X, bytes) else ''}]."
        )
    shape = getattr(X, "shape", None)
    if shape is not None and not isinstance(X, Sequence):
        return _array_to_list(X, shape, owner, name)
    if isinstance(X, (Mapping, Set)):
        remedy = f"list({name})" if isinstance(X, Set) else _choose_key(X, name)
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
        texts = [column for column in columns if isinstance(next(iter(X[column]), None), str)]
        example = f"{name}[{[*texts, *columns][0]!r}]" if columns else f"{name}[:, 0]"
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


def column_name(X: Any) -> str | None:
    """Return the name of a Series or of the only column of a frame, or None without one.

    Parameters
    ----------
    X : object
        Any container of texts.

    Returns
    -------
    name : str or None
        None also for a name that is not a str, as in scikit-learn.
    """
    (name, *_) = [*_column_names(X), getattr(X, "name", None) if hasattr(X, "dtype") else None]
    return str(name) if isinstance(name, str) and name else None


def _column_names(X: Any) -> list:
    """Return the column names of a pyarrow table or a DataFrame; none for other containers."""
    return list(getattr(X, "column_names", getattr(X, "columns", [])))


def _choose_key(X: Mapping, name: str) -> str:
    """Return the code that takes the texts from a dict: one text, a column of texts, or all values."""
    texts = [key for key, value in X.items() if isinstance(value, str)]
    columns = [key for key, value in X.items() if isinstance(value, Iterable)]
    if not texts:
        return f"{name}[{columns[0]!r}]" if columns else f"list({name}.values())"
    each = f", or list({name}.values()) if each value is a text" if 1 < len(texts) == len(X) else ""
    return f"[{name}[{texts[0]!r}]]{each}"


def _column_of(X: Any, name: str) -> str:
    """Return the code for the values of a container: its only column, or the container itself."""
    columns = _column_names(X)
    if columns:
        return f"{name}[{columns[0]!r}]"
    return f"{name}[:, 0]" if len(getattr(X, "shape", ())) == 2 else name


def _refuse_other_types(values: list, column: str, owner: str, name: str) -> None:
    """Raise a TypeError that names the first value that is neither a str nor missing."""
    wrong = [i for i, value in enumerate(values) if not isinstance(value, str) and not is_missing(value)]
    if not wrong:
        return
    value = values[wrong[0]]
    if isinstance(value, bytes):
        remedy = f"Write [text.decode() for text in {column}]"
    elif isinstance(value, Mapping):
        texts = [key for key, item in value.items() if isinstance(item, str)]
        remedy = f"Choose one item, for example [row[{[*texts, *value, 'text'][0]!r}] for row in {column}]"
    elif isinstance(value, Iterable):
        remedy = (
            "If these are tokens, set analyzer=list, which takes them as they are, or write "
            f"[' '.join(tokens) for tokens in {column}]"
        )
    else:
        remedy = f"Write [str(value) for value in {column}]"
    raise TypeError(
        f"{name} of {owner} must hold strings. {len(wrong)} of {len(values)} value(s) are not; the first "
        f"is {_shorten(value)} ({type(value).__name__}) at position {wrong[0]}. {remedy}."
    )


def _check_missing(values: list, owner: str, missing: str, name: str) -> list:
    """Return values with empty ones in place of missing ones, or raise an error that names the first."""
    absent = {i for i, value in enumerate(values) if is_missing(value)}
    if absent and missing == "error":
        raise ValueError(
            f"{name} of {owner} has {len(absent)} missing value(s); the first is {values[min(absent)]!r} at "
            f"position {min(absent)}. Drop or fill them, or set missing='empty'. (Input contains NaN.)"
        )
    texts = [str(value) if isinstance(value, str) else value for value in values]
    empty: Any = "" if len(absent) == len(texts) or any(isinstance(text, str) for text in texts) else ()
    return [empty if i in absent else text for i, text in enumerate(texts)]


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
