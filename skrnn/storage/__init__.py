"""Files: a fitted estimator is saved as one file and loaded without running code."""
