"""What the student learns from the teacher: crossed pseudo labels (equations 5 and 6)."""

from __future__ import annotations

from torch import Tensor

from ..decoding.decodings import read_tags
from ..labels.conversions import extract_span
from ..labels.layout import Layout
from ..labels.scheme import HeadValues


def pseudo_labels(logits: Tensor, layout: Layout) -> HeadValues:
    """The teacher's predictions, crossed over.

    The start and end heads teach the tag head (equation 5), the tag head the start and end heads
    (equation 6).

    logits (Floats2d): The teacher's, `[words, 4C + 3]`.
    layout (Layout): Where those words stand.
    RETURNS (HeadValues): Classes `[words]` for each head.
    """
    tag, bounds = read_tags(logits, layout, "span"), read_tags(logits, layout, "tag")
    return HeadValues(*map(layout.gather, (tag, *extract_span(bounds))))
