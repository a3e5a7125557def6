"""The entity-aware regulariser (equation 9, without the printed minus).

Each entity is `r = [h_start ; h_end]`, the vectors of its first and last word; entities of one type
are brought nearer to each other, whatever their languages.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from ..labels.conversions import Spans

Norm = Literal["pairs", "set"]


class Entities(NamedTuple):
    """Entities as parallel tensors.

    vectors (Floats2d): `[n, 2 * width]`, r of each.
    type (Ints1d): Type number, 1..C.
    """

    vectors: Tensor
    type: Tensor


def gather_entities(vectors: Tensor, spans: Spans) -> Entities:
    """The vectors and types of spans.

    vectors (Floats2d): `[words, width]`; carries the gradient.
    spans (Spans): Entities, in word numbers. Carries no gradient.
    RETURNS (Entities): In single precision, or double where the vectors are.
    """
    if vectors.dtype != torch.float64:
        vectors = vectors.float()
    r = torch.cat((vectors[spans.start], vectors[spans.end]), -1)
    return Entities(r, spans.type.long())


def entity_regulariser(entities: Entities, n_types: int, norm: Norm = "pairs") -> Tensor:
    """Pull entities of one type together. Linear in their number.

    entities (Entities): Of the batch; carries the gradient.
    n_types (int): C.
    norm (str): With R_c the entities of type c, `pairs` is the mean over ordered pairs m != q in
        R_c of the mean over dimensions of `(r_m - r_q)^2`; `set` is the sum over pairs and
        dimensions divided by |R_c|. Both are averaged over the C types; a type without a pair
        adds 0.
    RETURNS (Tensor): Scalar, 0 where there is no pair.
    """
    r, group = entities.vectors, entities.type - 1
    count = r.new_zeros(n_types).index_add(0, group, r.new_ones(len(r)))
    total = r.new_zeros(n_types, r.shape[-1]).index_add(0, group, r)
    centred = r - (total / count.clamp(min=1)[:, None])[group]
    scatter = r.new_zeros(n_types).index_add(0, group, centred.square().sum(-1))
    # sum_mq |r_m - r_q|^2 = 2 n sum_m |r_m - mean r|^2
    over_pairs = 2 * count * scatter
    if norm == "set":
        per_type = over_pairs / count.clamp(min=1)
    else:
        n_pairs = count * (count - 1)
        per_type = over_pairs / n_pairs.clamp(min=1) / r.shape[-1]
    return per_type.sum() / n_types
