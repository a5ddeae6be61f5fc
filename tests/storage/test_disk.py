"""Test paths, permissions, pipes and concurrent writing of files."""

import errno
import io
import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from skrnn.storage import FileError, disk, read, write

posix = pytest.mark.skipif(os.name != "posix", reason="needs the files of POSIX")
in_each_way = pytest.mark.parametrize("unnamed", [True, False])


@pytest.fixture
def no_unnamed_files(unnamed, monkeypatch):
    """Write as on a system without unnamed files, if a test asks for it."""
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)


@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
def test_threads_can_write_one_path_at_the_same_time(tmp_path):
    path, errors = tmp_path / "file", []

    def save(number):
        try:
            for _ in range(15):
                write(path, "test", np.full(100, number))
                assert len(set(read(path, "test").tolist())) == 1
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=save, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and os.listdir(tmp_path) == ["file"]


@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
def test_a_file_that_is_replaced_during_a_save_is_not_truncated(tmp_path, monkeypatch):
    path, other = tmp_path / "file", tmp_path / "other"
    write(path, "test", 1)
    write(other, "test", 2)
    content, existing_file = other.read_bytes(), disk._existing_file

    def existing_file_before_a_replacement(name):
        found = existing_file(name)
        if other.exists():
            os.replace(other, path)
        return found

    monkeypatch.setattr(disk, "_existing_file", existing_file_before_a_replacement)
    with other.open("rb") as reader:
        write(path, "test", 3)
        assert reader.read() == content
    assert read(path, "test") == 3


@pytest.mark.slow
def test_processes_can_write_one_path_at_the_same_time(tmp_path):
    code = (
        "from skrnn.storage import read, write\n"
        "for i in range(100):\n"
        f"    write({str(tmp_path / 'file')!r}, 'test', list(range(500)))\n"
        f"    assert len(read({str(tmp_path / 'file')!r}, 'test')) == 500\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert os.listdir(tmp_path) == ["file"]


@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
def test_other_files_of_the_folder_are_left_alone(tmp_path):
    for name in ("file.part", "file.tmp", ".file"):
        (tmp_path / name).write_text("mine")
    write(tmp_path / "file", "test", 1)
    assert sorted(os.listdir(tmp_path)) == [".file", "file", "file.part", "file.tmp"]
    assert (tmp_path / "file.part").read_text() == "mine"


@posix
@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
def test_existing_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "file"
    for mode in (0o600, 0o664, 0o666, 0o640):
        path.touch()
        path.chmod(mode)
        write(path, "test", 1)
        assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
def test_new_file_has_the_permissions_that_the_umask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        write(tmp_path / "file", "test", 1)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root gives files away")
def test_existing_file_keeps_its_owner(tmp_path):
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 1234, 4321)
    write(path, "test", 1)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


