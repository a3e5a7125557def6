"""Whole-word masking: which words the encoder does not see, and where it has to guess them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator

from ..encoder.blocks import Block
from ..encoder.subwords import Ints, SubwordBatch, ragged_arange
from ..errors import DualNerError
from ..teaching.noise import Bools, mask_words

# What becomes of a chosen word: all of it is masked, or random sub-words, or else left as it is.
MASKED, RANDOM = 0.8, 0.1


class Masked(NamedTuple):
    """Sentences of which some words are to be guessed.

    shown (SubwordBatch): What the encoder sees.
    ids (Ints1d): The sub-words that truly stand there.
    chosen (Bools1d): The words to guess.
    """

    shown: SubwordBatch
    ids: Ints
    chosen: Bools

    @property
    def n_targets(self) -> int:
        """Number of sub-words to guess."""
        return int(self.shown.word_lengths[self.chosen].sum())

    def targets(self, block: Block) -> tuple[Ints, Ints]:
        """The sub-words to guess in a block.

        block (Block): One of `make_blocks(masked.shown, shape)`.
        RETURNS (Tuple[Ints1d, Ints1d]): Their positions in the flattened block, and their ids.
        """
        lengths = self.shown.word_lengths
        chosen = self.chosen[block.words]
        words, counts = block.words[chosen], block.counts[chosen]
        first = (np.cumsum(lengths) - lengths)[words]
        return ragged_arange(block.first[chosen], counts), self.ids[ragged_arange(first, counts)]


@dataclass(frozen=True)
class Masking:
    """How words are chosen and hidden. Made by `of`.

    share (float): Share of the words that are chosen.
    mask_id (int): Id of the mask token.
    special (Ints1d): Special ids; words that hold one, such as the unknown sub-word, stay.
    ordinary (Ints1d): The other ids, which random sub-words are drawn from.
    """

    share: float
    mask_id: int
    special: Ints
    ordinary: Ints

    @classmethod
    def of(cls, tokenizer: Any, share: float) -> Masking:
        """Masking for a Hugging Face tokenizer. Raises DualNerError where it has no mask token."""
        if tokenizer.mask_token_id is None:
            raise DualNerError(
                "The encoder's tokenizer has no mask token: it was not pre-trained by guessing "
                "masked words and cannot be adapted by it. Name another encoder."
            )
        special = np.unique(tokenizer.all_special_ids)
        ids = np.array(sorted(tokenizer.get_vocab().values()))
        return cls(share, tokenizer.mask_token_id, special, np.setdiff1d(ids, special))

    def apply(self, batch: SubwordBatch, rng: Generator) -> Masked:
        """Choose words and hide them.

        batch (SubwordBatch): Sentences; left as they are.
        rng (Generator): Source of chance.
        RETURNS (Masked): At least one word is chosen if any may be.
        """
        n_words = len(batch.word_lengths)
        word = np.repeat(np.arange(n_words), batch.word_lengths)
        may = np.ones(n_words, dtype=bool)
        may[word[np.isin(batch.ids, self.special)]] = False
        (candidates,) = np.nonzero(may)
        number = min(len(candidates), max(1, round(self.share * len(candidates))))
        drawn = rng.choice(candidates, number, replace=False)
        chosen = np.zeros(n_words, dtype=bool)
        chosen[drawn] = True
        chance = np.ones(n_words)
        chance[drawn] = rng.random(number)
        shown = mask_words(batch, chance < MASKED, self.mask_id)
        random = ((chance >= MASKED) & (chance < MASKED + RANDOM))[word]
        shown.ids[random] = rng.choice(self.ordinary, int(random.sum()))
        return Masked(shown, batch.ids, chosen)
