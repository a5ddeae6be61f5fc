"""What a file may hold, as values that JSON can say and arrays: nothing that has to run to be read.

None, bool, int, float, str and lists stand for themselves, everything else is an object of one key, its tag.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

LONG = 64  # entries of a list that is kept as an array
DTYPES = {
    "BOOL": "|b1", "U8": "|u1", "I8": "|i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}
_VIEWED = re.compile(r"<(U[1-9]\d{0,6}|[mM]8(\[\d*\w+\])?)")  # dtypes that are kept as whole numbers


class FileError(ValueError):
    """A file that is damaged, or is not what it is read as; the message says what is wrong."""


class Kind(NamedTuple):
    """How the objects of a class are taken apart to plain values, and made of them again."""

    cls: type
    state: Callable[[Any], dict[str, Any]]
    build: Callable[[dict[str, Any]], Any]  # raises a ValueError or TypeError where it cannot
    shared: bool = False  # whether one object may stand in several places


class Writer:
    """Turns values to what JSON can say, and collects the arrays and functions met on the way."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self.kinds = {kind.cls: (name, kind) for name, kind in kinds.items()}
        self.arrays: dict[str, np.ndarray] = {}
        self.functions: dict[str, Any] = {}
        self.shared: dict[int, tuple[int, Any]] = {}  # id of what may stand twice -> its number, itself

    def encode(self, value: Any, where: tuple[str, ...]) -> Any:
        """Return a value as JSON can say it; `where` it stands names its arrays and functions."""
        if id(value) in self.shared:
            return {"same": self.shared[id(value)][0]}
        kind = np.ndarray if isinstance(value, np.ndarray) else type(value)
        if kind in self.kinds:
            name, how = self.kinds[kind]
            encoded: Any = {name: self._entries(how.state(value), where)}
        elif kind in _ENCODERS:
            encoded = _ENCODERS[kind](self, value, where)
        elif isinstance(value, np.generic):
            encoded = {"scalar": self.encode(np.asarray(value), where)}
        elif isinstance(value, os.PathLike):
            encoded = {"path": os.fspath(value)}
        elif callable(value):
            encoded = {"function": self._function(value, where)}
        else:
            raise TypeError(
                f"{'.'.join(where)} cannot be saved: it is a {kind.__module__}.{kind.__qualname__}, and a "
                "file holds numbers, strings, arrays, functions by name, and lists, tuples, sets and dicts "
                "of those."
            )
        if _may_stand_twice(value) or (kind in self.kinds and self.kinds[kind][1].shared):
            self.shared[id(value)] = (len(self.shared), value)
        return encoded

    def _entries(self, value: dict, where: tuple[str, ...]) -> list:
        """Return the keys and the values of a dict."""
        return [
            self.encode(list(value), (*where, "keys")),
            [self.encode(item, (*where, str(key))) for key, item in value.items()]
            if len(value) < LONG
            else self.encode(list(value.values()), where),
        ]

    def _part(self, array: np.ndarray, where: tuple[str, ...]) -> int:
        self.arrays[f"{len(self.arrays)}:{'.'.join(where)}"] = array
        return len(self.arrays) - 1

    def _text(self, value: str, where: tuple[str, ...]) -> Any:
        if len(value) < 2**10:
            return value
        return {"text": self._part(np.frombuffer(value.encode("utf-8", "surrogatepass"), np.uint8), where)}

    def _float(self, value: float, where: tuple[str, ...]) -> Any:
        return value if math.isfinite(value) else {"float": repr(value)}

    def _list(self, value: list, where: tuple[str, ...]) -> Any:
        types = set(map(type, value))
        if len(value) >= LONG and types == {str}:
            terms = [term.encode("utf-8", "surrogatepass") for term in value]
            counts = np.fromiter(map(len, terms), np.uint32, len(terms))
            joined = np.frombuffer(b"".join(terms), np.uint8)
            return {"strings": [self._part(joined, where), self._part(counts, (*where, "lengths"))]}
        if len(value) >= LONG and types == {float}:
            return {"numbers": self._part(np.array(value), where)}
        if len(value) >= LONG and types == {int} and max(map(abs, value)) < 2**63:
            return {"numbers": self._part(np.array(value, np.int64), where)}
        return [self.encode(item, (*where, str(i))) for i, item in enumerate(value)]

    def _array(self, array: np.ndarray, where: tuple[str, ...]) -> Any:
        kind = array.dtype.kind
        if kind in "OT":
            return {"objects": [kind, list(array.shape), self.encode(array.ravel().tolist(), where)]}
        plain = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).reshape(
            array.shape
        )
        if plain.dtype in NAMES:
            return {"array": self._part(plain, where)}
        if not _VIEWED.fullmatch(plain.dtype.str):
            raise TypeError(f"{'.'.join(where)} cannot be saved: it is an array of {array.dtype}.")
        whole = plain.reshape(-1).view(np.uint32 if kind == "U" else np.int64)
        return {"viewed": [plain.dtype.str, list(array.shape), self._part(whole, where)]}

    def _function(self, function: Any, where: tuple[str, ...]) -> str:
        """Return the name a function is to be given again by: the parameter's."""
        for name, other in self.functions.items():
            if other is function:
                return name
        name = "__".join(part for part in where if part.isidentifier() and not part.startswith("_"))
        while name in self.functions:
            name += "_"
        self.functions[name] = function
        return name


