"""Encode Python values as JSON and arrays, so that reading them runs no code.

None, bool, int, float, str and lists are JSON already. Every other value is
a JSON object with one key, its tag, for example ``{"tuple": [1, 2]}``. Array
data is stored apart from the JSON, which refers to each array by its name.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MIN_ARRAY_LENGTH = 64  # lists with fewer entries stay in the JSON
MIN_TEXT_LENGTH = 2**10  # strings with fewer characters stay in the JSON
DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
DTYPE_NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
# Safetensors has no strings, dates or durations: their arrays are stored as integers with the same bytes.
_STORED_AS_INTEGERS = re.compile(r"<(U[1-9]\d{0,6}|[mM]8(\[\d*\w+\])?)")

Location = tuple[str, ...]  # the attribute, keys and indices that lead to a value


class FileError(ValueError):
    """Raised when a file is damaged or is not of the expected kind."""


class StoredClass(NamedTuple):
    """How objects of one class become plain values, and plain values objects.

    Parameters
    ----------
    cls : type
        The class. Subclasses need an entry of their own.
    to_state : callable
        Takes an object and returns its state: a dict of values that a file
        can hold.
    from_state : callable
        Takes the state and returns a new object. It checks the state and
        raises a ValueError or TypeError if the state is invalid.
    shareable : bool, default=False
        Whether several references to one object are still references to one
        object after loading.
    """

    cls: type
    to_state: Callable[[Any], dict[str, Any]]
    from_state: Callable[[dict[str, Any]], Any]
    shareable: bool = False


def _is_shareable(value: Any) -> bool:
    """Return whether a value keeps its identity: a numeric array or a vocabulary.

    Both hold no other shareable value, so encoder and decoder number the
    shared values in the same order.
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "OT"
    return isinstance(value, dict) and bool(value) and set(map(type, value.values())) == {int}


class ValueEncoder:
    """Encode values as JSON; collect the arrays and functions they contain.

    Parameters
    ----------
    classes : mapping of str to StoredClass
        Classes whose objects the values may contain, by tag.

    Attributes
    ----------
    arrays : dict of str to ndarray
        The arrays to store beside the JSON. All are C-contiguous and of a
        dtype in `DTYPES`.
    functions : dict of str to callable
        The functions. The JSON holds their names only.
    """

    def __init__(self, classes: Mapping[str, StoredClass]) -> None:
        self.classes = {stored.cls: (tag, stored) for tag, stored in classes.items()}
        self.arrays: dict[str, np.ndarray] = {}
        self.functions: dict[str, Any] = {}
        self.shared: dict[int, tuple[int, Any]] = {}  # id(value) -> (number, value)

    def encode(self, value: Any, location: Location = ()) -> Any:
        """Return a value as JSON; `location` names its arrays and functions.

        Raises
        ------
        TypeError
            If a file cannot hold the value. The message gives its location.
        """
        if id(value) in self.shared:
            return {"same": self.shared[id(value)][0]}
        cls = np.ndarray if isinstance(value, np.ndarray) else type(value)
        tag, stored = self.classes.get(cls, ("", None))
        if stored is not None:
            encoded: Any = {tag: self._encode_items(stored.to_state(value), location)}
        elif cls in _ENCODERS:
            encoded = _ENCODERS[cls](self, value, location)
        elif isinstance(value, np.generic):
            encoded = {"scalar": self.encode(np.asarray(value), location)}
        elif isinstance(value, os.PathLike):
            encoded = {"path": os.fspath(value)}
        elif callable(value):
            encoded = {"function": self._name_function(value, location)}
        else:
            raise TypeError(
                f"{'.'.join(location)} cannot be saved: it is a {cls.__module__}.{cls.__qualname__}. A file "
                "can hold numbers, strings, arrays, named functions, and lists, tuples, sets and dicts of "
                "these."
            )
        if _is_shareable(value) or (stored is not None and stored.shareable):
            self.shared[id(value)] = (len(self.shared), value)
        return encoded

    def _encode_items(self, mapping: dict, location: Location) -> list:
        """Return the keys and the values of a dict."""
        keys = self.encode(list(mapping), (*location, "keys"))
        if len(mapping) >= MIN_ARRAY_LENGTH and set(map(type, mapping.values())) <= {int, float, str}:
            return [keys, self.encode(list(mapping.values()), location)]
        return [keys, [self.encode(value, (*location, str(key))) for key, value in mapping.items()]]

    def _add_array(self, array: np.ndarray, location: Location) -> str:
        """Return the name under which an array is stored."""
        name = f"{len(self.arrays)}:{'.'.join(location)}"
        name = name.encode("utf-8", "replace").decode()  # the safetensors package refuses lone surrogates
        self.arrays[name] = array
        return name

    def _encode_text(self, text: str, location: Location) -> Any:
        if len(text) < MIN_TEXT_LENGTH:
            return text
        return {"text": self._add_array(_utf8(text), location)}

    def _encode_float(self, value: float, location: Location) -> Any:
        return value if math.isfinite(value) else {"float": repr(value)}

    def _encode_list(self, values: list, location: Location) -> Any:
        types = set(map(type, values)) if len(values) >= MIN_ARRAY_LENGTH else set()
        if types == {str}:
            lengths = np.fromiter(map(len, values), np.uint32, len(values))
            return {
                "strings": [
                    self._add_array(_utf8("".join(values)), location),
                    self._add_array(lengths, (*location, "lengths")),
                ]
            }
        if types == {float}:
            return {"numbers": self._add_array(np.array(values), location)}
        if types == {int} and max(map(abs, values)) < 2**63:
            return {"numbers": self._add_array(np.array(values, np.int64), location)}
        return [self.encode(value, (*location, str(i))) for i, value in enumerate(values)]

    def _encode_array(self, array: np.ndarray, location: Location) -> Any:
        kind, shape = array.dtype.kind, list(array.shape)
        if kind in "OT":
            return {"objects": [kind, shape, self.encode(array.ravel().tolist(), location)]}
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        plain = np.ascontiguousarray(little_endian).reshape(shape)  # a scalar array stays 0-dimensional
        if plain.dtype in DTYPE_NAMES:
            return {"array": self._add_array(plain, location)}
        if not _STORED_AS_INTEGERS.fullmatch(plain.dtype.str):
            raise TypeError(f"{'.'.join(location)} cannot be saved: it is an array of {array.dtype}.")
        integers = plain.reshape(-1).view(np.uint32 if kind == "U" else np.int64)
        return {"integers": [plain.dtype.str, shape, self._add_array(integers, location)]}

    def _name_function(self, function: Any, location: Location) -> str:
        """Return the parameter's name, under which `load` asks for a function."""
        for name, other in self.functions.items():
            if other is function:
                return name
        name = "__".join(part for part in location if part.isidentifier() and not part.startswith("_"))
        while name in self.functions:
            name += "_"
        self.functions[name] = function
        return name


