"""Test that values are equal after encoding and decoding."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from skrnn.storage.encoding import FileError, StoredClass, ValueDecoder, ValueEncoder


def encode_and_decode(value, functions=None):
    encoder = ValueEncoder({})
    encoded = json.loads(json.dumps(encoder.encode(value, ("value",)), allow_nan=False))
    return ValueDecoder(encoder.arrays, {}, functions or {}).decode(encoded)


def same(a, b):
    """Return whether two values and all their parts have equal types and values."""
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
def test_values_are_preserved(value):
    assert same(encode_and_decode(value), value)


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
    ids=lambda value: type(value).__name__,  # the repr of a set differs between processes
)
def test_other_values_are_preserved(value):
    assert same(encode_and_decode(value), value)


def test_numpy_scalar_keeps_its_type():
    assert same(encode_and_decode(np.float32(0.1)), np.float32(0.1))


def test_random_state_continues_its_sequence():
    state = np.random.RandomState(3)
    state.normal()
    copy = encode_and_decode(state)
    assert copy.randint(2**31 - 1) == state.randint(2**31 - 1) and copy.normal() == state.normal()


@pytest.mark.parametrize("position", [-1, 625, 2**31])
def test_random_state_outside_its_array_is_refused(position):
    """NumPy would read foreign memory."""
    encoder = ValueEncoder({})
    encoded = encoder.encode(np.random.RandomState(3))
    text = json.dumps(encoded).replace("624", str(position))
    assert text != json.dumps(encoded)
    with pytest.raises(FileError, match="not that of a Mersenne Twister"):
        ValueDecoder(encoder.arrays, {}, {}).decode(json.loads(text))


def test_shared_values_are_one_object_after_decoding():
    array, terms = np.arange(3), {"a": 3}
    a, b, c, d, e = encode_and_decode([array, terms, [array], array, {"x": terms}])
    assert a is c[0] and a is d and b is e["x"]


def test_functions_are_named_after_their_parameter():
    encoder = ValueEncoder({})
    encoded = encoder.encode({"tokenizer": str.split, "other": str.split, "encoder": {"analyzer": len}})
    assert encoder.functions == {"tokenizer": str.split, "encoder__analyzer": len}
    decoded = ValueDecoder({}, {}, encoder.functions).decode(encoded)
    assert decoded["other"] is str.split


def test_functions_of_objects_with_many_attributes_keep_their_names():
    encoder = ValueEncoder({})
    encoder.encode({f"a{i}": i for i in range(100)} | {"tokenizer": str.split}, ())
    assert list(encoder.functions) == ["tokenizer"]


@pytest.mark.parametrize("value", [object(), b"bytes", np.array([1j]), {"deep": [{1, 2}, object()]}])
def test_error_names_the_type_and_location(value):
    with pytest.raises(TypeError, match=r"class_weight.* cannot be saved: it is a"):
        ValueEncoder({}).encode({"class_weight": value})


def test_objects_of_stored_classes_are_rebuilt():
    class Point:
        def __init__(self, x):
            self.x = x

    classes = {"Point": StoredClass(Point, vars, lambda state: Point(**state))}
    encoded = ValueEncoder(classes).encode([Point(1), Point([2])])
    assert [point.x for point in ValueDecoder({}, classes, {}).decode(encoded)] == [1, [2]]


INVALID = {
    "lengths": ({"strings": ["u1", "u4"]}, "strings and their lengths disagree"),
    "dtype of lengths": ({"strings": ["u1", "f8"]}, "dtype float64 where U32 is expected"),
    "dtype of numbers": ({"numbers": "u1"}, "dtype uint8 where F64 or I64 is expected"),
    "array used twice": ([{"array": "u1"}, {"array": "u1"}], "'u1' is missing or is used twice"),
    "missing array": ({"array": "x"}, "'x' is missing or is used twice"),
    "shared value": ({"same": -1}, "-1 is not the number of a shared value"),
    "repeated key": ({"dict": [["a", "a"], [1, 2]]}, "repeats a key"),
    "missing value": ({"dict": [["a", "b"], [1]]}, "one value for each key"),
    "tag": ({"os.system": "x"}, "unknown tag 'os.system'"),
    "tuple": ({"tuple": 1}, "needs a list of entries"),
    "float": ({"float": "1e9"}, "'1e9' is not nan, inf or -inf"),
    "object array": ({"objects": ["O", [2], [1]]}, "shape .2. has 1 entries"),
    "integer dtype": ({"integers": ["|O", [1], "u4"]}, "not a dtype that is stored as integers"),
    "dimensions": ({"objects": ["O", [1] * 65, [1]]}, "has 1 entries"),
    "scalar": ({"scalar": {"array": "u1"}}, "an array without dimensions"),
    "scalar of a dict": ({"scalar": {"dict": [[{"tuple": []}], [1]]}}, "an array without dimensions"),
    "character": ({"integers": ["<U1", [2], "u4"]}, "not a character"),
}


@pytest.mark.parametrize("name", INVALID)
def test_invalid_json_is_refused(name):
    encoded, message = INVALID[name]
    arrays = {"u1": np.zeros(3, np.uint8), "u4": np.array([1, 2**31], np.uint32), "f8": np.zeros(2)}
    with pytest.raises(FileError, match=message):
        ValueDecoder(arrays, {}, {}).decode(encoded)
