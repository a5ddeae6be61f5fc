"""Stage 1: texts to tokens, tokens to ids, and back.

Three ids are reserved: 0 for padding, 1 for unknown tokens, 2 for text boundaries. A text without tokens
has the one id 2. Terms have the ids from 3 on, the most frequent term first.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.text.analyzers import Analyzer, analyzer_class


class Tokens:
    """Converts texts to ids and back, with a vocabulary learned from the training texts.

    Use :meth:`fit` to make one. The estimators keep it, and files and
    pickles hold its four attributes.

    Parameters
    ----------
    settings : dict
        The parameters `analyzer`, `lowercase`, `strip_accents`,
        `preprocessor`, `tokenizer` and `token_pattern` of :meth:`fit`.
    vocabulary : dict of str to int
        Terms and their ids, in the order of the ids, which start at 3.
    merges : str, default=None
        For sub-words, the trained byte-pair encoding as JSON.
    spacing : dict of str to int, default=None
        For tokens that are written, between which of them there is no
        space, see :func:`~skrnn.text.spacing.learn_spacing`.

    Examples
    --------
    >>> from skrnn.text.tokens import Tokens
    >>> tokens, sequences = Tokens.fit(["A cat, a hat.", "The cat"])
    >>> tokens.vocabulary
    {'a': 3, 'cat': 4, ',': 5, '.': 6, 'hat': 7, 'the': 8}
    >>> tokens.encode(["the dog", ""])
    Ragged(ids=array([8, 1, 2], dtype=int32), offsets=array([0, 2, 3]))
    >>> tokens.decode(sequences)
    ['a cat, a hat.', 'the cat']
    """

    spacing: dict[str, int] | None = None  # also of pickles that are older than this attribute

    def __init__(
        self,
        settings: dict[str, Any],
        vocabulary: dict[str, int],
        merges: str | None = None,
        spacing: dict[str, int] | None = None,
    ) -> None:
        self.settings, self.vocabulary, self.merges, self.spacing = settings, vocabulary, merges, spacing

    @classmethod
    def fit(
        cls,
        texts: list[str],
        *,
        analyzer: Any = "word",
        lowercase: bool = True,
        strip_accents: Any = None,
        preprocessor: Any = None,
        tokenizer: Any = None,
        token_pattern: str | None = None,
        min_df: float = 1,
        vocab_size: int | None = 20000,
        vocabulary: Any = None,
        written: list[str] | None = None,
        other_analyzer: Any = None,
    ) -> tuple[Tokens, Ragged]:
        """Learn the vocabulary of texts.

        Parameters
        ----------
        texts : list of str
            Training texts.
        analyzer : {"word", "char", "subword"} or callable, default="word"
            What a token is. A callable takes a text and returns its tokens.
        lowercase, strip_accents, preprocessor, tokenizer, min_df
            As in :class:`~sklearn.feature_extraction.text.CountVectorizer`.
        token_pattern : str, default=None
            Regular expression of a word. None means words and signs in any
            script, see :func:`~skrnn.text.words.word_pattern`.
        vocab_size : int or None, default=20000
            Maximum number of ids, including the three reserved ids. None
            means no limit.
        vocabulary : iterable of str or mapping of str to int, default=None
            Terms to use instead of those of the texts.
        written : list of str, default=None
            Texts whose spacing :meth:`decode` reproduces, for a model that
            writes texts. With analyzer="char", all white space is then kept.
            None for a model that only reads: there a run of white space is
            one space, and words are joined with the usual spacing.
        other_analyzer : {"word", "char", "subword"} or callable, default=None
            The analyzer of other texts for which the same parameters are
            given. There is no warning for parameters that it uses.

        Returns
        -------
        tokens : Tokens
            The fitted vocabulary.
        sequences : Ragged
            The ids of the texts.

        Raises
        ------
        TypeError
            If a function given as parameter returns a wrong type, or a term
            of `vocabulary` is not a str.
        ValueError
            If no text has a token, no term is frequent enough, `vocabulary`
            is empty or repeats a term, `token_pattern` is not valid, or
            `vocab_size` is too small for sub-words.

        Warns
        -----
        UserWarning
            If a parameter is given that another parameter makes ineffective.
        """
        settings = {
            "analyzer": analyzer,
            "lowercase": lowercase,
            "strip_accents": strip_accents,
            "preprocessor": preprocessor,
            "tokenizer": tokenizer,
            "token_pattern": token_pattern,
        }
        fitted = analyzer_class(analyzer)(settings, spacing=None if written is None else {})
        ignored, reason = fitted.ignored_parameters()
        if other_analyzer is not None:
            settings_of_others = settings | {"analyzer": other_analyzer}
            others, _ = analyzer_class(other_analyzer)(settings_of_others).ignored_parameters()
            ignored = [name for name in ignored if name in others]
        _warn_of_ignored_parameters([name for name in ignored if settings[name] is not None], reason)
        sequences = fitted.fit(texts, min_df=min_df, vocab_size=vocab_size, vocabulary=vocabulary)
        if written:
            fitted.spacing = fitted.learn_spacing(written)
        tokens = cls(settings, fitted.vocabulary, fitted.merges, fitted.spacing)
        tokens._analyzer = fitted
        return tokens, sequences

    @property
    def n_ids(self) -> int:
        """Number of rows that an embedding needs: one per term and three for the reserved ids."""
        return len(self.vocabulary) + N_SPECIAL

    def encode(self, texts: list[str], length: int | None = None, side: str = "end") -> Ragged:
        """Return the ids of texts.

        Parameters
        ----------
        texts : list of str
            Texts.
        length : int, default=None
            Maximum number of ids of a text; None for all. Of a long text,
            only the needed part is read.
        side : {"end", "start", "middle"}, default="end"
            Which part of a longer text is removed, see `Ragged.truncate`.

        Returns
        -------
        sequences : Ragged
            Ids; 1 for a token that is not in the vocabulary, and the one id
            2 for a text without tokens.
        """
        return self._analyzer.encode(texts, length, side)

    def tokenize(self, texts: list[str]) -> list[list[str]]:
        """Return the tokens of texts, including those that are not in the vocabulary.

        Parameters
        ----------
        texts : list of str
            Texts.

        Returns
        -------
        tokens : list of list of str
        """
        return self._analyzer.tokenize(texts)

    def decode(self, sequences: Ragged, unknown: list[str] | None = None) -> list[str]:
        """Return the texts of ids.

        Parameters
        ----------
        sequences : Ragged
            Ids. Padding and boundaries are left out.
        unknown : list of str, default=None
            The texts of all unknown tokens, in their order. None for "<unk>".

        Returns
        -------
        texts : list of str
            Words with the spacing of the texts that were given as `written`,
            or else the usual one; characters and sub-words joined.
        """
        return self._analyzer.decode(sequences, unknown)

    def pieces(self, sequences: Ragged) -> list[list[str]]:
        """Return each id as a text, as the network sees it.

        Parameters
        ----------
        sequences : Ragged
            Ids.

        Returns
        -------
        pieces : list of list of str
            One str per id; "" for padding and boundaries.
        """
        pieces = self.decode(Ragged(sequences.ids, np.arange(len(sequences.ids) + 1)))
        return [pieces[start:stop] for start, stop in pairwise(sequences.offsets.tolist())]

    @cached_property
    def _analyzer(self) -> Analyzer:
        analyzer = analyzer_class(self.settings["analyzer"])
        return analyzer(self.settings, self.vocabulary, self.merges, self.spacing)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without caches."""
        return {name: getattr(self, name) for name in ("settings", "vocabulary", "merges", "spacing")}


def _warn_of_ignored_parameters(given: list[str], reason: str) -> None:
    """Warn, as CountVectorizer does, of parameters that another parameter makes ineffective."""
    if given:
        warnings.warn(
            f"{' and '.join(given)} will not be used because {reason}. "
            f"Leave {'it' if len(given) == 1 else 'them'} at None.",
            UserWarning,
            stacklevel=2,
        )
