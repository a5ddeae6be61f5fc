"""Opening of vector files: decompression, and the names of other formats, which are not read."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

BLOCK_BYTES = 2**20  # read at once
_PASS = "and pass the object to embeddings"
_PASS_PAIR = "and pass (words, matrix) to embeddings"
_NUMPY = "NumPy array without words", f"Load it with numpy.load, {_PASS_PAIR}"
_TORCH = "PyTorch", f"Load it with torch.load, {_PASS_PAIR}, the matrix as a NumPy array"
_ARCHIVE = "Extract the vector file from it"
_OTHER_FORMATS = [  # how a file starts, what it is, what to do
    (
        rb"\xba\x16O/",
        "fastText model",
        "Decompress the file if it is compressed, load it with gensim.models.fasttext.load_facebook_vectors, "
        f"{_PASS}",
    ),
    (
        rb"\x80[\x02-\x05]",
        "Python pickle",
        "If gensim has written it, load it with gensim.models.KeyedVectors.load, or with the load method of "
        f"the model's class, {_PASS}. Load other pickles that you trust with pickle.load",
    ),
    (rb"\x93NUMPY", *_NUMPY),
    (rb"\x89HDF\r\n", "HDF5", f"Read words and matrix with h5py, {_PASS_PAIR}"),
    (
        rb"[\s\S]{5}\0\0\0\{",
        "safetensors",
        f"Load its matrix with safetensors.numpy.load_file, {_PASS_PAIR}",
    ),
    (rb"PAR1[\s\S]*\0", "Parquet", f"Read it with pandas.read_parquet, {_PASS_PAIR}"),
    (rb"ARROW1\0|FEA1[\s\S]*\0", "Arrow", f"Read it with pandas.read_feather, {_PASS_PAIR}"),
    (rb"SQLite format 3\0", "SQLite database", f"Read words and matrix with sqlite3, {_PASS_PAIR}"),
    (rb"[\s\S]{257}ustar", "tar archive", _ARCHIVE),
    (rb"7z\xbc\xaf|Rar!\x1a", "archive (7z or rar)", _ARCHIVE),
    (rb"\x1f\x8b|BZh[1-9]1AY&SY|\xfd7zXZ|PK\x03\x04|\x28\xb5\x2f\xfd", "compressed twice", _ARCHIVE),
    (rb"\xff\xfe|\xfe\xff|[ -~]?\0[ -~]\0", "UTF-16 or UTF-32", "Convert it to UTF-8"),
    (rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\"])", "JSON", "Load it with json.load, and pass a dict of vectors"),
    (rb"(?i)\s*<(?:!doctype|html|\?xml)", "HTML or XML page", "Download the vector file itself"),
    (rb"version https://git-lfs", "pointer of Git LFS", "Run git lfs pull to get the file"),
]


def other_format(head: bytes) -> str | None:
    """Return the end of a sentence that names the format of a file and says how to load it, or None.

    Parameters
    ----------
    head : bytes
        First bytes of the (decompressed) file, at least 300 if it has them.
    """
    for pattern, name, remedy in _OTHER_FORMATS:
        if re.match(pattern, head):
            return f"has another format: {name}. {remedy}."
    return None


@contextmanager
def open_decompressed(path: Any) -> Iterator[BinaryIO]:
    """Open a file for reading; errors of the decompression name the file."""
    if os.path.isdir(path):
        raise IsADirectoryError(f"{os.fspath(path)} is a folder. Give the path of a vector file in it.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f"{os.fspath(path)} must be a regular file, because it is read more than once.")
    try:
        with _open(path) as stream:
            yield stream
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError) as error:
        if getattr(error, "errno", None) is not None:  # for example, no permission
            raise
        raise ValueError(
            f"{os.fspath(path)} cannot be decompressed: {error}. Check that the file is complete."
        ) from error


def _open(path: Any) -> BinaryIO:
    """Return the decompressed bytes of a file as a buffered stream."""
    with open(path, "rb") as file:
        magic = file.read(10)
    if magic.startswith(b"\x1f\x8b"):
        raw: Any = gzip.open(path)
    elif magic.startswith(b"\xfd7zXZ"):
        raw = lzma.open(path)
    elif re.match(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)", magic):
        raw = bz2.open(path)
    elif magic.startswith(b"\x28\xb5\x2f\xfd"):
        raw = _open_zstd(path)
    elif magic.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raw = _open_zip(path)
    else:
        return open(path, "rb", buffering=BLOCK_BYTES)
    return io.BufferedReader(raw, BLOCK_BYTES)


def _open_zstd(path: Any) -> Any:
    try:
        from pyarrow import input_stream  # type: ignore[import-untyped]
    except ImportError:
        raise ValueError(
            f"{os.fspath(path)} is compressed by zstd, which pyarrow reads. Install pyarrow, or decompress "
            "the file with `zstd -d`."
        ) from None
    return input_stream(os.fspath(path), compression="zstd")


def _open_zip(path: Any) -> Any:
    """Return the only file of a zip archive."""
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
    formats = [(r"\.npy$", *_NUMPY), (r"/data\.pkl$", *_TORCH)]
    for pattern, name, remedy in formats:
        if any(re.search(pattern, member) for member in names):
            archive.close()
            raise ValueError(f"{os.fspath(path)} has another format: {name}. {remedy}.")
    if len(names) != 1:
        archive.close()
        listed = f" ({', '.join(names[:5])})" if names else ""
        raise ValueError(
            f"{os.fspath(path)} must hold one file. Got {len(names)} files{listed}. Extract the one to read."
        )
    try:
        return archive.open(names[0])
    except RuntimeError as error:  # encrypted, or compressed by a method that Python does not know
        archive.close()
        raise ValueError(f"{os.fspath(path)} cannot be read: {error}. Extract the file from it.") from None
