"""Conversions between BIO tags, start/end labels and spans, as tensor operations.

All functions work along the last dimension, over any leading ones, so a padded batch is
`[batch, words]`. Positions that hold no word carry IGNORE; no entity crosses them. Sentences may
therefore just as well be laid out one after another in one row with one IGNORE between them
(`layout.Layout`), which wastes nothing on padding. Class numbers are those of `labels.LabelScheme`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .scheme import IGNORE


class Spans(NamedTuple):
    """Entities as three parallel vectors, ordered by position in the flattened labels.

    start (Ints1d): Flat position of the first word.
    end (Ints1d): Flat position of the last word (inclusive).
    type (Ints1d): Type number, 1..C.
    """

    start: Tensor
    end: Tensor
    type: Tensor


def _shift(x: Tensor, by: int) -> Tensor:
    """Move values along the last dimension, one to the right (1) or left (-1); 0 moves in."""
    pad = torch.zeros_like(x[..., :1])
    return torch.cat((pad, x[..., :-1]), -1) if by == 1 else torch.cat((x[..., 1:], pad), -1)


def extract_span(tags: Tensor) -> tuple[Tensor, Tensor]:
    """`ExtractSpan` of equation 6: BIO tags to start and end labels.

    Ill-formed input is read as conlleval does: an `I-` that continues nothing, or another type,
    begins a new entity.

    tags (Ints[..., words]): Tag classes, IGNORE where there is no word or no label.
    RETURNS (Tuple[Ints[..., words], Ints[..., words]]): Start and end classes, IGNORE kept.
    """
    type_ = (tags.clamp(min=0) + 1) // 2
    begins = (type_ > 0) & ((tags % 2 == 1) | (_shift(type_, 1) != type_))
    goes_on = (_shift(type_, -1) == type_) & ~_shift(begins, -1)
    ends = (type_ > 0) & ~goes_on
    void = tags == IGNORE
    start = torch.where(begins, type_, 0).masked_fill(void, IGNORE)
    end = torch.where(ends, type_, 0).masked_fill(void, IGNORE)
    return start, end


def sequential(start: Tensor, end: Tensor, n_types: int) -> Tensor:
    """`Sequential` of equation 5: start and end labels to BIO tags.

    A start takes the nearest end at or after it of its own type, unless another start (of any
    type) or a gap comes first. Ends of other types in between are passed over; starts and ends
    without partner are dropped. The result is well-formed and never overlaps.

    start (Ints[..., words]): Start classes, IGNORE where there is no word.
    end (Ints[..., words]): End classes, likewise.
    n_types (int): Number of entity types, C.
    RETURNS (Ints[..., words]): Tag classes, IGNORE kept.
    """
    n_words = start.shape[-1]
    if n_words == 0:
        return start.clone()
    index = torch.arange(n_words, device=start.device).expand(start.shape)
    never = torch.full_like(index, n_words)
    # The next word that may not be inside the entity that starts here: a start or a gap.
    stop = _next_at_or_after(torch.where(start != 0, index, never))
    stop = torch.cat((stop[..., 1:], never[..., :1]), -1)
    partner = never
    for type_ in range(1, n_types + 1):
        nearest = _next_at_or_after(torch.where(end == type_, index, never))
        partner = torch.where(start == type_, nearest, partner)
    paired = (start > 0) & (partner < stop)
    # Spans do not overlap, so a running sum of +type at starts and -type after ends paints them.
    painted = torch.zeros((*start.shape[:-1], n_words + 1), dtype=start.dtype, device=start.device)
    painted[..., :-1] = torch.where(paired, start, 0)
    after = torch.where(paired, partner + 1, n_words)
    painted.scatter_add_(-1, after, torch.where(paired, -start, 0))
    type_at = painted.cumsum(-1)[..., :-1]
    tags = 2 * type_at - (paired & (type_at > 0)).to(type_at.dtype)
    return tags.to(start.dtype).masked_fill(start == IGNORE, IGNORE)


def _next_at_or_after(marked: Tensor) -> Tensor:
    """Reversed cumulative minimum: for each position the nearest marked index not before it."""
    return marked.flip(-1).cummin(-1).values.flip(-1)


def tags_to_spans(tags: Tensor) -> Spans:
    """List the entities in BIO tags (repaired as in `extract_span`).

    tags (Ints[..., words]): Tag classes.
    RETURNS (Spans): All entities, positions counted in `tags.flatten()`.
    """
    start, end = extract_span(tags)
    start, end = start.flatten(), end.flatten()
    # Entities do not overlap, so the k-th start belongs to the k-th end.
    first = (start > 0).nonzero().squeeze(-1)
    last = (end > 0).nonzero().squeeze(-1)
    return Spans(first, last, start[first])


def spans_to_tags(spans: Spans, like: Tensor) -> Tensor:
    """Write non-overlapping spans as BIO tags: the inverse of `tags_to_spans`.

    spans (Spans): Entities that do not overlap, positions counted in `like.flatten()`.
    like (Ints[..., words]): Gives shape, type, device, and where there is no word (IGNORE).
    RETURNS (Ints[..., words]): Tag classes.
    """
    start = torch.zeros_like(like).masked_fill_(like == IGNORE, IGNORE).flatten()
    end = start.clone()
    start[spans.start] = spans.type.to(start.dtype)
    end[spans.end] = spans.type.to(start.dtype)
    n_types = int(spans.type.max()) if len(spans.type) else 0
    return sequential(start.view(like.shape), end.view(like.shape), n_types)