def _utf8(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)


_ENCODERS: dict[type, Callable[[ValueEncoder, Any, Location], Any]] = {
    **dict.fromkeys((type(None), bool, int), lambda encoder, value, location: value),
    float: ValueEncoder._encode_float,
    str: ValueEncoder._encode_text,
    list: ValueEncoder._encode_list,
    tuple: lambda encoder, value, location: {"tuple": encoder._encode_list(list(value), location)},
    set: lambda encoder, value, location: {"set": encoder._encode_list(sorted(value, key=repr), location)},
    dict: lambda encoder, value, location: {"dict": encoder._encode_items(value, location)},
    np.ndarray: ValueEncoder._encode_array,
    np.random.RandomState: lambda encoder, value, location: {
        "random_state": encoder.encode(value.get_state(legacy=False), location)
    },
}


class ValueDecoder:
    """Decode the JSON of a :class:`ValueEncoder` into the values it came from.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        The arrays that the JSON refers to.
    classes : mapping of str to StoredClass
        Classes whose objects the values may contain, by tag.
    functions : mapping of str to callable
        The functions that the JSON names.
    """

    def __init__(
        self,
        arrays: Mapping[str, np.ndarray],
        classes: Mapping[str, StoredClass],
        functions: Mapping[str, Any],
    ) -> None:
        self.arrays, self.classes, self.functions = dict(arrays), classes, functions
        self.shared: list[Any] = []

    def decode(self, encoded: Any) -> Any:
        """Return the value that JSON stands for.

        Raises
        ------
        FileError, ValueError, TypeError, LookupError, AttributeError
            If no encoder writes such JSON.
        """
        if isinstance(encoded, list):
            return [self.decode(item) for item in encoded]
        if not isinstance(encoded, dict):
            return encoded
        ((tag, content),) = encoded.items()
        if tag == "same":
            return self._shared_value(content)
        stored = self.classes.get(tag)
        if stored is not None:
            value = stored.from_state(self._decode_items(content))
        elif tag in _DECODERS:
            value = _DECODERS[tag](self, content)
        else:
            raise FileError(f"unknown tag {tag!r:.40}")
        if _is_shareable(value) or (stored is not None and stored.shareable):
            self.shared.append(value)
        return value

    def _shared_value(self, number: Any) -> Any:
        if type(number) is not int or number < 0:
            raise FileError(f"{number!r:.40} is not the number of a shared value")
        return self.shared[number]

    def _take_array(self, name: Any, *dtypes: str) -> np.ndarray:
        """Return an array of one of some dtypes; a second request for it fails.

        Without that rule a small file that refers to one array many times
        could fill the memory with copies.
        """
        if name not in self.arrays:
            raise FileError(f"array {name!r:.60} is missing or is used twice")
        array = self.arrays.pop(name)
        if DTYPE_NAMES[array.dtype] not in dtypes:
            raise FileError(f"array {name!r} has dtype {array.dtype} where {' or '.join(dtypes)} is expected")
        return array

    def _decode_items(self, content: list) -> dict:
        keys, values = map(self.decode, content)
        if not isinstance(keys, list) or not isinstance(values, list) or len(keys) != len(values):
            raise FileError("a mapping needs one value for each key")
        mapping = dict(zip(keys, values, strict=True))
        if len(mapping) != len(keys):
            raise FileError("a mapping repeats a key")
        return mapping

    def _decode_text(self, name: Any) -> str:
        return str(self._take_array(name, "U8").data, "utf-8", "surrogatepass")

    def _decode_strings(self, content: list) -> list[str]:
        joined, lengths = content
        text = self._decode_text(joined)
        stops = np.cumsum(self._take_array(lengths, "U32"), dtype=np.uint64).tolist()
        if (stops[-1] if stops else 0) != len(text):
            raise FileError("strings and their lengths disagree")
        return [text[start:stop] for start, stop in pairwise([0, *stops])]

    def _decode_numbers(self, name: Any) -> list[float]:
        return self._take_array(name, "F64", "I64").tolist()

    def _decode_objects(self, content: list) -> np.ndarray:
        kind, shape, items = content
        items = self.decode(items)
        if len(shape) > 64 or math.prod(shape) != len(items) or kind not in ("O", "T"):
            raise FileError(f"an array of shape {shape} has {len(items)} entries")
        if kind == "T":
            return np.array(items, dtype=np.dtypes.StringDType()).reshape(shape)
        array = np.empty(len(items), object)
        for i, item in enumerate(items):  # np.array would turn entries that are lists into rows
            array[i] = item
        return array.reshape(shape)

    def _decode_integers(self, content: list) -> np.ndarray:
        dtype, shape, name = content
        if not _STORED_AS_INTEGERS.fullmatch(dtype):
            raise FileError(f"{dtype!r:.40} is not a dtype that is stored as integers")
        integers = self._take_array(name, "U32" if dtype[1] == "U" else "I64")
        if dtype[1] == "U" and integers.size and integers.max() > 0x10FFFF:
            raise FileError("an array of strings holds a number that is not a character")
        return integers.view(dtype).reshape(shape)

    def _decode_scalar(self, content: Any) -> Any:
        array = self.decode(content)
        if not isinstance(array, np.ndarray) or array.ndim:  # a view would hide that an array is shared
            raise FileError("a NumPy scalar needs an array without dimensions")
        return array[()]

    def _decode_random_state(self, content: Any) -> np.random.RandomState:
        found = self.decode(content)
        key, position = found["state"]["key"], found["state"]["pos"]
        if key.shape != (624,) or key.dtype != np.uint32 or not 0 <= position <= 624:
            raise FileError("a random state is not that of a Mersenne Twister")  # NumPy does not check it
        state = np.random.RandomState(0)
        state.set_state(found)
        return state

    def _decode_sequence(self, content: Any) -> list:
        items = self.decode(content)
        if not isinstance(items, list):
            raise FileError("a tuple or set needs a list of entries")
        return items


def _nonfinite(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise FileError(f"{text!r:.40} is not nan, inf or -inf")
    return float(text)


_DECODERS: dict[str, Callable[[ValueDecoder, Any], Any]] = {
    "tuple": lambda decoder, content: tuple(decoder._decode_sequence(content)),
    "set": lambda decoder, content: set(decoder._decode_sequence(content)),
    "dict": ValueDecoder._decode_items,
    "float": lambda decoder, content: _nonfinite(content),
    "text": ValueDecoder._decode_text,
    "strings": ValueDecoder._decode_strings,
    "numbers": ValueDecoder._decode_numbers,
    "array": lambda decoder, name: decoder._take_array(name, *DTYPES),
    "objects": ValueDecoder._decode_objects,
    "integers": ValueDecoder._decode_integers,
    "scalar": ValueDecoder._decode_scalar,
    "path": lambda decoder, content: Path(content),
    "random_state": ValueDecoder._decode_random_state,
    "function": lambda decoder, name: decoder.functions[name],
}
