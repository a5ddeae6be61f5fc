"""A text data set without a download: sentences from docstrings.

The sentences come from the source files of installed packages. The files are
parsed, never imported, so none of their code runs.
"""

from __future__ import annotations

import ast
import gc
import importlib.util
import os
import re
import sysconfig
import tokenize
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from inspect import cleandoc
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.utils import Bunch

_MASK = "PACKAGE"
_STDLIB = "python"
_IMPORT_NAMES = {"scikit-learn": "sklearn"}
_ALIASES = {"numpy": ["np"], "pandas": ["pd"], "scikit-learn": ["scikit learn", "sklearn"]}
# Tests contain few docstrings. The other folders contain copies of other projects, or installed
# packages inside the folder of the standard library.
_SKIPPED_FOLDERS = {
    *("test", "tests", "externals", "extern", "_vendor", "_vendored", "vendored"),
    *("site-packages", "dist-packages", "idlelib", "lib2to3", "ensurepip", "turtledemo"),
}
_FIELD = re.compile(r"\s*(?:[*\w.]+(?:, [*\w.]+)* ?: |:\w|\.\. |\.\.\. |[-=~^*+|]{2}|@)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'(])")
_PROSE = re.compile(r"[A-Z`][^\n|{}<>=]*[.!?]")
_N_WORDS = range(5, 61)

_DESCR = """\
Sentences from docstrings
-------------------------
Each row is one sentence of prose from a docstring of an installed package.
Its label is the name of the package. Doctests, section titles, parameter
lists, tables and directives are excluded. So are sentences with fewer than 5
or more than 60 words, and sentences that occur in several packages.
Sentences of one package that differ only in case, digits or punctuation are
kept once.
The names of the packages, their usual abbreviations (np, pd, sklearn) and
words that contain a name are replaced by the word {mask}. The rows depend on
the installed versions, so results differ between environments.

{counts}
"""