@posix
def test_group_that_cannot_be_kept_loses_its_permissions(tmp_path, monkeypatch):
    """Otherwise the members of another group could read the file."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(0o640)
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(path, -1, 4321)
    monkeypatch.delattr(os, "fchown")
    write(path, "test", 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@posix
def test_write_protected_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("mine")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everything
    with pytest.raises(PermissionError, match=f"write-protected: '{path}'"):
        write(path, "test", 1)
    assert path.read_text() == "mine" and os.listdir(tmp_path) == ["file"]


@posix
def test_link_to_a_missing_file_is_followed(tmp_path):
    os.symlink("file", tmp_path / "link")
    write(tmp_path / "link", "test", 1)
    assert os.path.islink(tmp_path / "link") and read(tmp_path / "file", "test") == 1


@posix
def test_pipe_is_written_to_and_not_read(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    copies = []
    reader = threading.Thread(target=lambda: copies.append(path.read_bytes()))
    reader.start()
    write(path, "test", 1)
    reader.join()
    write(tmp_path / "file", "test", 1)
    assert copies == [(tmp_path / "file").read_bytes()]
    assert stat.S_ISFIFO(path.stat().st_mode)
    with pytest.raises(FileError, match=f"^{path} cannot be loaded: it is a pipe or a device. Copy its"):
        read(path, "test")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the devices of Linux")
def test_device_is_written_to_and_not_replaced():
    write("/dev/null", "test", 1)
    with pytest.raises(OSError, match="/dev/full") as info:
        write("/dev/full", "test", 1)
    assert info.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode) and stat.S_ISCHR(os.stat("/dev/full").st_mode)
    with pytest.raises(FileError, match="it is a pipe or a device"):
        read("/dev/zero", "test")


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="needs the devices of Linux")
@pytest.mark.parametrize("to_file", [True, False])
def test_standard_output_is_written_to(tmp_path, to_file):
    write(tmp_path / "file", "test", 1)
    command = [sys.executable, "-c", "import skrnn.storage as s; s.write('/dev/stdout', 'test', 1)"]
    if to_file:
        with open(tmp_path / "out", "wb") as out:
            subprocess.run(command, stdout=out, check=True)
        found = (tmp_path / "out").read_bytes()
    else:
        found = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert found == (tmp_path / "file").read_bytes()


class BytesPath:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return os.fsencode(self.path)


@pytest.mark.parametrize("kind", [str, os.fsencode, Path, BytesPath])
def test_every_kind_of_path_is_accepted(tmp_path, kind):
    path = kind(str(tmp_path / "file"))
    write(path, "test", 1)
    assert read(path, "test") == 1 and os.listdir(tmp_path) == ["file"]


@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
@pytest.mark.parametrize("name", [b"f" * 252, b"f" * 255, b"\xff\xfe", "Grüße 电影".encode(), b"a\nb", b"f"])
def test_every_name_that_the_system_allows_is_accepted(tmp_path, name):
    path = os.path.join(os.fsencode(tmp_path), name)
    try:
        open(path, "wb").close()
    except OSError:
        pytest.skip("this file system does not allow the name")
    os.unlink(path)
    write(path, "test", 1)
    write(path, "test", 2)
    assert read(os.fsdecode(path), "test") == 2 and os.listdir(os.fsencode(tmp_path)) == [name]


@pytest.mark.parametrize("use", [lambda path: write(path, "test", 1), lambda path: read(path, "test")])
def test_path_that_is_none_is_refused(tmp_path, use, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path), "new/", b"."):
        with pytest.raises(IsADirectoryError, match=r"The path is a folder; pass the path of a file in it"):
            use(path)
    with pytest.raises(FileNotFoundError):
        use("")
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "none" / "file"))):
        use(tmp_path / "none" / "file")
    with pytest.raises(OSError, match="File name too long"):
        use("f" * 256)
    with pytest.raises(ValueError, match=r"path cannot hold a NUL character. Got 'a\\x00b'") as info:
        use("a\0b")
    assert not isinstance(info.value, FileError)
    for path in (io.BytesIO(), 1, None):
        with pytest.raises(TypeError, match=f"bytes or os.PathLike. Got {type(path).__name__}. For an open"):
            use(path)
    assert os.listdir(tmp_path) == []


def test_missing_folder_is_named(tmp_path):
    path = tmp_path / "none" / "file"
    with pytest.raises(FileNotFoundError, match=f"The folder does not exist: '{path}'"):
        write(path, "test", 1)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="file cannot be loaded: it is empty"):
        read(tmp_path / "file", "test")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs the users of POSIX")
@in_each_way
@pytest.mark.usefixtures("no_unnamed_files")
def test_folder_that_is_read_only_is_named(tmp_path):
    write(tmp_path / "file", "test", 1)
    tmp_path.chmod(0o555)
    tmp_path.parent.chmod(0o755)
    user, code = os.geteuid(), 65534
    try:
        if user == 0:
            os.seteuid(code)
        with pytest.raises(PermissionError, match=re.escape(f"'{tmp_path / 'new'}'")):
            write(tmp_path / "new", "test", 2)
        with pytest.raises(PermissionError):
            write(tmp_path / "file", "test", 2)
    finally:
        os.seteuid(user)
        tmp_path.chmod(0o755)
    assert read(tmp_path / "file", "test") == 1 and os.listdir(tmp_path) == ["file"]
