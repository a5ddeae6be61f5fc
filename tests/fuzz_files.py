"""Damage a saved file in many ways and load each: the same comes, or our error, and nothing else happens.

Run as ``python tests/fuzz_files.py FILE CASES SEED`` by test_saving.py, in a process of its own: an audit
hook cannot be taken away again. Writes how many cases were refused.
"""

import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np

from skrnn import load, save
from skrnn.storage import container as files
from skrnn.storage.encoding import FileError

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MEMORY = 64 * 2**20
HOSTILE = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, "", "x", "__class__", "../up", "\ud800", [], {}, [[]],
    {"same": 0}, {"same": 10**9}, {"array": 0}, {"array": -1}, {"text": 0}, {"strings": [0, 0]},
    {"numbers": 0}, {"tuple": []}, {"set": [[]]}, {"dict": [["a"], []]}, {"dict": [[[]], [1]]},
    {"float": "nan"}, {"float": "x"}, {"scalar": {"array": 0}}, {"objects": ["O", [2**40], []]},
    {"viewed": ["<U1", [1], 0]}, {"viewed": ["|O", [1], 0]}, {"path": 3}, {"function": "tokenizer"},
    {"random_state": {"dict": [["bit_generator"], ["MT19937"]]}}, {"Tokens": [[], []]}, {"Spec": [[], []]},
    {"RNNTextEncoder": [["__class__"], [1]]}, {"RNNTextEncoder": [["predict"], [1]]}, {"os.system": ["x"]},
    {"a": 1, "b": 2},
]  # fmt: skip
watching, seen = False, []


def watch(event, arguments):
    if event in ("builtins.id", "object.__getattr__") or (event == "open" and not arguments[2] & WRITING):
        return  # every other event is a failure: exec, compile, import, os.*, socket.*, subprocess.*, ...
    if watching:
        seen.append((event, str(arguments)[:200]))


def places(value, where=()):
    """Return the paths of all values inside a JSON value."""
    yield where
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*where, key))


def rebuilt(data, manifest):
    """Return a file whose header and sums agree with a manifest."""
    start = 8 + int.from_bytes(data[:8], "little")
    text = json.dumps(manifest)
    try:
        return files._header(text, [entry[:3] for entry in manifest["arrays"]]) + data[start:]
    except (TypeError, ValueError, KeyError):  # no header can be made of it
        text = json.dumps({"__metadata__": {"manifest": text, "sha256": "0"}}).encode()
        return len(text).to_bytes(8, "little") + text + data[start:]


def hostile(data, rng):
    """Change one place of the manifest and make all sums right: what only an attacker does."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    manifest = json.loads(header["__metadata__"]["manifest"])
    every = list(places(manifest))[1:]
    *path, last = every[rng.integers(len(every))]
    inside = manifest
    for key in path:
        inside = inside[key]
    kind = rng.integers(4)
    if kind == 0 and isinstance(inside, dict):
        inside[f"{last}x"] = inside.pop(last)
    elif kind == 1 and isinstance(inside, list):
        inside.insert(last, inside[rng.integers(len(inside))])
    elif kind == 2:
        del inside[last]
    else:
        inside[last] = HOSTILE[rng.integers(len(HOSTILE))]
    return rebuilt(data, manifest)


def damaged(data, rng):
    """Change bytes, as a disk, a network or an editor does."""
    at, length = rng.integers(len(data)), 1 + int(2 ** rng.uniform(0, 10))
    noise = rng.integers(0, 256, length, np.uint8).tobytes()
    return [
        lambda: data[:at] + bytes([data[at] ^ (1 << rng.integers(8))]) + data[at + 1 :],
        lambda: data[:at],
        lambda: data + noise,
        lambda: data[:at] + noise + data[at:],
        lambda: data[:at] + noise + data[at + length :],
        lambda: data[:at] + data[at + length :],
        lambda: data[:at] + bytes(length) + data[at + length :],
        lambda: int(rng.integers(2**63)).to_bytes(8, "little") + data[8:],
        lambda: noise,
    ][rng.integers(9)]()


def main(path, n_cases, seed):
    global watching
    data, case, again = Path(path).read_bytes(), Path(f"{path}.case"), Path(f"{path}.again")
    rng, refused = np.random.default_rng(seed), 0
    sys.addaudithook(watch)
    tracemalloc.start()
    for i in range(n_cases):
        bad = (hostile if i % 2 else damaged)(data, rng)
        case.write_bytes(bad)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        watching, loaded = True, None
        try:
            loaded = load(case)
        except FileError:
            refused += 1
        finally:
            watching = False
        used = tracemalloc.get_traced_memory()[1] - before
        assert used < len(bad) + MEMORY, (i, used)
        assert not seen, (i, seen)
        if loaded is not None and not i % 2:  # bytes were changed, and nothing follows from it
            save(loaded, again)
            assert again.read_bytes() == data, i
    sys.stdout.write(f"{refused}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
