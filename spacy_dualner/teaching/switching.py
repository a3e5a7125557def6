"""Code-switching: entities of annotated sentences give way to entities found in other text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from ..encoder.subwords import Ints, SubwordBatch, ragged_arange
from ..labels.conversions import extract_span
from ..labels.layout import Layout
from .arrays import SentenceArrays


class PooledEntities(NamedTuple):
    """Where some entities stand in the flat arrays of a corpus.

    first_word (Ints1d): Number of each entity's first word.
    n_words (Ints1d): Number of its words.
    first_subword (Ints1d): Number of its first sub-word.
    n_subwords (Ints1d): Number of its sub-words.
    type (Ints1d): Type number, 1..C.
    """

    first_word: Ints
    n_words: Ints
    first_subword: Ints
    n_subwords: Ints
    type: Ints


class EntityPool:
    """The entities of a corpus that were found last, as numbers alone.

    size (int): Entities kept, at least 1; more push out the oldest.
    """

    def __init__(self, size: int) -> None:
        self._rows = np.zeros((size, len(PooledEntities._fields)), dtype=np.int64)
        self._n_added = 0

    def __len__(self) -> int:
        return min(self._n_added, len(self._rows))

    def add(
        self, corpus: SentenceArrays, sentences: Ints, starts: Ints, ends: Ints, types: Ints
    ) -> None:
        """Note entities that were found.

        corpus (SentenceArrays): The corpus; the same one at every call.
        sentences (Ints1d): Sentence number of each entity.
        starts (Ints1d): Number of its first word within the sentence.
        ends (Ints1d): Number of its last word within the sentence (inclusive).
        types (Ints1d): Type number, 1..C.
        """
        begin = corpus.word_bounds[sentences]
        n_words = ends - starts + 1
        first_subword = corpus.subword_bounds[sentences] + _sums(corpus.word_lengths, begin, starts)
        n_subwords = _sums(corpus.word_lengths, begin + starts, n_words)
        found = PooledEntities(begin + starts, n_words, first_subword, n_subwords, types)
        rows = np.stack(found, axis=1)[-len(self._rows) :]
        self._rows[(self._n_added + np.arange(len(rows))) % len(self._rows)] = rows
        self._n_added += len(rows)

    def draw(self, types: Ints, rng: Generator) -> Ints:
        """A random entity of each wanted type.

        types (Ints1d): Type numbers, 1..C.
        rng (Generator): Source of chance.
        RETURNS (Ints1d): Numbers for `take`; -1 where the pool has no entity of the type.
        """
        pooled = self._rows[: len(self), PooledEntities._fields.index("type")]
        order = np.argsort(pooled, kind="stable")
        first = np.searchsorted(pooled, types, side="left", sorter=order)
        count = np.searchsorted(pooled, types, side="right", sorter=order) - first
        found = count > 0
        numbers = np.full(len(types), -1)
        numbers[found] = order[first[found] + rng.integers(count[found])]
        return numbers

    def take(self, numbers: Ints) -> PooledEntities:
        """The entities of some numbers, from `draw`."""
        return PooledEntities(*self._rows[numbers].T)

    def state_dict(self) -> dict[str, Tensor]:
        """All that the pool holds, for a checkpoint."""
        return {"rows": torch.tensor(self._rows), "n_added": torch.tensor(self._n_added)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Hold what another pool of the same corpus held; its size becomes this one's."""
        self._rows = state["rows"].cpu().numpy().copy()
        self._n_added = int(state["n_added"])


def switch_entities(
    batch: SubwordBatch,
    tags: Ints,
    corpus: SentenceArrays,
    pool: EntityPool,
    share: float,
    rng: Generator,
) -> tuple[SubwordBatch, Ints]:
    """Put pooled entities in the place of entities of annotated sentences, each of its own type.

    batch (SubwordBatch): Sentences; left as they are.
    tags (Ints1d): Tag class of each word. Words without one (IGNORE) stay.
    corpus (SentenceArrays): The corpus whose entities are in the pool.
    pool (EntityPool): What may be put in; an entity of a type that it lacks stays.
    share (float): Probability that an entity is replaced.
    rng (Generator): Source of chance.
    RETURNS (Tuple[SubwordBatch, Ints1d]): As many sentences, and the tags of their words. Sentences
        have more words or fewer where entities have.
    """
    layout = Layout(batch.sentence_lengths)
    bounds = extract_span(layout.spread(torch.from_numpy(tags)))
    start, end = (layout.gather(row).numpy() for row in bounds)
    first, last = np.flatnonzero(start > 0), np.flatnonzero(end > 0)
    wanted = rng.random(len(first)) < share
    first, last = first[wanted], last[wanted]
    numbers = pool.draw(start[first], rng)
    found = numbers >= 0
    first, last = first[found], last[found]
    new = pool.take(numbers[found])

    # What is put in is laid behind the batch; then each word says what stands in its place.
    new_words = ragged_arange(new.first_word, new.n_words)
    new_subwords = ragged_arange(new.first_subword, new.n_subwords)
    word_lengths: Ints = np.concatenate((batch.word_lengths, corpus.word_lengths[new_words]))
    ids: Ints = np.concatenate((batch.ids, corpus.ids[new_subwords]))
    new_tags = np.repeat(2 * new.type, new.n_words)
    new_tags[np.cumsum(new.n_words) - new.n_words] -= 1
    gone = ragged_arange(first, last - first + 1)
    words, n_words = _places(np.ones_like(tags), gone, first, new.n_words)
    subwords, _ = _places(batch.word_lengths, gone, first, new.n_subwords)
    sentence_begins = np.cumsum(batch.sentence_lengths) - batch.sentence_lengths
    sentence_lengths = _sums(n_words, sentence_begins, batch.sentence_lengths)
    switched = SubwordBatch(ids[subwords], word_lengths[words], sentence_lengths)
    return switched, np.concatenate((tags, new_tags))[words]


def _places(lengths: Ints, gone: Ints, first: Ints, new_lengths: Ints) -> tuple[Ints, Ints]:
    """Which values, of the batch's own and of new ones behind them, stand where words stood.

    lengths: values of each word; gone: words that go; first: those in whose place new values come,
    and how many. Gives the places of all values in their order, and the number for each word.
    """
    begins, counts = np.cumsum(lengths) - lengths, lengths.copy()
    counts[gone] = 0
    begins[first] = lengths.sum() + np.cumsum(new_lengths) - new_lengths
    counts[first] = new_lengths
    return ragged_arange(begins, counts), counts


def _sums(values: NDArray, first: Ints, counts: Ints) -> Ints:
    """`[values[f : f + n].sum() for f, n in zip(first, counts)]` without the loop."""
    taken = values[ragged_arange(first, counts)]
    ends = np.cumsum(counts)
    totals = np.concatenate(([0], np.cumsum(taken, dtype=np.int64)))
    return totals[ends] - totals[ends - counts]
