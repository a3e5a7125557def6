"""Batches grouped by length, for both stages."""

import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from spacy.util import registry

POOL = 50
"""Sentences are sorted by length within this many batches, so that batches stay mixed."""


def length_groups(
    lengths: ArrayLike, size: int, rng: np.random.Generator
) -> list[NDArray[np.int64]]:
    """Shuffle sentences into batches of like length, in random order.

    size (int): Sentences a batch; the last cut may be smaller.
    RETURNS (List[Ints1d]): Sentence numbers of each batch; each sentence stands in one.
    """
    lengths = np.asarray(lengths)
    order = rng.permutation(len(lengths))
    batches: list[NDArray[np.int64]] = []
    for begin in range(0, len(order), size * POOL):
        mixed = order[begin : begin + size * POOL]
        mixed = mixed[np.argsort(lengths[mixed], kind="stable")]
        batches.extend(mixed[i : i + size] for i in range(0, len(mixed), size))
    return [batches[i] for i in rng.permutation(len(batches))]


@registry.batchers("spacy-dualner.batch_by_length.v1")
def make_batcher(
    size: int, get_length: Callable[[Any], int] | None = None
) -> Callable[[Iterable[Any]], Iterator[list[Any]]]:
    """Batches of a fixed number of sentences of like length.

    size (int): Sentences a batch.
    get_length (Optional[Callable[[Any], int]]): Length of an item; its `len` by default.
    """

    def batch(items: Iterable[Any]) -> Iterator[list[Any]]:
        items = list(items)
        lengths = [(get_length or len)(item) for item in items]
        # spaCy seeds Python's generator with training.seed.
        rng = np.random.default_rng(random.getrandbits(64))
        for chosen in length_groups(lengths, size, rng):
            yield [items[i] for i in chosen]

    return batch
