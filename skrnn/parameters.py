"""The constructor parameters that estimators share: each default, constraint and description once.

The parameters are the fields of keyword-only dataclasses. An estimator inherits them, adds its own with
:func:`parameter`, and changes a default by a plain assignment in its class body. The decorator
:func:`skrnn.constructor.estimator` makes the constructor and the docstring.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any

from skrnn.compat import HasMethods, Interval, StrOptions
from skrnn.constructor import estimator, parameter
from skrnn.serve.layers import LAYERS
from skrnn.serve.pooling import POOLINGS
from skrnn.spec import ACTIVATIONS
from skrnn.text.analyzers import ANALYZERS

POSITIVE_INT = Interval(Integral, 1, None, closed="left")
COUNT = Interval(Integral, 0, None, closed="left")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")
MIN_VOCAB_SIZE = Interval(Integral, 4, None, closed="left")  # the three reserved ids and one term


def options(names: Iterable[str]) -> str:
    """Return names as a docstring lists them."""
    return "{" + ", ".join(f'"{name}"' for name in names) + "}"


@estimator
class TextParameters:
    """The parameters of every estimator, in the order of the docstring within each stage."""

    # -- what is changed most often
    rnn_units: int = parameter(
        default=64,
        allowed=[POSITIVE_INT],
        stage="first",
        doc="""int
        Units of the recurrent cell, per direction. For self-attention the width of the states.""",
    )
    layer: str = parameter(
        default="gru",
        allowed=[StrOptions(set(LAYERS))],
        stage="first",
        doc=f"""{options(LAYERS)}
        The recurrent cell, or self-attention in its place (Vaswani et al. 2017; layer normalisation comes
        before attention and before the feed-forward network, whose width is 4 times that of the states).
        With self-attention, the decoders of texts are GRUs.""",
    )
    epochs: int | str = parameter(
        default="auto",
        allowed=[POSITIVE_INT, StrOptions({"auto"})],
        stage="first",
        doc="""int or "auto"
        Maximum number of epochs. "auto" is 10, or 15 if texts average 12 tokens or fewer. For more than
        1.7 million training tokens it falls, down to 4.""",
    )
    learning_rate: float = parameter(
        default=0.004,
        allowed=[Interval(Real, 0, None, closed="neither")],
        stage="first",
        doc="""float
        Step size of the optimizer. With schedule="one_cycle" it is the highest step size.""",
    )
    analyzer: Any = parameter(
        default="word",
        allowed=[StrOptions(set(ANALYZERS)), callable],
        stage="first",
        doc=f"""{options(ANALYZERS)} or callable
        The kind of token. A callable takes a text and returns its tokens; no other processing is done.""",
    )

    # -- stage 1
    lowercase: bool = parameter(
        default=True,
        allowed=["boolean"],
        stage="tokens",
        doc="""bool
        Whether texts are converted to lower case.""",
    )
    strip_accents: Any = parameter(
        default=None,
        allowed=[StrOptions({"ascii", "unicode"}), callable, None],
        stage="tokens",
        doc="""{"ascii", "unicode"}, callable or None
        How accents are removed, as in CountVectorizer.""",
    )
    preprocessor: Any = parameter(
        default=None,
        allowed=[callable, None],
        stage="tokens",
        doc="""callable or None
        Replaces `strip_accents` and `lowercase`. It takes a text and returns a text.""",
    )
    tokenizer: Any = parameter(
        default=None,
        allowed=[callable, None],
        stage="tokens",
        doc="""callable or None
        Replaces `token_pattern`. It takes a text and returns its words. Used only by analyzer="word".""",
    )
    token_pattern: str | None = parameter(
        default=None,
        allowed=[str, None],
        stage="tokens",
        doc="""str or None
        Regular expression of a word, as in CountVectorizer. None finds words of any script, also those of
        one letter, and each punctuation mark, sign and emoji, because the network reads texts in order.""",
    )
    min_df: float = parameter(
        default=1,
        allowed=[POSITIVE_INT, Interval(Real, 0, 1, closed="both")],
        stage="tokens",
        doc="""int or float
        Terms that occur in fewer texts are treated as unknown. A float is a share of the texts.""",
    )
    vocab_size: int | None = parameter(
        default=20000,
        allowed=[MIN_VOCAB_SIZE, None],
        stage="tokens",
        doc="""int or None
        Maximum vocabulary size, including the three reserved ids (padding, unknown tokens, text
        boundaries). The most frequent terms are kept. None for no limit.""",
    )
    vocabulary: Any = parameter(
        default=None,
        allowed=["array-like", dict, set, None],
        stage="tokens",
        doc="""iterable of str, mapping of str to int, or None
        Terms to use instead of the terms of the training texts.""",
    )
    sequence_length: int | None = parameter(
        default=None,
        allowed=[POSITIVE_INT, None],
        stage="tokens",
        doc="""int or None
        Maximum number of tokens of a text; longer texts are truncated. None for the length of the longest
        training text, but at most 400.""",
    )
    truncation: str = parameter(
        default="end",
        allowed=[StrOptions({"end", "start", "middle"})],
        stage="tokens",
        doc="""{"end", "start", "middle"}
        Which part of a long text is removed.""",
    )
    missing: str = parameter(
        default="error",
        allowed=[StrOptions({"error", "empty"})],
        stage="tokens",
        doc="""{"error", "empty"}
        Whether None, NaN and pandas.NA raise an error or count as empty texts.""",
    )

    # -- stage 2
    embeddings: Any = parameter(
        default="auto",
        allowed="no_validation",  # checked where they are read
        stage="embedding",
        doc=""""auto", "random", path, WordVectors, gensim KeyedVectors, dict, or (words, matrix)
        Initial values of the embedding. "auto" computes vectors from the training texts (see
        `train_vectors`). Given vectors also set the width of the embedding.""",
    )
    trainable_embeddings: bool = parameter(
        default=True,
        allowed=["boolean"],
        stage="embedding",
        doc="""bool
        Whether training changes the embedding.""",
    )
    embedding_dim: int = parameter(
        default=128,
        allowed=[POSITIVE_INT],
        stage="embedding",
        doc="""int
        Width of the embedding.""",
    )

    # -- stage 3
    rnn_activation: str = parameter(
        default="tanh",
        allowed=[StrOptions(set(ACTIVATIONS))],
        stage="layers",
        doc=f"""{options(ACTIVATIONS)}
        The f of ``h_t = f(W x_t + U h_{{t-1}} + b)``. For self-attention, the activation of the feed-forward
        network.""",
    )
    n_layers: int = parameter(
        default=1,
        allowed=[POSITIVE_INT],
        stage="layers",
        doc="""int
        Number of stacked layers.""",
    )
    n_heads: int = parameter(
        default=4,
        allowed=[POSITIVE_INT],
        stage="layers",
        doc="""int
        Attention heads of layer="self_attention"; `rnn_units` must be a multiple of it. Recurrent cells do
        not use it.""",
    )
    bidirectional: bool = parameter(
        default=True,
        allowed=["boolean"],
        stage="layers",
        doc="""bool
        Whether a second cell reads each text backwards. For self-attention, whether a token attends to later
        tokens.""",
    )

    # -- stage 4
    pooling: str = parameter(
        default="concat",
        allowed=[StrOptions(set(POOLINGS))],
        stage="encoding",
        doc=f"""{options(POOLINGS)}
        How the states of a text become one vector. "last" takes the state of the last token; a backward
        cell contributes its state of the first token, which it reads last. "attention" is a learned mean
        (Yang et al. 2016). "concat" joins last, mean and max.""",
    )
    n_components: int | None = parameter(
        default=None,
        allowed=[POSITIVE_INT, None],
        stage="encoding",
        doc="""int or None
        Width of a linear layer on the pooled states. None for no such layer.""",
    )
    activation: str = parameter(
        default="tanh",
        allowed=[StrOptions(set(ACTIVATIONS))],
        stage="encoding",
        doc=f"""{options(ACTIVATIONS)}
        Activation of that linear layer. It has no effect if `n_components` is None.""",
    )

    # -- training
    dropout: float | str = parameter(
        default="auto",
        allowed=[SHARE, StrOptions({"auto"})],
        stage="training",
        doc="""float in [0, 1) or "auto"
        Share of the values of the embedding and of the encoding that dropout sets to zero. "auto" is 0.5,
        or 0.25 for vocabularies of at most 253 terms, for example characters.""",
    )
    recurrent_dropout: float = parameter(
        default=0.0,
        allowed=[SHARE],
        stage="training",
        doc="""float in [0, 1)
        Share of the values of the hidden state that dropout sets to zero inside the cell. For
        self-attention, share of the values that are added to a state.""",
    )
    optimizer: str = parameter(
        default="adam",
        allowed=[StrOptions({"adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"})],
        stage="training",
        doc="""{"adam", "adamw", "nadam", "rmsprop", "sgd", "adagrad"}
        Keras optimizer. Gradients are clipped to a global norm of 1.""",
    )
    schedule: str = parameter(
        default="one_cycle",
        allowed=[StrOptions({"one_cycle", "constant"})],
        stage="training",
        doc="""{"one_cycle", "constant"}
        How the learning rate changes. "one_cycle" raises it over the first 15 % of all steps and then lowers
        it to zero along a cosine (Smith & Topin 2019). `partial_fit` always uses a constant rate.""",
    )
    batch_size: int | str = parameter(
        default="auto",
        allowed=[POSITIVE_INT, StrOptions({"auto"})],
        stage="training",
        doc="""int or "auto"
        Number of texts in a mini-batch; batches of very long texts are smaller. "auto" is 64, or less, down
        to 8, if an epoch would otherwise have fewer than 80 steps.""",
    )
    early_stopping: bool | str = parameter(
        default=False,
        allowed=[StrOptions({"auto", "score"}), "boolean"],
        stage="training",
        doc="""bool, "auto" or "score"
        Whether a share of the training texts is held out and training stops when the loss on them no longer
        falls. The weights with the lowest loss are kept. "auto" does this for 100 texts or more. "score"
        uses the `score` of the held-out texts instead of their loss.""",
    )
    validation_fraction: float = parameter(
        default=0.1,
        allowed=[Interval(Real, 0, 1, closed="neither")],
        stage="training",
        doc="""float in (0, 1)
        Share of the texts that early stopping holds out, stratified by label where possible.""",
    )
    n_iter_no_change: int = parameter(
        default=3,
        allowed=[POSITIVE_INT],
        stage="training",
        doc="""int
        Number of epochs without improvement after which early stopping stops.""",
    )
    tol: float = parameter(
        default=0.0,
        allowed=[NON_NEGATIVE],
        stage="training",
        doc="""float
        Smallest fall of the validation loss, or rise of the score, that counts as an improvement.""",
    )
    warm_start: bool = parameter(
        default=False,
        allowed=["boolean"],
        stage="training",
        doc="""bool
        Whether `fit` starts from the weights and the vocabulary of the previous fit.""",
    )
    callbacks: Any = parameter(
        default=None,
        allowed=[list, tuple, None],
        stage="training",
        doc="""list of keras.callbacks.Callback or None
        Keras callbacks for the training.""",
    )
    checkpoint: Any = parameter(
        default=None,
        allowed=[str, os.PathLike, None],
        stage="training",
        doc="""path or None
        File in which `fit` saves its state after each epoch. If a fit is killed, call `fit` again with the
        same data and parameters: it continues after the last epoch and ends with the same weights, bit for
        bit. `random_state` must be set. Each fit needs a file of its own; a file of another fit is refused.
        The file is removed at the end. The state of `callbacks` is not saved; `partial_fit` does not use
        the file.""",
    )

    # -- how to run
    random_state: Any = parameter(
        default=None,
        allowed=["random_state"],
        stage="running",
        doc="""int, RandomState instance or None
        Seeds the initial weights, the order of the batches, dropout and the held-out split. The same int
        gives the same weights, bit for bit. No global random state is read or set.""",
    )
    verbose: int = parameter(
        default=0,
        allowed=["verbose"],
        stage="running",
        doc="""int
        1 writes one line for each epoch to the standard output, except in worker processes, whose lines
        would mix. 2 writes it there too.""",
    )
    n_jobs: int | None = parameter(
        default=None,
        allowed=[POSITIVE_INT, Interval(Integral, None, -1, closed="right"), None],
        stage="running",
        doc="""int or None
        Number of threads of `transform` and `predict`; results do not depend on it. None uses all cores, or
        the number in OMP_NUM_THREADS. -1 uses all cores.""",
    )


@estimator
class PretrainedParameters:
    """The parameters of estimators that can start from a fitted encoder."""

    encoder: Any = parameter(
        default=None,
        allowed=[HasMethods(["transform_sequences"]), None],
        stage="layers",
        doc="""fitted RNNTextEncoder or None
        Encoder to start from. Its vocabulary, embedding and layers replace the parameters that describe
        them. It is not changed, and `clone` keeps it fitted.""",
    )
    freeze_encoder: bool = parameter(
        default=False,
        allowed=["boolean"],
        stage="layers",
        doc="""bool
        Whether training leaves the embedding and the layers of `encoder` unchanged.""",
    )


@estimator
class WritingParameters:
    """The parameter of estimators that write texts."""

    tied_embeddings: bool = parameter(
        default=True,
        allowed=["boolean"],
        stage="embedding",
        doc="""bool
        Whether the output layer over the vocabulary reuses the embedding of the tokens that are written
        (Press & Wolf 2017). An encoder uses it for objective="autoencoder" and "language_model".""",
    )
