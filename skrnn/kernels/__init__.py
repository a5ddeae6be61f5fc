"""Recurrent loops and products compiled by Numba; optional, because NumPy and Keras compute the same."""
