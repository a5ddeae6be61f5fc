"""Stages 1 and 2: texts become tokens and ids, and words get vectors. No Keras, no network."""
