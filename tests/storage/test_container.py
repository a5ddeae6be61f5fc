"""Test the file format, strict reading and atomic writing."""

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from skrnn.storage import container, disk
from skrnn.storage.container import read, write
from skrnn.storage.encoding import FileError

VALUE = {"weights": {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True, False])}, "n": 2}


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "file", "test", VALUE)
    return tmp_path / "file"


def split_file(path):
    """Return the header, the manifest and the array bytes of a file."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    return header, json.loads(header["__metadata__"]["manifest"]), data[start:]


def write_parts(path, header, body):
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + body)


def replace_manifest(path, text):
    """Write another manifest with the right SHA-256 and the old arrays."""
    _, manifest, body = split_file(path)
    arrays = [(name, dtype, shape) for name, (dtype, shape, _) in manifest["arrays"].items()]
    path.write_bytes(container._build_header(text, arrays) + body)


def replace_arrays(path, edit):
    """Edit the arrays of the manifest and write the header that follows."""
    _, manifest, body = split_file(path)
    edit(manifest["arrays"])
    arrays = [(name, dtype, shape) for name, (dtype, shape, _) in manifest["arrays"].items()]
    path.write_bytes(container._build_header(json.dumps(manifest), arrays) + body)


def test_safetensors_reads_the_arrays(path):
    with safe_open(path, "numpy") as file:
        assert list(file.keys()) == ["0:weights.a", "1:weights.b"]
        np.testing.assert_array_equal(file.get_tensor("0:weights.a"), VALUE["weights"]["a"])
        assert json.loads(file.metadata()["manifest"])["format"] == 1


def test_arrays_start_at_a_multiple_of_eight_bytes(tmp_path):
    for n in range(1, 9):
        write(tmp_path / "file", "test", {"a" * n: np.ones(1)})
        assert int.from_bytes((tmp_path / "file").read_bytes()[:8], "little") % 8 == 0


def test_new_file_has_default_permissions(path):
    plain = path.with_name("plain")
    plain.touch()
    assert path.stat().st_mode == plain.stat().st_mode


def test_loaded_arrays_are_writeable(path):
    array = read(path, "test")["weights"]["a"]
    array += 1
    assert array.flags.c_contiguous and array[0, 0] == 1


@pytest.mark.parametrize("beyond", [1, 8, 2**40])
@pytest.mark.parametrize("more", [b"", b"8 bytes."])
def test_header_longer_than_file_is_refused(path, beyond, more):
    data = path.read_bytes() + more
    length = len(data) - 8 + beyond
    path.write_bytes(length.to_bytes(8, "little") + data[8:])
    with pytest.raises(
        FileError, match=rf"truncated or .* \(it has {len(data)} bytes, its header {length}\)"
    ):
        read(path, "test")


def test_header_longer_than_the_limit_is_refused(path):
    header, _, body = split_file(path)
    write_parts(path, header | {"more": "x" * container.MAX_HEADER}, body)
    with pytest.raises(FileError, match="truncated or was not written by skrnn"):
        read(path, "test")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs the peak memory of Linux")
@pytest.mark.parametrize("entry", ["0,", "[],", "{},", '"' + "x" * 12 + '",'])
def test_parsing_the_largest_header_takes_less_than_64_mb(tmp_path, entry):
    start, stop = b'{"a": [', b"0]}"
    n_values = (4 * container.MAX_VALUES - 8) // container._count_values(entry[:-1])
    n = min((container.MAX_HEADER - len(start) - len(stop)) // len(entry), n_values)
    header = start + entry.encode() * n + stop
    (tmp_path / "file").write_bytes(len(header).to_bytes(8, "little") + header)
    code = (
        "import sys\n"
        "from skrnn.storage.container import FileError, read\n"
        "def memory(name):\n"
        "    line = next(line for line in open('/proc/self/status') if line.startswith(name))\n"
        "    return int(line.split()[1]) * 1024\n"
        "open('/proc/self/clear_refs', 'w').write('5')\n"
        "before = memory('VmRSS')\n"
        "try:\n"
        f"    read({str(tmp_path / 'file')!r}, 'test')\n"
        "except FileError:\n"
        "    sys.stdout.write(str(memory('VmHWM') - before))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, check=True)
    assert int(done.stdout) < 64 * 2**20


def test_empty_arrays_are_read(tmp_path):
    value = {"a": np.zeros((0, 3), np.float32), "b": np.arange(2), "c": np.zeros(0, bool)}
    write(tmp_path / "file", "test", value)
    found = read(tmp_path / "file", "test")
    assert found["a"].shape == (0, 3) and found["b"].tolist() == [0, 1] and found["c"].shape == (0,)


def test_array_name_may_contain_lone_surrogates(tmp_path):
    write(tmp_path / "file", "test", {"\ud800": np.arange(2)})
    assert read(tmp_path / "file", "test")["\ud800"].tolist() == [0, 1]


def test_truncated_file_is_refused(path):
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        with pytest.raises(FileError, match=f"^{path} cannot be loaded"):
            read(path, "test")


def test_changed_bit_is_refused(path):
    data = path.read_bytes()
    for i in range(len(data)):
        path.write_bytes(data[:i] + bytes([data[i] ^ 4]) + data[i + 1 :])
        with pytest.raises(FileError, match=f"^{path} cannot be loaded"):
            read(path, "test")


MANIFEST_CHANGES = {
    "version": (lambda m: m.update(format=2), "format 2, and this version of skrnn reads format 1"),
    "no version": (lambda m: m.pop("format"), "format None"),
    "missing entry": (lambda m: m.pop("functions"), "entries .*'value'"),
    "extra entry": (lambda m: m.update(more=1), "entries .*'more'"),
    "other content": (lambda m: m.update(content="x"), "holds 'x', not 'test'"),
    "missing array": (lambda m: m["arrays"].popitem(), "its header and its manifest disagree"),
    "extra array": (lambda m: m["arrays"].update(more=["U8", [0], "0"]), "disagree"),
    "dtype of no array": (lambda m: m["arrays"]["0:weights.a"].__setitem__(0, "O"), "the unknown dtype 'O'"),
    "huge size": (lambda m: m["arrays"]["0:weights.a"].__setitem__(1, [2**48, 0]), "invalid shape"),
    "negative size": (lambda m: m["arrays"]["0:weights.a"].__setitem__(1, [-2, -3]), "invalid shape"),
    "dimensions": (lambda m: m["arrays"]["0:weights.a"].__setitem__(1, [1] * 33), "invalid shape"),
    "true": (lambda m: m["arrays"]["0:weights.a"].__setitem__(1, [True, 6]), "invalid shape"),
    "fraction": (lambda m: m["arrays"]["0:weights.a"].__setitem__(1, [2.0, 3]), "invalid shape"),
    "list of arrays": (lambda m: m.update(arrays=[]), "is damaged"),
    "unknown array": (lambda m: m.update(value={"array": "9"}), "'9' is missing or is used twice"),
    "wrong dtype": (lambda m: m.update(value={"text": "0:weights.a"}), "dtype float32 where U8 is expected"),
    "unknown tag": (lambda m: m.update(value={"os.system": "x"}), "unknown tag 'os.system'"),
    "two tags": (lambda m: m.update(value={"array": 0, "text": 1}), "is damaged"),
}


@pytest.mark.parametrize("change", MANIFEST_CHANGES)
def test_invalid_manifest_is_refused_despite_its_checksum(path, change):
    edit, message = MANIFEST_CHANGES[change]
    _, manifest, _ = split_file(path)
    edit(manifest)
    replace_manifest(path, json.dumps(manifest))
    with pytest.raises(FileError, match=message):
        read(path, "test")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 1', '"format": 1, "format": 1', "repeats one of the keys"),
        ('"format": 1', '"format": NaN', "NaN is not a JSON number"),
        ('"format": 1', '"format": 1e999', "1e999 is not a JSON number"),
        ('"format": 1', '"format": ' + "[" * 5000 + "]" * 5000, r"damaged|format \[{20},"),
        ('"format": 1', '"format": [' + "0," * 70_000 + "0]", "more than 65536 values"),
    ],
)
def test_loose_json_is_refused(path, old, new, message):
    _, manifest, _ = split_file(path)
    replace_manifest(path, json.dumps(manifest).replace(old, new))
    with pytest.raises(FileError, match=message):
        read(path, "test")


ARRAY_CHANGES = {
    "checksum": (lambda a: a["0:weights.a"].__setitem__(2, "0"), "'0:weights.a' is damaged"),
    "size": (lambda a: a["0:weights.a"].__setitem__(1, [2**40, 3]), r"bytes instead of \d{14}"),
    "dtype": (lambda a: a["0:weights.a"].__setitem__(0, "F64"), "bytes instead of"),
    "empty": (lambda a: a["0:weights.a"].__setitem__(1, [2**48 - 1, 0]), "bytes instead of"),
    "order": (lambda a: a.update({"0:weights.a": a.pop("0:weights.a")}), "is damaged"),
}


@pytest.mark.parametrize("change", ARRAY_CHANGES)
def test_invalid_arrays_are_refused_despite_a_matching_header(path, change):
    edit, message = ARRAY_CHANGES[change]
    replace_arrays(path, edit)
    with pytest.raises(FileError, match=message):
        read(path, "test")


@pytest.mark.parametrize(
    "entry", [{"shape": [3, 2]}, {"dtype": "I32"}, {"data_offsets": [8, 32]}, {"more": 1}], ids=str
)
def test_header_that_disagrees_with_the_manifest_is_refused(path, entry):
    header, _, body = split_file(path)
    header["0:weights.a"].update(entry)
    write_parts(path, header, body)
    with pytest.raises(FileError, match="its header and its manifest disagree"):
        read(path, "test")


@pytest.mark.parametrize("metadata", [None, {}, {"manifest": "{}"}, {"manifest": "{}", "sha256": "0"}])
def test_missing_or_damaged_manifest_is_refused(path, metadata):
    header, _, body = split_file(path)
    header["__metadata__"] = metadata
    write_parts(path, header, body)
    with pytest.raises(FileError, match="manifest is missing or does not match its SHA-256"):
        read(path, "test")


def test_byte_that_is_not_a_bool_is_refused(tmp_path):
    write(tmp_path / "file", "test", np.array([2], np.uint8))
    replace_arrays(tmp_path / "file", lambda arrays: arrays["0:"].__setitem__(0, "BOOL"))
    with pytest.raises(FileError, match="neither True nor False"):
        read(tmp_path / "file", "test")


def test_functions_are_passed_again(tmp_path):
    write(tmp_path / "file", "test", {"tokenizer": str.split})
    with pytest.raises(FileError, match=r"by name: tokenizer \(.*str.split\)"):
        read(tmp_path / "file", "test")
    with pytest.raises(FileError, match="other was given as well"):
        read(tmp_path / "file", "test", functions={"tokenizer": str.split, "other": len})
    with pytest.raises(FileError, match="tokenizer must be a function"):
        read(tmp_path / "file", "test", functions={"tokenizer": "split"})
    assert read(tmp_path / "file", "test", functions={"tokenizer": len})["tokenizer"] is len


def test_nested_containers_count_as_values():
    with pytest.raises(FileError, match="more than 4 values"):
        container.parse_strict_json('{"a": {"b": {"c": {}}}}', 4)
    with pytest.raises(FileError, match="more than 4 values"):
        container.parse_strict_json('{"a": [1, 2, 3]}', 4)
    assert container.parse_strict_json('{"a": [{}]}', 4) == {"a": [{}]}


def test_too_many_single_values_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="The test cannot be saved: it has too many values"):
        write(tmp_path / "file", "test", [None] * 70_000)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("unnamed", [True, False])
@pytest.mark.parametrize("failing", ["write", "fsync", "link", "replace"])
def test_full_disk_leaves_only_the_old_file(path, monkeypatch, failing, unnamed):
    """The first call of a function fails, then its second call, and so on."""
    if failing == "link" and not unnamed:
        pytest.skip("only an unnamed file is linked")
    if not unnamed:
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
            patch.setattr(disk, "open", lambda *args: Disk(open(*args)), raising=False)
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
            assert after == old or (failing == "fsync" and n > 0), "only the last fsync runs after the rename"
        assert 0 < n < 9
    assert read(path, "test")["other"].tolist() == [0, 0, 0]


def test_symbolic_link_is_followed(path, tmp_path):
    os.symlink(path, tmp_path / "link")
    write(tmp_path / "link", "test", 1)
    assert os.path.islink(tmp_path / "link") and read(path, "test") == 1


def test_missing_file_or_folder_raises_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none", "test")
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "file", "test", 1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs unnamed files")
def test_killed_process_leaves_only_the_old_file(tmp_path):
    """Kill 100 processes while they write a file of 40 MB."""
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
        if path.read_bytes() != old:  # the process was faster than the signal
            finished += 1
            assert len(read(path, "test")) == 10_000_000
        process.stdout.close()
    assert finished < 90
