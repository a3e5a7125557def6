"""The objective of stage 2 (equations 5 to 10) on one piece of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..encoder.heads import split_logits
from ..labels.conversions import Spans, extract_span, sequential, tags_to_spans
from ..labels.layout import Layout
from ..labels.scheme import IGNORE, HeadValues
from ..training.losses import labelled_loss, self_teaching_loss
from .pseudo_labels import pseudo_labels
from .regulariser import Norm, entity_regulariser, gather_entities


@dataclass(frozen=True)
class Objective:
    """Which losses stage 2 is made of. The defaults are the paper's.

    method (str): `dual`, pseudo labels crossed over between the heads; `selfkl`, each head after
        the teacher's own distribution; or `filter`, that for target words alone.
    alpha (float): Weight of the entity-aware regulariser.
    mse_norm (str): How that is normalised, `pairs` or `set`.
    """

    method: Literal["dual", "selfkl", "filter"] = "dual"
    alpha: float = 0.5
    mse_norm: Norm = "pairs"


@dataclass
class Piece:
    """Words of one piece of a batch.

    gold (Ints1d): Tag class of each word, IGNORE where there is no gold tag.
    layout (Layout): Their sentences.
    is_source (Bools1d): Whether each is of an annotated sentence.
    n_source (Tensor): Source words of the whole batch.
    n_target (Tensor): Target words of the whole batch.
    share (float): This piece's share of the regulariser: 1 / pieces.
    """

    gold: Tensor
    layout: Layout
    is_source: Tensor
    n_source: Tensor
    n_target: Tensor
    share: float


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
    layout, is_source = piece.layout, piece.is_source
    bounds = extract_span(layout.spread(piece.gold))
    gold = HeadValues(piece.gold, *map(layout.gather, bounds))
    gold_weight = 1.0 if objective.method == "filter" else 0.5
    loss = gold_weight * labelled_loss(values, gold, ones, n_source)
    if objective.method == "dual":
        pseudo = pseudo_labels(teacher, layout)
        source, target = (
            HeadValues(*(head.masked_fill(others, IGNORE) for head in pseudo))
            for others in (~is_source, is_source)
        )
        loss = loss + 0.5 * labelled_loss(values, source, ones, n_source)
        loss = loss + labelled_loss(values, target, ones, n_target)
    else:
        own = split_logits(teacher)
        if objective.method == "selfkl":
            loss = loss + 0.5 * self_teaching_loss(values, own, is_source, n_source)
        loss = loss + self_teaching_loss(values, own, ~is_source, n_target)
    if objective.alpha:
        found = gather_entities(vectors, found_entities(values, layout))
        n_types = values.start.shape[-1] - 1
        pull = entity_regulariser(found, n_types, objective.mse_norm)
        loss = loss + objective.alpha * piece.share * pull
    return loss
