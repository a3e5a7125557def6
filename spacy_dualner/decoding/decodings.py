"""The decodings: what entities are read from."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..encoder.heads import n_types_of, split_logits
from ..errors import DualNerError
from ..labels.conversions import extract_span, sequential
from ..labels.layout import Layout

HEAD_DECODINGS = ("span", "tag")
"""What one kind of heads reads on its own: start and end heads, or the tag head."""

DECODINGS = (*HEAD_DECODINGS, "joint")
"""How entities are read: from the start and end heads, from the tag head, from all three."""


def check_decoding(decode: str, known: Sequence[str] = DECODINGS) -> str:
    """The decoding that is named. Raises DualNerError for any that is not known."""
    if decode not in known:
        raise DualNerError(f"Unknown decoding '{decode}'. Choose one of: {', '.join(known)}.")
    return decode


def read_tags(logits: Tensor, layout: Layout, decode: str) -> Tensor:
    """Read one head's prediction as BIO tags.

    logits (Floats2d): `[words, 4C + 3]`.
    decode (str): `span` reads the start and end heads (equation 5), `tag` the tag head.
    RETURNS (Ints1d): `[places]`, well-formed, IGNORE between sentences.
    Raises DualNerError for any other decoding.
    """
    values = split_logits(logits)
    if check_decoding(decode, HEAD_DECODINGS) == "tag":
        # ExtractSpan repairs what is ill-formed; written back, the tags are well-formed.
        start, end = extract_span(layout.spread(values.tag.argmax(-1)))
    else:
        start = layout.spread(values.start.argmax(-1))
        end = layout.spread(values.end.argmax(-1))
    return sequential(start, end, n_types_of(logits.shape[-1]))
