"""Stages 1 and 2: texts to tokens, tokens to ids, and vectors for words. No Keras, no network."""
