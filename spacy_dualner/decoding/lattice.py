"""Exact decoding: a lattice of all ways to place entities over the words of a sentence.

A path gives each word one of five roles: outside, or single, begin, inside or end of an entity of
type c. Between two words it is either closed (state 0) or within an entity of type c (state c), so
that a word is a matrix of scores, from the state before it to the state after it:

    closed -> closed   outside, or single of any type
    closed -> c        begin of c
    c -> c             inside of c
    c -> closed        end of c

From one type to another it goes by closed alone, so that a step over a word takes C operations.
The best path (max, +) and the sums over all paths (log-sum-exp, +) are found in a sweep over all
sentences at once, in the k-th step the k-th words of all of them. It is NumPy's, on the processor:
the arrays of one step are small, and torch's overhead would be most of its time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..encoder.heads import split_logits
from ..labels.conversions import Spans
from ..labels.layout import Layout
from ..labels.scheme import IGNORE, HeadValues
from .decodings import check_decoding

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


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
    Raises DualNerError for any other decoding.
    """
    check_decoding(decode)
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
    left = _best_states(lattice)
    right = torch.cat((left[1:], left[:1] * 0))
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
    before, after = _sums(lattice)
    type_ = spans.type - 1
    several = lattice.begin[spans.start, type_] + lattice.end[spans.end, type_]
    n_inner = (spans.end - spans.start - 1).clamp(min=0)
    entity = torch.arange(len(n_inner), device=n_inner.device).repeat_interleave(n_inner)
    number = (
        torch.arange(len(entity), device=n_inner.device) - (n_inner.cumsum(0) - n_inner)[entity]
    )
    inner = lattice.inside[spans.start[entity] + 1 + number, type_[entity]]
    several = several.index_add(0, entity, inner)
    own = torch.where(spans.start == spans.end, lattice.single[spans.start, type_], several)
    # Every path through the sentence is in some state before the entity's first word.
    every = (before[spans.start] + after[spans.start]).logsumexp(1)
    return (before[spans.start, 0] + own + after[spans.end + 1, 0] - every).clamp(max=0.0)


def expected_entities(lattice: Lattice) -> Tensor:
    """How many entities begin at each place, `[places]`: the mean over all paths. 0 in the gaps."""
    before, after = _sums(lattice)
    # The paths that go on from the place behind. The one behind the last, a gap, is never asked.
    behind = after.roll(-1, 0)
    begun = torch.cat((lattice.single + behind[:, :1], lattice.begin + behind[:, 1:]), 1)
    every = (before + after).logsumexp(1)
    return (before[:, 0] + begun.logsumexp(1) - every).exp().masked_fill(_gaps(lattice), 0.0)


def _gaps(lattice: Lattice) -> Tensor:
    return lattice.begin[:, 0].isneginf()


def _sums(lattice: Lattice) -> tuple[Tensor, Tensor]:
    """Forward and backward sums over the paths of each sentence.

    RETURNS (Tuple[Floats2d, Floats2d]): Log sums `[places, C + 1]` by the state before each place,
        of the paths that lead there, and of those that go on from it.
    """
    order = _Order(lattice)
    stay = torch.cat((lattice.outside[:, None], lattice.single), 1).logsumexp(1)
    mirrored = lattice._replace(begin=lattice.end, end=lattice.begin)
    sums = _sweep(
        order,
        [_words(lattice, stay, order.ahead), _words(mirrored, stay, order.back - 1)],
        _log_sum,
        lambda x, y: np.maximum(x, y) + np.log1p(np.exp(-np.abs(x - y))),
    )
    before, after = np.empty((2, len(sums), sums.shape[2]))
    before[order.ahead], after[order.back] = sums[:, 0], sums[:, 1]
    return torch.from_numpy(before).to(stay.device), torch.from_numpy(after).to(stay.device)


def _best_states(lattice: Lattice) -> Tensor:
    """The states before the places on the best path, `[places]`."""
    order = _Order(lattice)
    stay = torch.cat((lattice.outside[:, None], lattice.single), 1).amax(1)
    words = _words(lattice, stay, order.ahead)
    before = _sweep(order, [words], lambda x: x.max(-1), np.maximum)[:, 0]
    # For each state after a word the best one before it.
    origin = np.arange(before.shape[1])[None].repeat(len(before), 0)
    origin[:, 0] = (before + words.close).argmax(1)
    origin[:, 1:][before[:, :1] + words.begin >= before[:, 1:] + words.inside] = 0
    path = np.zeros(len(before), dtype=np.int64)
    for now, then in reversed(order.steps):
        rows = origin[now]
        path[now] = rows[np.arange(len(rows)), path[then]]
    states = np.empty_like(path)
    states[order.ahead] = path
    return torch.from_numpy(states).to(stay.device)


class _Order:
    """The places of a row in the order of a sweep: the first of all sentences, the second, ...

    The longest sentence is the first in each step, so that those that have ended are the last. The
    gap after a sentence is its last place: the state before that is the one after its last word.
    """

    def __init__(self, lattice: Lattice) -> None:
        gaps = _gaps(lattice).nonzero()[:, 0].cpu().numpy()
        sizes = np.diff(gaps, prepend=-1)
        by_size = np.argsort(-sizes, kind="stable")
        sizes, gaps = sizes[by_size], gaps[by_size]
        number = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        order = np.argsort(number, kind="stable")
        # The places, each sentence from its beginning on, and each from its end on.
        self.ahead: Ints = (np.repeat(gaps - sizes + 1, sizes) + number)[order]
        self.back: Ints = (np.repeat(gaps, sizes) - number)[order]
        self.n_sentences = len(sizes)
        counts = np.bincount(number)
        starts = np.cumsum(counts) - counts
        pairs = zip(starts.tolist(), starts[1:].tolist(), counts[1:].tolist(), strict=False)
        # Of each step the words, and the places that it leads to.
        self.steps = [(slice(at, at + n), slice(to, to + n)) for at, to, n in pairs]


class _Words(NamedTuple):
    """Scores of words in the order of a sweep."""

    begin: Floats  # from closed to within an entity, `[places, C]`
    inside: Floats  # from within an entity to within it, `[places, C]`
    close: Floats  # from each state to closed, `[places, C + 1]`


def _words(lattice: Lattice, stay: Tensor, places: Ints) -> _Words:
    close = torch.cat((stay[:, None], lattice.end), 1)
    scores = (lattice.begin, lattice.inside, close)
    return _Words(*(values.cpu().numpy()[places] for values in scores))


def _sweep(
    order: _Order,
    directions: Sequence[_Words],
    over_states: Callable[[Floats], Floats],
    of_two: Callable[[Floats, Floats], Floats],
) -> Floats:
    """Unite the paths that lead to each state, in one or more directions at once.

    RETURNS (Floats3d): `[places, directions, C + 1]`, by the state before each place in the order.
    """
    begin, inside, close = (np.stack(scores, 1) for scores in zip(*directions, strict=True))
    before = np.full(close.shape, -np.inf)
    before[: order.n_sentences, :, 0] = 0.0
    for now, then in order.steps:
        state = before[now]
        before[then, :, 0] = over_states(state + close[now])
        before[then, :, 1:] = of_two(state[..., :1] + begin[now], state[..., 1:] + inside[now])
    return before


def _log_sum(values: Floats) -> Floats:
    best = values.max(-1, keepdims=True)
    return np.log(np.exp(values - best).sum(-1)) + best[..., 0]
