"""
The tutorial's network, layer by layer
======================================

The network that recurrent text encoders are commonly explained with reads 50 tokens:

.. code-block:: python

    Embedding(10000, 128)
    SimpleRNN(128)
    Dense(10000, activation="softmax")

with Adam and sparse categorical cross-entropy. Here it is one call, trained as a next-token model
on real sentences; then its recurrence is computed by hand.
"""

import sys

import numpy as np

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 18000  # a small number for a quick look

# %%
# Sentences from the docstrings of installed packages.
sentences = np.random.default_rng(0).permutation(load_docstrings().data)[:N_ROWS].tolist()
print(sentences[0])

# %%
# **Stages 1 to 5 in one call.** The names are the tutorial's: `vocab_size`, `embedding_dim`,
# `rnn_units`, `sequence_length`. The vector of a text is the last state, h_T.
encoder = RNNTextEncoder(
    objective="language_model",
    vocab_size=10000,
    embedding_dim=128,
    layer="simple_rnn",
    rnn_units=128,
    sequence_length=50,
    bidirectional=False,
    pooling="last",
    tied_embeddings=False,  # the last layer has weights of its own
    dropout=0.0,
    optimizer="adam",
    epochs=1,
    batch_size=64,
    random_state=0,
    verbose=1,
)
encoder.fit(sentences)

# %%
# **The network in Keras.** It has the listing's 2,602,896 parameters where the sentences have as
# many different words as the vocabulary may hold (10,000 with the three special tokens): 10000 x
# 128 + (128 + 128 + 1) x 128 + (128 + 1) x 10000.
model = encoder.model_
model.summary(print_fn=print)
n_ids = len(encoder.vocabulary_) + 3
expected = n_ids * 128 + (128 + 128 + 1) * 128 + (128 + 1) * n_ids
print(f"{model.count_params()} parameters; {expected} by the formula")

# %%
# **Stage 3 by hand.** h_t = tanh(W x_t + U h_{t-1} + b), with the weights of the Keras model.
text = "Return the sum of the values along the first axis."
(E,) = model.get_layer("embedding").get_weights()  # (10000, 128)
W, U, b = next(layer for layer in model.layers if "RNN" in type(layer).__name__).get_weights()
ids = encoder.padded_ids([text])[0]
h = np.zeros(128, dtype=np.float32)
by_hand = []
for token in ids[ids > 0]:
    h = np.tanh(E[token] @ W + h @ U + b)  # (128,)
    by_hand.append(h)
by_hand = np.array(by_hand)  # (n_steps, 128)

# %%
# **Stage 4.** All the h_t together are the sequence encoding H; the last of them is the text's
# vector.
(H,) = encoder.transform_sequences([text])
vector = encoder.transform([text])[0]
print(f"H: {H.shape}, largest difference from the states by hand: {np.abs(H - by_hand).max():.1e}")
print(f"vector: {vector.shape}, largest difference from h_T: {np.abs(vector - h).max():.1e}")
np.testing.assert_allclose(H, by_hand, atol=1e-5)
np.testing.assert_allclose(vector, h, atol=1e-5)

# %%
# **Stage 5.** The Dense layer turns h_T into the probability of each next token.
probabilities = model.predict(encoder.padded_ids(["Return the sum of the"]), verbose=0)[0]
terms = {i: term for term, i in encoder.vocabulary_.items()}
for i in probabilities.argsort()[::-1][:5]:
    print(f"  {probabilities[i]:.3f}  {terms.get(int(i), '(end or unknown)')}")

# %%
# The states of the sentence, a row for each token. Without matplotlib there is no picture.
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("pip install matplotlib for the picture")
else:
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.imshow(H, aspect="auto", cmap="RdBu", vmin=-1, vmax=1)
    axes.set_yticks(range(len(H)), [terms.get(int(i), "?") for i in ids[ids > 0]])
    axes.set(title="The sequence encoding H", xlabel="unit", ylabel="token")
    plt.show()
