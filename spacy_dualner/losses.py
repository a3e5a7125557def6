"""The losses of the paper, over the flat words of a batch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .conversions import Spans
from .heads import HeadValues
from .labels import IGNORE


def labelled_loss(
    logits: HeadValues, labels: HeadValues, weights: HeadValues, n_words: Tensor | None = None
) -> Tensor:
    """Cross-entropy of the three heads, each a mean over words with a label (equation 4).

    logits (HeadValues): `[words, classes]` of each head.
    labels (HeadValues): `[words]` of each head, gold or pseudo, IGNORE where there is none.
    weights (HeadValues): Scalar weight of each head's loss.
    n_words (Optional[Tensor]): Words to divide by, where these words are a piece of a batch whose
        mean is wanted. By default the words with a label here.
    RETURNS (Tensor): Scalar, 0 where no word has a label.
    """
    total = logits.tag.new_zeros(())
    for head_logits, head_labels, weight in zip(logits, labels, weights, strict=True):
        summed = F.cross_entropy(head_logits, head_labels, ignore_index=IGNORE, reduction="sum")
        count = (head_labels != IGNORE).sum() if n_words is None else n_words
        total = total + weight * summed / count.clamp(min=1)
    return total


def self_teaching_loss(
    student: HeadValues, teacher: HeadValues, mask: Tensor, n_words: Tensor
) -> Tensor:
    """KL(teacher || student) of each head at temperature 1: the paper's selfKL variant.

    student (HeadValues): Logits `[words, classes]`.
    teacher (HeadValues): Logits `[words, classes]`, without gradient.
    mask (Bools1d): Words that count.
    n_words (Tensor): Words to divide by.
    RETURNS (Tensor): Scalar, the sum over the heads of the mean over words.
    """
    total = student.tag.new_zeros(())
    for student_logits, teacher_logits in zip(student, teacher, strict=True):
        divergence = F.kl_div(
            student_logits.log_softmax(-1),
            teacher_logits.detach().log_softmax(-1),
            reduction="none",
            log_target=True,
        )
        total = total + (divergence.sum(-1) * mask).sum() / n_words.clamp(min=1)
    return total


def entity_regulariser(vectors: Tensor, spans: Spans, n_types: int, norm: str = "pairs") -> Tensor:
    """Pull the vectors of entities of one type together (equation 9, without the printed minus).

    With `r = [h_start ; h_end]` of each entity and R_c those of type c, `pairs` is the mean over
    ordered pairs m != q of the mean over dimensions of `(r_m - r_q)^2`; `set` is the sum over
    pairs and dimensions divided by |R_c|. Both are averaged over the C types; a type with fewer
    than two entities adds 0. Linear in the number of entities, by
    `sum_mq |r_m - r_q|^2 = 2 n sum_m |r_m - mean r|^2`.

    vectors (Floats2d): `[words, width]`; carries the gradient.
    spans (Spans): Entities, in word numbers. Carries no gradient.
    n_types (int): C.
    norm (str): `pairs` or `set`.
    RETURNS (Tensor): Scalar.
    """
    if vectors.dtype != torch.float64:
        vectors = vectors.float()
    r = torch.cat((vectors[spans.start], vectors[spans.end]), -1)
    type_ = spans.type.long() - 1
    ones = r.new_ones(len(r))
    count = r.new_zeros(n_types).index_add(0, type_, ones)
    total = r.new_zeros(n_types, r.shape[-1]).index_add(0, type_, r)
    centred = r - (total / count.clamp(min=1)[:, None])[type_]
    scatter = r.new_zeros(n_types).index_add(0, type_, centred.square().sum(-1))
    over_pairs = 2 * count * scatter
    if norm == "pairs":
        per_type = over_pairs / (count * (count - 1)).clamp(min=1) / r.shape[-1]
    else:
        per_type = over_pairs / count.clamp(min=1)
    return per_type.sum() / n_types
