"""Fitting: from texts and targets, as `fit` gets them, to the attributes of a fitted estimator."""
