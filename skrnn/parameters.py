"""The constructor parameters and fitted attributes the estimators share, described once."""

from __future__ import annotations

import inspect
from textwrap import indent

PARAMETERS = {
    "objective": """{"auto", "supervised", "autoencoder", "language_model", "random"}
What the vectors are trained for: telling the targets, restoring the text, or predicting each next token
(and, with `bidirectional`, each token before). "auto" is "supervised" where `fit` gets y and "autoencoder"
where it does not. "random" trains nothing and needs no Keras: a random network over the embedding.""",
    "noise": """float in [0, 1)
Share of the tokens that an autoencoder does not get to see in training, the others being moved by up to
three places; it still has to restore the text. Not used by the other objectives.""",
    "analyzer": """{"word", "char", "subword"} or callable
What a token is. A callable gets a text and returns its tokens, nothing else being done to it.""",
    "lowercase": """bool
Whether texts are lower-cased first.""",
    "strip_accents": """{"ascii", "unicode"}, callable or None
How accents are removed, as in CountVectorizer.""",
    "preprocessor": """callable or None
Applied to each text in place of `strip_accents` and `lowercase`.""",
    "tokenizer": """callable or None
Splits a text into words in place of `token_pattern`; for analyzer="word" only.""",
    "token_pattern": """str or None
Regular expression of a word, as in CountVectorizer. None for words of any script, those of one letter
included, and each other sign, emoji and punctuation: a network that reads in order needs them.""",
    "min_df": """int or float
Terms of fewer texts (or a smaller share of them) are unknown.""",
    "vocab_size": """int or None
The most rows of the embedding: the most frequent terms and three special ones (padding, unknown,
boundary). None for no limit.""",
    "vocabulary": """iterable of str, mapping of str to int, or None
Terms to use in place of those of the training texts.""",
    "sequence_length": """int or None
The most tokens of a text; None for the longest training text, 400 at the most.""",
    "truncation": """{"end", "start", "middle"}
Which part of a longer text is cut away.""",
    "missing": """{"error", "empty"}
Whether None, NaN and pandas.NA are an error or an empty text.""",
    "encoder": """fitted RNNTextEncoder or None
What to start from: its vocabulary, embedding and recurrent layers take the place of the parameters that
describe them. It is not changed, and `clone` keeps it fitted.""",
    "freeze_encoder": """bool
Whether training leaves the embedding and the recurrent layers of `encoder` as they are.""",
    "embeddings": """"auto", "random", path, WordVectors, KeyedVectors of gensim, dict, or (words, matrix)
What the embedding starts as: vectors of the training texts themselves (`train_vectors`), random numbers, or
given vectors, whose width then is that of the embedding.""",
    "trainable_embeddings": """bool
Whether training changes the embedding.""",
    "embedding_dim": """int
Width of the embedding.""",
    "layer": """{"simple_rnn", "gru", "lstm", "self_attention"}
The recurrent cell, or in its place self-attention (Vaswani et al. 2017): layer normalisation before heads and
a feed-forward network of 4 times the width, positions as sines and cosines. A GRU then writes texts.""",
    "rnn_units": """int
Units of the cell, per direction; the width of the states of self-attention.""",
    "rnn_activation": """{"tanh", "relu", "sigmoid", "linear"}
The f of ``h_t = f(W x_t + U h_{t-1} + b)``; of self-attention that of the feed-forward network.""",
    "n_layers": """int
Layers, each reading the states of the one below.""",
    "n_heads": """int
Heads of self-attention, of which `rnn_units` is a multiple; not used by the recurrent cells.""",
    "bidirectional": """bool
Whether a second cell reads from the end; of self-attention, whether a token sees also those after it.""",
    "dropout": """float in [0, 1) or "auto"
Share of the embedding's and of the vector's values that are zeroed in training. "auto" is 0.5, or 0.25 where
the vocabulary is an alphabet, of at most 253 terms, each of them seen often.""",
    "recurrent_dropout": """float in [0, 1)
Share of the state's values that are zeroed in training, inside the cell; of self-attention, of the values
that are added to a state.""",
    "pooling": """{"last", "mean", "max", "attention", "concat"}
How the states become one vector: "last" is that of the last token, with a second cell beside that of the
first one, which this cell read last; "concat" is last, mean and max side by side.""",
    "n_components": """int or None
Width of a linear layer on the pooled states; None for the pooled states themselves.""",
    "activation": """{"tanh", "relu", "sigmoid", "linear"}
Activation of that layer.""",
    "attention": """{"general", "additive"} or None
How the decoder looks at the states of the source as it writes: by products (Luong et al. 2015), by a small
network (Bahdanau et al. 2015), or not at all, which leaves it the vector.""",
    "tied_embeddings": """bool
Whether the words that are written have one embedding, read and written with (Press & Wolf 2017); of an
encoder's objectives "autoencoder" and "language_model".""",
    "target_vocab_size": """int or None
`vocab_size` of the target side; None for the same.""",
    "target_vocabulary": """iterable of str, mapping of str to int, or None
Terms of the target side to use in place of those of the training texts.""",
    "shared_vocabulary": """bool
Whether one vocabulary, learned from source and target together, serves both sides (Sennrich et al. 2016): for
languages that share words and letters, and for texts that become shorter ones.""",
    "target_sequence_length": """int or None
The most tokens of a target and of what is written; None for the longest training target, 400 at the most.""",
    "min_length": """int
The fewest tokens that are written.""",
    "beam_width": """int
Beginnings of each text that the search follows; 1 takes the most probable token each time.""",
    "length_penalty": """float
Texts that a beam search has found are compared by log-probability over length to this power.""",
    "no_repeat": """int
No run of so many tokens is written twice; 0 for no such rule.""",
    "label_smoothing": """float in [0, 1)
Share of the probability that the loss spreads evenly over all tokens.""",
    "r_drop": """float
Each text is read twice in a step of training, with other values dropped, and this weight of the divergence
between the two answers is added to the loss (R-Drop, Liang et al. 2021): the network is less sure of what it
has learned by heart. 0 reads once, in half the time, and so it is where nothing is dropped.""",
    "scoring": """{"chrf", "bleu"}
What `score` is: chrF (Popović 2015), runs of characters that both have, or BLEU (Papineni et al. 2002), runs
of words, split at spaces; both those of sacrebleu.""",
    "optimizer": """{"adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"}
Keras optimizer; gradients are clipped to a global norm of 1.""",
    "learning_rate": """float
Step size of the optimizer; with schedule="one_cycle" the highest.""",
    "schedule": """{"one_cycle", "constant"}
How the learning rate changes: it rises over the first 15 % of all steps and falls to zero by the last (Smith
& Topin 2019), or stays the same. `partial_fit` keeps it the same.""",
    "epochs": """int or "auto"
The most passes over the training texts. "auto" is 10, or 15 of texts of 12 tokens or less on average, and
fewer, but at least 4, from a million tokens on.""",
    "batch_size": """int or "auto"
Texts of a training batch; a batch of very long texts is smaller. "auto" is 64, or less where that leaves
fewer than 80 steps an epoch, but 8 at the least.""",
    "early_stopping": """bool, "auto" or "score"
Whether a part of the training texts is held out, training stops when its loss falls no more, and
the weights of its least loss are kept. "auto" does so from 100 texts on; "score" goes by what `score` gives
of the held-out texts in place of their loss.""",
    "validation_fraction": """float in (0, 1)
Share of the texts that early stopping holds out; stratified where labels allow.""",
    "n_iter_no_change": """int
Epochs without gain after which early stopping stops.""",
    "tol": """float
The least fall of the validation loss, or rise of the score, that is a gain.""",
    "class_weight": """dict, "balanced" or None
Weights of the classes in the loss, as in LogisticRegression.""",
    "warm_start": """bool
Whether `fit` goes on from the weights and the vocabulary of the last fit.""",
    "callbacks": """list of keras.callbacks.Callback or None
Passed on to Keras.""",
    "checkpoint": """path or None
File that `fit` keeps its state in after each epoch. A fit that was broken off, even killed, goes on from
there when it is begun again with the same data and parameters, and ends with the same bits as one that was
not; a file of another fit is refused. In the end it is removed. It is for one fit at a time, which must have
a random_state; what `callbacks` remember is not kept, and `partial_fit` does not use it.""",
    "random_state": """int, RandomState instance or None
Seeds the weights, the order of the batches, dropout and the held-out split. The same int gives the
same weights, bit for bit; no global random state is read or set.""",
    "verbose": """int
Whether to write one line an epoch to the standard output; 1 is silent in worker processes, as those of a
search with `n_jobs=2`, whose lines would mix, and 2 is not.""",
    "n_jobs": """int or None
Threads of `transform` and `predict`, whose results do not depend on it. None is all cores, or the
OMP_NUM_THREADS a worker process was given; -1 is all cores.""",
}

