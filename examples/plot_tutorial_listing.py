"""
A tutorial network, layer by layer
==================================

Tutorials often explain recurrent text encoders with this network, which reads
50 tokens:

.. code-block:: python

    Embedding(10000, 128)
    SimpleRNN(128)
    Dense(10000, activation="softmax")

It is trained with Adam and sparse categorical cross-entropy. This example
trains the same network in one call, as a language model on real sentences,
and then computes its hidden states by hand.
"""

import sys

import numpy as np

from skrnn import RNNTextEncoder
from skrnn.datasets import load_docstrings

# Pass a small number on the command line for a quick look.
N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 18000

# %%
# The texts are sentences from the docstrings of installed packages.
rng = np.random.default_rng(0)
sentences = rng.permutation(load_docstrings().data)[:N_ROWS].tolist()
print(sentences[0])

# %%
# **Stages 1 to 5 in one call.** The parameters have the names of the tutorial:
# `vocab_size`, `embedding_dim`, `rnn_units` and `sequence_length`. The vector
# of a text is its last hidden state, h_T.
encoder = RNNTextEncoder(
    objective="language_model",
    vocab_size=10000,
    embedding_dim=128,
    layer="simple_rnn",
    rnn_units=128,
    sequence_length=50,
    bidirectional=False,
    pooling="last",
    tied_embeddings=False,  # the output layer has its own weights
    dropout=0.0,
    optimizer="adam",
    epochs=1,
    batch_size=64,
    random_state=0,
    verbose=1,
)
encoder.fit(sentences)

# %%
# **The Keras model.** With a full vocabulary of 10,000 ids, three of which are
# reserved, the model has the 2,602,896 parameters of the tutorial network:
# 10000 x 128 + (128 + 128 + 1) x 128 + (128 + 1) x 10000. With fewer
# sentences, the vocabulary is smaller.
model = encoder.model_
model.summary(print_fn=print)
n_ids = len(encoder.vocabulary_) + 3
expected = n_ids * 128 + (128 + 128 + 1) * 128 + (128 + 1) * n_ids
print(f"{model.count_params()} parameters; {expected} by the formula")

# %%
# **Stage 3 by hand.** h_t = tanh(W x_t + U h_{t-1} + b), with the weights of
# the Keras model.
text = "Return the sum of the values along the first axis."
(E,) = model.get_layer("embedding").get_weights()  # (10000, 128)
(rnn,) = [layer for layer in model.layers if "RNN" in type(layer).__name__]
W, U, b = rnn.get_weights()  # (128, 128), (128, 128), (128,)
ids = encoder.padded_ids([text])[0]
h = np.zeros(128, dtype=np.float32)
states = []
for token in ids[ids > 0]:
    h = np.tanh(E[token] @ W + h @ U + b)  # (128,)
    states.append(h)
states = np.array(states)  # (n_steps, 128)

# %%
# **Stage 4.** The hidden states h_t of all tokens are the sequence encoding H.
# The last one is the vector of the text.
(H,) = encoder.transform_sequences([text])
vector = encoder.transform([text])[0]
print(f"H: {H.shape}, maximum difference {np.abs(H - states).max():.1e}")
print(f"h_T: {vector.shape}, maximum difference {np.abs(vector - h).max():.1e}")
np.testing.assert_allclose(H, states, atol=1e-5)
np.testing.assert_allclose(vector, h, atol=1e-5)

# %%
# **Stage 5.** The Dense layer computes the probability of each next token from
# h_T.
ids_of_start = encoder.padded_ids(["Return the sum of the"])
probabilities = model.predict(ids_of_start, verbose=0)[0]
terms = {i: term for term, i in encoder.vocabulary_.items()}
for i in probabilities.argsort()[::-1][:5]:
    print(f"  {probabilities[i]:.3f}  {terms.get(int(i), '(end or unknown)')}")

# %%
# The plot shows the hidden states of the sentence, one row per token. It needs
# matplotlib.
try:
    import matplotlib.pyplot as plt
except ImportError:
    print("The plot needs matplotlib: pip install matplotlib")
else:
    figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
    axes.imshow(H, aspect="auto", cmap="RdBu", vmin=-1, vmax=1)
    tokens = [terms.get(int(i), "?") for i in ids[ids > 0]]
    axes.set_yticks(range(len(H)), tokens)
    axes.set(title="The sequence encoding H", xlabel="unit", ylabel="token")
    plt.show()
