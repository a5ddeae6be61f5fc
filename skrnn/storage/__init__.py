"""The file format: plain values and arrays in one safetensors file, read without running code."""

from skrnn.storage.container import read, write
from skrnn.storage.encoding import FileError, Kind

__all__ = ["FileError", "Kind", "read", "write"]
