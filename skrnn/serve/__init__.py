"""Stages 3 to 5 in NumPy: every prediction of a fitted estimator is computed here, without Keras."""
