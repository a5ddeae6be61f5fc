"""Target texts for source texts: the search, and the copying of words that the vocabulary does not have."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from skrnn.ragged import PAD, UNKNOWN, Ragged
from skrnn.serve.search import Found, Rules, beam, greedy
from skrnn.serve.seq2seq import Seq2Seq
from skrnn.text.tokens import Tokens


class Writer:
    """Writes the target texts of source texts.

    Parameters
    ----------
    decoder : Seq2Seq
        The network.
    tokens, target_tokens : Tokens
        The vocabularies of both sides.
    max_length : int
        Maximum number of tokens of a written text.
    copies_unknown : bool
        Whether the network may write unknown tokens, each of which is replaced by a word of the source.
    n_jobs : int
        Number of threads.
    """

    def __init__(
        self,
        decoder: Seq2Seq,
        tokens: Tokens,
        target_tokens: Tokens,
        *,
        max_length: int,
        copies_unknown: bool,
        n_jobs: int,
    ) -> None:
        self.decoder, self.tokens, self.target_tokens = decoder, tokens, target_tokens
        self.max_length, self.copies_unknown, self.n_jobs = max_length, copies_unknown, n_jobs

    def search(
        self,
        sources: Ragged,
        *,
        width: int,
        n_best: int = 1,
        length_penalty: float = 1.0,
        min_length: int = 0,
        no_repeat_ngram_size: int = 0,
    ) -> Found:
        """Return the ids of the best texts that a beam search finds.

        Parameters
        ----------
        sources : Ragged
            Ids of the source texts.
        width : int
            Number of beams; 1 takes the most probable token at each step.
        n_best : int, default=1
            Number of texts for each source.
        length_penalty, min_length, no_repeat_ngram_size
            See :func:`skrnn.serve.search.beam` and :class:`skrnn.serve.search.Rules`.

        Returns
        -------
        found : Found
        """
        rules = Rules(
            max_length=self.max_length,
            min_length=min(min_length, self.max_length),
            no_repeat_ngram_size=no_repeat_ngram_size,
            never=(PAD,) if self.copies_unknown else (PAD, UNKNOWN),
        )
        search: Any = partial(greedy, rules=rules)
        if width > 1:
            search = partial(beam, rules=rules, width=width, length_penalty=length_penalty, n_best=n_best)
        return self.decoder.write(sources, search, n_beams=width, n_jobs=self.n_jobs)

    def decode(
        self, texts: list[str], sources: Ragged, ids: Ragged, *, n_best: int, truncation: str, length: int
    ) -> list[str]:
        """Return the texts of written ids, with unknown words copied from the source (Luong et al. 2015).

        An unknown token becomes the source word with the highest attention weight. Unknown source words are
        preferred.

        Parameters
        ----------
        texts : list of str
            The source texts.
        sources : Ragged
            Their ids.
        ids : Ragged
            Ids that were written, `n_best` rows for each source.
        n_best : int
            Number of rows for each source.
        truncation, length : str, int
            How the sources were truncated.

        Returns
        -------
        written : list of str
        """
        written = self.target_tokens.decode(ids)
        mark = self.target_tokens.decode(Ragged.from_rows([[UNKNOWN]]))[0]
        row = np.repeat(np.arange(len(written)), ids.lengths)
        for i in np.unique(row[ids.ids == UNKNOWN]).tolist():
            source = i // n_best
            words = self.tokens.tokenize([texts[source]])[0]
            kept = Ragged.from_rows([np.arange(len(words))]).truncate(length, truncation).ids
            own, read = ids.take(np.array([i])), sources.take(np.array([source]))
            (weights,) = self.decoder.attention(read, own)
            weights = weights + (read.ids == UNKNOWN)
            attended = weights.argmax(axis=1)[:-1][own.ids == UNKNOWN]
            head, *rest = written[i].split(mark)
            copied = [words[kept[at]] if at < len(kept) else "" for at in attended.tolist()]
            written[i] = head + "".join(word + part for word, part in zip(copied, rest, strict=False))
        return written


def text_metrics() -> Any:
    """Return sacrebleu's metrics, or raise an ImportError that says how to install it."""
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise ImportError(
            "RNNTextSeq2Seq.score needs sacrebleu, which cannot be imported. Install it: pip install "
            "'skrnn[metrics]'. Everything else works without it.",
            name=error.name,
        ) from error
    return metrics


def corpus_score(metric: str, written: list[str], targets: list[str]) -> float:
    """Return the chrF or BLEU of written texts, from 0 to 1."""
    metrics = text_metrics()
    measure = metrics.CHRF() if metric == "chrf" else metrics.BLEU(tokenize="none", force=True)
    return measure.corpus_score(written, [targets]).score / 100
