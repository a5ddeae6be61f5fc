"""Save a fitted estimator to one file and load it without running code."""
