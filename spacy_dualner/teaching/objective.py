"""The objective of stage 2 (equations 5 to 10) on one piece of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..decoding.decodings import read_tags
from ..encoder.heads import n_types_of, split_logits
from ..labels.conversions import Spans, extract_span, tags_to_spans
from ..labels.layout import Layout
from ..labels.scheme import IGNORE, HeadValues
from ..training.losses import labelled_loss, self_teaching_loss
from .pseudo_labels import pseudo_labels
from .regulariser import entity_regulariser, gather_entities
from .settings import ConfigSchemaTeaching


@dataclass
class Piece:
    """Words of one piece of a batch."""

    gold: Tensor  # tag class of each word, IGNORE where there is no gold tag
    layout: Layout  # their sentences
    is_source: Tensor  # whether each is of an annotated sentence
    n_source: Tensor  # source words of the whole batch
    n_target: Tensor  # target words of the whole batch
    share: float  # this piece's share of the regulariser: 1 / pieces


def found_entities(logits: Tensor, layout: Layout) -> Spans:
    """Entities that the start/end heads find, in word numbers of the piece."""
    spans = tags_to_spans(read_tags(logits.detach(), layout, "span"))
    word_at = layout.spread(torch.arange(layout.n_words, device=logits.device))
    return Spans(word_at[spans.start], word_at[spans.end], spans.type)


def stage2_loss(
    settings: ConfigSchemaTeaching,
    piece: Piece,
    vectors: Tensor,
    student: Tensor,
    teacher: Tensor | None,
) -> Tensor:
    """`J_src + J_trg + alpha * J_mse` (equation 10) of one piece; pieces add up to the batch.

    vectors (Floats2d): The student's word vectors.
    student (Floats2d): The student's logits `[words, 4C + 3]`.
    teacher (Optional[Floats2d]): The teacher's logits, without gradient; None where none is asked.
    """
    values = split_logits(student)
    layout = piece.layout
    bounds = extract_span(layout.spread(piece.gold))
    gold = HeadValues(piece.gold, *map(layout.gather, bounds))
    gold_weight = 0.5 if settings.method in ("dual", "selfkl") else 1.0
    loss = gold_weight * labelled_loss(values, gold, n_words=piece.n_source)
    for taught in () if teacher is None else _taught_losses(settings, piece, values, teacher):
        loss = loss + taught
    if settings.alpha:
        found = gather_entities(vectors, found_entities(student, layout))
        pull = entity_regulariser(found, n_types_of(student.shape[-1]), settings.mse_norm)
        loss = loss + settings.alpha * piece.share * pull
    return loss


def _taught_losses(
    settings: ConfigSchemaTeaching, piece: Piece, values: HeadValues, teacher: Tensor
) -> Iterator[Tensor]:
    """What the teacher says of source words, if it is asked of these, and of target words."""
    is_source, n_source, n_target = piece.is_source, piece.n_source, piece.n_target
    if settings.method == "dual":
        pseudo = pseudo_labels(teacher, piece.layout)
        source, target = (
            HeadValues(*(head.masked_fill(others, IGNORE) for head in pseudo))
            for others in (~is_source, is_source)
        )
        yield 0.5 * labelled_loss(values, source, n_words=n_source)
        yield labelled_loss(values, target, n_words=n_target)
        return
    own = split_logits(teacher)
    if settings.method == "selfkl":
        yield 0.5 * self_teaching_loss(values, own, is_source, n_source)
    yield self_teaching_loss(values, own, ~is_source, n_target)
