"""Columns of numbers and labels: targets as arrays, or an error that names the value that is wrong."""

from __future__ import annotations

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
        values = np.asarray(y, dtype=object).ravel()
        missing = [i for i, value in enumerate(values) if is_missing(value)]
        if missing:
            raise ValueError(
                f"{name} of {owner}.fit has {len(missing)} missing value(s); the first is "
                f"{values[missing[0]]!r} at position {missing[0]}. Drop those texts. (Input contains NaN.)"
            )
    assert_all_finite(y, input_name=name)


def as_matrix(y: Any, owner: str, name: str, n_columns: int | None = None) -> np.ndarray:
    """Return numbers as float64 (n_samples, n_columns)."""
    try:
        values = check_array(y, accept_sparse="csr", dtype=np.float64, ensure_2d=False, input_name=name)
    except ValueError as error:
        if "could not convert" not in str(error):
            raise
        raise ValueError(f"{name} of {owner}.fit must hold numbers: {error}.") from error
    values = values.toarray() if hasattr(values, "toarray") else values
    values = values.reshape(len(values), -1)
    if n_columns is not None and values.shape[1] != n_columns:
        raise ValueError(
            f"{name} of {owner}.fit must have {n_columns} column(s), like y. Got {values.shape[1]}."
        )
    return values
