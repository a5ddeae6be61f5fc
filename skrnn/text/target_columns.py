"""Columns of numbers and labels: targets as arrays, or an error that names the value that is wrong."""

from __future__ import annotations

from collections.abc import Set
from datetime import date, timedelta
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import check_array

from skrnn.text.columns import is_missing


def check_targets(y: Any, owner: str, name: str) -> None:
    """Raise a ValueError if there are no targets, or if a target is missing or not finite."""
    if y is None:
        raise ValueError(
            f"{owner}.fit requires {name} to be passed, but the target {name} is None. Pass one target for "
            "each text."
        )
    if getattr(getattr(y, "dtype", None), "kind", "O") == "O":
        values = _objects(y)
        rows = _collections(values)
        if rows:
            raise ValueError(
                f"{name} of {owner}.fit must hold one number for each text, or rows of equal length. Got the "
                f"row {_shown(values[rows[0]])} at position {rows[0]}. If all rows have one length, write "
                f"numpy.stack({name})."
            )
        values = values.ravel()
        missing = [i for i, value in enumerate(values) if is_missing(value)]
        if missing:
            raise ValueError(
                f"{name} of {owner}.fit has {len(missing)} missing value(s); the first is "
                f"{values[missing[0]]!r} at position {missing[0]}. Drop those texts. (Input contains NaN.)"
            )
    assert_all_finite(y, input_name=name)


def check_labels(y: Any, owner: str, name: str) -> None:
    """Raise a ValueError if a text has several labels that are no row of an indicator matrix."""
    if getattr(getattr(y, "dtype", None), "kind", "O") in "OUT" and not hasattr(y, "tocsr"):
        labels = _objects(y)
        is_text = labels.ndim == 2 and any(isinstance(label, str) for label in labels.ravel())
        rows = range(len(labels)) if is_text and labels.shape[1] != 1 else _collections(labels)
        if rows:
            raise ValueError(
                f"{name} of {owner}.fit must have one label for each text, or be an indicator matrix. Got "
                f"{len(rows)} row(s) of labels; the first is {_shown(labels[rows[0]])} at position "
                f"{rows[0]}. Make an indicator matrix of them: "
                f"sklearn.preprocessing.MultiLabelBinarizer().fit_transform({name})."
            )
    check_targets(y, owner, name)


def check_one_column(y: Any, owner: str, name: str) -> None:
    """Raise a ValueError if labels that are no indicator matrix have more than one column."""
    shape = np.shape(y)
    if len(shape) > 1 and shape[1:] != (1,):
        raise ValueError(
            f"{name} of {owner}.fit must have one label for each text, or be an indicator matrix of 0 and 1. "
            f"Got shape {shape}. To predict several columns of labels, use "
            f"sklearn.multioutput.MultiOutputClassifier({owner}(...))."
        )


def _objects(y: Any) -> np.ndarray:
    """Return targets as an array of dtype object; a row of another length stays one object."""
    try:
        return np.asarray(y, dtype=object)
    except ValueError:  # rows of arrays of different length
        objects = np.empty(len(y), dtype=object)
        objects[:] = list(y)
        return objects


def _collections(values: np.ndarray) -> list[int]:
    """Return the positions of lists, sets and the like in a column."""
    if values.ndim != 1:
        return []
    return [i for i, value in enumerate(values) if isinstance(value, list | tuple | Set | np.ndarray)]


def _shown(row: Any) -> str:
    """Return a row of labels for a message."""
    return repr(row.tolist() if isinstance(row, np.ndarray) else row)[:60]


def as_matrix(y: Any, owner: str, name: str, n_columns: int | None = None) -> np.ndarray:
    """Return numbers as float64 (n_samples, n_columns)."""
    _refuse_times(y, owner, name)
    try:
        values = check_array(y, accept_sparse="csr", dtype=np.float64, ensure_2d=False, input_name=name)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} of {owner}.fit must hold numbers: {error}.") from error
    values = values.toarray() if hasattr(values, "toarray") else values
    values = values.reshape(len(values), -1)
    if n_columns is not None and values.shape[1] != n_columns:
        raise ValueError(
            f"{name} of {owner}.fit must have {n_columns} column(s), like y. Got {values.shape[1]}."
        )
    return values


def _refuse_times(y: Any, owner: str, name: str) -> None:
    """Raise a ValueError for dates and durations, whose integers NumPy would read as numbers."""
    kind = getattr(getattr(y, "dtype", None), "kind", "O")
    first = next(iter(_objects(y).ravel()), None) if kind == "O" and not hasattr(y, "tocsr") else None
    if kind == "M" or isinstance(first, date | np.datetime64):
        since_1970 = f"pandas.to_datetime({name}, utc=True) - pandas.Timestamp(0, tz='UTC')"
        remedy = f"({since_1970}) / pandas.Timedelta(days=1)"
    elif kind == "m" or isinstance(first, timedelta | np.timedelta64):
        remedy = f"pandas.to_timedelta({name}) / pandas.Timedelta(days=1)"
    else:
        return
    raise ValueError(
        f"{name} of {owner}.fit must hold numbers. Got dates or durations. Convert them, for example to "
        f"days: {remedy}."
    )
