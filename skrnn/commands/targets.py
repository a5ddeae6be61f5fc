"""The targets of a table: one label a row, several labels a row, or numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.preprocessing import MultiLabelBinarizer

TRUTH = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}  # values of a column of one label


@dataclass
class Targets:
    """Where the targets of a table are, and what their columns mean.

    Parameters
    ----------
    columns : list of str or None
        Columns of the table. None if the model was not made by the command line.
    separator : str or None
        Text between the labels of a row; None if a row has one label in each column.
    names : list of str or None, default=None
        Names of the columns of an indicator matrix, or of several numbers. None for one column.
    numbers : bool, default=False
        Whether the targets are numbers.
    """

    columns: list[str] | None
    separator: str | None
    names: list[str] | None = None
    numbers: bool = False

    def learn_names(self, table: pd.DataFrame) -> None:
        """Set the names: the different labels of the rows, or several columns of the table."""
        if self.separator is not None:
            self.names = sorted({label for row in self._rows(table) for label in row})
        elif len(table.columns) > 1:
            self.names = self.columns

    def is_given(self, table: pd.DataFrame) -> pd.Series:
        """Return whether each row has its targets; with a separator, a row may have no label."""
        empty = table.map(lambda value: str(value).strip() == "").any(axis=1)
        return ~empty | (self.separator is not None)

    def encode(self, table: pd.DataFrame, note: Callable[[str], None]) -> np.ndarray:
        """Return the targets as an estimator reads them.

        Parameters
        ----------
        table : DataFrame of shape (n_samples, n_columns)
            The columns of targets.
        note : callable
            Called with a line about labels that are left out.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Labels as str, numbers as float64, or an indicator matrix of int.

        Raises
        ------
        ValueError
            If a value is no number, or neither 0 nor 1 in one of several columns of labels.
        """
        if self.numbers:
            numbers = [_as_numbers(table[name]) for name in table]
            return numbers[0] if len(numbers) == 1 else np.column_stack(numbers)
        if self.separator is not None:
            return self._indicators(table, note)
        if len(table.columns) == 1:
            return np.array([str(value) for value in table.iloc[:, 0]])
        values = table.map(lambda value: TRUTH.get(str(value).strip().lower(), -1)).to_numpy()
        if (values < 0).any():
            i, j = np.argwhere(values < 0)[0]
            got = f"{table.iloc[i, j]!r} in the column {table.columns[j]!r}"
            raise ValueError(f"several columns of labels must hold 0 and 1. Got {got}")
        return values

    def _rows(self, table: pd.DataFrame) -> list[list[str]]:
        return [_split(value, str(self.separator)) for value in table.iloc[:, 0]]

    def _indicators(self, table: pd.DataFrame, note: Callable[[str], None]) -> np.ndarray:
        rows, names = self._rows(table), self.names or []
        if unknown := {label for row in rows for label in row} - set(names):
            note(f"the model does not know these labels, which are left out: {', '.join(sorted(unknown))}")
        known = [[label for label in row if label not in unknown] for row in rows]
        return MultiLabelBinarizer(classes=names).fit_transform(known)

    def predictions(self, found: np.ndarray, names: list[str]) -> dict[str, Any]:
        """Return columns of predictions by their names.

        Parameters
        ----------
        found : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            What `predict` of the model returns.
        names : list of n_outputs str
            Names of the columns of `found`.
        """
        if found.ndim == 1:
            return {"prediction": found}
        if self.separator is None:
            return {f"prediction_{name}": found[:, j] for j, name in enumerate(names)}
        return {"prediction": [self.separator.join(names[j] for j in np.flatnonzero(row)) for row in found]}


def _as_numbers(column: pd.Series) -> np.ndarray:
    try:
        return pd.to_numeric(column).to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise ValueError(f"the column {column.name!r} must hold numbers: {error}") from error


def _split(value: Any, separator: str) -> list[str]:
    """Return the labels of a row: the parts of a string, or the items of a list (JSON lines, Parquet)."""
    parts = value.split(separator) if isinstance(value, str) else list(value)
    return [part for part in (str(part).strip() for part in parts) if part]
