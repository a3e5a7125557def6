"""Which entities are among the surest of their language and type."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the log odds, from -_LIMIT to it: a trained teacher's entities mostly lie between 0.99 and 1.
_BINS = 400
_LIMIT = 10.0
# Share of what was counted that remains after each batch: some thousand batches are remembered.
_DECAY = 0.999


class Quotas:
    """Keeps a share of the entities of each language and type, going by those found before.

    share (float): How many to keep, the surest.
    n_langs (int): Number of languages.
    n_types (int): Number of entity types, C.
    device (torch.device): Where the entities are.
    """

    def __init__(
        self, share: float, n_langs: int, n_types: int, device: torch.device | str = "cpu"
    ) -> None:
        self.share = share
        # How many entities there were of each language, type and sureness.
        self.counts = torch.zeros(n_langs, n_types, _BINS, device=device, dtype=torch.float32)

    def within(self, sureness: Tensor, langs: Tensor, types: Tensor) -> Tensor:
        """Count entities, and tell which to keep.

        sureness (Floats1d): Probability of each entity, 0 to 1.
        langs (Ints1d): Number of each one's language.
        types (Ints1d): Number of each one's type, 1..C.
        RETURNS (Bools1d): Whether it is as sure as the last one within the share.
        """
        at = (sureness.logit(eps=1e-6) / _LIMIT + 1) / 2
        bins = (at * _BINS).long().clamp(0, _BINS - 1)
        places = (langs, types.long() - 1, bins)
        self.counts *= _DECAY
        self.counts.index_put_(places, torch.ones_like(sureness), accumulate=True)
        # Of a bin: the share of entities that are surer than all in it.
        surer = self.counts.flip(-1).cumsum(-1).flip(-1) - self.counts
        surer = surer / self.counts.sum(-1, keepdim=True).clamp(min=1e-9)
        return surer[places] < self.share

    def state_dict(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {"counts": self.counts}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        self.counts.copy_(state["counts"])