_ENCODERS: dict[type, Callable[[Writer, Any, tuple[str, ...]], Any]] = {
    **dict.fromkeys((type(None), bool, int), lambda writer, value, where: value),
    float: Writer._float,
    str: Writer._text,
    list: Writer._list,
    tuple: lambda writer, value, where: {"tuple": writer._list(list(value), where)},
    set: lambda writer, value, where: {"set": writer._list(sorted(value, key=repr), where)},
    dict: lambda writer, value, where: {"dict": writer._entries(value, where)},
    np.ndarray: Writer._array,
    np.random.RandomState: lambda writer, value, where: {
        "random_state": writer.encode(value.get_state(legacy=False), where)
    },
}


def _may_stand_twice(value: Any) -> bool:
    """Return whether a value may stand twice: an array or a vocabulary, but nothing that holds others."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind not in "OT"
    return isinstance(value, dict) and bool(value) and set(map(type, value.values())) == {int}


class Reader:
    """Makes the values again."""

    def __init__(
        self, arrays: list[np.ndarray], kinds: Mapping[str, Kind], functions: Mapping[str, Any]
    ) -> None:
        self.arrays, self.kinds, self.functions = arrays, kinds, functions
        self.shared: list[Any] = []

    def decode(self, value: Any) -> Any:
        """Return the value that JSON says."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        ((tag, content),) = value.items()
        if tag == "same":
            return self.shared[self._index(content)]
        if tag in self.kinds:
            made = self.kinds[tag].build(self._entries(content))
        else:
            made = _DECODERS[tag](self, content)
        if _may_stand_twice(made) or (tag in self.kinds and self.kinds[tag].shared):
            self.shared.append(made)
        return made

    def _index(self, value: Any) -> int:
        if type(value) is not int or value < 0:
            raise FileError(f"{value!r} stands for an array")
        return value

    def part(self, index: Any, kinds: str) -> np.ndarray:
        """Return an array, of one of some kinds of dtype."""
        array = self.arrays[self._index(index)]
        if array.dtype.kind not in kinds:
            raise FileError(f"an array of {array.dtype} stands where one of kind {kinds} should")
        return array

    def _entries(self, content: list) -> dict:
        keys, values = map(self.decode, content)
        if not isinstance(keys, list) or not isinstance(values, list) or len(set(keys)) != len(values):
            raise FileError(f"a mapping has {len(keys)} keys, some twice, or other than {len(values)} values")
        return dict(zip(keys, values, strict=True))

    def _text(self, index: Any) -> str:
        return self.part(index, "u").tobytes().decode("utf-8", "surrogatepass")

    def _strings(self, content: list) -> list[str]:
        joined, counts = (self.part(index, "u") for index in content)
        stops = np.cumsum(counts, dtype=np.uint64).tolist()
        if (stops[-1] if stops else 0) != joined.size:
            raise FileError("strings and their lengths disagree")
        data = joined.tobytes()
        starts = [0, *stops[:-1]]
        return [data[i:j].decode("utf-8", "surrogatepass") for i, j in zip(starts, stops, strict=True)]

    def _objects(self, content: list) -> np.ndarray:
        kind, shape, items = content
        items = self.decode(items)
        if math.prod(shape) != len(items) or kind not in ("O", "T"):
            raise FileError(f"an array of shape {shape} has {len(items)} entries")
        if kind == "T":
            return np.array(items, dtype=np.dtypes.StringDType()).reshape(shape)
        array = np.empty(len(items), object)
        for i, item in enumerate(items):  # at once, lists in it would be taken for rows
            array[i] = item
        return array.reshape(shape)

    def _viewed(self, content: list) -> np.ndarray:
        dtype, shape, index = content
        if not _VIEWED.fullmatch(dtype):
            raise FileError(f"{dtype!r} is no dtype of a file")
        whole = self.part(index, "u" if dtype[1] == "U" else "i")
        if dtype[1] == "U" and whole.size and whole.max() > 0x10FFFF:
            raise FileError("an array of strings holds what is no character")
        return whole.view(dtype).reshape(shape)

    def _random_state(self, content: Any) -> np.random.RandomState:
        state = np.random.RandomState(0)
        state.set_state(self.decode(content))
        return state


def _of(kind: Callable[[list], Any]) -> Callable[[Reader, Any], Any]:
    def decode(reader: Reader, content: Any) -> Any:
        items = reader.decode(content)
        if not isinstance(items, list):
            raise FileError(f"a {kind} of no list")
        return kind(items)

    return decode


def _nonfinite(reader: Reader, content: Any) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise FileError(f"{content!r} is no number")
    return float(content)


_DECODERS: dict[str, Callable[[Reader, Any], Any]] = {
    "tuple": _of(tuple),
    "set": _of(set),
    "dict": Reader._entries,
    "float": _nonfinite,
    "text": Reader._text,
    "strings": Reader._strings,
    "numbers": lambda reader, index: reader.part(index, "fi").tolist(),
    "array": lambda reader, index: reader.part(index, "biuf"),
    "objects": Reader._objects,
    "viewed": Reader._viewed,
    "scalar": lambda reader, content: reader.decode(content)[()],
    "path": lambda reader, content: Path(content),
    "random_state": Reader._random_state,
    "function": lambda reader, name: reader.functions[name],
}
