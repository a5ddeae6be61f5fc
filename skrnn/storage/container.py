"""Files of plain values and arrays: written aside and put in place at once, read strictly, running no code.

A file is one of the safetensors format: eight bytes for the length of a JSON header, the header, the
arrays. The header's `__metadata__` holds a manifest, JSON again, and its SHA-256; the manifest says which
arrays there are, of what SHA-256, and the values, see :mod:`skrnn.storage.encoding`. The rest of the header follows
from the manifest and must agree with it to the byte.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from skrnn.storage.encoding import DTYPES, NAMES, FileError, Kind, Reader, Writer

FORMAT = 1
MAX_HEADER = 2**22  # bytes
MAX_VALUES = 2**16  # in a manifest: longer lists are arrays
_DAMAGE = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
)


def write(path: str | os.PathLike, content: str, value: Any, kinds: Mapping[str, Kind] | None = None) -> None:
    """Write a file, in place of what is there: all of it, or nothing has changed.

    Parameters
    ----------
    path : str or PathLike
        Where to.
    content : str
        What it is, asked for at reading.
    value : Any
        None, bool, int, float, str, paths, arrays, RandomState, and lists, tuples, sets and dicts of such.
    kinds : mapping of str to Kind, default=None
        Names of the classes whose objects it may hold too.

    Raises
    ------
    TypeError
        If something is of another type, which it names.
    OSError
        If the file cannot be written, as on a full disk; the old one is as it was.
    """
    writer = Writer(kinds or {})
    encoded = writer.encode(value, ())
    manifest = json.dumps(
        {
            "format": FORMAT,
            "content": content,
            "functions": {name: _described(function) for name, function in writer.functions.items()},
            "arrays": [[name, *_described_array(array)] for name, array in writer.arrays.items()],
            "value": encoded,
        },
        allow_nan=False,
    )
    header = _header(manifest, _described_arrays(writer.arrays))
    if len(header) > MAX_HEADER or _n_values(manifest) > MAX_VALUES:
        raise ValueError(
            f"What is to be saved has too many single values for a file: {len(manifest)} characters."
        )
    _put(path, [header, *(memoryview(_bytes(array)) for array in writer.arrays.values())])


def read(
    path: str | os.PathLike,
    content: str,
    kinds: Mapping[str, Kind] | None = None,
    functions: Mapping[str, Any] | None = None,
) -> Any:
    """Return what :func:`write` has written; no code is run and no more than the file holds is allocated.

    Parameters
    ----------
    path : str or PathLike
        The file.
    content : str
        What it must be.
    kinds : mapping of str to Kind, default=None
        Classes it may hold objects of.
    functions : mapping of str to callable, default=None
        The functions that it names.

    Returns
    -------
    value : Any

    Raises
    ------
    FileError
        If the file is damaged, or another, or a function is missing.
    OSError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            manifest = _read_manifest(file, os.fstat(file.fileno()).st_size)
            _check_content(manifest, content, dict(functions or {}))
            arrays = [_read_array(file, *entry) for entry in manifest["arrays"]]
            return Reader(arrays, kinds or {}, functions or {}).decode(manifest["value"])
    except FileError as error:
        raise FileError(f"{os.fspath(path)}: {error}") from error
    except _DAMAGE as error:
        raise FileError(f"{os.fspath(path)} is damaged: {error}") from error


# -- the layout -------------------------------------------------------------------------------------


def _described(function: Any) -> str:
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', None)}.{name}"


def _bytes(array: np.ndarray) -> Any:
    return array.reshape(-1).view(np.uint8)


def _described_array(array: np.ndarray) -> list:
    return [NAMES[array.dtype], list(array.shape), hashlib.sha256(_bytes(array)).hexdigest()]


def _described_arrays(arrays: Mapping[str, np.ndarray]) -> list[tuple[str, str, list[int]]]:
    return [(name, NAMES[array.dtype], list(array.shape)) for name, array in arrays.items()]


