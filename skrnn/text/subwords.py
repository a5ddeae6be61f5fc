"""Sub-words by byte-pair encoding, which the tokenizers package does; it is imported when it is needed."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np

from skrnn.ragged import N_SPECIAL, Ragged
from skrnn.text.tokenized_texts import ragged_ids

N_BYTES = 256  # sub-words are merged from bytes, so no token is unknown
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
    >>> pairs = BytePairs.train(["low lower lowest"] * 5, 300, min_frequency=1)
    >>> pairs.decode_each(pairs.encode(["low low"]).ids)
    [' low', ' low']
    """

    def __init__(self, merges: str) -> None:
        from tokenizers import Tokenizer

        self.merges = merges
        self._encoder = Tokenizer.from_str(merges)

    @classmethod
    def train(cls, texts: list[str], vocab_size: int | None, *, min_frequency: int) -> BytePairs:
        """Learn which bytes to merge.

        Parameters
        ----------
        texts : list of str
            Training texts.
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
        encoder.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        encoder.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=(vocab_size or MAX_SUBWORDS) - N_SPECIAL,
            min_frequency=max(2, min_frequency),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        encoder.train_from_iterator(texts, trainer)
        return cls(encoder.to_str())

    def vocabulary(self) -> dict[str, int]:
        """Return the sub-words, as the tokenizers package writes their bytes, and their ids."""
        subwords = sorted(self._encoder.get_vocab().items(), key=lambda item: item[1])
        return {subword: i + N_SPECIAL for subword, i in subwords}

    def encode(self, texts: list[str]) -> Ragged:
        """Return the ids of texts; an empty text has the boundary id."""
        ids = [encoding.ids for encoding in self._encoder.encode_batch_fast(texts)]
        flat = np.fromiter(chain.from_iterable(ids), np.int32) + np.int32(N_SPECIAL)
        return ragged_ids(flat, np.fromiter(map(len, ids), np.int64, len(ids)))

    def decode(self, ids: np.ndarray) -> str:
        """Return the text of ids; reserved ids are left out."""
        return self._encoder.decode((ids[ids >= N_SPECIAL] - N_SPECIAL).tolist())

    def decode_each(self, ids: np.ndarray) -> list[str]:
        """Return each id as a text; "" for a reserved id."""
        codes: list[Any] = (ids - N_SPECIAL).tolist()
        return [self._encoder.decode([code]) if code >= 0 else "" for code in codes]
