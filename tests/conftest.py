"""Settings of the test session."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # The workers share the cores: one thread each, before NumPy and TensorFlow are loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

# Time limits per example fail on a busy machine; the same examples everywhere.
settings.register_profile("skrnn", deadline=None, derandomize=True)
settings.load_profile("skrnn")
