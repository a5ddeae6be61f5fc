"""Stages 1 and 2: texts become tokens, tokens become ids, and words get their vectors. No Keras, no network."""
