"""Words to sub-words: each distinct word is tokenised once, whole batches are array look-ups."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from spacy.tokens import Doc

from ..labels.words import DocWords, Hashes, Ints


class SubwordBatch(NamedTuple):
    """The sub-words of some sentences, end to end."""

    ids: Ints  # sub-word ids of all words, without special tokens
    word_lengths: Ints  # number of sub-words of each word, at least 1
    sentence_lengths: Ints  # number of words of each sentence; 0 for an empty one

    @property
    def sizes(self) -> Ints:
        """Number of sub-words of each sentence."""
        of_words, of_sentences = np.r_[0, self.word_lengths], np.r_[0, self.sentence_lengths]
        return np.diff(np.cumsum(of_words)[np.cumsum(of_sentences)])


def ragged_arange(starts: Ints, lengths: Ints) -> Ints:
    """`concatenate([arange(s, s + n) for s, n in zip(starts, lengths)])` without the loop."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)


# Held while a tokenizer works: a second thread that calls it makes it fail ("Already borrowed").
# One lock for all, as pipelines are copied, pickled and forked.
TOKENIZER_LOCK = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=TOKENIZER_LOCK.acquire,
        after_in_parent=TOKENIZER_LOCK.release,
        after_in_child=TOKENIZER_LOCK.release,
    )


def special_ids(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that a tokenizer puts before a text, and those it puts after."""
    with TOKENIZER_LOCK:
        bare = tokenizer("a", add_special_tokens=False)["input_ids"]
        full = tokenizer("a")["input_ids"]
    at = next(i for i in range(len(full)) if full[i : i + len(bare)] == bare)
    return tuple(full[:at]), tuple(full[at + len(bare) :])


def word_mark(tokenizer: Any) -> int:
    """The id of the sub-word that marks where a word begins and holds none of its text.

    SentencePiece and byte-level BPE write the space before a word as a mark. A word whose first
    characters the vocabulary has only without the mark, as most single ones of Chinese and
    Japanese, is split into the mark and the rest: its first sub-word is that of any other.

    RETURNS (int): -1 where there is no such sub-word.
    """
    ids = map(tokenizer.convert_tokens_to_ids, ("\u2581", "\u0120"))
    mark = next((i for i in ids if i not in (None, tokenizer.unk_token_id)), -1)
    with TOKENIZER_LOCK:
        # In other vocabularies the second is a letter, Maltese's Ġ.
        return -1 if split_words(tokenizer, ["\u0120"]) == [[mark]] else mark


def word_prefix(tokenizer: Any) -> str:
    """The space, or nothing, that makes a word be split as it is within a text.

    Gemma's tokenizer, which mmBERT has, marks where a word begins by the space before it alone, and
    puts none there where words come one by one. In its training hardly a word stood without.
    """
    with TOKENIZER_LOCK:
        within = tokenizer("a a", add_special_tokens=False)["input_ids"]
        alone, spaced = split_words(tokenizer, ["a", " a"])
    return " " if within == alone + spaced != alone + alone else ""


def split_words(tokenizer: Any, words: Sequence[str]) -> list[list[int]]:
    """The sub-words of each word by itself; the caller holds the lock."""
    if not tokenizer.is_fast:
        # Called with words, those of LUKE raise.
        pieces = (tokenizer.tokenize(word, is_split_into_words=True) for word in words)
        return [tokenizer.convert_tokens_to_ids(names) for names in pieces]
    found: list[list[int]] = tokenizer(
        [[word] for word in words],
        is_split_into_words=True,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )["input_ids"]
    return found


class _Memory(NamedTuple):
    """Words with their sub-words; never changed, so that any thread may read it at any time."""

    keys: Hashes  # sorted
    starts: Ints  # of each word's sub-words in `ids`
    lengths: Ints
    ids: Ints

    def find(self, hashes: Hashes) -> tuple[NDArray[np.bool_], Ints]:
        """Whether each word is there, and where it is or belongs."""
        at = np.searchsorted(self.keys, hashes)
        found = np.zeros(len(hashes), dtype=bool)
        inside = at < len(self.keys)
        found[inside] = self.keys[at[inside]] == hashes[inside]
        return found, at

    def with_words(self, hashes: Hashes, pieces: Sequence[Sequence[int]]) -> _Memory:
        """This and further words, given by sorted hashes."""
        lengths = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
        starts = len(self.ids) + np.cumsum(lengths) - lengths
        flat = np.fromiter(chain.from_iterable(pieces), dtype=np.int64, count=lengths.sum())
        at = np.searchsorted(self.keys, hashes)
        return _Memory(
            np.insert(self.keys, at, hashes),
            np.insert(self.starts, at, starts),
            np.insert(self.lengths, at, lengths),
            np.concatenate((self.ids, flat)),
        )


_NO_WORDS = _Memory(np.zeros(0, dtype=np.uint64), *np.zeros((3, 0), dtype=np.int64))


class WordTokenizer:
    """Sub-words of words, remembered per word in flat arrays. Threads may share it.

    A word is tokenised by itself (with the prefix space that the tokenizer gives to words), as
    XTREME does. A word that the tokenizer maps to nothing becomes one unknown sub-word, so every
    word has a vector.

    max_word (int): Sub-words kept of one word.
    max_cached (int): Number of distinct words above which the memory is emptied.
    """

    def __init__(self, tokenizer: Any, *, max_word: int, max_cached: int = 200_000) -> None:
        self.tokenizer = tokenizer
        self.max_word = max_word
        self.max_cached = max_cached
        self.prefix = word_prefix(tokenizer)
        # Replaced as a whole, and read once by each call.
        self._memory = _NO_WORDS

    def encode_docs(self, docs: Sequence[Doc]) -> SubwordBatch:
        """The sub-words of Docs of one vocab: one sentence per Doc, of its words (`DocWords`)."""
        return self.encode(DocWords(docs))

    def encode(self, words: DocWords) -> SubwordBatch:
        """The sub-words of the words of Docs. words (DocWords): The words."""
        ids, word_lengths = self.encode_words(words.orths, words.string)
        return SubwordBatch(ids, word_lengths, words.lengths)

    def encode_words(self, orths: Hashes, string_of: Callable[[int], str]) -> tuple[Ints, Ints]:
        """The sub-words of words given by hash.

        string_of (Callable[[int], str]): The word of a hash; asked only for words not yet known.
        RETURNS (Tuple[Ints1d, Ints1d]): Sub-word ids end to end, and their number per word.
        """
        unique, inverse = np.unique(orths, return_inverse=True)
        memory = self._memory
        found, at = memory.find(unique)
        if not found.all():
            memory = self._learn(unique, string_of)
            _, at = memory.find(unique)
        at = at[inverse]
        lengths = memory.lengths[at]
        return memory.ids[ragged_arange(memory.starts[at], lengths)], lengths

    def _learn(self, hashes: Hashes, string_of: Callable[[int], str]) -> _Memory:
        """A memory that holds these words, in place of the one before."""
        with TOKENIZER_LOCK:
            # Another thread may have learnt some of them while this one waited.
            memory = self._memory
            found, _ = memory.find(hashes)
            if len(memory.keys) + (~found).sum() > self.max_cached:
                memory, found = _NO_WORDS, np.zeros(len(hashes), dtype=bool)
            new = hashes[~found]
            if len(new):
                words = [self.prefix + string_of(word) for word in new.tolist()]
                unknown = [self.tokenizer.unk_token_id or 0]
                found_ids = split_words(self.tokenizer, words)
                pieces = [ids[: self.max_word] or unknown for ids in found_ids]
                self._memory = memory.with_words(new, pieces)
            return self._memory
