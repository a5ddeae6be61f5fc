"""Recurrent loops and matrix products compiled by Numba. They are optional: NumPy and Keras compute the same."""