ATTRIBUTES = """vocabulary_ : dict of str to int
    Terms and their ids.
sequence_length_ : int
    The most tokens of a text.
n_features_in_ : int
    1, the column of texts.
feature_names_in_ : ndarray of shape (1,)
    Its name, where fit got a frame.
n_iter_ : int
    Epochs trained.
loss_curve_ : list of float
    Training loss of each epoch.
validation_scores_ : list of float
    Score on the held-out texts after each epoch; where there are held-out texts.
best_validation_score_ : float
    Score of the weights that were kept; where there are held-out texts.
history_ : dict of str to list of float
    Everything recorded by epoch: "loss", "val_loss", "val_score".
model_ : keras.Model
    The network, compiled, built from the fitted weights at each access; its input is `padded_ids`."""


CHUNKS = """Notes
-----
The first call fixes the vocabulary, and what `embeddings` starts from its texts; later calls, also after
`fit`, go on from the weights and, after `partial_fit`, from the state of the optimizer. There is no early
stopping, and each chunk counts as one of `n_iter_`. With sequence_length=None texts are cut at 400 tokens.
The same chunks give the same weights, also if the estimator was pickled between two of them. Of the chunks
nothing is kept. The first call in a process takes 1 to 2 s more, as a fit does; those that follow do not as
long as one estimator is trained at a time. Chunks of some thousand texts are faster than many small ones."""


def document(cls: type) -> None:
    """Fill the shared parameters and attributes into the docstring of an estimator.

    The defaults are read off the signature, so that the two cannot disagree.

    Parameters
    ----------
    cls : type
        The estimator; its docstring has the fields {parameters} and {attributes}, or is left alone.
    """
    entries = []
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in PARAMETERS:
            kind, _, text = PARAMETERS[name].partition("\n")
            entries.append(f"{name} : {kind}, default={parameter.default!r}\n{indent(text, '    ')}")
    filled = (cls.__doc__ or "").replace("{parameters}", indent("\n".join(entries), " " * 4).lstrip())
    cls.__doc__ = filled.replace("{attributes}", indent(ATTRIBUTES, " " * 4).lstrip())
    if "partial_fit" in vars(cls):
        method = vars(cls)["partial_fit"]
        method.__doc__ = (method.__doc__ or "").replace("{chunks}", indent(CHUNKS, " " * 8).lstrip())
