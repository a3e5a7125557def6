"""What teacher and student see of some sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..decoding.read import read_spans
from ..encoder.blocks import Block, Shape, make_blocks
from ..encoder.pairs import Fusion, PairBlock, check_fusion, make_pairs
from ..encoder.subwords import Ints, ragged_arange
from ..labels.layout import Layout
from .arrays import SentenceArrays
from .network import Recogniser
from .noise import Noise
from .pairing import find_partners
from .settings import ConfigSchemaTeaching
from .switching import EntityPool, switch_entities
from .templates import without_words

Blocks = Sequence[Block] | PairBlock

# Entities that the teacher found last, of which source sentences take some over.
POOL_SIZE = 10_000


@dataclass
class View:
    """Some sentences, ready for the networks.

    sentences (Ints1d): Numbers of the sentences.
    gold (Ints1d): Tag class of each word, IGNORE where there is no gold tag.
    sentence_lengths (Ints1d): Number of words of each sentence.
    is_source (Bools1d): Whether each word is of an annotated sentence.
    langs (Ints1d): Number of each word's language.
    unread (Bools1d): Which words the teacher does not see.
    teacher (Blocks): What the teacher sees.
    student (Blocks): What the student sees: all words.
    """

    sentences: Ints
    gold: Ints
    sentence_lengths: Ints
    is_source: NDArray[np.bool_]
    langs: Ints
    unread: NDArray[np.bool_]
    teacher: Blocks
    student: Blocks

    @property
    def n_words(self) -> int:
        return len(self.gold)

    @property
    def n_read(self) -> int:
        return int((~self.unread).sum())


@dataclass
class Views:
    """Makes views of the sentences of a corpus.

    corpus (SentenceArrays): Source sentences, then target sentences.
    n_source (int): How many of them are source sentences.
    shape (Shape): How to cut and pad.
    noise (Noise): What is done to target sentences before the student sees them.
    unread (Optional[Bools1d]): Of each word of the corpus, whether the teacher does not see it.
    switch (float): Probability that an entity of a source sentence is replaced.
    pool (Optional[EntityPool]): Entities that the teacher found, to replace them by.
    partners (Optional[Ints1d]): FILTER: the source sentence of each translation.
    fusion (Optional[Fusion]): FILTER: which layers see both.
    """

    corpus: SentenceArrays
    n_source: int
    shape: Shape
    noise: Noise
    unread: NDArray[np.bool_] | None = None
    switch: float = 0.0
    pool: EntityPool | None = None
    partners: Ints | None = None
    fusion: Fusion | None = None

    def with_partners(self, sentences: Ints) -> Ints:
        """Translations with the sentences that they are of before them."""
        if self.partners is None:
            return sentences
        return np.concatenate((self.partners[sentences], sentences))

    @cached_property
    def sizes(self) -> Ints:
        """Sub-words of each sentence; with partners, of the longer of both."""
        sizes = self.corpus.subword_counts()
        return sizes if self.partners is None else np.maximum(sizes, sizes[self.partners])

    @property
    def passes(self) -> int:
        """How often a sentence that is drawn goes through the student in a step, at most."""
        return 1 + (self.partners is not None) + (self.noise.settings.consistency > 0)

    def make(self, drawn: Ints, rng: np.random.Generator) -> View:
        """What both see of some sentences. drawn (Ints1d): Sentence numbers, without partners."""
        sentences = self.with_partners(drawn)
        batch, gold = self.corpus.select(sentences)
        if self.pool:
            batch, gold = switch_entities(batch, gold, self.corpus, self.pool, self.switch, rng)
        lengths = batch.sentence_lengths
        is_source = np.repeat(sentences < self.n_source, lengths)
        langs = np.repeat(self.corpus.langs[sentences].astype(np.int64), lengths)
        unread = self._unread(sentences, is_source)
        teacher: Blocks
        if self.partners is None or self.fusion is None:
            teacher = make_blocks(without_words(batch, unread), self.shape)
        else:
            source, target = (self.corpus.select(s)[0] for s in (self.partners[drawn], drawn))
            teacher = make_pairs(source, target, self.shape, self.fusion)
        noisy = self.noise.apply(batch, ~is_source, rng)
        as_teacher = noisy is batch and not unread.any()
        student = teacher if as_teacher else make_blocks(noisy, self.shape)
        return View(sentences, gold, lengths, is_source, langs, unread, teacher, student)

    def _unread(self, sentences: Ints, is_source: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which words of a view the teacher does not see."""
        of_view = np.zeros(len(is_source), dtype=bool)
        if self.unread is None:
            return of_view
        target = sentences[sentences >= self.n_source]
        bounds = self.corpus.word_bounds
        places = ragged_arange(bounds[target], bounds[target + 1] - bounds[target])
        of_view[~is_source] = self.unread[places]
        return of_view

    def again(self, view: View, rng: np.random.Generator) -> tuple[Blocks, int]:
        """The target sentences of a view once more, with noise of their own, and their words."""
        target = view.sentences[view.sentences >= self.n_source]
        batch, _ = self.corpus.select(target)
        n_words = len(batch.word_lengths)
        noisy = self.noise.apply(batch, np.ones(n_words, dtype=bool), rng)
        return make_blocks(noisy, self.shape), n_words

    def remember(self, view: View, logits: Tensor, layout: Layout) -> None:
        """Pool what the teacher finds in target sentences.

        view (View): Sentences.
        logits (Floats2d): The teacher's, `[words, 4C + 3]`.
        layout (Layout): The sentences of those words.
        """
        if self.pool is None:
            return
        spans = read_spans(logits, layout, "joint")
        first, last, types = (values.cpu().numpy() for values in spans)
        number, start = layout.locate(first)
        sentences = view.sentences[number]
        target = sentences >= self.n_source
        end = start + last - first
        found = (values[target] for values in (sentences, start, end, types))
        self.pool.add(self.corpus, *found)


def make_views(
    settings: ConfigSchemaTeaching, corpus: SentenceArrays, n_source: int, recogniser: Recogniser
) -> Views:
    """The views that a config asks for.

    settings (ConfigSchemaTeaching): Settings of stage 2.
    corpus (SentenceArrays): Source sentences, then target sentences.
    n_source (int): How many of them are source sentences.
    recogniser (Recogniser): Tokenizer, shape and encoder.
    Raises DualNerError where the encoder or its tokenizer lacks what a setting needs.
    """
    tokenizer, shape = recogniser.words.tokenizer, recogniser.shape
    noise = Noise(settings.noise, tokenizer, max_word=shape.overlap)
    views = Views(corpus, n_source, shape, noise)
    if settings.noise.switch:
        views.switch, views.pool = settings.noise.switch, EntityPool(POOL_SIZE)
    if settings.method == "filter":
        views.fusion = Fusion(settings.local_layers, settings.fused_layers)
        check_fusion(recogniser.network.encoder, views.fusion)
        views.partners = find_partners(corpus, n_source, shape.window)
    return views