def load_docstrings(
    *,
    packages: Iterable[str] = ("numpy", "pandas", "python", "scikit-learn"),
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load sentences from docstrings, labelled by package (classification).

    Use it for examples and tests: it needs no download. Each call reads the
    source files of the packages and parses them with :mod:`ast`, without
    importing them. The same installed versions give the same rows, sorted by
    text.

    Parameters
    ----------
    packages : iterable of str, default=("numpy", "pandas", "python", "scikit-learn")
        Packages to read: import names, "scikit-learn", or "python" for the
        standard library.
    return_X_y : bool, default=False
        If True, return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        If True, `data` and `target` are pandas Series and `frame` is a
        DataFrame. The texts are a Series, not a DataFrame with one column,
        because scikit-learn's vectorizers iterate over the column names of a
        DataFrame.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object with the following attributes.

        data : list of str, or Series named "text"
            Sentences, with package names replaced by "PACKAGE".
        target : ndarray of object of shape (n_samples,), or Series named "target"
            Package of each sentence, as spelled in `packages`.
        target_names : list of str
            Packages in sorted order.
        frame : DataFrame with columns "text" and "target", or None
            Only with ``as_frame=True``.
        DESCR : str
            Description of the rows, with the number of rows per package.

        With ``return_X_y=True``, the tuple ``(data, target)`` instead.

    Raises
    ------
    TypeError
        If `packages` is a single string.
    ValueError
        If `packages` is empty, or a package is not installed or has no
        Python source.

    Examples
    --------
    >>> from skrnn.datasets import load_docstrings
    >>> docstrings = load_docstrings(packages=["numpy", "pandas"])
    >>> docstrings.target_names
    ['numpy', 'pandas']
    >>> len(docstrings.data) == len(docstrings.target) > 1000
    True
    >>> any("numpy" in text.lower() for text in docstrings.data)
    False
    """
    if isinstance(packages, str):
        raise TypeError(
            "packages of load_docstrings must be an iterable of names. "
            f"Got {packages!r} instead; write [{packages!r}]."
        )
    names = sorted(set(packages))
    if not names:
        raise ValueError(
            "packages of load_docstrings must contain at least one name. Got none; pass, for example, "
            "['numpy', 'pandas']."
        )
    mask = _mask_pattern(names)
    package_of: dict[str, tuple[str, str | None]] = {}
    with _collector_paused():
        for name in names:
            for sentence in _package_sentences(name):
                _add_sentence(package_of, mask.sub(_MASK, sentence), name)
    rows = sorted((text, name) for text, name in package_of.values() if name is not None)
    return _bunch(rows, names, return_X_y=return_X_y, as_frame=as_frame)


def _bunch(
    rows: list[tuple[str, str]], names: list[str], *, return_X_y: bool, as_frame: bool
) -> Bunch | tuple:
    data: list[str] | pd.Series = [text for text, _ in rows]
    target: np.ndarray | pd.Series = np.array([name for _, name in rows], dtype=object)
    counts = "\n".join(f"{name}: {np.sum(target == name)} sentences" for name in names)
    frame = None
    if as_frame:
        frame = pd.DataFrame({"text": data, "target": target})
        data, target = frame["text"], frame["target"]
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=names,
        frame=frame,
        DESCR=_DESCR.format(mask=_MASK, counts=counts),
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would double the time on syntax trees."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _mask_pattern(names: list[str]) -> re.Pattern[str]:
    """Return a pattern for words that contain a name and for abbreviations."""
    aliases = [alias for name in names for alias in _ALIASES.get(name, [])]
    short = "|".join(map(re.escape, aliases)) or "(?!)"
    long = "|".join(map(re.escape, names))
    # Anchored at \b, the pattern scans a word without a name only once.
    return re.compile(rf"\b(?:(?:{short})\b|\w*?(?:{long})\w*)", re.IGNORECASE)


def _add_sentence(package_of: dict[str, tuple[str, str | None]], text: str, name: str) -> None:
    """Add a sentence under its letters, and remove the label if several packages contain it."""
    key = re.sub(r"[\W\d_]+", " ", text).lower().strip()
    first_text, first_name = package_of.setdefault(key, (text, name))
    if first_name != name:
        package_of[key] = (first_text, None)


def _package_sentences(name: str) -> Iterator[str]:
    for path in _source_files(name):
        for docstring in _docstrings(path):
            yield from _sentences(docstring)


def _source_files(name: str) -> list[Path]:
    """Return the Python files of an installed package, sorted, without importing it."""
    if name == _STDLIB:
        roots = [sysconfig.get_path("stdlib")]
    else:
        import_name = _IMPORT_NAMES.get(name, name)
        try:
            spec = importlib.util.find_spec(import_name) if import_name.isidentifier() else None
        except ValueError:  # modules without a spec, such as __main__
            spec = None
        roots = list(spec.submodule_search_locations or []) if spec else []
    files = [path for root in roots for path in _python_files(root)]
    if not files:
        raise ValueError(
            f"packages of load_docstrings must be installed packages with Python source. Got {name!r}, "
            "which has none. Install it or remove it from packages."
        )
    return files


def _python_files(root: str) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - _SKIPPED_FOLDERS)
        yield from (Path(folder, file) for file in sorted(files) if file.endswith(".py"))


def _docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a source file, none if the file cannot be parsed."""
    try:
        with tokenize.open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # invalid escape sequences
            tree = ast.parse(file.read())
    except (SyntaxError, ValueError, OSError):
        return
    nodes: list[ast.stmt | ast.Module] = [tree]
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield cleandoc(docstring)
            # Only statements contain definitions, so expressions are not searched.
            nodes += [child for child in node.body if isinstance(child, ast.stmt)]
        elif isinstance(node, ast.If | ast.Try):
            nodes += node.body


def _sentences(docstring: str) -> Iterator[str]:
    """Yield the sentences of prose in a docstring."""
    for block in _blocks(docstring.splitlines()):
        for sentence in _SENTENCE_END.split(" ".join(" ".join(block).split())):
            if _PROSE.fullmatch(sentence) and len(sentence.split()) in _N_WORDS:
                yield sentence


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Split lines into paragraphs of equal indentation; skip fields, doctests and directives."""
    block: list[str] = []
    indent = 0
    in_doctest = False
    for line in lines:
        text = line.strip()
        in_doctest = bool(text) and (in_doctest or text.startswith(">>>"))
        skipped = in_doctest or not text or _FIELD.match(line) is not None
        if block and (skipped or len(line) - len(line.lstrip()) != indent):
            yield block
            block = []
        if not skipped:
            indent = len(line) - len(line.lstrip())
            block.append(text)
    if block:
        yield block
