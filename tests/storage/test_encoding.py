"""Values that a file may hold: they come back as they were."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skrnn.storage.encoding import FileError, Kind, Reader, Writer


def there_and_back(value, functions=None):
    writer = Writer({})
    encoded = json.loads(json.dumps(writer.encode(value, ("value",)), allow_nan=False))
    return Reader(list(writer.arrays.values()), {}, functions or {}).decode(encoded)


def same(a, b):
    """Return whether two values are equal, of the same types all through."""
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a), list(b)) and same(list(a.values()), list(b.values()))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and same(a.tolist(), b.tolist())
    return a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None))
dtypes = st.sampled_from(["?", "i1", "u2", "i4", "i8", "f2", "f4", "f8", "U1", "U7", "M8[s]", "m8[D]"])
values = st.recursive(
    plain | arrays.arrays(dtypes, arrays.array_shapes(min_dims=0, min_side=0)),
    lambda inner: (
        st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner)
    ),
    max_leaves=8,
)


@given(values)
def test_values_come_back(value):
    assert same(there_and_back(value), value)


@pytest.mark.parametrize(
    "value",
    [
        {"a", "b"},
        {f"term {i}": i for i in range(200)},
        [f"\ud800 {i}" for i in range(100)],
        [""] * 100,
        list(range(-50, 50)),
        [2**70] * 100,
        [0.5, math.inf] * 50,
        [True] * 100,
        "long " * 1000,
        np.array(["a", None, 3, [1, 2]], dtype=object),
        np.array(["a", "bc"], dtype=np.dtypes.StringDType()),
        np.arange(6, dtype=">i4").reshape(2, 3).T.astype("i4"),
        Path("vectors.txt"),
    ],
    ids=lambda value: type(value).__name__,  # no text of a set: its order differs between processes
)
def test_other_values_come_back(value):
    assert same(there_and_back(value), value)


def test_a_number_of_numpy_keeps_its_type():
    assert same(there_and_back(np.float32(0.1)), np.float32(0.1))


def test_a_random_state_goes_on_where_it_was():
    state = np.random.RandomState(3)
    state.normal()
    copy = there_and_back(state)
    assert copy.randint(2**31 - 1) == state.randint(2**31 - 1) and copy.normal() == state.normal()


def test_what_stands_twice_is_one_object_again():
    array, terms = np.arange(3), {"a": 3}
    a, b, c, d, e = there_and_back([array, terms, [array], array, {"x": terms}])
    assert a is c[0] and a is d and b is e["x"]


def test_functions_are_named_by_where_they_stand():
    writer = Writer({})
    encoded = writer.encode({"tokenizer": str.split, "other": str.split, "encoder": {"analyzer": len}}, ())
    assert writer.functions == {"tokenizer": str.split, "encoder__analyzer": len}
    back = Reader([], {}, {"tokenizer": str.split, "encoder__analyzer": len}).decode(encoded)
    assert back["other"] is str.split


@pytest.mark.parametrize("value", [object(), b"bytes", np.array([1j]), {"deep": [{1, 2}, object()]}])
def test_other_types_are_named(value):
    with pytest.raises(TypeError, match=r"class_weight.* cannot be saved: it is a"):
        Writer({}).encode({"class_weight": value}, ())


def test_objects_of_given_classes_are_built_again():
    class Point:
        def __init__(self, x):
            self.x = x

    kinds = {"Point": Kind(Point, vars, lambda state: Point(**state))}
    writer = Writer(kinds)
    encoded = writer.encode([Point(1), Point([2])], ())
    assert [point.x for point in Reader([], kinds, {}).decode(encoded)] == [1, [2]]


def test_disagreeing_strings_are_refused():
    reader = Reader([np.zeros(3, np.uint8), np.array([1, 1], np.uint32)], {}, {})
    with pytest.raises(FileError, match="lengths disagree"):
        reader.decode({"strings": [0, 1]})
