"""Entities of a batch read from logits, by any of the decodings, and how sure each is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..labels.conversions import Spans, tags_to_spans
from ..labels.layout import Layout, Part
from .decodings import read_tags
from .lattice import Lattice, best_tags, make_lattice, span_log_probs

# A lattice takes some 50 bytes for each logit of its words. 66 types have 267 logits a word.
_LOGITS = 1 << 20

Measure = Callable[[Tensor, Layout, Lattice, Spans], Tensor]
"""What gives numbers `[entities, ...]` for entities of a row, such as `confidence.confidences`:
from logits, layout, lattice and entities."""


def read_spans(logits: Tensor, layout: Layout, decode: str) -> Spans:
    """Read the entities, in order and never overlapping.

    `span` and `tag` read what each head finds most probable word by word (equation 5, conlleval).
    `joint` takes the best path of the lattice of all heads, less the entities that this lattice
    holds for less likely than not: to report those would on the whole add errors.

    logits (Floats2d): `[words, 4C + 3]`.
    layout (Layout): The sentences of those words.
    decode (str): `span`, `tag` or `joint`.
    RETURNS (Spans): In places of the layout's row.
    Raises DualNerError for any other decoding.
    """
    return read_entities(logits, layout, decode)[0]


def read_entities(
    logits: Tensor, layout: Layout, decode: str, measure: Measure | None = None
) -> tuple[Spans, Tensor | None]:
    """Read the entities, and measure each by the lattice of the heads that it is read from.

    Lattices are made of some sentences at a time, so that any number takes the same memory.

    logits (Floats2d): `[words, 4C + 3]`.
    RETURNS (Tuple[Spans, Optional[Tensor]]): As `read_spans` gives them; what `measure` says.
    Raises DualNerError for any other decoding.
    """
    found: list[Spans] = []
    measured: list[Tensor] = []
    for part, own in lattice_parts(logits, layout):
        lattice = None
        if decode == "joint" or measure is not None:
            lattice = make_lattice(own, part.layout, decode)
        if lattice is not None and decode == "joint":
            spans = likely_spans(lattice)
        else:
            spans = tags_to_spans(read_tags(own, part.layout, decode))
        found.append(Spans(spans.start + part.first, spans.end + part.first, spans.type))
        if lattice is not None and measure is not None:
            measured.append(measure(own, part.layout, lattice, spans))
    every = Spans(*map(torch.cat, zip(*found, strict=True)))
    return every, torch.cat(measured) if measure is not None else None


def measure_spans(
    logits: Tensor, layout: Layout, decode: str, spans: Spans, measure: Measure
) -> Tensor:
    """Measure entities, whatever they were read from.

    logits (Floats2d): `[words, 4C + 3]`.
    decode (str): `span`, `tag` or `joint`: the heads that the lattice is made of.
    spans (Spans): Entities in places of the row, in order.
    Raises DualNerError for any other decoding.
    """
    measured = []
    for part, own in lattice_parts(logits, layout):
        bounds = spans.start.new_tensor([part.first, part.first + part.layout.n_places])
        first, last = torch.searchsorted(spans.start, bounds).tolist()
        start, end, type_ = (values[first:last] for values in spans)
        local = Spans(start - part.first, end - part.first, type_)
        lattice = make_lattice(own, part.layout, decode)
        measured.append(measure(own, part.layout, lattice, local))
    return torch.cat(measured)


def likely_spans(lattice: Lattice) -> Spans:
    """The entities of the best path that are likelier than not: what `joint` reads."""
    spans = tags_to_spans(best_tags(lattice))
    likely = span_log_probs(lattice, spans) >= math.log(0.5)
    return Spans(*(values[likely] for values in spans))


def lattice_parts(logits: Tensor, layout: Layout) -> Iterator[tuple[Part, Tensor]]:
    """One or more parts, cut between sentences, whose lattices take little memory; their logits."""
    for part in layout.parts(max(1, _LOGITS // logits.shape[1])):
        yield part, logits[part.words]
