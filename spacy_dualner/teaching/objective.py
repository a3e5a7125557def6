"""The objective of stage 2 (equations 5 to 10) on one piece of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..conversions import Spans, extract_span, sequential, tags_to_spans
from ..heads import HeadValues, split_logits
from ..labels import IGNORE
from ..layout import Layout
from ..losses import entity_regulariser, labelled_loss, self_teaching_loss


@dataclass(frozen=True)
class Objective:
    """Which losses stage 2 is made of.

    method (str): `dual`, pseudo labels crossed over between the heads; `selfkl`, each head after
        the teacher's own distribution; or `filter`, that for target words alone.
    alpha (float): Weight of the entity-aware regulariser.
    mse_norm (str): `pairs` or `set`, see `losses.entity_regulariser`.
    """

    method: Literal["dual", "selfkl", "filter"] = "dual"
    alpha: float = 0.5
    mse_norm: Literal["pairs", "set"] = "pairs"


@dataclass
class Piece:
    """Words of one piece of a batch.

    gold (Ints1d): Tag class of each word, IGNORE where there is no gold tag.
    is_source (Bools1d): Whether each word is of an annotated sentence.
    layout (Layout): The sentences.
    n_source (Tensor): Source words of the whole batch.
    n_target (Tensor): Target words of the whole batch.
    share (float): This piece's share of the regulariser: 1 / pieces.
    """

    gold: Tensor
    is_source: Tensor
    layout: Layout
    n_source: Tensor
    n_target: Tensor
    share: float


def pseudo_labels(logits: Tensor, layout: Layout) -> HeadValues:
    """The teacher's predictions, crossed over (equations 5 and 6).

    logits (Floats2d): The teacher's, `[words, 4C + 3]`.
    layout (Layout): The sentences.
    RETURNS (HeadValues): `[words]`: tags from the start/end heads, starts and ends from the tags.
    """
    values = split_logits(logits)
    n_types = values.start.shape[-1] - 1
    tag, start, end = (layout.spread(head.argmax(-1)) for head in values)
    crossed = (sequential(start, end, n_types), *extract_span(tag))
    return HeadValues(*(layout.gather(row) for row in crossed))


def found_entities(values: HeadValues, layout: Layout) -> Spans:
    """Entities that the start/end heads find, in word numbers of the piece."""
    start, end = (layout.spread(head.detach().argmax(-1)) for head in (values.start, values.end))
    spans = tags_to_spans(sequential(start, end, values.start.shape[-1] - 1))
    word_at = layout.spread(torch.arange(layout.n_words, device=start.device))
    return Spans(word_at[spans.start], word_at[spans.end], spans.type)


def stage2_loss(
    objective: Objective, piece: Piece, vectors: Tensor, student: Tensor, teacher: Tensor
) -> Tensor:
    """`J_src + J_trg + alpha * J_mse` (equation 10) of one piece; pieces add up to the batch.

    objective (Objective): Which losses.
    piece (Piece): Gold labels and layout.
    vectors (Floats2d): The student's word vectors.
    student (Floats2d): The student's logits `[words, 4C + 3]`.
    teacher (Floats2d): The teacher's logits, without gradient.
    RETURNS (Tensor): Scalar.
    """
    values = split_logits(student)
    one = student.new_ones(())
    ones = HeadValues(one, one, one)
    n_source, n_target = piece.n_source, piece.n_target
    bounds = extract_span(piece.layout.spread(piece.gold))
    gold = HeadValues(piece.gold, *map(piece.layout.gather, bounds))
    gold_weight = 1.0 if objective.method == "filter" else 0.5
    loss = gold_weight * labelled_loss(values, gold, ones, n_source)
    if objective.method == "dual":
        pseudo = pseudo_labels(teacher, piece.layout)
        source = HeadValues(*(p.masked_fill(~piece.is_source, IGNORE) for p in pseudo))
        target = HeadValues(*(p.masked_fill(piece.is_source, IGNORE) for p in pseudo))
        loss = loss + 0.5 * labelled_loss(values, source, ones, n_source)
        loss = loss + labelled_loss(values, target, ones, n_target)
    else:
        own = split_logits(teacher)
        if objective.method == "selfkl":
            loss = loss + 0.5 * self_teaching_loss(values, own, piece.is_source, n_source)
        loss = loss + self_teaching_loss(values, own, ~piece.is_source, n_target)
    if objective.alpha:
        spans = found_entities(values, piece.layout)
        n_types = values.start.shape[-1] - 1
        pull = entity_regulariser(vectors, spans, n_types, objective.mse_norm)
        loss = loss + objective.alpha * piece.share * pull
    return loss
