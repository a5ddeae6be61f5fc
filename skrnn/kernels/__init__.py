"""Recurrent loops and matrix products compiled by Numba, and the choice to use them.

The package is optional: without it, or without Numba, NumPy serves and
Keras trains with the same results to about seven digits. This module does
not import Numba, which takes 0.6 s; :mod:`skrnn.kernels.loops` does.

Set the environment variable ``SKRNN_COMPILED`` to choose what computes:

"auto" (default)
    Compiled loops train, and serve calls of at least 262,144 tokens, where
    Numba works. Otherwise NumPy and Keras compute.
"always"
    Compiled loops serve calls of any size. If Numba does not work here, an
    error says why.
"never"
    NumPy and Keras compute.

Cells and activations without a compiled loop run in NumPy and Keras under
all three settings.

To add a cell, write a module with the name of the cell as in
:mod:`skrnn.kernels.gru`: its formula, the functions ``forward`` and
``backward``, and ``SAVED_PER_UNIT``.
"""

from skrnn.kernels.choice import MIN_TOKENS, has_loop, use_compiled

__all__ = ["MIN_TOKENS", "has_loop", "use_compiled"]
