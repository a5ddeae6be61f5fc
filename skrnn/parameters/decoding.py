"""The parameters that only some estimators have: to start from an encoder, and to write texts."""

from __future__ import annotations

from typing import Any

from skrnn.compat import COUNT, NON_NEGATIVE, POSITIVE_INT, HasMethods, StrOptions
from skrnn.parameters.declaration import MIN_VOCAB_SIZE, SHARE, Unused, estimator, options, parameter
from skrnn.spec import ATTENTIONS
from skrnn.text import ANALYZERS


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
        unused=Unused("encoder is None", lambda e, _: e.encoder is None),
    )


@estimator
class SupervisedParameters(PretrainedParameters):
    """The parameters of classifiers and regressors."""

    ngram_range: Any = parameter(
        default="auto",
        allowed=[StrOptions({"auto"}), tuple, None],
        stage="decoding",
        doc="""(int, int), "auto" or None
        Smallest and largest number of tokens of the n-grams that a linear model learns from, beside the
        network. scikit-learn fits it before the network is trained, and `predict` adds the outputs of both.
        This improves the accuracy and the calibration of the probabilities, above all with few texts. "auto"
        is (1, 2), or (1, 3) for analyzer="char", and None for more than 64 outputs. None uses the network
        alone. `transform` does not use n-grams.""",
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


@estimator
class Seq2SeqParameters(WritingParameters):
    """The parameters of text to text."""

    target_analyzer: Any = parameter(
        default=None,
        allowed=[StrOptions(set(ANALYZERS)), callable, None],
        stage="tokens",
        doc=f"""{options(ANALYZERS)}, callable or None
        `analyzer` of the target side; None for the same one. The other parameters of stage 1, for example
        `lowercase`, apply to both sides.""",
    )
    target_vocab_size: int | None = parameter(
        default=None,
        allowed=[MIN_VOCAB_SIZE, None],
        stage="tokens",
        doc="""int or None
        `vocab_size` of the target side; None for the same value.""",
        unused=Unused("target_vocabulary is given", lambda e, _: e.target_vocabulary is not None),
    )
    target_vocabulary: Any = parameter(
        default=None,
        allowed=["array-like", dict, set, None],
        stage="tokens",
        doc="""iterable of str, mapping of str to int, or None
        Terms of the target side to use instead of the terms of the training targets.""",
    )
    shared_vocabulary: bool = parameter(
        default=False,
        allowed=["boolean"],
        stage="tokens",
        doc="""bool
        Whether one vocabulary is learned from both sides (Sennrich et al. 2016). Useful for summarisation,
        and for languages that share words and letters.""",
    )
    target_sequence_length: int | None = parameter(
        default=None,
        allowed=[POSITIVE_INT, None],
        stage="tokens",
        doc="""int or None
        Maximum number of tokens of a target and of a written text. None for the length of the longest
        training target, but at most 400.""",
    )
    attention: str | None = parameter(
        default="general",
        allowed=[StrOptions(set(ATTENTIONS)), None],
        stage="decoding",
        doc=f"""{options(ATTENTIONS)} or None
        How the decoder attends to the states of the source: by products (Luong et al. 2015), by a small
        network (Bahdanau et al. 2015), or not at all. It then reads only the vector.""",
    )
    beam_width: int = parameter(
        default=5,
        allowed=[POSITIVE_INT],
        stage="decoding",
        doc="""int
        Number of beams of the search. 1 takes the most probable token at each step.""",
    )
    length_penalty: float = parameter(
        default=1.0,
        allowed=[NON_NEGATIVE],
        stage="decoding",
        doc="""float
        A beam search ranks texts by log-probability divided by length to this power.""",
    )
    min_length: int = parameter(
        default=0,
        allowed=[COUNT],
        stage="decoding",
        doc="""int
        Minimum number of tokens of a written text, at most `target_sequence_length_`.""",
    )
    no_repeat_ngram_size: int = parameter(
        default=0,
        allowed=[COUNT],
        stage="decoding",
        doc="""int
        No n-gram of this size is written twice in one text. 0 allows repetition.""",
    )
    scoring: str = parameter(
        default="chrf",
        allowed=[StrOptions({"chrf", "bleu"})],
        stage="decoding",
        doc="""{"chrf", "bleu"}
        The metric of `score`: chrF, which compares character n-grams (Popović 2015), or BLEU, which compares
        n-grams of words separated by spaces (Papineni et al. 2002). Both come from sacrebleu.""",
    )
    label_smoothing: float = parameter(
        default=0.1,
        allowed=[SHARE],
        stage="training",
        doc="""float in [0, 1)
        Share of the probability that the loss spreads evenly over all tokens.""",
    )
