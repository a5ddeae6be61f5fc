"""The layout of a file, what is refused of it, and that writing is all or nothing."""

import errno
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors import safe_open

from skrnn.storage import container as files
from skrnn.storage.container import read, write
from skrnn.storage.encoding import FileError

VALUE = {"weights": {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}, "n": 2}


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "file", "test", VALUE)
    return tmp_path / "file"


def parts(path):
    """Return header, manifest and arrays of a file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return header, json.loads(header["__metadata__"]["manifest"]), data[start:]


def put_together(path, header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def test_other_programs_read_the_arrays(path):
    with safe_open(path, "numpy") as file:
        assert list(file.keys()) == ["0:weights.a", "1:weights.b"]
        np.testing.assert_array_equal(file.get_tensor("0:weights.a"), VALUE["weights"]["a"])
        assert json.loads(file.metadata()["manifest"])["format"] == 1


def test_arrays_stand_at_multiples_of_eight_bytes(tmp_path):
    for n in range(1, 9):
        write(tmp_path / "file", "test", {"a" * n: np.ones(1)})
        assert int.from_bytes((tmp_path / "file").read_bytes()[:8], "little") % 8 == 0


def test_a_new_file_may_be_read_by_whom_the_system_says(path):
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("beyond", [1, 8, 2**40])
@pytest.mark.parametrize("more", [b"", b"8 bytes."])
def test_a_header_that_ends_after_the_file_is_refused_unread(path, beyond, more):
    data = path.read_bytes() + more
    length = len(data) - 8 + beyond
    path.write_bytes(length.to_bytes(8, "little") + data[8:])
    with pytest.raises(FileError, match=f"cut off, or no file of skrnn: {len(data)} bytes"):
        read(path, "test")


def test_arrays_may_be_empty(tmp_path):
    value = {"a": np.zeros((0, 3), np.float32), "b": np.arange(2)}
    write(tmp_path / "file", "test", value)
    found = read(tmp_path / "file", "test")
    assert found["a"].shape == (0, 3) and found["b"].tolist() == [0, 1]


def test_a_file_that_is_cut_anywhere_is_refused(path):
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(FileError, match=f"^{path}"):
            read(path, "test")


def test_a_bit_that_is_changed_anywhere_is_refused(path):
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 4]) + data[i + 1 :])
        with pytest.raises(FileError, match=f"^{path}"):
            read(path, "test")


CHANGES = {
    "version": (lambda m: m.update(format=2), "format 2, and this version of skrnn reads format 1"),
    "no version": (lambda m: m.pop("format"), "format None"),
    "missing key": (lambda m: m.pop("functions"), "entries .*'value'"),
    "extra key": (lambda m: m.update(more=1), "entries .*'more'"),
    "other content": (lambda m: m.update(content="x"), "holds 'x', not 'test'"),
    "size": (lambda m: m["arrays"][0].__setitem__(2, [2**40, 3]), r"bytes and should have \d{14}"),
    "largest size": (lambda m: m["arrays"][0].__setitem__(2, [2**48 - 1, 0]), "disagree|should have"),
    "larger size": (lambda m: m["arrays"][0].__setitem__(2, [2**48, 0]), "shape"),
    "negative size": (lambda m: m["arrays"][0].__setitem__(2, [-2, -3]), "shape"),
    "dimensions": (lambda m: m["arrays"][0].__setitem__(2, [1] * 33), "shape"),
    "truth": (lambda m: m["arrays"][0].__setitem__(2, [True, 6]), "shape"),
    "fraction": (lambda m: m["arrays"][0].__setitem__(2, [2.0, 3]), "shape"),
    "dtype": (lambda m: m["arrays"][0].__setitem__(1, "O"), "described as 'O'"),
    "other dtype": (lambda m: m["arrays"][0].__setitem__(1, "F64"), "should have"),
    "sum": (lambda m: m["arrays"][0].__setitem__(3, "0"), "'0:weights.a' is damaged"),
    "no array": (lambda m: m.update(value={"array": 9}), "damaged"),
    "wrong array": (lambda m: m.update(value={"text": 0}), "float32 stands where"),
    "unknown tag": (lambda m: m.update(value={"os.system": "x"}), "damaged"),
    "two tags": (lambda m: m.update(value={"array": 0, "text": 1}), "damaged"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_wrong_manifest_is_refused_even_with_a_right_sum(path, change):
    edit, message = CHANGES[change]
    _, manifest, body = parts(path)
    arrays = [entry[:3] for entry in manifest["arrays"]]
    edit(manifest)
    if change in ("size", "other dtype"):
        arrays = [entry[:3] for entry in manifest["arrays"]]
    path.write_bytes(files._header(json.dumps(manifest), arrays) + body)
    with pytest.raises(FileError, match=message):
        read(path, "test")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 1', '"format": 1, "format": 1', "stands twice"),
        ('"format": 1', '"format": NaN', "NaN is no number"),
        ('"format": 1', '"format": 1e999', "1e999 is no number"),
        ('"format": 1', '"format": ' + "[" * 5000 + "]" * 5000, r"damaged|format \[{20},"),
        ('"format": 1', '"format": [' + "0," * 70_000 + "0]", "more than 65536 values"),
    ],
)
def test_loose_json_is_refused(path, old, new, message):
    _, manifest, body = parts(path)
    text = json.dumps(manifest).replace(old, new)
    path.write_bytes(files._header(text, [entry[:3] for entry in manifest["arrays"]]) + body)
    with pytest.raises(FileError, match=message):
        read(path, "test")


def test_a_header_that_disagrees_with_the_manifest_is_refused(path):
    header, _, body = parts(path)
    header["0:weights.a"]["shape"] = [3, 2]
    put_together(path, header, body)
    with pytest.raises(FileError, match="header and its manifest disagree"):
        read(path, "test")


def test_a_header_of_too_many_values_is_refused(path):
    header, _, body = parts(path)
    put_together(path, header | {"more": [0] * 300_000}, body)
    with pytest.raises(FileError, match="more than 262144 values"):
        read(path, "test")


def test_a_bool_of_another_byte_is_refused(tmp_path):
    write(tmp_path / "file", "test", np.array([2], np.uint8))
    _, manifest, body = parts(tmp_path / "file")
    manifest["arrays"][0][1] = "BOOL"
    header = files._header(json.dumps(manifest), [entry[:3] for entry in manifest["arrays"]])
    (tmp_path / "file").write_bytes(header + body)
    with pytest.raises(FileError, match="no bool"):
        read(tmp_path / "file", "test")


def test_functions_are_given_again(tmp_path):
    write(tmp_path / "file", "test", {"tokenizer": str.split})
    with pytest.raises(FileError, match=r"by name: tokenizer \(.*str.split\)"):
        read(tmp_path / "file", "test")
    with pytest.raises(FileError, match="other as well"):
        read(tmp_path / "file", "test", functions={"tokenizer": str.split, "other": len})
    assert read(tmp_path / "file", "test", functions={"tokenizer": len})["tokenizer"] is len


def test_braces_count_as_values():
    with pytest.raises(FileError, match="more than 3"):
        files._parse('{"a": {"b": {"c": {}}}}', 3)
    with pytest.raises(FileError, match="more than 3"):
        files._parse('{"a": [1, 2, 3]}', 3)
    assert files._parse('{"a": [{}]}', 3) == {"a": [{}]}


def test_too_much_for_a_manifest_is_refused_at_once(tmp_path):
    with pytest.raises(ValueError, match="too many single values"):
        write(tmp_path / "file", "test", [None] * 70_000)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("failing", ["write", "fsync", "link", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(path, monkeypatch, failing, nameless):
    """Each call that may fail fails, the first time, the second time, and so on, until none is left."""
    if failing == "link" and not nameless:
        pytest.skip("a file with a name is not linked")
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    old, calls = path.read_bytes(), {"left": 0}

    def full(call):
        def fail(*args, **kwargs):
            calls["left"] -= 1
            if calls["left"] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return call(*args, **kwargs)

        return fail

    class Disk:
        def __init__(self, file):
            self.file, self.write = file, full(file.write)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def __getattr__(self, name):
            return getattr(self.file, name)

    with monkeypatch.context() as patch:
        if failing == "write":
            patch.setattr(files, "open", lambda *args: Disk(open(*args)), raising=False)
        else:
            patch.setattr(os, failing, full(getattr(os, failing)))
        for n in range(10):
            calls["left"] = n
            try:
                write(path, "test", {"other": np.zeros(3)})
                break
            except OSError as error:
                assert error.errno == errno.ENOSPC
            assert os.listdir(path.parent) == ["file"]
            after = path.read_bytes()
            assert after == old or (failing == "fsync" and n > 0), "in place, but its name not yet on disk"
        assert 0 < n < 9
    assert read(path, "test")["other"].tolist() == [0, 0, 0]


def test_a_link_is_written_through(path, tmp_path):
    os.symlink(path, tmp_path / "link")
    write(tmp_path / "link", "test", 1)
    assert os.path.islink(tmp_path / "link") and read(path, "test") == 1


def test_a_missing_file_or_folder_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none", "test")
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "file", "test", 1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files have names while they are written")
def test_a_killed_process_leaves_the_old_file_and_nothing_else(tmp_path):
    """100 processes killed while they write; the file is 40 MB, so that there is time to."""
    path, rng = tmp_path / "file", np.random.default_rng(0)
    code = (
        "import sys, numpy as np; from skrnn.storage.container import write\n"
        "value = np.full(10_000_000, 2, np.float32)\n"
        "sys.stdout.write('ready'); sys.stdout.flush()\n"
        f"write({str(path)!r}, 'test', value)\n"
        "sys.stdout.write('done'); sys.stdout.flush()"
    )
    finished = 0
    for _ in range(100):
        write(path, "test", "old")
        old = path.read_bytes()
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        assert process.stdout.read(5) == b"ready"
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.wait()
        assert os.listdir(tmp_path) == ["file"]
        if path.read_bytes() != old:  # it was as fast as that: then all of it is there
            finished += 1
            assert len(read(path, "test")) == 10_000_000
        process.stdout.close()
    assert finished < 90
