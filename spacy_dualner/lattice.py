"""Exact decoding: a lattice of all ways to place entities over the words of a sentence.

A path gives each word one of five roles: outside, or single, begin, inside or end of an entity of
type c. Between two words it is either closed (state 0) or within an entity of type c (state c), so
that a word is a matrix of scores, from the state before it to the state after it:

    closed -> closed   outside, or single of any type
    closed -> c        begin of c
    c -> c             inside of c
    c -> closed        end of c

Products of these matrices give everything: in (max, +) the best path, in (log-sum-exp, +) the sum
over all paths. Being associative, all running products are found in logarithmically many steps
over the whole batch, with no loop over words or sentences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .conversions import Spans
from .heads import HeadValues, split_logits
from .labels import IGNORE
from .layout import Layout

# Stands for -inf where a maximum is subtracted: -inf - -inf is not a number.
_LOWEST = -1e300


class Lattice(NamedTuple):
    """Log scores of the words' roles, in a row of sentences with gaps (`layout.Layout`).

    A path's score is the sum over its words. A gap is always outside: nothing crosses it.

    outside (Floats1d): `[places]`.
    single (Floats2d): `[places, C]`, as are the others.
    begin (Floats2d): Of the first of several words.
    inside (Floats2d): Of a word that is neither first nor last.
    end (Floats2d): Of the last of several words.
    """

    outside: Tensor
    single: Tensor
    begin: Tensor
    inside: Tensor
    end: Tensor

    def over(self, temperature: float) -> Lattice:
        """The scores divided by a temperature: above 1 flattens the probabilities."""
        return Lattice(*(scores / temperature for scores in self))


def make_lattice(logits: Tensor, layout: Layout, decode: str) -> Lattice:
    """Score the roles with one kind of heads, or with both.

    With log probabilities of the heads, `span` scores the word k of an entity by
    `log p_start + log p_end`, where p_start is that of the type if k is the first word and of
    `none` otherwise, p_end likewise of the last; `tag` scores it by the log probability of its tag.
    `joint` is the mean over the three heads: each has one vote.

    logits (Floats2d): `[words, 4C + 3]`.
    layout (Layout): The sentences of those words.
    decode (str): `span`, `tag` or `joint`.
    RETURNS (Lattice): In float64; each word's highest score is 0.
    """
    # The sums run over whole batches.
    values = HeadValues(*(head.double().log_softmax(-1) for head in split_logits(logits)))
    if decode == "tag":
        lattice = _tag_scores(values.tag)
    elif decode == "span":
        lattice = _span_scores(values.start, values.end)
    else:
        pairs = zip(_tag_scores(values.tag), _span_scores(values.start, values.end), strict=True)
        lattice = Lattice(*((tag + span) / 3 for tag, span in pairs))
    best = torch.cat((lattice.outside[:, None], *lattice[1:]), 1).amax(1)
    outside = layout.spread(lattice.outside - best, 0.0)
    inner = (layout.spread(scores - best[:, None], -torch.inf) for scores in lattice[1:])
    return Lattice(outside, *inner)


def _tag_scores(tag: Tensor) -> Lattice:
    begin, inside = tag[:, 1::2], tag[:, 2::2]
    return Lattice(tag[:, 0], begin, begin, inside, inside)


def _span_scores(start: Tensor, end: Tensor) -> Lattice:
    starts, ends = start[:, 1:], end[:, 1:]
    no_start, no_end = start[:, :1], end[:, :1]
    neither = no_start + no_end
    inside = neither.expand_as(starts)
    return Lattice(neither[:, 0], starts + ends, starts + no_end, inside, no_start + ends)


def best_tags(lattice: Lattice) -> Tensor:
    """The best path (Viterbi) as BIO tags.

    lattice (Lattice): Scores.
    RETURNS (Ints1d): `[places]`, well-formed; IGNORE in the gaps.
    """
    matrices = _matrices(lattice, _maximum)
    if not len(matrices):
        return torch.zeros(0, dtype=torch.long, device=matrices.device)
    best = _scan(_max_plus, matrices)[:, 0]
    before = torch.cat((_closed(best), best[:-1]))
    # For each state after a word the best one before it, composed from the end of the row.
    origin = (before[:, :, None] + matrices).argmax(1)
    left = _scan(lambda later, earlier: earlier.gather(1, later), origin.flip(0)).flip(0)[:, 0]
    right = torch.cat((left[1:], left.new_zeros(1)))
    one_score, one_type = lattice.single.max(1)
    is_single = (left + right == 0) & (one_score > lattice.outside)
    tags = torch.where(left > 0, 2 * left, (2 * right - 1).clamp(min=0))
    tags = torch.where(is_single, 2 * one_type + 1, tags)
    return tags.masked_fill(_gaps(lattice), IGNORE)


def span_log_probs(lattice: Lattice, spans: Spans) -> Tensor:
    """Log probability of entities: the share of all paths, by their scores, that hold each.

    lattice (Lattice): Scores.
    spans (Spans): Entities in places of the row, none across a gap. They may overlap.
    RETURNS (Floats1d): `[entities]`, float64, at most 0.
    """
    if not len(spans.start):
        return lattice.outside.new_zeros(0)
    before, after = (states[:, 0] for states in _sums(lattice))
    type_ = spans.type - 1
    inside = lattice.inside.masked_fill(_gaps(lattice)[:, None], 0.0).cumsum(0)
    several = (
        lattice.begin[spans.start, type_]
        + lattice.end[spans.end, type_]
        + inside[(spans.end - 1).clamp(min=0), type_]
        - inside[spans.start, type_]
    )
    own = torch.where(spans.start == spans.end, lattice.single[spans.start, type_], several)
    return (before[spans.start] + own + after[spans.end + 1] - before[-1]).clamp(max=0.0)


def role_log_probs(lattice: Lattice) -> Lattice:
    """Log probability of each word's roles: the share of all paths, by their scores, with each.

    lattice (Lattice): Scores.
    RETURNS (Lattice): Of each place the probabilities sum to 1; a gap is outside.
    """
    before, after = _sums(lattice)
    before, after = before[:-1], after[1:]
    closed_before, closed_after = before[:, :1], after[:, :1]
    within_before, within_after = before[:, 1:], after[:, 1:]
    roles = (
        closed_before + lattice.outside[:, None] + closed_after,
        closed_before + lattice.single + closed_after,
        closed_before + lattice.begin + within_after,
        within_before + lattice.inside + within_after,
        within_before + lattice.end + closed_after,
    )
    # Every path goes through every place: place by place, the sum is that over all paths.
    shares = torch.cat(roles, 1).log_softmax(1)
    outside, *inner = shares.split([scores.shape[1] for scores in roles], 1)
    return Lattice(outside[:, 0], *inner)


def marginals(lattice: Lattice, layout: Layout) -> HeadValues:
    """Probabilities of the heads' classes: of each word, the share of all paths with each.

    lattice (Lattice): Scores.
    layout (Layout): The sentences whose words were scored.
    RETURNS (HeadValues): Tag `[words, 2C + 1]`, start and end `[words, C + 1]`; each sums to 1.
    """
    roles = (layout.gather(values).exp() for values in role_log_probs(lattice))
    outside, single, begin, inside, end = roles
    outside = outside[:, None]
    # In the order of the classes: B and I of the first type, of the second, and so on.
    tags = torch.stack((single + begin, inside + end), 2).flatten(1)
    no_start = outside + (inside + end).sum(1, keepdim=True)
    no_end = outside + (inside + begin).sum(1, keepdim=True)
    return HeadValues(
        torch.cat((outside, tags), 1),
        torch.cat((no_start, single + begin), 1),
        torch.cat((no_end, single + end), 1),
    )


def _sums(lattice: Lattice) -> tuple[Tensor, Tensor]:
    """Forward and backward sums: over all paths from the first word, and to the last one.

    RETURNS (Tuple[Floats2d, Floats2d]): Log sums `[places + 1, C + 1]` by the state before each
        place (the last: after all), of the paths that lead there, and of those that go on from it.
    """
    matrices = _matrices(lattice, lambda parallel: parallel.logsumexp(1))
    before = _scan(_log_matmul, matrices)[:, 0]
    after = _scan(_log_matmul, matrices.transpose(1, 2).flip(0))[:, 0].flip(0)
    closed = _closed(before)
    return torch.cat((closed, before)), torch.cat((after, closed))


def _gaps(lattice: Lattice) -> Tensor:
    return lattice.begin[:, 0].isneginf()


def _matrices(lattice: Lattice, join: Callable[[Tensor], Tensor]) -> Tensor:
    """The words' matrices `[places, C + 1, C + 1]`; `join` unites what is parallel."""
    n_places, n_types = lattice.begin.shape
    matrices = lattice.begin.new_full((n_places, n_types + 1, n_types + 1), -torch.inf)
    matrices[:, 0, 0] = join(torch.cat((lattice.outside[:, None], lattice.single), 1))
    matrices[:, 0, 1:] = lattice.begin
    matrices[:, 1:, 0] = lattice.end
    matrices.diagonal(dim1=1, dim2=2)[:, 1:] = lattice.inside
    return matrices


