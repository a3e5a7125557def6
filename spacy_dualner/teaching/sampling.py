"""Which sentences an epoch holds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..encoder.subwords import Ints
from .settings import SamplingSettings


def draw_epoch(
    groups: NDArray[np.integer],
    is_source: NDArray[np.bool_],
    settings: SamplingSettings,
    rng: np.random.Generator,
) -> Ints:
    """Draw as many sentences as there are, by language.

    By default each is drawn once. Otherwise a language of which more are drawn than it has gives
    each sentence equally often, but for the rest.

    groups (Ints1d): Number of each sentence's language, source and target told apart.
    is_source (Bools1d): Whether each sentence is annotated.
    settings (SamplingSettings): `temperature` and `source_share`.
    rng (Generator): Source of randomness; not used by default.
    RETURNS (Ints1d): Numbers of sentences, in any order.
    """
    if settings.temperature == 1 and not settings.source_share:
        return np.arange(len(groups))
    names, first, sizes = np.unique(groups, return_index=True, return_counts=True)
    of_source = is_source[first]
    wanted = np.where(of_source, sizes, sizes ** (1 / settings.temperature))
    share = settings.source_share or is_source.mean()
    for side, total in ((of_source, share), (~of_source, 1 - share)):
        wanted[side] *= total / max(wanted[side].sum(), 1e-9)
    # All of them add up to the number of sentences, also where one side is empty.
    ends = np.round(np.cumsum(wanted / wanted.sum()) * len(groups)).astype(int)
    drawn = []
    for name, n in zip(names, np.diff(ends, prepend=0), strict=True):
        own = np.flatnonzero(groups == name)
        whole, rest = divmod(int(n), len(own))
        drawn += [np.tile(own, whole), rng.permutation(own)[:rest]]
    return np.concatenate(drawn)
