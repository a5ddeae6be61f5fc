"""Load damaged copies of a saved file and check that nothing bad happens.

Each copy must load as the original or raise a FileError. It must run no
code, write nothing, and use little memory. Run as
``python tests/storage/fuzz_files.py FILE N_CASES SEED``. test_estimators.py
runs it in a process of its own, because an audit hook cannot be removed.
Prints how many copies were refused.
"""

import hashlib
import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np

from skrnn import load, save
from skrnn.storage.encoding import FileError

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
MAX_MEMORY = 64 * 2**20  # bytes beyond the size of the file
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HOSTILE = [
    None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, "", "x", "__class__", "../up", "\ud800", [], {}, [[]],
    [2**40, 2**40], [0] * 1000, "F64", "BF16", "F4", {"same": 0}, {"same": 10**9}, {"array": "ARRAY"},
    {"array": -1}, {"text": "ARRAY"}, {"strings": ["ARRAY", "ARRAY"]}, {"numbers": "ARRAY"},
    [{"numbers": "ARRAY"}] * 1000, {"tuple": []}, {"set": [[]]}, {"dict": [["a"], []]}, {"dict": [[[]], [1]]},
    {"float": "nan"}, {"float": "x"}, {"scalar": {"array": "ARRAY"}}, {"objects": ["O", [2**40], []]},
    {"integers": ["<U1", [1], "ARRAY"]}, {"integers": ["|O", [1], "ARRAY"]}, {"path": 3},
    {"function": "tokenizer"}, {"random_state": {"dict": [["bit_generator"], ["MT19937"]]}},
    {"Tokens": [[], []]}, {"Spec": [[], []]}, {"RNNTextEncoder": [["__class__"], [1]]},
    {"RNNTextEncoder": [["predict"], [1]]}, {"os.system": ["x"]}, {"a": 1, "b": 2},
]  # fmt: skip
HARMLESS_EVENTS = ("builtins.id", "object.__getattr__")
watching, events = False, []


def watch(event, arguments):
    """Record every audit event that is not harmless, such as exec or import."""
    reads_a_file = event == "open" and not arguments[2] & WRITE_FLAGS
    if watching and event not in HARMLESS_EVENTS and not reads_a_file:
        events.append((event, str(arguments)[:200]))


def memory(name):
    """Return VmRSS or VmHWM, the current or the peak memory of this process."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def places(value, where=()):
    """Yield the paths of all values inside a JSON value."""
    yield where
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*where, key))


def change_one_place(value, names, rng):
    """Rename, duplicate, delete or replace one part of a JSON value in place."""
    every = list(places(value))[1:]
    *path, last = every[rng.integers(len(every))]
    inside = value
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
        text = json.dumps(HOSTILE[rng.integers(len(HOSTILE))])
        inside[last] = json.loads(text.replace("ARRAY", names[rng.integers(len(names))]))


def forge(data, rng):
    """Change the manifest or the header and correct the checksum, as an attacker does."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    text, names = header.pop("__metadata__")["manifest"], list(header)
    if rng.integers(3):
        manifest = json.loads(text)
        change_one_place(manifest, names, rng)
        text = json.dumps(manifest)
    else:
        change_one_place(header, names, rng)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    head = json.dumps({"__metadata__": {"manifest": text, "sha256": checksum}, **header}).encode()
    return len(head).to_bytes(8, "little") + head + data[start:]


def damage(data, rng):
    """Change bytes, as a faulty disk, network or editor does."""
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


def load_watched(path):
    """Return the loaded estimator or None, and the bytes that loading needed."""
    global watching
    if CLEAR.exists():
        CLEAR.write_text("5")  # the peak starts anew
    resident = memory("VmRSS") if CLEAR.exists() else 0
    tracemalloc.reset_peak()
    traced = tracemalloc.get_traced_memory()[0]
    watching, loaded = True, None
    try:
        loaded = load(path)
    except FileError:
        pass
    finally:
        watching = False
    traced = tracemalloc.get_traced_memory()[1] - traced
    return loaded, max(traced, memory("VmHWM") - resident if CLEAR.exists() else 0)


def main(path, n_cases, seed):
    data, case, again = Path(path).read_bytes(), Path(f"{path}.case"), Path(f"{path}.again")
    rng, n_refused = np.random.default_rng(seed), 0
    sys.addaudithook(watch)
    tracemalloc.start()
    for i in range(n_cases):
        forged = i % 2 == 1
        bad = (forge if forged else damage)(data, rng)
        case.write_bytes(bad)
        loaded, used = load_watched(case)
        assert used < len(bad) + MAX_MEMORY, (i, used)
        assert not events, (i, events)
        n_refused += loaded is None
        if loaded is not None and not forged:
            save(loaded, again)
            assert again.read_bytes() == data, i
    sys.stdout.write(f"{n_refused}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
