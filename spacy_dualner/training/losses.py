"""The losses of the paper, over the flat words of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from spacy.training import Example
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d
from torch import Tensor

from ..encoder.heads import split_logits
from ..labels.gold import example_labels
from ..labels.scheme import IGNORE, HeadValues, LabelScheme


def gold_loss(
    examples: Sequence[Example], scores: Floats2d, scheme: LabelScheme, settings: Mapping[str, Any]
) -> tuple[float, Floats2d, int]:
    """The loss of equation 4, and its gradient.

    settings (Mapping[str, Any]): `tag_loss` and `span_loss`, the weights of the heads' losses.
    RETURNS (Tuple[float, Floats2d, int]): Loss, its gradient over the logits, and the number of
        words that have a gold label.
    """
    logits = xp2torch(scores).requires_grad_()
    labels = example_labels(examples, scheme, logits.device)
    tag, span = settings["tag_loss"], settings["span_loss"]
    loss = labelled_loss(split_logits(logits), labels, (tag, span, span))
    (gradient,) = torch.autograd.grad(loss, logits)
    n_words = int((labels.tag != IGNORE).sum())
    return loss.item(), cast(Floats2d, torch2xp(gradient)), n_words


def labelled_loss(
    logits: HeadValues,
    labels: HeadValues,
    weights: Sequence[float | Tensor] = (1.0, 1.0, 1.0),
    n_words: Tensor | None = None,
) -> Tensor:
    """Cross-entropy of the three heads, each a mean over words with a label (equation 4).

    logits (HeadValues): `[words, classes]` of each head.
    labels (HeadValues): `[words]` of each head, gold or pseudo, IGNORE where there is none.
    weights (Sequence[Union[float, Tensor]]): Scalar weight of each head's loss.
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
