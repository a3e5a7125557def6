"""The label scheme: entity types, and the class numbers that the three heads predict.

Entity types are numbered 1..C in the order given; 0 is "none". Tags follow from that:
`O` is 0, `B-` of type c is 2c - 1, `I-` of type c is 2c. IGNORE marks a word without a label and
a position that holds no word (padding, or the gap between two sentences).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

IGNORE = -1


@dataclass(frozen=True)
class LabelScheme:
    """Entity types and the classes of the tag, start and end heads.

    types (Tuple[str, ...]): The entity types, without repeats, in the order of the heads' rows.
    """

    types: tuple[str, ...]

    @classmethod
    def from_types(cls, types: Sequence[str]) -> LabelScheme:
        """Make a scheme from entity types in any order: sorted, repeats dropped."""
        return cls(tuple(sorted(set(types))))

    @property
    def n_types(self) -> int:
        return len(self.types)

    @property
    def n_tags(self) -> int:
        """Classes of the tag head: 2C + 1."""
        return 2 * self.n_types + 1

    @property
    def n_bounds(self) -> int:
        """Classes of the start head, and of the end head: C + 1."""
        return self.n_types + 1

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Classes of the tag, start and end head."""
        return self.n_tags, self.n_bounds, self.n_bounds

    @property
    def n_logits(self) -> int:
        """Classes of all heads: 4C + 3."""
        return sum(self.sizes)

    @property
    def tags(self) -> list[str]:
        """Tag names by class number: `["O", "B-LOC", "I-LOC", ...]`."""
        return ["O"] + [f"{prefix}-{t}" for t in self.types for prefix in "BI"]

    def tag_id(self, tag: str) -> int:
        """The class number of a BIO tag. Raises KeyError for a tag outside the scheme."""
        return {name: i for i, name in enumerate(self.tags)}[tag]


class HeadValues(NamedTuple):
    """One value per head: logits `[words, classes]`, or labels `[words]`."""

    tag: Tensor
    start: Tensor
    end: Tensor
