"""Text that is on every machine: sentences from the docstrings of installed packages.

Nothing is downloaded and no code is run: source files are read and parsed, never imported.
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
# Tests hold few docstrings; the others hold the code of other projects or, inside the standard
# library's folder, of installed packages.
_SKIPPED_FOLDERS = {
    *("test", "tests", "externals", "extern", "_vendor", "_vendored", "vendored"),
    *("site-packages", "dist-packages", "idlelib", "lib2to3", "ensurepip", "turtledemo"),
}
_FIELD = re.compile(r"\s*(?:[*\w.]+(?:, [*\w.]+)* ?: |:\w|\.\. |\.\.\. |[-=~^*+|]{2}|@)")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\"'(])")
_PROSE = re.compile(r"[A-Z`][^\n|{}<>=]*[.!?]")
_WORDS = range(5, 61)

_DESCR = """\
Sentences from docstrings
-------------------------
One row is one sentence of prose from a docstring of an installed package, labelled by the package.
Doctests, section titles, parameter lists, tables and directives are left out, and so are sentences
of fewer than 5 or more than 60 words and sentences that two packages share. A sentence that a
package repeats, whatever its capitals, digits and punctuation, is kept once. The names of all the
packages, their common short forms (np, pd, sklearn) and words that hold a name are replaced by the
word {mask}. The rows follow the versions that are installed, so results differ from one environment
to another.

{counts}
"""


def load_docstrings(
    *,
    packages: Iterable[str] = ("numpy", "pandas", "python", "scikit-learn"),
    return_X_y: bool = False,
    as_frame: bool = False,
) -> Bunch | tuple:
    """Load sentences from the docstrings of installed packages, labelled by package.

    The source files are read when the function is called and parsed with :mod:`ast`; no package is
    imported and no code is run. The rows are the same, in the same order (sorted by text), for the
    same installed versions.

    Parameters
    ----------
    packages : iterable of str, default=("numpy", "pandas", "python", "scikit-learn")
        What to read: names to import, "scikit-learn", or "python" for the standard library.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` rather than a Bunch.
    as_frame : bool, default=False
        Whether data and target are pandas Series; ``frame`` is then a DataFrame of both. The texts
        are a Series, not a one-column frame, since scikit-learn's vectorizers take a frame for its
        column names.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like, with

        data : list of str, or Series named "text"
            The sentences, with package names replaced by "PACKAGE".
        target : ndarray of object of shape (n_samples,), or Series named "target"
            The package of each sentence, as given in `packages`.
        target_names : list of str
            The packages, sorted.
        frame : DataFrame of columns "text" and "target", or None
            Only with ``as_frame=True``.
        DESCR : str
            What a row is and how many each package has.

        With ``return_X_y=True``, the tuple ``(data, target)``.

    Raises
    ------
    TypeError
        If `packages` is one string rather than several.
    ValueError
        If a package is not installed or has no Python source.

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
            "The packages parameter of load_docstrings must be several names. "
            f"Got {packages!r} instead; write [{packages!r}]."
        )
    names = sorted(set(packages))
    if not names:
        raise ValueError("The packages parameter of load_docstrings must name at least one package.")
    mask = _mask_pattern(names)
    package_of: dict[str, tuple[str, str | None]] = {}
    with _collector_paused():
        for name in names:
            for sentence in _package_sentences(name):
                _keep(package_of, mask.sub(_MASK, sentence), name)
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
    """Pause the garbage collector: half the time would go into its passes over syntax trees."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _mask_pattern(names: list[str]) -> re.Pattern[str]:
    """Match each name anywhere in a word, and each short form as a word."""
    aliases = [alias for name in names for alias in _ALIASES.get(name, [])]
    short = "|".join(map(re.escape, aliases)) or "(?!)"
    long = "|".join(map(re.escape, names))
    # The word begins at \b, so that a word without a name is scanned once.
    return re.compile(rf"\b(?:(?:{short})\b|\w*?(?:{long})\w*)", re.IGNORECASE)


def _keep(package_of: dict[str, tuple[str, str | None]], text: str, name: str) -> None:
    """Note one sentence under its letters; one that two packages share loses its label."""
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
        except ValueError:  # __main__ and the like
            spec = None
        roots = list(spec.submodule_search_locations or []) if spec else []
    files = [path for root in roots for path in _python_files(root)]
    if not files:
        raise ValueError(
            f"load_docstrings found no Python source of {name!r}: it is not an installed package. "
            "Install it, or leave it out of the packages parameter."
        )
    return files


def _python_files(root: str) -> Iterator[Path]:
    for folder, subfolders, files in os.walk(root):
        subfolders[:] = sorted(set(subfolders) - _SKIPPED_FOLDERS)
        yield from (Path(folder, file) for file in sorted(files) if file.endswith(".py"))


def _docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a source file; a file that cannot be parsed has none."""
    try:
        with tokenize.open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's escape sequences
            tree = ast.parse(file.read())
    except (SyntaxError, ValueError, OSError):
        return
    nodes: list[ast.stmt | ast.Module] = [tree]
    for node in nodes:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield cleandoc(docstring)
            # Docstrings stand in definitions; expressions need not be searched.
            nodes += [child for child in node.body if isinstance(child, ast.stmt)]
        elif isinstance(node, ast.If | ast.Try):
            nodes += node.body


def _sentences(docstring: str) -> Iterator[str]:
    """Yield the sentences of prose in a docstring."""
    for block in _blocks(docstring.splitlines()):
        for sentence in _SENTENCE_END.split(" ".join(" ".join(block).split())):
            if _PROSE.fullmatch(sentence) and len(sentence.split()) in _WORDS:
                yield sentence


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Cut lines into paragraphs of one indentation, without fields, doctests and directives."""
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
