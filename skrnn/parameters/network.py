"""The parameters of every estimator that describe the network, in the order of the five stages."""

from __future__ import annotations

from numbers import Real
from typing import Any

from skrnn.compat import POSITIVE_INT, Interval, StrOptions
from skrnn.parameters.declaration import MIN_VOCAB_SIZE, Unused, estimator, options, parameter
from skrnn.serve import LAYERS, POOLINGS
from skrnn.spec import ACTIVATIONS
from skrnn.text import ANALYZERS


@estimator
class NetworkParameters:
    """From texts to vectors: stages 1 to 4. Within a stage, the docstring keeps this order."""

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
        "qrnn" is the fastest to serve; it needs more units. With self-attention, a GRU writes texts, time
        grows with the square of the length of a text, and memory grows with its length: a text of 39,000
        tokens takes about 40 s on one core and 100 MB.""",
    )
    analyzer: Any = parameter(
        default="word",
        allowed=[StrOptions(set(ANALYZERS)), callable],
        stage="first",
        doc=f"""{options(ANALYZERS)} or callable
        The kind of token. A callable takes a text and returns its tokens; no other processing is done. The
        texts may then be of any type: with ``analyzer=list``, each text is a list of tokens. Sub-words cut a
        run of more than 65,536 characters without spaces.""",
    )

    # -- stage 1
    lowercase: bool = parameter(
        default=True,
        allowed=["boolean"],
        stage="tokens",
        doc="""bool
        Whether texts are converted to lower case.""",
        unused=Unused(
            "preprocessor or a callable analyzer is given",
            lambda e, _: e.preprocessor is not None or callable(e.analyzer),
        ),
    )
    strip_accents: Any = parameter(
        default=None,
        allowed=[StrOptions({"ascii", "unicode"}), callable, None],
        stage="tokens",
        doc="""{"ascii", "unicode"}, callable or None
        How accents are removed, as in CountVectorizer.""",
        unused=Unused(
            "preprocessor is given", lambda e, _: e.preprocessor is not None and not callable(e.analyzer)
        ),
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
        unused=Unused("vocabulary is given", lambda e, _: e.vocabulary is not None),
    )
    vocab_size: int | None = parameter(
        default=20000,
        allowed=[MIN_VOCAB_SIZE, None],
        stage="tokens",
        doc="""int or None
        Maximum vocabulary size, including the three reserved ids (padding, unknown tokens, text
        boundaries). The most frequent terms are kept. None for no limit.""",
        unused=Unused("vocabulary is given", lambda e, _: e.vocabulary is not None),
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
        default="middle",
        allowed=[StrOptions({"end", "start", "middle"})],
        stage="tokens",
        doc="""{"end", "start", "middle"}
        Which part of a long text is removed. The first and the last words of a text often say most about
        it.""",
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
    embedding_dim: int | str = parameter(
        default="auto",
        allowed=[POSITIVE_INT, StrOptions({"auto"})],
        stage="embedding",
        doc="""int or "auto"
        Width of the embedding. "auto" is 256 for text to text and for the objectives "random" and
        "contrastive", and 128 otherwise. Given `embeddings` have a width of their own, which is used
        instead.""",
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
        Attention heads of layer="self_attention"; `rnn_units` must be a multiple of it.""",
        unused=Unused('layer is not "self_attention"', lambda e, _: e.layer != "self_attention"),
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
        Activation of that linear layer.""",
        unused=Unused("n_components is None", lambda e, _: e.n_components is None),
    )
