"""Entities of a batch read from logits, by any of the decodings."""

from __future__ import annotations

import math

from torch import Tensor

from .conversions import Spans, tags_to_spans
from .heads import HEAD_DECODINGS, read_tags
from .lattice import best_tags, make_lattice, span_log_probs
from .layout import Layout

DECODINGS = (*HEAD_DECODINGS, "joint")
"""How entities are read: from the start and end heads, from the tag head, from all three."""


def read_spans(logits: Tensor, layout: Layout, decode: str) -> Spans:
    """Read the entities, in order and never overlapping.

    `span` and `tag` read what each head finds most probable word by word (equation 5, conlleval).
    `joint` takes the best path of the lattice of all heads, less the entities that this lattice
    holds for less likely than not: to report those would on the whole add errors.

    logits (Floats2d): `[words, 4C + 3]`.
    layout (Layout): The sentences of those words.
    decode (str): `span`, `tag` or `joint`.
    RETURNS (Spans): In places of the layout's row.
    """
    if decode != "joint":
        return tags_to_spans(read_tags(logits, layout, decode))
    lattice = make_lattice(logits, layout, decode)
    spans = tags_to_spans(best_tags(lattice))
    likely = span_log_probs(lattice, spans) >= math.log(0.5)
    return Spans(*(values[likely] for values in spans))
