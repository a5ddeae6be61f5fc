"""Target texts for source texts: the search, and the copying of words that the vocabulary does not have."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from skrnn.ragged import PAD, UNKNOWN, Ragged
from skrnn.serve.search import Found, Rules, beam, greedy
from skrnn.serve.seq2seq import Seq2Seq
from skrnn.text import Tokens


class Writer:
    """Writes the target texts of source texts.

    Parameters
    ----------
    decoder : Seq2Seq
        The network.
    tokens, target_tokens : Tokens
        The vocabularies of both sides.
    truncation, length : str, int
        How source texts are truncated.
    copies_unknown : bool
        Whether the network may write unknown tokens, each of which is replaced by a word of the source.
    rules : Rules
        Lengths and repetition, see :class:`skrnn.serve.search.Rules`.
    length_penalty : float
        See :func:`skrnn.serve.search.beam`.
    n_jobs : int
        Number of threads.
    """

    def __init__(
        self,
        decoder: Seq2Seq,
        tokens: Tokens,
        target_tokens: Tokens,
        *,
        truncation: str,
        length: int,
        copies_unknown: bool,
        rules: Rules,
        length_penalty: float,
        n_jobs: int,
    ) -> None:
        self.decoder, self.tokens, self.target_tokens = decoder, tokens, target_tokens
        self.truncation, self.length = truncation, length
        self.rules = replace(rules, never=(PAD,) if copies_unknown else (PAD, UNKNOWN))
        self.length_penalty, self.n_jobs = length_penalty, n_jobs

    def search(self, sources: Ragged, width: int, n_best: int = 1) -> Found:
        """Return the ids of the best texts that a beam search finds.

        Parameters
        ----------
        sources : Ragged
            Ids of the source texts.
        width : int
            Number of beams; 1 takes the most probable token at each step.
        n_best : int, default=1
            Number of texts for each source.

        Returns
        -------
        found : Found
        """
        search: Any = partial(greedy, rules=self.rules)
        if width > 1:
            search = partial(
                beam, rules=self.rules, width=width, length_penalty=self.length_penalty, n_best=n_best
            )
        return self.decoder.write(sources, search, n_beams=width, n_jobs=self.n_jobs)

    def write(
        self, texts: list[str], sources: Ragged, width: int, n_best: int = 1
    ) -> tuple[list[str], np.ndarray]:
        """Return the best target texts, `n_best` for each source text, and the scores that rank them.

        A score is the log-probability divided by the length to the power `length_penalty`; see
        :func:`skrnn.serve.search.beam`.
        """
        found = self.search(sources, width, n_best)
        row = np.repeat(np.arange(len(found.sequences)), found.sequences.lengths)
        copied: list[str] = []
        for i in np.unique(row[found.sequences.ids == UNKNOWN]).tolist():
            source = i // n_best
            ids, read = found.sequences.take(np.array([i])), sources.take(np.array([source]))
            copied += self._copied(texts[source], read, ids)
        written = self.target_tokens.decode(found.sequences, copied)
        scores = found.log_probabilities / (found.sequences.lengths + 1.0) ** self.length_penalty
        return written, scores

    def _copied(self, text: str, read: Ragged, ids: Ragged) -> list[str]:
        """Return the source word for each unknown token of one written text (Luong et al. 2015).

        It is the word with the highest attention weight. Unknown source words are preferred.
        """
        words = self.tokens.tokenize([text])[0]
        kept = Ragged.from_rows([np.arange(len(words))]).truncate(self.length, self.truncation).ids
        (weights,) = self.decoder.attention(read, ids)
        weights = weights + (read.ids == UNKNOWN)
        attended = weights.argmax(axis=1)[:-1][ids.ids == UNKNOWN]
        return [words[kept[at]] if at < len(kept) else "" for at in attended.tolist()]


def text_metrics() -> Any:
    """Return sacrebleu's metrics, or raise an ImportError that says how to install it."""
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise ImportError(
            "RNNTextSeq2Seq.score needs sacrebleu, which cannot be imported. Install it: pip install "
            "sacrebleu. Everything else works without it.",
            name=error.name,
        ) from error
    return metrics


def corpus_score(metric: str, written: list[str], targets: list[str]) -> float:
    """Return the chrF or BLEU of written texts, from 0 to 1."""
    metrics = text_metrics()
    measure = metrics.CHRF() if metric == "chrf" else metrics.BLEU(tokenize="none", force=True)
    return measure.corpus_score(written, [targets]).score / 100
