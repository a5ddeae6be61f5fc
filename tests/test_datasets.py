"""load_docstrings: selection and masking of sentences, return types and errors."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from skrnn.datasets import _sentences, load_docstrings

SOURCE = '''
"""Sum the gizmo values along one axis. See https://gizmo.example for gizmodocs and for more.

Parameters
----------
axis : int, default=0
    Axis along which the values are summed.

    >>> Gizmo().sum(axis=1) prints a number.
    The result of the doctest reads like prose.

Too short here.
"""
raise SystemExit("imported")

class Gizmo:
    def sum(self):
        """Return the same sentence in both packages."""

    async def total(self):
        """Return THE sum of the first 3 values."""
        x = "this is not a docstring, whatever it says."

    if True:
        def count(self):
            """Return the sum of the first 4 values."""
'''


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Add two small packages to the path. Importing the first would end the process."""
    for name, source in {
        "gizmo": SOURCE,
        "other": '"""Return the same sentence in both packages. Of gizmo and other words."""',
    }.items():
        (tmp_path / name / "tests").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text(source)
        (tmp_path / name / "tests" / "test_it.py").write_text('"""A sentence of the tests folder."""')
        (tmp_path / name / "broken.py").write_text('"""A sentence of a broken file, unseen."""\n(')
    monkeypatch.syspath_prepend(tmp_path)
    return ["other", "gizmo"]


@pytest.fixture(scope="module")
def numpy_and_pandas():
    return load_docstrings(packages=["numpy", "pandas"])


def test_only_prose_is_selected(packages):
    data, target = load_docstrings(packages=packages, return_X_y=True)
    assert list(zip(data, target, strict=True)) == [
        ("Axis along which the values are summed.", "gizmo"),
        ("Of PACKAGE and PACKAGE words.", "other"),
        ("Return THE sum of the first 3 values.", "gizmo"),
        ("See https://PACKAGE.example for PACKAGE and for more.", "gizmo"),
        ("Sum the PACKAGE values along one axis.", "gizmo"),
    ]


def test_paragraph_spans_lines_and_ends_at_indentation():
    docstring = "The first sentence goes on\nto the next line.\n    Indented text is its own paragraph."
    assert list(_sentences(docstring)) == [
        "The first sentence goes on to the next line.",
        "Indented text is its own paragraph.",
    ]


def test_package_names_are_masked_and_rows_are_unique(numpy_and_pandas):
    texts = [text.lower() for text in numpy_and_pandas.data]
    assert not any("numpy" in text or "pandas" in text for text in texts)
    assert not any({"np", "pd"} & set(text.replace(".", " ").split()) for text in texts)
    assert len(set(texts)) == len(texts)


def test_rows_are_sorted_and_counted(numpy_and_pandas):
    bunch = numpy_and_pandas
    counts = Counter(bunch.target)
    assert list(bunch.data) == sorted(bunch.data)
    assert sorted(counts) == bunch.target_names == ["numpy", "pandas"]
    assert min(counts.values()) > 1000
    assert f"numpy: {counts['numpy']} sentences" in bunch.DESCR
    assert bunch.frame is None and isinstance(bunch.target, np.ndarray)


def test_order_is_independent_of_hash_seed_and_argument_order(packages, tmp_path):
    code = "from skrnn.datasets import load_docstrings; print(load_docstrings(packages={!r}).data)"
    outputs = set()
    for seed, names in (("1", packages), ("2", packages[::-1])):
        env = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()]),
        }
        outputs.add(subprocess.check_output([sys.executable, "-c", code.format(names)], env=env))
    assert len(outputs) == 1


def test_as_frame_returns_series_and_frame(packages):
    bunch = load_docstrings(packages=packages, as_frame=True)
    data, target = load_docstrings(packages=packages, as_frame=True, return_X_y=True)
    assert list(bunch.frame.columns) == ["text", "target"]
    pd.testing.assert_series_equal(bunch.data, data)
    pd.testing.assert_series_equal(bunch.frame["target"], target)
    assert data.tolist() == load_docstrings(packages=packages).data


@pytest.mark.parametrize("name", ["no_such_package", "not an identifier", "__main__", "_json"])
def test_error_names_a_package_without_source(name):
    with pytest.raises(ValueError, match=rf"Got '{name}', which has none\. Install it"):
        load_docstrings(packages=[name])


def test_single_string_raises():
    with pytest.raises(TypeError, match=r"Got 'numpy' instead; write \['numpy'\]"):
        load_docstrings(packages="numpy")


def test_empty_packages_raises():
    with pytest.raises(ValueError, match="at least one name"):
        load_docstrings(packages=[])
