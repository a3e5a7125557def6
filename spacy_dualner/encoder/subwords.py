"""Words to sub-words: each distinct word is tokenised once, whole batches are array look-ups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..words import DocWords, Hashes, Ints


class SubwordBatch(NamedTuple):
    """The sub-words of some sentences, end to end.

    ids (Ints1d): Sub-word ids of all words, without special tokens.
    word_lengths (Ints1d): Number of sub-words of each word, at least 1.
    sentence_lengths (Ints1d): Number of words of each sentence; 0 for an empty one.
    """

    ids: Ints
    word_lengths: Ints
    sentence_lengths: Ints


def ragged_arange(starts: Ints, lengths: Ints) -> Ints:
    """`concatenate([arange(s, s + n) for s, n in zip(starts, lengths)])` without the loop."""
    if len(lengths) == 0:
        return np.zeros(0, dtype=np.int64)
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)


class WordTokenizer:
    """Sub-words of words, remembered per word in flat arrays.

    A word is tokenised by itself (with the prefix space that the tokenizer gives to words), as
    XTREME does. A word that the tokenizer maps to nothing becomes one unknown sub-word, so every
    word has a vector.

    tokenizer (PreTrainedTokenizerBase): Hugging Face tokenizer.
    max_word (int): Sub-words kept of one word.
    max_cached (int): Number of distinct words above which the memory is emptied.
    """

    def __init__(self, tokenizer: Any, *, max_word: int, max_cached: int = 200_000) -> None:
        self.tokenizer = tokenizer
        self.max_word = max_word
        self.max_cached = max_cached
        self.clear()

    def clear(self) -> None:
        """Forget all words."""
        self._keys: Hashes = np.zeros(0, dtype=np.uint64)  # sorted, parallel to the next two
        self._starts: Ints = np.zeros(0, dtype=np.int64)
        self._lengths: Ints = np.zeros(0, dtype=np.int64)
        self._ids: Ints = np.zeros(0, dtype=np.int64)

    def encode_docs(self, docs: Sequence[Doc]) -> SubwordBatch:
        """The sub-words of Docs, word by word.

        docs (Sequence[Doc]): Any Docs of one vocab; empty ones are fine.
        RETURNS (SubwordBatch): One sentence per Doc, of its words (`DocWords`).
        """
        return self.encode(DocWords(docs))

    def encode(self, words: DocWords) -> SubwordBatch:
        """The sub-words of the words of Docs. words (DocWords): The words."""
        ids, word_lengths = self.encode_words(words.orths, words.string)
        return SubwordBatch(ids, word_lengths, words.lengths)

    def encode_words(self, orths: Hashes, string_of: Callable[[int], str]) -> tuple[Ints, Ints]:
        """The sub-words of words given by hash.

        orths (Array1d[uint64]): Hash of each word.
        string_of (Callable[[int], str]): The word of a hash; asked only for words not yet known.
        RETURNS (Tuple[Ints1d, Ints1d]): Sub-word ids end to end, and their number per word.
        """
        unique, inverse = np.unique(orths, return_inverse=True)
        found, at = self._find(unique)
        if not found.all():
            if len(self._keys) + (~found).sum() > self.max_cached:
                self.clear()
                found[:] = False
            new = unique[~found]
            self._add(new, [string_of(int(orth)) for orth in new])
            _, at = self._find(unique)
        at = at[inverse]
        lengths = self._lengths[at]
        return self._ids[ragged_arange(self._starts[at], lengths)], lengths

    def _find(self, hashes: Hashes) -> tuple[NDArray[np.bool_], Ints]:
        at = np.searchsorted(self._keys, hashes)
        found = np.zeros(len(hashes), dtype=bool)
        inside = at < len(self._keys)
        found[inside] = self._keys[at[inside]] == hashes[inside]
        return found, at

    def _add(self, hashes: Hashes, words: list[str]) -> None:
        encoded = self.tokenizer(
            [[word] for word in words],
            is_split_into_words=True,
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]
        pieces = [ids[: self.max_word] or [self.tokenizer.unk_token_id or 0] for ids in encoded]
        lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
        starts = len(self._ids) + np.cumsum(lengths) - lengths
        flat = [i for ids in pieces for i in ids]
        self._ids = np.concatenate((self._ids, np.array(flat, dtype=np.int64)))
        at = np.searchsorted(self._keys, hashes)
        self._keys = np.insert(self._keys, at, hashes)
        self._starts = np.insert(self._starts, at, starts)
        self._lengths = np.insert(self._lengths, at, lengths)
