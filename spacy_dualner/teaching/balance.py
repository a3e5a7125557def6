"""Entity types in each language as frequent as in the annotated text."""

from __future__ import annotations

import torch
from torch import Tensor

from ..encoder.heads import split_logits

# Share of what was counted that remains after each batch: some thousand batches are remembered.
_DECAY = 0.999
# Words that each type is taken to have been seen in beforehand, so that the first ones move little.
_BEFORE = 20.0


class TypeBalance:
    """Moves the teacher's scores so that no type swallows the others in a language.

    Left to itself a teacher that follows the student finds ever more entities of the type that it
    prefers in a language. To the scores of each type c is added
    `strength * (log share of c in the annotated text - log share of c found in the language)`:
    distribution alignment, among entities alone, so that it is not told how many there are.

    strength (float): 0 for nothing, 1 for all.
    gold (Ints1d): Tag classes of the annotated words.
    n_langs (int): Number of languages.
    n_types (int): Number of entity types, C.
    device (torch.device): Where the scores are.
    """

    def __init__(
        self,
        strength: float,
        gold: Tensor,
        n_langs: int,
        n_types: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.strength = strength
        type_ = torch.arange(n_types, device=device)
        n_tags, n_bounds = 2 * n_types + 1, n_types + 1
        begins = torch.tensor([n_tags, n_tags + n_bounds], device=device)[:, None]
        # Classes of each type, among the 4C + 3: begin, inside, start, end.
        self._classes = torch.stack((2 * type_ + 1, 2 * type_ + 2, *(begins + 1 + type_)))
        counts = torch.bincount(gold[gold >= 0], minlength=n_tags).to(device).float()
        begin, inside = counts[1::2], counts[2::2]
        self._gold = _shares(torch.stack((begin, inside, begin, begin)))
        self.seen = (_BEFORE * n_types * self._gold).repeat(n_langs, 1, 1)

    def balance(self, logits: Tensor, langs: Tensor, is_source: Tensor) -> Tensor:
        """Count what is found in target words, and balance it.

        logits (Floats2d): The teacher's, `[words, 4C + 3]`.
        langs (Ints1d): Number of each word's language.
        is_source (Bools1d): Whether each word is annotated: those stay as they are.
        RETURNS (Floats2d): Logits.
        """
        probabilities = torch.cat([head.softmax(-1) for head in split_logits(logits)], -1)
        found = probabilities[:, self._classes] * ~is_source[:, None, None]
        self.seen *= _DECAY
        self.seen.index_add_(0, langs, found.to(self.seen.dtype))
        moved = self.strength * (self._gold.log() - _shares(self.seen).log())
        balanced = logits.clone()
        balanced[:, self._classes] += moved[langs].to(logits.dtype) * ~is_source[:, None, None]
        return balanced

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"seen": self.seen}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.seen.copy_(state["seen"])


def _shares(counts: Tensor) -> Tensor:
    """Of each type in a row, none of them 0."""
    counts = counts + 1e-3 * counts.sum(-1, keepdim=True) + 1e-9
    return counts / counts.sum(-1, keepdim=True)
