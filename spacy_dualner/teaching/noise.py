"""Noise on sub-words: words are masked, sub-words are cut in two. The words stay the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ..encoder.subwords import Ints, SubwordBatch
from ..errors import DualNerError
from .settings import NoiseSettings

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class SplitTable:
    """All ways to cut each sub-word of a vocabulary into two others of it. Made by `of`.

    bounds (Ints1d): Where the cuts of each sub-word id begin, and those of the last one end.
    left (Ints1d): Id of the first part of each cut.
    right (Ints1d): Id of the second part.
    """

    bounds: Ints
    left: Ints
    right: Ints

    @classmethod
    def of(cls, tokenizer: Any) -> SplitTable:
        """The cuts that a tokenizer's vocabulary allows; special and added tokens have none.

        The first part keeps a mark of the word's beginning, the second has the mark of going on
        (`##`) where the vocabulary has one, and a mark of the word's end.

        tokenizer (PreTrainedTokenizerFast): Hugging Face tokenizer.
        Raises DualNerError for a slow tokenizer, whose marks are not known.
        """
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is None:
            raise DualNerError(
                f"The tokenizer ({type(tokenizer).__name__}) is a slow one: sub-words can be cut "
                "with fast tokenizers (tokenizer.json) only. Set teaching.noise.split to 0."
            )
        prefix = getattr(backend.model, "continuing_subword_prefix", None) or ""
        suffix = getattr(backend.model, "end_of_word_suffix", None) or ""
        whole = {*tokenizer.all_special_ids, *tokenizer.get_added_vocab().values()}
        everything = tokenizer.get_vocab()
        vocab = {piece: i for piece, i in everything.items() if i not in whole}
        of: list[int] = []
        left: list[int] = []
        right: list[int] = []
        for piece, i in sorted(vocab.items(), key=lambda item: item[1]):
            begin = len(prefix) if piece.startswith(prefix) else 0
            for at in range(begin + 1, len(piece) - len(suffix) * piece.endswith(suffix)):
                first, second = piece[:at], prefix + piece[at:]
                if first in vocab and second in vocab:
                    of.append(i)
                    left.append(vocab[first])
                    right.append(vocab[second])
        ids = np.arange(max(everything.values(), default=-1) + 2)
        cuts = np.array([of, left, right], dtype=np.int64)
        return cls(np.searchsorted(cuts[0], ids), cuts[1], cuts[2])


def mask_words(batch: SubwordBatch, chosen: Bools, mask_id: int) -> SubwordBatch:
    """Put the mask in the place of every sub-word of some words.

    batch (SubwordBatch): Sentences; left as they are.
    chosen (Bools1d): The words to mask.
    mask_id (int): Id of the mask token.
    RETURNS (SubwordBatch): The same words, of as many sub-words each.
    """
    masked = np.repeat(chosen, batch.word_lengths)
    return batch._replace(ids=np.where(masked, mask_id, batch.ids))


def split_subwords(
    batch: SubwordBatch,
    chosen: Bools,
    table: SplitTable,
    rng: Generator,
    share: float,
    *,
    max_word: int,
) -> SubwordBatch:
    """Cut sub-words of some words in two, each at a random one of its cuts.

    batch (SubwordBatch): Sentences; left as they are.
    chosen (Bools1d): The words whose sub-words may be cut.
    table (SplitTable): The cuts.
    rng (Generator): Source of chance.
    share (float): Probability that a sub-word which can be cut is cut.
    max_word (int): Sub-words that a word may have (`Shape.overlap`); one that would get more keeps
        its sub-words.
    RETURNS (SubwordBatch): The same words, of more sub-words.
    """
    n_words = len(batch.word_lengths)
    word = np.repeat(np.arange(n_words), batch.word_lengths)
    n_cuts = table.bounds[batch.ids + 1] - table.bounds[batch.ids]
    cut = chosen[word] & (n_cuts > 0) & (rng.random(len(word)) < share)
    word_lengths = batch.word_lengths + np.bincount(word[cut], minlength=n_words)
    too_long = word_lengths > max_word
    word_lengths = np.where(too_long, batch.word_lengths, word_lengths)
    cut &= ~too_long[word]
    number = table.bounds[batch.ids[cut]] + rng.integers(n_cuts[cut])
    ids = np.repeat(batch.ids, 1 + cut)
    second = np.cumsum(1 + cut)[cut] - 1
    ids[second - 1], ids[second] = table.left[number], table.right[number]
    return SubwordBatch(ids, word_lengths, batch.sentence_lengths)


class Noise:
    """Noise on the words of target sentences.

    settings (NoiseSettings): `mask`, the probability that a word is masked, with all its sub-words;
        `split`, the probability that a sub-word which can be cut is cut in two.
    tokenizer (PreTrainedTokenizerFast): Hugging Face tokenizer.
    max_word (int): Sub-words that a word may have (`Shape.overlap`).
    Raises DualNerError where the tokenizer has no mask, or its sub-words cannot be cut.
    """

    def __init__(self, settings: NoiseSettings, tokenizer: Any, *, max_word: int) -> None:
        self.settings = settings
        self.max_word = max_word
        self.table = SplitTable.of(tokenizer) if settings.split else None
        self.mask_id = tokenizer.mask_token_id if settings.mask else None
        if settings.mask and self.mask_id is None:
            raise DualNerError(
                "The encoder's tokenizer has no mask token. Set teaching.noise.mask to 0."
            )

    def apply(self, batch: SubwordBatch, is_target: Bools, rng: Generator) -> SubwordBatch:
        """Sentences with noise in those of target text.

        batch (SubwordBatch): Sentences; left as they are.
        is_target (Bools1d): Whether each word is one of target text; others stay.
        rng (Generator): Source of chance; nothing is drawn for noise that is 0.
        RETURNS (SubwordBatch): The same words; `batch` itself where there is no noise.
        """
        if self.mask_id is not None:
            chosen = is_target & (rng.random(len(is_target)) < self.settings.mask)
            batch = mask_words(batch, chosen, self.mask_id)
        if self.table is not None:
            share, longest = self.settings.split, self.max_word
            batch = split_subwords(batch, is_target, self.table, rng, share, max_word=longest)
        return batch