def _header(manifest: str, arrays: Iterable[tuple[str, str, list[int]]]) -> bytes:
    """Return the first bytes of a file, up to the arrays."""
    digest = hashlib.sha256(manifest.encode()).hexdigest()
    table: dict[str, Any] = {"__metadata__": {"manifest": manifest, "sha256": digest}}
    start = 0
    for name, kind, shape in arrays:
        stop = start + math.prod(shape) * np.dtype(DTYPES[kind]).itemsize
        table[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(table).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read_manifest(file: Any, size: int) -> dict[str, Any]:
    length = int.from_bytes(file.read(8), "little")
    if length > min(size - 8, MAX_HEADER):
        raise FileError(f"it is cut off, or no file of skrnn: {size} bytes, and a header of {length}")
    header = file.read(length)
    metadata = _parse(header.decode("ascii"), 4 * MAX_VALUES).get("__metadata__") or {}
    text = metadata.get("manifest")
    if not isinstance(text, str) or hashlib.sha256(text.encode()).hexdigest() != metadata.get("sha256"):
        raise FileError("its manifest is missing or damaged: it has not the SHA-256 that the file says")
    manifest = _parse(text)
    if manifest.get("format") != FORMAT:
        raise FileError(
            f"it is of format {manifest.get('format')!r:.20}, and this version of skrnn reads format {FORMAT}"
        )
    if manifest.keys() != {"format", "content", "functions", "arrays", "value"}:
        raise FileError(f"its manifest has the entries {sorted(manifest)}")
    for name, kind, shape, digest in manifest["arrays"]:
        if not (isinstance(name, str) and isinstance(digest, str) and kind in DTYPES):
            raise FileError(f"array {name!r} is described as {kind!r} of SHA-256 {digest!r}")
        if len(shape) > 32 or not all(type(n) is int and 0 <= n < 2**48 for n in shape):
            raise FileError(f"array {name!r} has shape {shape}")
    if _header(text, [entry[:3] for entry in manifest["arrays"]]) != length.to_bytes(8, "little") + header:
        raise FileError("its header and its manifest disagree")
    sizes = (math.prod(shape) * np.dtype(DTYPES[kind]).itemsize for _, kind, shape, _ in manifest["arrays"])
    wanted = 8 + length + sum(sizes)
    if size != wanted:
        raise FileError(f"it has {size} bytes and should have {wanted}")
    return manifest


def _read_array(file: Any, name: str, kind: str, shape: list[int], digest: str) -> np.ndarray:
    dtype = np.dtype(DTYPES[kind])
    data: Any = np.empty(math.prod(shape) * dtype.itemsize, np.uint8)
    if file.readinto(data) != len(data) or hashlib.sha256(data).hexdigest() != digest:
        raise FileError(f"array {name!r} is damaged: it has not the SHA-256 that the file says")
    if kind == "BOOL" and len(data) and data.max() > 1:
        raise FileError(f"array {name!r} holds bytes that are no bool")
    return data.view(dtype).reshape(shape)


def _check_content(manifest: dict[str, Any], content: str, given: dict[str, Any]) -> None:
    if manifest["content"] != content:
        raise FileError(f"it holds {manifest['content']!r}, not {content!r}")
    named = manifest["functions"]
    if missing := [f"{name} ({named[name]})" for name in named if name not in given]:
        raise FileError(
            "it was saved with functions, which a file cannot hold. Give them again, by name: "
            + ", ".join(missing)
        )
    if extra := [name for name, value in given.items() if name not in named or not callable(value)]:
        raise FileError(
            f"it needs the functions {sorted(named)}. Got {', '.join(extra)} as well, or no function."
        )


def _n_values(text: str) -> int:
    return text.count(",") + text.count("[") + text.count("{")


def _parse(text: str, most: int = MAX_VALUES) -> Any:
    """Return the dict of strict JSON: no key twice, no number that is none, not too many values."""
    if _n_values(text) > most:
        raise FileError(f"it has more than {most} values beside its arrays")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) < len(pairs):
            raise FileError(f"a key stands twice among {[key for key, _ in pairs][:5]}")
        return dict(pairs)

    def refuse(number: str) -> NoReturn:
        raise FileError(f"{number} is no number of JSON")

    def finite(number: str) -> float:
        return float(number) if math.isfinite(float(number)) else refuse(number)

    value = json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_float=finite)
    if not isinstance(value, dict):
        raise FileError("a JSON object was to be there")
    return value


def _put(path: str | os.PathLike, chunks: Iterable[Any]) -> None:
    """Write a file aside, flush it to the disk, and put it in place; whatever fails, nothing is left over.

    Where the system can, the file has no name before it is whole, so that even a killed process leaves none.
    """
    target = Path(os.path.realpath(path))
    part = target.with_name(target.name + ".part")
    folder = os.open(target.parent, os.O_RDONLY) if hasattr(os, "O_TMPFILE") else None
    try:
        nameless = None
        with suppress(OSError):
            nameless = None if folder is None else os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
        with open(part if nameless is None else nameless, "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
            if nameless is not None:
                part.unlink(missing_ok=True)
                os.link(
                    f"/proc/self/fd/{nameless}", part, src_dir_fd=folder
                )  # with a folder, links are followed
        os.replace(part, target)
        if folder is not None:
            os.fsync(folder)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    finally:
        if folder is not None:
            os.close(folder)