def _closed(like: Tensor) -> Tensor:
    """The states before the first word and after the last, `[1, C + 1]`: surely closed."""
    states = like.new_full((1, like.shape[1]), -torch.inf)
    states[:, 0] = 0.0
    return states


def _maximum(parallel: Tensor) -> Tensor:
    return parallel.amax(1)


def _max_plus(first: Tensor, second: Tensor) -> Tensor:
    # State by state: all at once would take C times the memory.
    best = first[:, :, :1] + second[:, :1]
    for state in range(1, second.shape[1]):
        best = torch.maximum(best, first[:, :, state, None] + second[:, state, None])
    return best


def _log_matmul(first: Tensor, second: Tensor) -> Tensor:
    """Matrix products in log space: as ordinary ones, with the maxima taken out."""
    rows = first.amax(2, keepdim=True).clamp(min=_LOWEST)
    columns = second.amax(1, keepdim=True).clamp(min=_LOWEST)
    return ((first - rows).exp() @ (second - columns).exp()).log() + rows + columns


def _scan(combine: Callable[[Tensor, Tensor], Tensor], items: Tensor) -> Tensor:
    """Running products `x_1, x_1 x_2, ...` of an associative operation, of each the first row.

    items (Array): `[n, rows, ...]`.
    RETURNS (Array): `[n, 1, ...]`.
    """
    if len(items) < 2:
        return items[:, :1]
    odd = _scan(combine, combine(items[:-1:2], items[1::2]))
    out = items.new_empty((len(items), 1, *items.shape[2:]))
    out[0] = items[0, :1]
    out[1::2] = odd
    out[2::2] = combine(odd[: (len(items) - 1) // 2], items[2::2])
    return out
