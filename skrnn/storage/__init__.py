"""The file format: plain values and arrays in one safetensors file, read without running code."""

from skrnn.storage.container import read, write
from skrnn.storage.encoding import FileError, StoredClass

__all__ = ["FileError", "StoredClass", "read", "write"]
