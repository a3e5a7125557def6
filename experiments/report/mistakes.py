"""Error analysis: what kind of mistake each wrong or missing entity is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields

import numpy as np

from .entities import Entities, Gold, is_in


@dataclass(frozen=True)
class Mistakes:
    """Numbers of entities, each gold and each predicted one counted once.

    correct: same words, same type.
    type: same words, another type.
    boundary: words in common, same type.
    both: words in common, another type.
    spurious: predicted, and none of the above with any gold entity.
    missed: gold, and none of the above with any predicted entity.
    """

    correct: float = 0
    boundary: float = 0
    type: float = 0
    both: float = 0
    spurious: float = 0
    missed: float = 0

    @property
    def gold(self) -> float:
        return self.correct + self.boundary + self.type + self.both + self.missed

    @property
    def predicted(self) -> float:
        return self.correct + self.boundary + self.type + self.both + self.spurious


KINDS = tuple(field.name for field in fields(Mistakes))

NAMES = {
    "correct": "correct",
    "boundary": "boundary",
    "type": "type",
    "both": "boundary and type",
    "spurious": "spurious",
    "missed": "missed",
}


def find_mistakes(gold: Gold, predicted: Entities) -> Mistakes:
    """Pair predicted with gold entities, the closest kind first, and count.

    gold (Gold): The annotated sentences.
    predicted (Entities): Without overlaps, as gold.
    RETURNS (Mistakes): `correct` to `both` and `spurious` add up to the predicted entities,
        `correct` to `both` and `missed` to the gold ones.
    """
    true, found = gold.entities, predicted
    n_correct = int(is_in(found, true).sum())
    true, found = true[~is_in(true, found)], found[~is_in(found, true)]
    n_type = int(is_in(found[:, :3], true[:, :3]).sum())
    true, found = (
        true[~is_in(true[:, :3], found[:, :3])],
        found[~is_in(found[:, :3], true[:, :3])],
    )
    n_boundary, true, found = _take_overlapping(true, found, same_type=True)
    n_both, true, found = _take_overlapping(true, found, same_type=False)
    return Mistakes(n_correct, n_boundary, n_type, n_both, len(found), len(true))


def _take_overlapping(
    true: Entities, found: Entities, *, same_type: bool
) -> tuple[int, Entities, Entities]:
    """Pair each predicted entity with the first free gold one that shares words with it."""
    free: dict[int, list[int]] = defaultdict(list)
    for place, sentence in enumerate(true[:, 0].tolist()):
        free[sentence].append(place)
    rows = true.tolist()
    taken, unpaired = np.zeros(len(true), dtype=bool), np.ones(len(found), dtype=bool)
    for place, (sentence, first, last, type_) in enumerate(found.tolist()):
        for other in free.get(sentence, ()):
            _, begin, end, of_type = rows[other]
            if first <= end and begin <= last and not taken[other]:
                if same_type and type_ != of_type:
                    continue
                taken[other], unpaired[place] = True, False
                break
    return int(taken.sum()), true[~taken], found[unpaired]
