"""Open files for reading, and write them completely or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from typing import Any, NoReturn

from skrnn.storage.encoding import FileError

PathType = str | bytes | os.PathLike


def path_of_file(path: PathType) -> str:
    """Return the path of a file as a str.

    Parameters
    ----------
    path : str, bytes or PathLike
        The path. Bytes that are no UTF-8 become surrogates, as everywhere in
        Python.

    Raises
    ------
    TypeError
        If `path` is not a path, for example an open file.
    ValueError
        If it holds a NUL character.
    OSError
        If it is empty, or names a folder.
    """
    if not isinstance(path, PathType):
        raise TypeError(
            f"path must be a str, bytes or os.PathLike. Got {type(path).__name__}. For an open file or a "
            "buffer, use a file in a tempfile.TemporaryDirectory and copy its bytes."
        )
    name = os.fsdecode(path)
    if "\0" in name:
        raise ValueError(f"path cannot hold a NUL character. Got {name!r}.")
    if not name:
        _raise(errno.ENOENT, "The path is empty", name)
    if os.path.isdir(name) or not os.path.basename(name):
        _raise(errno.EISDIR, "The path is a folder; pass the path of a file in it", name)
    return name


def _raise(code: int, message: str, path: str) -> NoReturn:
    raise OSError(code, message, path)


def open_file(path: str) -> BufferedReader:
    """Open a file for reading. A pipe or a device is refused, because reading it could take forever.

    Raises
    ------
    FileError
        If the path is not that of a file.
    OSError
        If the file cannot be opened.
    """
    # Opening a pipe would wait for a writer.
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileError("it is a pipe or a device. Copy its content to a file and load that")
    return file


def write_file(path: str, chunks: Iterable[Any]) -> None:
    """Write a new file, flush it to the disk and rename it to `path`.

    On failure the old file stays and nothing else does. On Linux the new
    file has no name until it is complete, so even a killed process leaves
    nothing behind. Symbolic links are followed. The permissions of an
    existing file are kept, and its owner where the system allows it. Pipes
    and devices are written to and never replaced.
    """
    target = os.path.realpath(path)
    try:
        old = _existing_file(path)
        if old is not None and not _is_replaceable(old, target):
            with open(path, "wb") as file:
                file.writelines(chunks)
            return
        if not os.path.isdir(os.path.dirname(target)):
            _raise(errno.ENOENT, "The folder does not exist", path)
        if old is not None and not os.access(target, os.W_OK):
            _raise(errno.EACCES, "The file is write-protected", path)
        _replace(target, old, chunks)
    except OSError as error:  # name the file that the user knows, not the temporary one
        error.filename, error.filename2 = path, None
        raise


def _existing_file(path: str) -> os.stat_result | None:
    """Return the status of a file, of a link's target, or None."""
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _is_replaceable(old: os.stat_result, target: str) -> bool:
    """Return whether a rename can replace a file: it is regular, and `target` is its name.

    The target of /dev/stdout can be a pipe or a deleted file, which have no name. The file under the name may
    be another one by now, if another thread has just replaced it.
    """
    return stat.S_ISREG(old.st_mode) and os.path.exists(target)


def _replace(target: str, old: os.stat_result | None, chunks: Iterable[Any]) -> None:
    folder = os.path.dirname(target)
    part = os.path.join(folder, f".skrnn-{secrets.token_hex(8)}")  # of its own, and shorter than any limit
    mode = 0o666 if old is None else stat.S_IMODE(old.st_mode)  # before the umask
    with _open_folder(folder) as folder_number:
        try:
            number, is_unnamed = _create(folder, part, mode, may_be_unnamed=folder_number is not None)
            with open(number, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                if old is not None:
                    _keep_permissions(number, old, mode)
                os.fsync(number)
                if is_unnamed:
                    # With a directory descriptor, os.link follows the link in /proc to the file itself.
                    os.link(f"/proc/self/fd/{number}", part, src_dir_fd=folder_number)
            os.replace(part, target)
            if folder_number is not None:
                os.fsync(folder_number)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise


@contextmanager
def _open_folder(folder: str) -> Iterator[int | None]:
    """Yield a descriptor of a folder; None on systems other than Linux, and where it cannot be read."""
    number = None
    if hasattr(os, "O_TMPFILE"):
        with suppress(PermissionError):
            number = os.open(folder, os.O_RDONLY)
    try:
        yield number
    finally:
        if number is not None:
            os.close(number)


def _create(folder: str, part: str, mode: int, *, may_be_unnamed: bool) -> tuple[int, bool]:
    """Return the descriptor of a new file, and whether it has no name. Otherwise its name is `part`."""
    if may_be_unnamed and os.path.isdir("/proc/self/fd"):
        with suppress(OSError):  # not every file system has unnamed files
            return os.open(folder, os.O_TMPFILE | os.O_WRONLY, mode), True
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return os.open(part, flags, mode), False


def _keep_permissions(number: int, old: os.stat_result, mode: int) -> None:
    """Give a new file the owner, the group and the mode of the file that it replaces."""
    if hasattr(os, "fchown"):
        for owner, group in ((old.st_uid, -1), (-1, old.st_gid)):
            with suppress(OSError):  # only root may give files away
                os.fchown(number, owner, group)
    if os.fstat(number).st_gid != old.st_gid:
        mode &= ~0o070  # the new group had no access to the old file
    if hasattr(os, "fchmod"):
        os.fchmod(number, mode)
