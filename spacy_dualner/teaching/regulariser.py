"""The entity-aware regulariser (equation 9, without the printed minus) and variants of it.

Each entity is `r = [h_start ; h_end]`, the vectors of its first and last word. All variants bring
the vectors of entities of one type nearer to each other, whatever their languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..labels.conversions import Spans


@dataclass(frozen=True)
class Regulariser:
    """What is pulled together, and how. The defaults are the paper's.

    kind (str): With R_c the entities of type c, `pairs` is the mean over ordered pairs m != q in
        R_c of the mean over dimensions of `(r_m - r_q)^2`; `set` is the sum over pairs and
        dimensions divided by |R_c|; `means` is `pairs` of the languages' mean vectors of the type,
        so that languages meet and entities within one need not. All three are averaged over the C
        types; a type without a pair adds 0. `contrastive` is the supervised contrastive loss
        (Khosla et al. 2020, L_out): each entity finds those of its type among all others.
    between_langs (bool): Only entities of different languages are pairs. `contrastive` still looks
        among all others. For `means` it changes nothing.
    normalise (bool): Scale each r to the length sqrt(dimensions), which makes the mean over
        dimensions the squared distance of unit vectors. `contrastive` always compares unit vectors.
    temperature (float): Divides the cosines of `contrastive`.
    """

    kind: Literal["pairs", "set", "means", "contrastive"] = "pairs"
    between_langs: bool = False
    normalise: bool = False
    temperature: float = 0.1


class Entities(NamedTuple):
    """Entities as three parallel tensors.

    vectors (Floats2d): `[n, 2 * width]`, r of each.
    type (Ints1d): Type number, 1..C.
    lang (Ints1d): Number of the language, any integers.
    """

    vectors: Tensor
    type: Tensor
    lang: Tensor


def gather_entities(vectors: Tensor, spans: Spans, langs: Tensor) -> Entities:
    """The vectors, types and languages of spans.

    vectors (Floats2d): `[words, width]`; carries the gradient.
    spans (Spans): Entities, in word numbers. Carries no gradient.
    langs (Ints1d): `[words]`, number of each word's language.
    RETURNS (Entities): In single precision, or double where the vectors are.
    """
    if vectors.dtype != torch.float64:
        vectors = vectors.float()
    r = torch.cat((vectors[spans.start], vectors[spans.end]), -1)
    return Entities(r, spans.type.long(), langs[spans.start])


def entity_regulariser(
    entities: Entities, n_types: int, settings: Regulariser, remembered: Entities | None = None
) -> Tensor:
    """Pull entities of one type together.

    Linear in the number of entities n, but for `contrastive`, which is a mean over the entities
    that have a partner and takes n times (n + remembered).

    entities (Entities): Of the batch; carries the gradient.
    n_types (int): C.
    settings (Regulariser): The variant.
    remembered (Optional[Entities]): Others, as constants, of the same type numbers and languages.
        They are partners and no more: pairs of two of them do not count, nor do they in |R_c|. To
        `means` they add what moves a language's mean.
    RETURNS (Tensor): Scalar, 0 where there is no pair.
    """
    n_own = len(entities.vectors)
    if remembered is not None:
        entities = _join(entities, remembered)
    if settings.kind == "contrastive":
        return _contrastive(entities, n_own, settings)
    if settings.normalise:
        unit = F.normalize(entities.vectors, dim=-1)
        entities = entities._replace(vectors=unit * sqrt(unit.shape[-1]))
    pairs = _pairs_between_langs if settings.between_langs else _all_pairs
    if settings.kind == "means":
        over_pairs, n_pairs, count = pairs(_language_means(entities), n_types)
    else:
        over_pairs, n_pairs, count = pairs(entities, n_types)
        if remembered is not None:
            constant = pairs(_last(entities, len(remembered.type)), n_types)
            over_pairs, n_pairs, count = (
                x - y for x, y in zip((over_pairs, n_pairs, count), constant, strict=True)
            )
    if settings.kind == "set":
        per_type = over_pairs / count.clamp(min=1)
    else:
        per_type = over_pairs / n_pairs.clamp(min=1) / entities.vectors.shape[-1]
    return per_type.sum() / n_types


class EntityMemory:
    """The last entities found, as constants to compare those of a batch with.

    size (int): How many.
    device (torch.device): Where those of a batch are.
    """

    def __init__(self, size: int, device: torch.device | str = "cpu") -> None:
        self.size = size
        self.device = device
        self._entities: Entities | None = None

    def add(self, entities: Entities) -> None:
        """Remember entities without their gradient, and forget the oldest beyond `size`."""
        new = _last(Entities(*(x.detach() for x in entities)), self.size)
        old = [_last(self._entities, self.size - len(new.type))] if self._entities else []
        # A copy, so that neither memory nor a checkpoint holds on to what is cut off.
        self._entities = _join(*old, new)

    def entities(self) -> Entities | None:
        """All that are remembered, the oldest first; None where there are none."""
        return self._entities if self._entities and len(self._entities.type) else None

    def state_dict(self) -> dict[str, Tensor]:
        """The tensors of `Entities`, by name; empty where nothing is remembered."""
        return self._entities._asdict() if self._entities else {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Remember what another memory did, or the last `size` of it."""
        self._entities = None
        if state:
            self.add(Entities(**{name: x.to(self.device) for name, x in state.items()}))


