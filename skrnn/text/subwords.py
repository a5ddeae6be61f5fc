"""Sub-words by byte-pair encoding, which the tokenizers package does; it is imported when it is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np

from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.text.tokenized_texts import ragged_ids

N_BYTES = 256  # sub-words are merged from bytes, so no token is unknown
MAX_PART = 2**16  # characters of a text that are encoded at a time; a longer run without spaces is cut
BATCH = 2**20  # characters of texts that are encoded at a time: an id takes 100 bytes until it is an int32
MAX_SUBWORDS = 32768  # maximum vocabulary size if vocab_size is None


class BytePairs:
    """A byte-pair encoding: splits texts into sub-words that are frequent runs of bytes [1]_.

    Parameters
    ----------
    merges : str
        The trained encoding as JSON of the tokenizers package.

    References
    ----------
    .. [1] Sennrich, Haddow & Birch (2016). Neural Machine Translation of Rare
       Words with Subword Units. ACL.

    Examples
    --------
    >>> from skrnn.text.subwords import BytePairs
    >>> pairs = BytePairs.train([" low lower lowest"] * 5, 300, min_frequency=1)
    >>> pairs.decode_each(pairs.encode([[" low low"]]).ids)
    [' low', ' low']
    """

    def __init__(self, merges: str) -> None:
        from tokenizers import Tokenizer, pre_tokenizers

        self.merges = merges
        self._encoder = Tokenizer.from_str(merges)
        # the space before the first word is in the texts, because a part of a text must not get one
        self._encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int | None, *, min_frequency: int) -> BytePairs:
        """Learn which bytes to merge.

        Parameters
        ----------
        texts : iterable of str
            Training texts, with a space before the first word, or parts of
            them.
        vocab_size : int or None
            Maximum number of ids, including the three reserved ids.
        min_frequency : int
            Minimum number of occurrences of a sub-word, at least 2.

        Returns
        -------
        byte_pairs : BytePairs
        """
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        encoder = Tokenizer(models.BPE())
        encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        encoder.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=(vocab_size or MAX_SUBWORDS) - N_SPECIAL,
            min_frequency=max(2, min_frequency),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        encoder.train_from_iterator(texts, trainer)
        encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        return cls(encoder.to_str())

    def vocabulary(self) -> dict[str, int]:
        """Return the sub-words, as the tokenizers package writes their bytes, and their ids."""
        subwords = sorted(self._encoder.get_vocab().items(), key=lambda item: item[1])
        return {subword: i + N_SPECIAL for subword, i in subwords}

    def encode(self, texts: Iterable[list[str]]) -> Ragged:
        """Return the ids of texts; an empty text has the boundary id.

        Parameters
        ----------
        texts : iterable of list of str
            The parts of each text; the first one begins with a space.

        Returns
        -------
        sequences : Ragged
        """
        n_parts: list[int] = []

        def parts() -> Iterator[str]:
            for text in texts:
                n_parts.append(len(text))
                yield from text

        ids, lengths = [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for batch in _batches(parts()):
            rows = [encoding.ids for encoding in self._encoder.encode_batch_fast(batch)]
            ids.append(np.fromiter(chain.from_iterable(rows), np.int32) + np.int32(N_SPECIAL))
            lengths.append(np.fromiter(map(len, rows), np.int64, len(rows)))
        stops = np.concatenate([[0], np.cumsum(np.concatenate(lengths))])
        return ragged_ids(np.concatenate(ids), np.diff(stops[np.cumsum([0, *n_parts])]))

    def decode(self, ids: np.ndarray) -> str:
        """Return the text of ids; reserved ids are left out."""
        return self._encoder.decode((ids[ids >= N_SPECIAL] - N_SPECIAL).tolist())

    def decode_each(self, ids: np.ndarray) -> list[str]:
        """Return each id as a text; "" for a reserved id."""
        codes: list[Any] = (ids - N_SPECIAL).tolist()
        return [self._encoder.decode([code]) if code >= 0 else "" for code in codes]


def _batches(parts: Iterable[str]) -> Iterator[list[str]]:
    """Return parts of texts in lists of about `BATCH` characters."""
    batch: list[str] = []
    n_characters = 0
    for part in parts:
        batch.append(part)
        n_characters += len(part)
        if n_characters >= BATCH:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch
