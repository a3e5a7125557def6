"""Batches grouped by length: every sentence once, like lengths together, the same for a seed."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.util import registry

from spacy_dualner.training.batching import POOL, length_groups, make_batcher

many_lengths = st.lists(st.integers(0, 60), max_size=200)


def groups(lengths, size: int, seed: int = 0) -> list[list[int]]:
    return [b.tolist() for b in length_groups(lengths, size, np.random.default_rng(seed))]


@settings(deadline=None)
@given(lengths=many_lengths, size=st.integers(1, 20), seed=st.integers(0, 9))
def test_each_sentence_stands_in_one_batch_and_all_but_one_batch_are_full(
    lengths, size, seed
) -> None:
    batches = groups(lengths, size, seed)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // size)
    assert sum(len(batch) < size for batch in batches) == bool(len(lengths) % size)
    assert all(len(batch) <= size for batch in batches)


@settings(deadline=None)
@given(lengths=many_lengths, size=st.integers(4, 20))
def test_like_lengths_stand_together(lengths, size) -> None:
    """Within a pool no batch reaches into the range of another."""
    ranges = sorted(
        (min(lengths[i] for i in batch), max(lengths[i] for i in batch))
        for batch in groups(lengths, size)
    )
    assert all(before[1] <= after[0] for before, after in pairwise(ranges))


def test_many_pools() -> None:
    """Full batches, far less padding than by chance, and still another mixture each time."""
    size = 4
    lengths = np.random.default_rng(0).integers(1, 100, size=3 * POOL * size + 2)
    batches = groups(lengths, size)
    assert sorted(map(len, batches)) == [2] + [4] * (3 * POOL)
    padded = sum(len(b) * max(lengths[b]) for b in batches)
    assert padded < 1.05 * lengths.sum()
    together = [frozenset(b) for b in batches]
    assert not set(together) <= set(map(frozenset, groups(lengths, size, seed=1)))


def test_the_batches_are_not_in_order_of_length() -> None:
    means = [float(np.mean(batch)) for batch in groups(range(400), 4)]
    rises = sum(a < b for a, b in pairwise(means))
    assert 0.3 < rises / len(means) < 0.7


def test_the_seed_decides() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, size=300)
    assert groups(lengths, 8, 5) == groups(lengths, 8, 5)
    assert groups(lengths, 8, 5) != groups(lengths, 8, 6)


def test_no_sentences() -> None:
    assert groups([], 8) == []


# As spaCy's batcher


def test_batcher_gives_every_item_once() -> None:
    assert registry.batchers.get("spacy-dualner.batch_by_length.v1") is make_batcher
    items = ["x" * (i % 7) + str(i) for i in range(50)]
    batches = list(make_batcher(8)(iter(items)))
    assert sorted(item for batch in batches for item in batch) == sorted(items)
    assert sorted(map(len, batches)) == [2] + [8] * 6
    assert all(isinstance(batch, list) for batch in batches)


@pytest.mark.parametrize("get_length", [None, lambda item: -len(item)])
def test_batcher_measures_items(get_length) -> None:
    items = [[0] * n for n in range(1, 33)]
    for batch in make_batcher(4, get_length)(items):
        sizes = [len(item) for item in batch]
        assert max(sizes) - min(sizes) == 3
    odd_first = make_batcher(16, lambda item: len(item) % 2)(items)
    assert all(len({len(item) % 2 for item in batch}) == 1 for batch in odd_first)


def test_batcher_follows_the_seed_of_training() -> None:
    items = [[0] * (i % 9) + [i] for i in range(60)]
    runs = []
    for seed in (1, 1, 2):
        random.seed(seed)
        batch = make_batcher(8)
        runs.append([list(batch(items)), list(batch(items))])
    assert runs[0] == runs[1] != runs[2]
    assert runs[0][0] != runs[0][1]  # another order each epoch