def _join(*parts: Entities) -> Entities:
    return Entities(*map(torch.cat, zip(*parts, strict=True)))


def _last(entities: Entities, n: int) -> Entities:
    return Entities(*(x[max(0, len(x) - n) :] for x in entities))


def _moments(r: Tensor, group: Tensor, n_groups: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each group the number of vectors, their sum, and their squared distance to the mean."""
    count = r.new_zeros(n_groups).index_add(0, group, r.new_ones(len(r)))
    total = r.new_zeros(n_groups, r.shape[-1]).index_add(0, group, r)
    centred = r - (total / count.clamp(min=1)[:, None])[group]
    scatter = r.new_zeros(n_groups).index_add(0, group, centred.square().sum(-1))
    return count, total, scatter


def _by_language(entities: Entities) -> tuple[Tensor, Tensor, Tensor]:
    """Number of the group of each entity, and the type and language of each group."""
    keys = torch.stack((entities.type, entities.lang), -1)
    groups, group = keys.unique(dim=0, return_inverse=True)
    return group, groups[:, 0], groups[:, 1]


def _language_means(entities: Entities) -> Entities:
    """One entity for each type and language: the mean of those found."""
    group, type_, lang = _by_language(entities)
    count, total, _ = _moments(entities.vectors, group, len(type_))
    return Entities(total / count[:, None], type_, lang)


def _all_pairs(entities: Entities, n_types: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of each type the squared distances summed over ordered pairs, the pairs, and the entities.

    By `sum_mq |r_m - r_q|^2 = 2 n sum_m |r_m - mean r|^2`.
    """
    count, _, scatter = _moments(entities.vectors, entities.type - 1, n_types)
    return 2 * count * scatter, count * (count - 1), count


def _pairs_between_langs(entities: Entities, n_types: int) -> tuple[Tensor, Tensor, Tensor]:
    """Like `_all_pairs`, for pairs of different languages.

    All pairs minus those within a language, as a sum in which nothing cancels: with n_l entities
    of language l, mean m_l, scatter S_l, and n and m of the type,
    `2 sum_l (n - n_l) S_l + 2 n sum_l n_l |m_l - m|^2`.
    """
    group, type_, _ = _by_language(entities)
    type_ = type_ - 1
    count, total, scatter = _moments(entities.vectors, group, len(type_))
    zeros = count.new_zeros(n_types)
    n = zeros.index_add(0, type_, count)
    whole = total.new_zeros(n_types, total.shape[-1]).index_add(0, type_, total)
    apart = (total / count[:, None] - whole[type_] / n[type_, None]).square().sum(-1)
    within = zeros.index_add(0, type_, (n[type_] - count) * scatter)
    between = zeros.index_add(0, type_, count * apart)
    n_pairs = n.square() - zeros.index_add(0, type_, count.square())
    return 2 * within + 2 * n * between, n_pairs, n


def _contrastive(entities: Entities, n_own: int, settings: Regulariser) -> Tensor:
    """Mean over own entities with a partner of -log of a partner's share among all others."""
    unit = F.normalize(entities.vectors, dim=-1)
    similarity = unit[:n_own] @ unit.T / settings.temperature
    itself = torch.eye(n_own, len(unit), dtype=torch.bool, device=unit.device)
    partner = (entities.type[:n_own, None] == entities.type) & ~itself
    if settings.between_langs:
        partner &= entities.lang[:n_own, None] != entities.lang
    anchors = partner.any(-1)
    similarity, itself, partner = similarity[anchors], itself[anchors], partner[anchors]
    all_others = similarity.masked_fill(itself, -torch.inf).logsumexp(-1)
    partners = (similarity * partner).sum(-1) / partner.sum(-1)
    return (all_others - partners).sum() / max(1, len(similarity))
