"""The choice between compiled loops and NumPy or Keras."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skrnn.kernels import MIN_TOKENS, choice, has_loop, use_compiled
from skrnn.serve.cells import CELLS

try:
    import numba
except ImportError:
    numba = None
needs_numba = pytest.mark.skipif(numba is None, reason="Numba is not installed")


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Forget what other tests have set and found."""
    monkeypatch.delenv("SKRNN_COMPILED", raising=False)
    choice._obstacle.cache_clear()
    yield
    choice._obstacle.cache_clear()


def test_every_recurrent_cell_has_a_loop():
    assert all(map(has_loop, CELLS)) and not has_loop("no_such_cell")


@needs_numba
def test_by_default_training_and_large_calls_are_compiled():
    assert use_compiled("gru", "tanh")
    assert use_compiled("gru", "tanh", MIN_TOKENS)
    assert not use_compiled("gru", "tanh", MIN_TOKENS - 1)


@needs_numba
def test_always_compiles_calls_of_any_size(monkeypatch):
    monkeypatch.setenv("SKRNN_COMPILED", "always")
    assert use_compiled("simple_rnn", "tanh", 1)
    assert use_compiled("simple_rnn", "tanh")


def test_never_compiles_nothing(monkeypatch):
    monkeypatch.setenv("SKRNN_COMPILED", "never")
    assert not use_compiled("gru", "tanh", MIN_TOKENS)
    assert not use_compiled("gru", "tanh")


@pytest.mark.parametrize("setting", ["auto", "always"])
@pytest.mark.parametrize(("cell", "activation"), [("gru", "relu"), ("self_attention", "tanh")])
def test_cells_and_activations_without_a_loop_are_not_compiled(cell, activation, setting, monkeypatch):
    monkeypatch.setenv("SKRNN_COMPILED", setting)
    assert not use_compiled(cell, activation, MIN_TOKENS)
    assert not use_compiled(cell, activation)


@pytest.mark.parametrize("setting", ["", "1", "Always"])
def test_unknown_settings_are_errors(setting, monkeypatch):
    monkeypatch.setenv("SKRNN_COMPILED", setting)
    with pytest.raises(
        ValueError, match=f"SKRNN_COMPILED must be 'auto', 'always' or 'never'; got '{setting}'"
    ):
        use_compiled("gru", "relu", 1)


@pytest.mark.parametrize(
    ("module", "reason"),
    [("numba", "Numba is not installed"), ("skrnn.kernels.loops", "ModuleNotFoundError")],
)
def test_numba_that_cannot_be_imported(module, reason, monkeypatch):
    if module != "numba":
        pytest.importorskip("numba")
    monkeypatch.setitem(sys.modules, module, None)
    assert not use_compiled("gru", "tanh", MIN_TOKENS)
    assert not use_compiled("gru", "tanh")
    monkeypatch.setenv("SKRNN_COMPILED", "always")
    with pytest.raises(RuntimeError, match=f"the loop of cell 'gru' cannot be compiled: {reason}"):
        use_compiled("gru", "tanh", 1)


def run(code, folder, monkeypatch, **variables):
    """Run code in a process that has a copy of the kernels alone; return what it prints."""
    if not folder.exists():
        shutil.copytree(
            Path(choice.__file__).parent,
            folder / "skrnn/kernels",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        (folder / "skrnn/__init__.py").touch()
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SERVES = """
import sys
from skrnn.kernels import use_compiled
print(use_compiled('gru', 'tanh', 9), 'numba' in sys.modules)
"""
TRAINS = """
from skrnn.kernels import use_compiled
try:
    print(use_compiled('simple_rnn', 'tanh'))
except RuntimeError as error:
    print(error)
"""


def test_small_calls_do_not_import_numba(tmp_path, monkeypatch):
    assert run(SERVES, tmp_path / "copy", monkeypatch) == "False False"


@needs_numba
def test_disabled_compiler(tmp_path, monkeypatch):
    assert run(TRAINS, tmp_path / "copy", monkeypatch, NUMBA_DISABLE_JIT="1") == "False"
    found = run(TRAINS, tmp_path / "copy", monkeypatch, SKRNN_COMPILED="always")
    assert "the environment variable NUMBA_DISABLE_JIT is set" in found


STATE = """
import numpy as np
from skrnn.kernels.loops import loop, panels
h = np.zeros((1, 1), np.float32)
none, one, starts = np.empty((0, 1), np.float32), np.ones((1, 1), np.float32), np.arange(2)
loop('simple_rnn')(
    one, starts[:1], starts, panels(one), one[0], np.float32(1), 0, 0, False, h, h, none, none, none, none
)
print(h[0, 0])
"""


@needs_numba
def test_without_a_folder_for_the_cache_each_process_compiles(tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    run("", folder, monkeypatch)  # makes the copy
    cache = folder / "skrnn/kernels/__pycache__"
    shutil.rmtree(cache, ignore_errors=True)
    cache.touch()  # a file where the folder would be
    nowhere = str(cache / "nowhere")
    found = run(STATE, folder, monkeypatch, HOME=nowhere, XDG_CACHE_HOME=nowhere, LOCALAPPDATA=nowhere)
    assert float(found) == pytest.approx(0.7615942)


@pytest.mark.slow  # compiles twice
@needs_numba
def test_change_of_a_shared_file_compiles_anew(tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    assert float(run(STATE, folder, monkeypatch)) == pytest.approx(0.7615942)
    assert list((folder / "skrnn/kernels/__pycache__").glob("*.nbc"))
    gates = folder / "skrnn/kernels/gates.py"
    gates.write_text(gates.read_text().replace("return x * p / q", "return x * p / q * HALF"))
    assert float(run(STATE, folder, monkeypatch)) == pytest.approx(0.7615942 / 2)
