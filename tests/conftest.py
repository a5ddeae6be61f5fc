"""Settings of the test session."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Workers share the cores, so each gets one thread. NumPy and TensorFlow read this at import.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import Phase, settings

# A busy machine breaks time limits per example. Every run draws the same examples.
settings.register_profile("skrnn", deadline=None, derandomize=True)
# A mutant is killed by the first failing example, so nothing is gained by shrinking it.
settings.register_profile("mutation", settings.get_profile("skrnn"), phases=[Phase.explicit, Phase.generate])
settings.load_profile("skrnn")
