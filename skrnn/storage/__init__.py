"""The file format: plain values and arrays in one safetensors file, read without running code."""

from skrnn.storage.container import parse_strict_json, read, write
from skrnn.storage.encoding import FileError, StoredClass
from skrnn.storage.parts import (
    check_head,
    check_network,
    check_types,
    has_type,
    require,
    stored_dataclasses,
)

__all__ = [
    "FileError",
    "StoredClass",
    "check_head",
    "check_network",
    "check_types",
    "has_type",
    "parse_strict_json",
    "read",
    "require",
    "stored_dataclasses",
    "write",
]
