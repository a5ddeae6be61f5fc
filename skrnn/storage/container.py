"""Write and read files of plain values and arrays.

A file is a safetensors file, so other programs can read its arrays. It
starts with the length of a JSON header, the header follows, then the arrays.
The ``__metadata__`` of the header holds two strings: a manifest, which is JSON
again, and the manifest's SHA-256. The manifest holds the values (see
:mod:`skrnn.storage.encoding`) and the dtype, shape and SHA-256 of each array.
The rest of the header repeats the dtypes and shapes; `read` rebuilds it from
the manifest and refuses a file whose header differs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from io import BufferedReader
from typing import Any, NoReturn

import numpy as np

from skrnn.storage.disk import PathType, open_file, path_of_file, write_file
from skrnn.storage.encoding import DTYPE_NAMES, DTYPES, FileError, StoredClass, ValueDecoder, ValueEncoder

# Only the tests use the safetensors package (0.8), for these measured reasons:
# - `safe_open` maps the file even with backend="pread". SIGBUS killed the reading process after 2, 331 and
#   928 reads while another process copied a file over it in place; the reader here survived 448,000 reads.
# - `load` needs 190 MB of memory and 290 ms for an array of 100 MB instead of 96 MB and 90 ms.
# - `save` needs 190 MB of additional memory and 570 ms for the same array instead of no memory and 335 ms.
# - `save_file` left a temporary file behind in 16 of 40 processes that were killed.
FORMAT = 1
MAX_HEADER = 2**22  # bytes
MAX_VALUES = 2**16  # in a manifest; longer lists of numbers or strings are stored as arrays
_MANIFEST_ENTRIES = {"format", "content", "functions", "arrays", "value"}
# What decoding a manifest raises if no version of skrnn has written it.
_DAMAGE_ERRORS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
)


def write(path: PathType, content: str, value: Any, classes: Mapping[str, StoredClass] | None = None) -> None:
    """Write a value to a file, or leave the existing file as it is.

    Parameters
    ----------
    path : str, bytes or PathLike
        The file to create or replace, see :func:`skrnn.storage.disk.write_file`.
    content : str
        The kind of content, for example "checkpoint". `read` asks for it.
    value : Any
        None, bool, int, float, str, path, array, RandomState, named function,
        or a list, tuple, set or dict of these.
    classes : mapping of str to StoredClass, default=None
        Other classes whose objects the value may contain, by tag.

    Raises
    ------
    TypeError
        If the value contains an object of another type.
    ValueError
        If the value has too many parts that cannot be stored as arrays.
    OSError
        If the file cannot be written, for example because the disk is full.
    """
    name = path_of_file(path)
    encoder = ValueEncoder(classes or {})
    encoded = encoder.encode(value)
    manifest = json.dumps(
        {
            "format": FORMAT,
            "content": content,
            "functions": {name: _qualified_name(function) for name, function in encoder.functions.items()},
            "arrays": {
                name: [DTYPE_NAMES[array.dtype], list(array.shape), _sha256(_as_bytes(array))]
                for name, array in encoder.arrays.items()
            },
            "value": encoded,
        },
        allow_nan=False,
    )
    header = _build_header(
        manifest, [(name, DTYPE_NAMES[array.dtype], array.shape) for name, array in encoder.arrays.items()]
    )
    if len(header) > MAX_HEADER or _count_values(manifest) > MAX_VALUES:
        raise ValueError(
            f"The {content} cannot be saved: it has too many values that are not in an array or in a long "
            f"list of numbers or strings. Got {_count_values(manifest)} values in a header of {len(header)} "
            f"bytes; at most {MAX_VALUES} values and {MAX_HEADER} bytes are allowed."
        )
    write_file(name, [header, *map(_as_bytes, encoder.arrays.values())])


def read(
    path: PathType,
    content: str,
    classes: Mapping[str, StoredClass] | None = None,
    functions: Mapping[str, Any] | None = None,
) -> Any:
    """Return the value that `write` has written to a file.

    Reading runs no code from the file. It allocates memory for the arrays
    only after their sizes are checked against the size of the file.

    Parameters
    ----------
    path : str, bytes or PathLike
        The file.
    content : str
        The kind of content that was passed to `write`.
    classes : mapping of str to StoredClass, default=None
        The classes whose objects the file may contain, by tag.
    functions : mapping of str to callable, default=None
        The functions that the file names.

    Returns
    -------
    value : Any

    Raises
    ------
    FileError
        If the file is damaged, holds other content or needs a function that
        is missing.
    OSError
        If the file cannot be read.
    """
    file_name = path_of_file(path)
    try:
        with open_file(file_name) as file:
            manifest = _read_manifest(file, os.fstat(file.fileno()).st_size)
            _check_content(manifest, content, functions or {})
            arrays = {name: _read_array(file, name, *entry) for name, entry in manifest["arrays"].items()}
        return ValueDecoder(arrays, classes or {}, functions or {}).decode(manifest["value"])
    except FileError as error:
        raise FileError(f"{file_name} cannot be loaded: {error}.") from error
    except _DAMAGE_ERRORS as error:
        raise FileError(f"{file_name} cannot be loaded: it is damaged ({error}).") from error


# -- header and manifest ---------------------------------------------------------------------------


def _build_header(manifest: str, arrays: Iterable[tuple[str, str, Sequence[int]]]) -> bytes:
    """Return the bytes that precede the arrays, given by name, dtype and shape."""
    metadata = {"manifest": manifest, "sha256": _sha256(manifest.encode())}
    table: dict[str, Any] = {"__metadata__": metadata}
    start = 0
    for name, dtype, shape in arrays:
        stop = start + _n_bytes(dtype, shape)
        table[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)  # the arrays start at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text


def _read_manifest(file: BufferedReader, size: int) -> dict[str, Any]:
    """Return the manifest of a file with `size` bytes after checking the layout."""
    if size == 0:
        raise FileError("it is empty")
    prefix = file.read(8)
    length = int.from_bytes(prefix, "little")
    if length > min(size - 8, MAX_HEADER):
        raise FileError(
            f"it is truncated or was not written by skrnn (it has {size} bytes, its header {length})"
        )
    header = file.read(length)
    metadata = parse_strict_json(header.decode("ascii"), 4 * MAX_VALUES).get("__metadata__") or {}
    text = metadata.get("manifest")
    if not isinstance(text, str) or _sha256(text.encode()) != metadata.get("sha256"):
        raise FileError("its manifest is missing or does not match its SHA-256")
    manifest = parse_strict_json(text)
    if manifest.get("format") != FORMAT:
        raise FileError(
            f"it has format {manifest.get('format')!r:.20}, and this version of skrnn reads format {FORMAT}"
        )
    if manifest.keys() != _MANIFEST_ENTRIES:
        raise FileError(f"its manifest has the entries {sorted(manifest)}")
    arrays = [(name, dtype, shape) for name, (dtype, shape, _) in manifest["arrays"].items()]
    for name, dtype, shape in arrays:
        _check_array_entry(name, dtype, shape)
    if _build_header(text, arrays) != prefix + header:
        raise FileError("its header and its manifest disagree")
    expected = 8 + length + sum(_n_bytes(dtype, shape) for _, dtype, shape in arrays)
    if size != expected:
        raise FileError(f"it has {size} bytes instead of {expected}")
    return manifest


def _check_array_entry(name: str, dtype: Any, shape: Any) -> None:
    if dtype not in DTYPES:
        raise FileError(f"array {name!r} has the unknown dtype {dtype!r:.20}")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
        raise FileError(f"array {name!r} has the invalid shape {shape!r:.60}")


def _check_content(manifest: dict[str, Any], content: str, functions: Mapping[str, Any]) -> None:
    if manifest["content"] != content:
        raise FileError(f"it holds {manifest['content']!r:.40}, not {content!r}")
    _check_functions(manifest["functions"], functions)


def _check_functions(needed: dict[str, Any], given: Mapping[str, Any]) -> None:
    missing = [f"{name} ({needed[name]})" for name in needed if name not in given]
    if missing:
        raise FileError(
            "it was saved with functions, which a file cannot hold. Pass them to load by name: "
            + ", ".join(missing)
        )
    unknown = [name for name in given if name not in needed]
    if unknown:
        raise FileError(
            f"it needs the functions {sorted(needed)}, but {', '.join(unknown)} was given as well"
        )
    uncallable = [name for name, function in given.items() if not callable(function)]
    if uncallable:
        raise FileError(f"{', '.join(uncallable)} must be a function")


def _count_values(text: str) -> int:
    """Return an upper bound of the number of values in a JSON text."""
    return 1 + text.count(",") + text.count("[") + text.count("{")


def parse_strict_json(text: str, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """Return a JSON object; refuse repeated keys, NaN, infinities and excess."""
    if _count_values(text) > max_values:
        raise FileError(f"it has more than {max_values} values apart from its arrays")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise FileError(f"its manifest repeats one of the keys {[key for key, _ in pairs][:5]}")
        return dict(pairs)

    def refuse(number: str) -> NoReturn:
        raise FileError(f"{number} is not a JSON number")

    def finite(number: str) -> float:
        return float(number) if math.isfinite(float(number)) else refuse(number)

    value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_float=finite)
    if not isinstance(value, dict):
        raise FileError("its manifest is not a JSON object")
    return value


def _qualified_name(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None)}.{name}"


# -- arrays ----------------------------------------------------------------------------------------


def _read_array(file: BufferedReader, name: str, dtype: str, shape: list[int], sha256: Any) -> np.ndarray:
    """Return the array that starts at the current position of a file."""
    data = np.empty(_n_bytes(dtype, shape), np.uint8)
    if file.readinto(data.data) != len(data) or _sha256(data.data) != sha256:
        raise FileError(f"array {name!r} is damaged: it does not match its SHA-256")
    if dtype == "BOOL" and data.max(initial=0) > 1:
        raise FileError(f"array {name!r} holds bytes that are neither True nor False")
    return data.view(DTYPES[dtype]).reshape(shape)


def _n_bytes(dtype: str, shape: Sequence[int]) -> int:
    return math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _as_bytes(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data
