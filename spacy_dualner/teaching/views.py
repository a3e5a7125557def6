"""What teacher and student see of some sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..encoder.pairs import Fusion, PairBlock, check_fusion, make_pairs
from ..encoder.subwords import Ints, SubwordBatch, ragged_arange
from ..encoder.windows import Block, Shape, make_blocks
from .data import TeachingData
from .network import Recogniser
from .settings import ConfigSchemaTeaching
from .templates import without_words

Blocks = Sequence[Block] | PairBlock


@dataclass
class View:
    """Some sentences, ready for the networks."""

    gold: Ints  # tag class of each word, IGNORE where there is no gold tag
    sentence_lengths: Ints  # number of words of each sentence
    is_source: NDArray[np.bool_]  # whether each word is of an annotated sentence
    unread: NDArray[np.bool_]  # which words the teacher does not see
    teacher: Blocks  # what the teacher sees
    student: Blocks  # what the student sees: all words

    @property
    def n_words(self) -> int:
        return len(self.gold)

    @property
    def n_read(self) -> int:
        return int((~self.unread).sum())


@dataclass
class Views:
    """Makes views of the sentences of a corpus."""

    data: TeachingData
    shape: Shape

    passes = 1
    """How often a sentence that is drawn goes through the student in a step."""

    def __post_init__(self) -> None:
        # Of each word of the corpus, whether the teacher does not see it: never one of the source.
        self.unread = np.zeros(len(self.data.corpus.word_lengths), dtype=bool)

    @cached_property
    def sizes(self) -> Ints:
        """Sub-words of each sentence, as it goes through the student."""
        return self.data.corpus.subword_counts()

    def make(self, drawn: Ints) -> View:
        """What both see of some sentences. drawn (Ints1d): Sentence numbers, without partners."""
        sentences = self.data.with_partners(drawn)
        corpus = self.data.corpus
        batch, gold = corpus.select(sentences)
        is_source = np.repeat(sentences < self.data.n_source, batch.sentence_lengths)
        first = corpus.word_bounds[sentences]
        unread = self.unread[ragged_arange(first, batch.sentence_lengths)]
        student = self._blocks(batch, drawn)
        teacher = student
        if unread.any():
            teacher = self._blocks(without_words(batch, unread), drawn)
        return View(gold, batch.sentence_lengths, is_source, unread, teacher, student)

    def _blocks(self, batch: SubwordBatch, drawn: Ints) -> Blocks:
        return make_blocks(batch, self.shape)


@dataclass
class PairViews(Views):
    """FILTER: a translation and the sentence that it is of go through the encoder together."""

    fusion: Fusion

    passes = 2

    @cached_property
    def sizes(self) -> Ints:
        """Sub-words of the longer of both."""
        sizes = super().sizes
        return np.maximum(sizes, sizes[self.data.partners])

    def _blocks(self, batch: SubwordBatch, drawn: Ints) -> Blocks:
        assert self.data.partners is not None
        source, target = (
            self.data.corpus.select(of)[0] for of in (self.data.partners[drawn], drawn)
        )
        return make_pairs(source, target, self.shape, self.fusion)


def make_views(settings: ConfigSchemaTeaching, data: TeachingData, recogniser: Recogniser) -> Views:
    """What a config asks for. Raises DualNerError where FILTER cannot cut the encoder so."""
    if settings.method != "filter":
        return Views(data, recogniser.shape)
    fusion = Fusion(settings.local_layers, settings.fused_layers)
    check_fusion(recogniser.network.encoder, fusion)
    return PairViews(data, recogniser.shape, fusion)
