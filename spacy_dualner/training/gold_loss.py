"""The loss of stage 1 over Examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from spacy.training import Example
from thinc.api import torch2xp, xp2torch
from thinc.types import Floats2d

from ..encoder.heads import split_logits
from ..labels.gold import example_labels
from ..labels.scheme import IGNORE, HeadValues, LabelScheme
from .losses import labelled_loss


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
    span, tag = (logits.new_tensor(settings[key]) for key in ("span_loss", "tag_loss"))
    loss = labelled_loss(split_logits(logits), labels, HeadValues(tag, span, span))
    (gradient,) = torch.autograd.grad(loss, logits)
    n_words = int((labels.tag != IGNORE).sum())
    return loss.item(), cast(Floats2d, torch2xp(gradient)), n_words
