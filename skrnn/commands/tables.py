"""Read and write tables in the format that the suffix of a file names."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

KINDS = {".tsv": "tsv", ".tab": "tsv", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
NO_JSON = "\x1f"  # a character that a line of JSON cannot have
COMPRESSED = (".gz", ".bz2", ".xz", ".zip", ".zst")


def _kind(path: str) -> str:
    """Return the format of a table by its suffix; a file with another suffix is CSV."""
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    return KINDS.get(suffixes[-1], "csv") if suffixes else "csv"


def read_table(path: str, encoding: str, delimiter: str | None, quotes: bool) -> pd.DataFrame:
    """Read a table. The values of CSV and TSV files stay strings.

    Parameters
    ----------
    path : str
        The file; "-" is CSV from standard input.
    encoding : str
        Encoding of a text file.
    delimiter : str or None
        Delimiter of the columns of CSV and TSV; None follows the suffix.
    quotes : bool
        Whether quotation marks of CSV and TSV enclose values.

    Returns
    -------
    table : DataFrame

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    kind = _kind(path)
    options: Any = {"dtype": str, "keep_default_na": False, "encoding": encoding}
    try:
        if kind == "parquet":
            return pd.read_parquet(path, dtype_backend="numpy_nullable")
        if kind == "json":
            lines = pd.read_csv(path, sep=NO_JSON, names=["json"], quoting=csv.QUOTE_NONE, **options)
            return pd.DataFrame(map(json.loads, lines["json"])).convert_dtypes()
        source = sys.stdin if path == "-" else path
        sep = delimiter or ("\t" if kind == "tsv" else ",")
        return pd.read_csv(
            source, sep=sep, quoting=csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE, **options
        )
    except Exception as error:  # each format and compression raises errors of its own
        reason = getattr(error, "strerror", None) or error
        remedy = ". Pass --encoding, for example --encoding latin-1" * isinstance(error, UnicodeError)
        raise ValueError(f"cannot read {path}: {reason}{remedy}") from error


def write_table(table: pd.DataFrame, path: str) -> None:
    """Write a table in the format of the suffix; "-" is CSV to standard output."""
    kind = _kind(path)
    if kind == "parquet":
        table.to_parquet(path, index=False)
    elif kind == "json":
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        sep = "\t" if kind == "tsv" else ","
        table.to_csv(sys.stdout if path == "-" else path, index=False, sep=sep, lineterminator="\n")


def column_of(table: pd.DataFrame, column: str, path: str) -> pd.Series:
    """Return a column, with empty strings in place of missing values.

    Raises
    ------
    ValueError
        If the table has no such column.
    """
    if column not in table:
        raise ValueError(f"{path} has no column {column!r}; its columns are {', '.join(map(repr, table))}")
    return table[column].astype(object).where(table[column].notna(), "")
